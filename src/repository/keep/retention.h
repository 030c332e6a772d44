/* SPDX-License-Identifier: LGPL-2.1-or-later
 *
 * Which points of a guest a policy keeps. Pure arithmetic on what the caller knows of the points:
 * nothing is read, nothing is removed.
 *
 * The periodic options are applied in the order of enum retention_option. Each goes through the
 * complete points from the newest to the oldest and keeps the newest one of each period, for as many
 * periods that have one as it says. A period that has a point which an earlier option keeps is
 * passed over and not counted, and a point that an earlier option has passed over, because its
 * period has a newer one, is not looked at again. RETENTION_WITHIN and RETENTION_TAG then keep
 * points whatever their period. The time of a point is when its data was taken, so that copies and
 * repaired points count where their data belongs. Of two points of one time the one with the greater
 * id is newer.
 *
 * Held points are outside of all this: they are kept and fill no period.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/err.h"
#include "repository/format/id.h"
#include "repository/keep/period.h"

enum retention_option {
    RETENTION_LAST,
    RETENTION_HOURLY,
    RETENTION_DAILY,
    RETENTION_WEEKLY,
    RETENTION_MONTHLY,
    RETENTION_YEARLY,
    RETENTION_PERIODIC, /* how many count periods */
    RETENTION_WITHIN = RETENTION_PERIODIC,
    RETENTION_TAG,
    RETENTION_OPTIONS,
};

/* The option on the command line: "keep-daily". */
const char *retention_option_name(enum retention_option option);

struct retention_tags {
    const char *const *texts;
    size_t count;
};

struct retention_policy {
    uint32_t keep[RETENTION_PERIODIC]; /* periods (RETENTION_LAST: points); 0: not given */
    /* Points taken no longer than this before the guest's newest complete point: a guest that is not
     * backed up any more loses nothing by it. 0: not given */
    int64_t within_ms;
    struct retention_tags tags; /* points that have one of them */
    bool force;                 /* does not refuse */
};

/* A point that is not in the trash. */
struct retention_point {
    struct id id;
    int64_t taken_at_ms;
    bool partial;
    bool derived; /* by copy or repair */
    bool held;
    struct retention_tags tags;
};

/* Why. Whatever is above RETENTION_DROPPED is dropped. */
enum retention_reason {
    RETENTION_BY_OPTION,   /* one of the policy keeps it */
    RETENTION_HELD,        /* somebody has put a hold on it */
    RETENTION_NEWEST,      /* the newest complete one */
    RETENTION_LATEST,      /* what `latest` means */
    RETENTION_YOUNG,       /* taken, or made by its session, in the last hour or later than now */
    RETENTION_IN_PROGRESS, /* partial, and no backup has completed since */
    RETENTION_UNVERIFIED,  /* complete, but no check has found it good: for whoever decides */
    RETENTION_DROPPED,     /* no option keeps it */
    RETENTION_COMPLETED,   /* partial, and a newer backup is complete */
    RETENTION_ABANDONED,   /* partial, for 30 days */
};

struct retention_verdict {
    enum retention_reason reason;
    enum retention_option option;  /* with RETENTION_BY_OPTION */
    char period[PERIOD_TEXT_SIZE]; /* that the point stands for; "" if the option has none */
};

bool retention_keeps(const struct retention_verdict *verdict);

/* All of one guest that are not in the trash, in any order. */
struct retention_points {
    const struct retention_point *points;
    size_t count;
};

/* verdicts: room for as many; of no use after a failure. now_ms: the store's time. ERR_USAGE if the
 * policy has no option. Refused with ERR_EXISTS, unless forced: a point taken more than a day in the
 * future, which tells of a clock that was wrong; and to drop more than half of the complete points.
 * The caller names the guest. */
int retention_decide(const struct retention_points *guest, const struct retention_policy *policy,
                     int64_t now_ms, struct retention_verdict *verdicts, struct err *err);
