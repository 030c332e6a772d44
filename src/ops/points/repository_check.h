/* SPDX-License-Identifier: LGPL-2.1-or-later
 *
 * verify of a repository: by its packs, each of which is looked at once however many points share it.
 */
#pragma once

#include "ops/verbs.h"

/* What verify_run does of a repository. */
int points_repository_verify(const struct verify_options *options, struct spawner *spawner,
                             const struct report *report, struct outcome *ret_outcome,
                             struct err *err);
