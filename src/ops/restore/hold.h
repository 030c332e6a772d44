/* SPDX-License-Identifier: LGPL-2.1-or-later
 *
 * Holds on the points that are restored: whatever is pruned and collected meanwhile, they stay.
 */
#pragma once

#include "ops/select.h"

struct restore_holds {
    struct points_store *store; /* borrowed; NULL: nothing is held */
    struct selection *points;   /* borrowed */
    bool *made; /* owned: which of them this run holds, and nobody else did before */
};

/* Holds each chosen point; guests without one get their latest. Both must outlive the holds. */
int restore_holds_begin(struct points_store *store, struct selection *points,
                        struct restore_holds *ret, struct err *err);
/* Releases what it has held. A hold that stays is told in a warning. */
void restore_holds_end(struct restore_holds *holds);
