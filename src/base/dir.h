/* SPDX-License-Identifier: LGPL-2.1-or-later
 *
 * The contents of a folder.
 */
#pragma once

#include "base/err.h"
#include "base/strings.h"

/* Appends the names in the folder `path`, which is looked up in the folder dir_fd (AT_FDCWD: the
 * working directory; ".": dir_fd itself, whose own read position is not changed), without "." and
 * "..", and sorts. If a folder cannot be read to its end, that is an error and nothing is appended:
 * a missed name may be the one that matters. The caller prefixes the error with the folder. */
int dir_list(int dir_fd, const char *path, struct strings *names, struct err *err);
