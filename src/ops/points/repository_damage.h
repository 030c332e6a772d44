/* SPDX-License-Identifier: LGPL-2.1-or-later
 *
 * Who needs what is damaged in a repository.
 */
#pragma once

#include "ops/events/report.h"
#include "ops/points/repository_impl.h"

/* Tells EVENT_DAMAGED_PACK of each pack that is noted as bad and that points need, with all of these. */
int points_repository_tell_damage(struct points_store *store, const struct report *report,
                                  struct err *err);
