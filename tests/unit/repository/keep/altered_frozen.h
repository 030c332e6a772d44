/* SPDX-License-Identifier: LGPL-2.1-or-later
 *
 * Listings of a store that are answered later as they were once.
 */
#pragma once

#include "base/buf.h"
#include "store/store.h"

/* A listing as it was once, with or without what the objects had. */
struct frozen_entry {
    struct store_entry entry; /* its name is owned */
    struct buf bytes;
};

struct frozen {
    struct frozen_entry *items;
    size_t count;
};

void frozen_clear(struct frozen *frozen);
/* What is below the prefix now, with or without what is in it. */
int frozen_list(struct store *inner, const char *prefix, bool contents, struct frozen *frozen,
                struct err *err);
int frozen_tell(const struct frozen *frozen, const char *prefix, const struct store_each *each,
                struct err *err);
