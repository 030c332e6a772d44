/* SPDX-License-Identifier: LGPL-2.1-or-later
 *
 * A scope of a repository (repository/repository.h) as a store of points: any number of points of a
 * guest, none of which is ever changed. A guest is there under the name that its newest point has; if
 * another has that name too, the one with the older point is there under its UUID.
 */
#pragma once

#include "ops/points/points.h"

int points_repository_open_store(const struct points_place *place, struct points_store **ret,
                                 struct err *err);
int points_repository_open_writer(const struct points_place *place, struct points_writer **ret,
                                  struct err *err);
uint64_t points_repository_chunk_size(enum codec_type codec);
