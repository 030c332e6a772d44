/* SPDX-License-Identifier: LGPL-2.1-or-later
 *
 * EVENT_PRUNE_VERDICT, of what retention says of a point.
 */
#pragma once

#include "ops/events/report.h"
#include "repository/keep/retention.h"

struct prune_guest {
    const char *name;
    const char *scope;
};

/* guest NULL: of a simulation, whose points have no ids. */
void prune_tell(const struct report *report, const struct prune_guest *guest,
                const struct retention_point *point, const struct retention_verdict *verdict);
