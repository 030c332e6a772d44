/* SPDX-License-Identifier: LGPL-2.1-or-later
 *
 * The indexes of the packs of a point, read when they are needed and kept while there is room. May be
 * used by several threads.
 */
#pragma once

#include "repository/format/pack.h"
#include "repository/stored_point.h"

/* Indexes that nobody uses any more are forgotten when all together have more than this. */
#define PACK_INDEXES_BYTES ((size_t)64 << 20)

struct pack_indexes;

/* Both are borrowed. */
struct pack_indexes *pack_indexes_new(const struct stored_scope *scope,
                                      const struct stored_point *point);
void pack_indexes_free(struct pack_indexes *indexes); /* accepts NULL */
DEFINE_CLEANUP(struct pack_indexes *, pack_indexes_freep, pack_indexes_free)

/* The index of the pack in this place; NULL: it cannot be had, as pack_open says. It stays until as
 * many calls of pack_indexes_release. */
const struct pack_index *pack_indexes_use(struct pack_indexes *indexes, uint32_t place,
                                          struct err *err);
void pack_indexes_release(struct pack_indexes *indexes, uint32_t place);
