/* SPDX-License-Identifier: LGPL-2.1-or-later
 *
 * Results of runs (ops/results.h) beside the points of a repository.
 */
#pragma once

#include "ops/points/points.h"
#include "ops/results.h"

/* Notes the result of a guest in this scope (NULL: "default"). Not found: there is no repository, or it has no such
 * scope, which the first backup makes. */
int points_repository_add_result(const struct run_result *result, const char *url,
                                 const char *scope, struct err *err);
/* Appends those of all guests and hosts in a scope of a repository, in no order. */
int points_repository_results(const struct points_place *place, struct results *ret,
                              struct err *err);
