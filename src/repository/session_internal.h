/* SPDX-License-Identifier: LGPL-2.1-or-later
 *
 * What the files of a session share.
 */
#pragma once

#include "repository/session.h"

/* The base, partial points that are newer, and that of the guest it is like. */
#define SESSION_PARTIALS_MAX 16
#define SESSION_KNOWN_MAX (SESSION_PARTIALS_MAX + 2)
/* Of their packs, each counted as often as it is in one: numbers of packs have a bound (known.c). */
#define SESSION_KNOWN_PACKS (UINT64_C(3) * LIMITS_POINT_PACKS)

struct session_bad_pack {
    struct id session;
    uint32_t number;
};

struct session {
    char *scope_name; /* owned */
    struct stored_scope scope;
    struct point_id id;
    char *part; /* owned: what its temporary files are called */
    char *host; /* owned, as the program */
    char *program;

    int64_t
        start_store_ms; /* the start by the store's clock, and by ours, which counts suspension */
    int64_t start_boot_ms;
    _Atomic int64_t last_pack_boot_ms;
    _Atomic uint32_t next_number; /* of packs */
    bool ended;                   /* its slot is filled, or not ours to fill any more */

    struct stored_point *known[SESSION_KNOWN_MAX]; /* owned */
    bool known_gone[SESSION_KNOWN_MAX];            /* of each: nothing more is taken from it */
    size_t known_count;
    bool has_base; /* the first of them */
    bool goes_on;  /* the backup has ended a session before, in this point: */
    struct point_id former;
    struct session_bad_pack *bad_packs; /* owned; sorted as listed */
    size_t bad_pack_count;

    char *other_host; /* owned; see struct session_notes */
    int64_t ahead_ms;
    struct strings unreadable;
};

/* CLOCK_BOOTTIME, in milliseconds. */
int64_t session_boot_ms(void);

/* session_points.c: lists and reads what the session may build on. *ret_behind: a point or tombstone of
 * the guest has a time that is not before the session's own, and nothing was read; *ret_time_ms is
 * the newest such. */
int session_find_points(struct session *session, const struct id *like, bool *ret_behind,
                        int64_t *ret_time_ms, struct err *err);
/* session_points.c: the same for a session that goes on with what `former` has begun: takes its known
 * points over, as far as they are still there, and relies on the point that it has ended in. */
int session_take_points(struct session *session, struct session *former, bool *ret_behind,
                        int64_t *ret_time_ms, struct err *err);
/* session_points.c: reads which packs are bad. */
int session_find_bad_packs(struct session *session, struct err *err);

/* session_commit.c: returns -1. A collection that has fenced the session has removed its files, too, so
 * what failed may have failed for that: then the error says so instead (busy). */
int session_explain(const struct session *session, struct err *err);

/* session_commit.c: puts a tombstone into the session's slot, unless it is filled. */
int session_give_up(struct session *session, struct err *err);
