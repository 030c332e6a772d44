/* SPDX-License-Identifier: LGPL-2.1-or-later
 *
 * A repository in memory with a state directory beside it, and points in it, for tests of what stays.
 */
#pragma once

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "../../store/memory_store.h"
#include "../made_point.h"
#include "repository/keep/collect.h"
#include "repository/keep/marks.h"
#include "repository/repository.h"

struct keep_world {
    struct memory *memory;
    struct repository *repository;
    struct stored_scope scope; /* "default" */
    char state_path[32];
    int state_fd;
    struct buf events; /* what collections have told: a line for each */
};

void keep_world_begin(struct keep_world *world);
/* With a repository that is elsewhere, and is taken over; there is no memory to look into. */
void keep_world_begin_with(struct keep_world *world, struct repository *repository);
void keep_world_end(struct keep_world *world);
#define CLEANUP_KEEP_WORLD CLEANUP(keep_world_end)

struct id keep_world_guest(unsigned number);
/* The session of this number: ids rise with it. */
struct point_id keep_world_point(unsigned guest, unsigned session);

/* Packs 0 and 1 of the session, its announcement, and a point of them and of all that the other point
 * needs, which may be NULL. */
void keep_world_put(struct keep_world *world, const struct point_id *point,
                    const struct point_id *base);
/* Only the packs and the announcement. */
void keep_world_put_packs(struct keep_world *world, const struct point_id *point);
void keep_world_put_object(struct keep_world *world, const char *name, const char *text);
void keep_world_put_bytes(struct keep_world *world, const char *name, const void *data, size_t len);
/* The tombstone of a removed point. */
void keep_world_put_removed(struct keep_world *world, const struct point_id *point);
/* The bytes of such a point, which the caller frees. */
struct buf keep_world_bytes(const struct keep_world *world, const struct point_id *point,
                            const struct point_id *base);

/* Whether there is an object: "p/default/...". */
bool keep_world_has(const struct keep_world *world, enum name_kind kind,
                    const struct point_id *point, uint32_t number);
/* Whether the slot holds a point and all of its packs are there. */
bool keep_world_restores(struct keep_world *world, const struct point_id *point);

struct collect_settings keep_world_settings(const struct keep_world *world);
/* Collects with these settings; what must succeed does. */
struct collect_result keep_world_collect(struct keep_world *world,
                                         const struct collect_settings *settings);
/* In a store that has no room until its reserve is deleted. */
struct collect_result keep_world_collect_when_full(struct keep_world *world,
                                                   const struct collect_settings *settings);
void keep_world_pass_event(void *opaque, const struct collect_event *event);
/* Changes a byte of this file in the state directory. */
void keep_world_damage_state(struct keep_world *world, const char *kind, off_t at);
/* Whether both have the same objects. */
bool keep_world_same(const struct memory *a, const struct memory *b);
