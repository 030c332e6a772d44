/* SPDX-License-Identifier: LGPL-2.1-or-later
 *
 * What the files of the folder's implementation share. Errors do not name the object.
 */
#pragma once

#include <stdatomic.h>

#include "store/store_impl.h"

struct store_folder {
    struct store store;
    int root_fd;
    atomic_uint serial; /* of temporary files */
};

/* Opens what has this name below the folder. */
int store_folder_open_in(const struct store_folder *folder, const char *name, int flags,
                         int *ret_fd, struct err *err);
/* Opens the folder of this name. One of the first two levels must be there; one below them may be
 * missing: *ret_fd is -1 then. */
int store_folder_open_dir(const struct store_folder *folder, const char *name, int *ret_fd,
                          struct err *err);

/* folder_create.c */
int store_folder_create(struct store *store, const struct store_object *object,
                        enum store_outcome *ret, struct err *err);
int store_folder_replace(struct store *store, const struct store_object *object, struct err *err);
int store_folder_now(struct store *store, int64_t *ret_ms, struct err *err);

/* folder_list.c */
int store_folder_list(struct store *store, const char *prefix, const struct store_each *each,
                      struct err *err);
