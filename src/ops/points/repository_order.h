/* SPDX-License-Identifier: LGPL-2.1-or-later
 *
 * In which order points of a repository are verified by whoever verifies some of them at a time, so that all
 * have their turn: guests whose points were checked longest ago come first, and the points of a guest stay
 * together, because they share packs, each of which is read once. Of these the one comes first that was
 * checked longest ago, or, if it never was, made longest ago: else the points that each night adds would
 * always be before the others.
 */
#pragma once

#include "ops/guests/select.h"
#include "ops/points/repository_impl.h"
#include "repository/format/small_object.h"

/* Sorts a selection, all of whose chosen entries have a point, by checks at this level or a more thorough
 * one; those that are not chosen come last. */
int points_repository_order(struct points_store *store, enum small_level level,
                            struct selection *points, struct err *err);
