/* SPDX-License-Identifier: LGPL-2.1-or-later
 *
 * Events about points of a repository that a user has named.
 */
#pragma once

#include "ops/events/report.h"
#include "ops/keep/meant.h"

/* An event of this kind. more: its tag, copy and was_so. */
void tell_point(const struct report *report, enum event_kind kind, const struct meant_point *point,
                const struct event_point *more);
/* EVENT_POINT_FAILED; counts it in outcome. word: as the user gave it. */
void tell_point_failed(const struct report *report, struct outcome *outcome, const char *word,
                       const struct err *err);
