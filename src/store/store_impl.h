/* SPDX-License-Identifier: LGPL-2.1-or-later
 *
 * What an implementation of store/store.h provides. Contracts are there; the functions have the same
 * names, and are given names that are valid. tests/unit/store/store_suite.h is to be passed by each.
 */
#pragma once

#include "store/store.h"

struct store_ops {
    int (*create)(struct store *store, const struct store_object *object, enum store_outcome *ret,
                  struct err *err);
    int (*replace)(struct store *store, const struct store_object *object, struct err *err);
    int (*get)(struct store *store, const struct store_range *range, size_t *ret_len,
               struct err *err);
    bool (*get_at_hand)(struct store *store, const struct store_range *range); /* optional */
    int (*list)(struct store *store, const char *prefix, const struct store_each *each,
                struct err *err);
    int (*delete)(struct store *store, const char *name, struct err *err);
    int (*settle)(struct store *store, const char *folder, struct err *err);
    int (*add_folder)(struct store *store, const char *folder, struct err *err);
    int (*now)(struct store *store, int64_t *ret_ms, struct err *err);
    const char *(*lagging)(struct store *store);
    void (*close)(struct store *store); /* its url is freed by store.c */
};

/* The first member of the implementation's own struct. */
struct store {
    const struct store_ops *ops;
    char *url; /* owned */
};
