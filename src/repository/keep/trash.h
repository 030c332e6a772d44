/* SPDX-License-Identifier: LGPL-2.1-or-later
 *
 * The trash of a scope: markers, and the verdict on each of them. A marker is made when a point is to
 * go. Who has changed his mind creates the verdict "kept", a collector creates "taken": both have one
 * name, so one of them wins. A point is trashed while it has a marker without the verdict "kept".
 */
#pragma once

#include "repository/keep/objects.h"

enum trash_verdict {
    TRASH_OPEN, /* no verdict yet */
    TRASH_KEPT,
    TRASH_TAKEN,
    TRASH_UNKNOWN, /* something else is in its place: stands for none of them */
};

struct trash_marker {
    struct point_id point;
    uint32_t number;
    /* False: only its verdict is there, which means nothing alone: it is left of a point that was
     * removed, or was made by a collector that had seen the marker before the repository was set
     * back. */
    bool there;
    enum trash_verdict verdict;
    int64_t time_ms; /* when the marker was made, by the clock of the store */
};

struct trash {
    struct trash_marker *markers; /* owned; by point, then by number */
    size_t count;
    size_t cap;
};

void trash_clear(struct trash *trash);
#define CLEANUP_TRASH CLEANUP(trash_clear)

/* Of a guest, or of the whole scope (NULL), fresh from the store. Verdicts are told by the sizes that
 * are listed. unknown: as in objects_list. */
int trash_read(const struct stored_scope *scope, const struct id *guest, struct strings *unknown,
               struct trash *ret, struct err *err);

/* The markers of a point; NULL, and *ret_count is 0, if it has none. */
const struct trash_marker *trash_of(const struct trash *trash, const struct point_id *point,
                                    size_t *ret_count);
/* Whether the point is in the trash. */
bool trash_has(const struct trash *trash, const struct point_id *point);
/* Whether a collector has taken it. */
bool trash_has_taken(const struct trash *trash, const struct point_id *point);

/* Creates this verdict on a marker. *ret: the verdict that stands, which may be another's. If it is
 * gone by the time it is looked at, the point is, too: TRASH_TAKEN. */
int trash_judge(const struct stored_scope *scope, const struct trash_marker *marker,
                enum trash_verdict verdict, enum trash_verdict *ret, struct err *err);
