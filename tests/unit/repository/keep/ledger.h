/* SPDX-License-Identifier: LGPL-2.1-or-later
 *
 * What must be true of a repository in memory after each change: a point that stands has all its
 * packs, and none goes that nobody has put into the trash, or that somebody was promised.
 */
#pragma once

#include "../../store/memory_store.h"
#include "repository/format/packs.h"
#include "repository/keep/objects.h"

#define LEDGER_POINTS 64u

struct ledger_point {
    struct point_id id;
    struct packs packs;
    bool standing;
    bool completed;   /* its session was told so */
    unsigned markers; /* that were made; what has none must not go */
    unsigned kept_at; /* at the last verdict "kept", or when one was deleted */
    bool held;        /* somebody was told so */
    bool undeleted;   /* the same */
};

struct ledger {
    struct memory *memory;
    struct memory *copies; /* of points, as they were made */
    struct store *copier;
    struct id repository;
    struct ledger_point points[LEDGER_POINTS];
    unsigned count;
    bool power_failed; /* points may stand again that were taken */
    char *violation;   /* the first one; owned */
};

/* Looks at what there is, and from now on at each change. */
void ledger_begin(struct ledger *ledger, struct memory *memory, const struct id *repository);
void ledger_end(struct ledger *ledger);

struct ledger_point *ledger_find(struct ledger *ledger, const struct point_id *id);
void ledger_violate(struct ledger *ledger, const struct point_id *point, const char *what);
/* After all was changed at once. Set back: what was promised since may be gone. */
void ledger_refresh(struct ledger *ledger, bool set_back);
/* At the end. Each point that a session was told to be complete stands, unless it was in the
 * trash. */
void ledger_check(struct ledger *ledger);
/* After collections that nothing has disturbed: there is no pack that no point needs, no session and
 * no point in the trash. */
void ledger_check_clean(struct ledger *ledger);
