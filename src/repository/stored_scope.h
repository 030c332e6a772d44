/* SPDX-License-Identifier: LGPL-2.1-or-later
 *
 * A scope of a repository, for what reads and keeps the objects in it.
 */
#pragma once

#include "repository/format/id.h"
#include "store/store.h"

/* Makes other bytes of some bytes, in *ret, which is empty. */
typedef int stored_parse(const void *data, size_t len, struct buf *ret, struct err *err);

/* Parses what needs libraries for it - zstd, JSON - in a process that can do nothing else, so that
 * whoever writes hostile bytes into a repository gains no more than that process. */
struct stored_parser {
    void *opaque;
    /* Calls parse(data, len) there; what it makes comes into *ret, which is empty. Nothing is believed
     * of that, nor of its error. */
    int (*run)(void *opaque, stored_parse *parse, const void *data, size_t len, struct buf *ret,
               struct err *err);
};

/* All borrowed. */
struct stored_scope {
    struct store *store;
    struct id repository;
    const char *name;
    const struct stored_parser *parser; /* of points; NULL: this process parses */
};
