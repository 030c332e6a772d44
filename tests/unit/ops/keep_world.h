/* SPDX-License-Identifier: LGPL-2.1-or-later
 *
 * A repository with points that were never backed up, and what is told of them.
 */
#pragma once

#include "../repository/folder_store.h"
#include "../repository/made_point.h"

#include "../base/unit.h"
#include "ops/keep/keep.h"
#include "ops/points/points.h"
#include "repository/keep/marks.h"
#include "repository/listing.h"

struct keep_world {
    struct folder_repository folder;
    struct stored_scope scope;
    struct buf told; /* a line for each event */
    struct outcome outcome;
};

void keep_world_begin(struct keep_world *world);
void keep_world_end(struct keep_world *world);
#define CLEANUP_KEEP_WORLD CLEANUP(keep_world_end)

/* The id of a planted point: its beginning with four digits of its own, and then the rest. */
#define SESSION(digits, more)                                                                      \
    "0198"                                                                                         \
    "00000000" digits more
#define REST                                                                                       \
    "000000000000"                                                                                 \
    "0001"

struct planted {
    uint8_t guest; /* each byte of its UUID */
    const char *name;
    const char *id;
    int64_t taken_ms;
    uint32_t flags;
};

struct point_id keep_world_id(const struct planted *planted);
struct point_id keep_world_plant(struct keep_world *world, const struct planted *planted);
/* Begins, plants all of these, and opens the store, which the caller closes before the world ends. */
struct points_store *keep_world_of(struct keep_world *world, const struct planted *points,
                                   size_t count);
/* A point with a flag that only a newer version knows. */
struct point_id keep_world_plant_newer(struct keep_world *world, const struct planted *planted);
/* Something that is not a point. */
void keep_world_plant_bytes(struct keep_world *world, const struct point_id *id, const void *data,
                            size_t len);
void keep_world_plant_tombstone(struct keep_world *world, const struct planted *planted);
void keep_world_trash(struct keep_world *world, const struct point_id *id);
bool keep_world_has_trashed(struct keep_world *world, const struct point_id *id);

/* Forgets what was told so far. */
struct report keep_world_report(struct keep_world *world);
void keep_world_told(struct keep_world *world, const char *text);
