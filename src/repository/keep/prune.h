/* SPDX-License-Identifier: LGPL-2.1-or-later
 *
 * Pruning: of each guest, points that a policy (repository/keep/retention.h) does not keep go into
 * the trash. Nothing is deleted; that is what collection is for.
 *
 * Damaged points, which cannot be read or need a pack that is known to be bad, are kept and fill no
 * period, so nothing is dropped because of them: a guest without a good point that is newer loses
 * none. A point of a newer version may be good and count, in a way that is not known: of its guest
 * nothing is dropped.
 */
#pragma once

#include "repository/keep/objects.h"
#include "repository/keep/retention.h"

struct prune_settings {
    struct retention_policy policy;
    int64_t newest_within_ms; /* of guests whose newest good point, by when its data was taken, is
                               * older than this, nothing is dropped; 0: of all */
    /* Complete points count only if the last check of them found them good; others are kept. */
    bool verified_only;
    bool dry_run;
    /* Only guests that have one of these names, by their newest point that can be read, or UUIDs; count
     * 0: all. found, with an element for each, becomes true for those that a guest has. */
    const char *const *guests;
    size_t guest_count;
    bool *found;
};

enum prune_event_kind {
    PRUNE_KEEPS,    /* the point, for the reason of its verdict */
    PRUNE_DROPS,    /* the point is in the trash now, for the reason of its verdict */
    PRUNE_DAMAGED,  /* the point is kept; text says what is wrong with it */
    PRUNE_IN_TRASH, /* the point was there before, and counts for nothing */
    PRUNE_REFUSED,  /* of this guest nothing is dropped; text says why */
    PRUNE_TOO_NEW, /* the point is of a newer version: of its guest nothing is dropped; text says why */
    PRUNE_STALE,   /* nor of this one, whose newest good point is of taken_ms (0: it has none) */
    PRUNE_UNKNOWN, /* text: an object's name that no repository has; it is passed over */
};

/* Borrowed during the call. */
struct prune_event {
    enum prune_event_kind kind;
    struct point_id point;  /* of PRUNE_REFUSED and PRUNE_STALE the guest only */
    const char *guest_name; /* as its newest point has it; NULL: none can be read */
    int64_t taken_ms;       /* of points that can be read; else 0 */
    const struct retention_verdict *verdict; /* of PRUNE_KEEPS and PRUNE_DROPS */
    const char *text;
};

/* Points come by guest, and of each the oldest first. */
struct prune_events {
    void (*call)(void *opaque, const struct prune_event *event);
    void *opaque;
};

struct prune_result {
    uint64_t guests;
    uint64_t guests_refused; /* for whatever reason */
    uint64_t points_kept;    /* damaged ones, too */
    uint64_t points_dropped; /* with dry_run: which would be */
    uint64_t points_damaged;
};

/* Usage: the policy has no option. */
int prune_run(const struct stored_scope *scope, const struct prune_settings *settings,
              const struct prune_events *events, struct prune_result *ret, struct err *err);
