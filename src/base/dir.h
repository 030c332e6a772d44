/* SPDX-License-Identifier: LGPL-2.1-or-later
 *
 * What a folder holds.
 */
#pragma once

#include "base/err.h"
#include "base/strings.h"

/* Appends the names in the folder `path`, which is looked up in the folder dir_fd
 * (AT_FDCWD: the working directory; ".": dir_fd itself, whose own reading position
 * is left alone), without "." and "..", and sorts. A folder that can't be read to
 * its end is an error, and nothing is appended: a name that is missed may be the
 * one that counts. The caller prefixes the error with the folder. */
int dir_list(int dir_fd, const char *path, struct strings *names, struct err *err);
