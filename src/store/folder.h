/* SPDX-License-Identifier: LGPL-2.1-or-later
 *
 * A store in a folder: an object is a file, which has its name by link(2) and by that exclusively
 * and whole. Files have mode 0600, folders 0700. Below the folder no symbolic link is followed, and
 * nothing is an object that is not a regular file.
 */
#pragma once

#include "store/store.h"

/* Errors do not name the path. */
int store_folder_make(const char *path, const struct strings *own, struct err *err);
int store_folder_open(const char *path, struct store **ret, struct err *err);
