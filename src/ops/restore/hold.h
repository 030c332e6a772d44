/* SPDX-License-Identifier: LGPL-2.1-or-later
 *
 * Holds on the points that are restored: whatever is pruned and collected meanwhile, they stay.
 */
#pragma once

#include "ops/guests/select.h"

struct restore_holds {
    /* All borrowed, and set by the caller. */
    struct points_store *store;
    struct selection *points;
    const struct report *report;
    struct outcome *outcome;
    bool *made; /* owned: which of them this run holds, and nobody else did before; NULL: none */
};

/* Holds each chosen point; guests without one get their latest. One whose point cannot be held fails by
 * itself, and is not chosen any more. */
int restore_holds_begin(struct restore_holds *holds, struct err *err);
/* Releases what it has held. A hold that stays is told in a warning. */
void restore_holds_end(struct restore_holds *holds);
