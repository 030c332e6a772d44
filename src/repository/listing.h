/* SPDX-License-Identifier: LGPL-2.1-or-later
 *
 * The slots of a scope, by names and sizes alone: none is opened.
 */
#pragma once

#include "repository/keep/objects.h"

struct listed_point {
    struct point_id id;
    uint64_t size;   /* of the object, bytes */
    int64_t time_ms; /* when it was made, by the clock of the store */
    bool tombstone;  /* by its size, which no point has */
    bool trashed;    /* is in the trash: it has a marker without the verdict "kept" */
};

struct listing {
    struct listed_point *points; /* owned; by guest, then by session: the newest of each is last */
    size_t count;
};

void listing_clear(struct listing *listing);
#define CLEANUP_LISTING CLEANUP(listing_clear)

/* Those of this guest, or of all (NULL), fresh from the store; the trash is listed before the slots,
 * as a session must do. If either cannot be had to its end, that is an error. unknown: as in
 * objects_list, with OBJECTS_SHOWN for slots; NULL: OBJECTS_STRICT. */
int listing_read(const struct stored_scope *scope, const struct id *guest, struct strings *unknown,
                 struct listing *ret, struct err *err);
/* The points of a guest: a part of the listing's array; *ret_count is 0 if there are none. */
const struct listed_point *listing_of_guest(const struct listing *listing, const struct id *guest,
                                            size_t *ret_count);
