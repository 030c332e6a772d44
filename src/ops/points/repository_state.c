/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "ops/points/repository_state.h"

#include <stdlib.h>
#include <string.h>

#include "base/digest.h"
#include "guest/checkpoint.h"
#include "ops/points/repository_impl.h"
#include "repository/listing.h"

#define OWNER_PREFIX "vb-1 owner"

/* Checkpoints of other repositories and scopes are not ours to go on with, or to delete. */
_Static_assert(OWNER_TEXT_SIZE == GUEST_CHECKPOINT_OWNER_LEN + 1, "the text of an owner");

void points_repository_owner(const struct stored_scope *scope, char ret[static OWNER_TEXT_SIZE])
{
    CLEANUP_BUF struct buf bytes = {0};
    uint8_t digest[DIGEST_SIZE];
    char text[DIGEST_HEX_SIZE];

    buf_append_str(&bytes, OWNER_PREFIX);
    buf_append(&bytes, scope->repository.bytes, ID_SIZE);
    buf_append_str(&bytes, scope->name);
    digest_of(bytes.data, bytes.len, digest);
    digest_to_hex(digest, text);
    memcpy(ret, text, GUEST_CHECKPOINT_OWNER_LEN);
    ret[GUEST_CHECKPOINT_OWNER_LEN] = '\0';
}

static int look_for_reserve(struct store *store, bool *ret, struct err *err)
{
    CLEANUP_FREE char *name = name_format(&(struct name){.kind = NAME_RESERVE});
    CLEANUP_ERR struct err failure = ERR_INIT;
    uint8_t byte = 0;
    size_t len = 0;
    const struct store_range range = {name, 0, &byte, sizeof(byte)};

    *ret = store_get(store, &range, &len, &failure) == 0 && len > 0;
    return *ret || failure.kind == ERR_NONE || failure.kind == ERR_NOT_FOUND
               ? 0
               : err_move(err, &failure);
}

struct session_search {
    const struct stored_scope *scope;
    struct points_repository_state *state;
};

/* Its slot is empty as long as it is at work, or if it has died. */
static int add_open_session(void *opaque, const struct name *name, const struct store_entry *entry,
                            struct err *err)
{
    const struct session_search *search = opaque;
    struct points_repository_state *state = search->state;
    const struct point_id point = {name->guest, name->session};
    char uuid[ID_UUID_SIZE];
    enum slot_kind kind = 0;

    (void)entry;
    if (objects_slot_kind(search->scope, &point, &kind, err) < 0)
        return -1;
    if (kind != 0)
        return 0;
    state->sessions =
        mem_resize(state->sessions, state->session_count + 1, sizeof(*state->sessions));
    state->sessions[state->session_count++] = (struct points_repository_session){
        mem_strdup(id_uuid(&name->guest, uuid)), id_time_ms(&name->session)};
    return 0;
}

static void count_points(const struct listing *listing, struct points_repository_state *state)
{
    for (size_t i = 0; i < listing->count; i++) {
        const struct listed_point *point = &listing->points[i];
        if (point->time_ms > state->newest_ms)
            state->newest_ms = point->time_ms;
        state->points += !point->tombstone;
        state->trashed += !point->tombstone && point->trashed;
    }
}

static int take_scope_state(const struct repository *repository, const struct stored_scope *scope,
                            struct points_repository_state *state, struct err *err)
{
    struct session_search search = {scope, state};
    const struct objects_each each = {add_open_session, &search, NULL, OBJECTS_FILES};
    CLEANUP_LISTING struct listing listing = {0};
    char owner[OWNER_TEXT_SIZE];

    points_repository_owner(scope, owner);
    state->owner = mem_strdup(owner);
    state->alone = repository->create_only == CREATE_ONLY_NONE;
    state->lagging = repository->lagging ? mem_strdup(repository->lagging) : NULL;
    if (look_for_reserve(scope->store, &state->reserve, err) < 0 ||
        objects_list(scope, "s", NULL, &each, err) < 0 ||
        listing_read(scope, NULL, NULL, &listing, err) < 0)
        return -1;
    count_points(&listing, state);
    return 0;
}

int points_repository_state(const struct points_place *place, struct points_repository_state *ret,
                            struct err *err)
{
    CLEANUP_REPOSITORY_STATE struct points_repository_state state = {0};
    CLEANUP(repository_closep) struct repository *repository = NULL;
    struct stored_scope scope;

    if (points_repository_open(place, &repository, &scope, err) < 0 ||
        take_scope_state(repository, &scope, &state, err) < 0)
        return -1;
    *ret = state;
    state = (struct points_repository_state){0};
    return 0;
}

void points_repository_state_clear(struct points_repository_state *state)
{
    for (size_t i = 0; i < state->session_count; i++)
        free(state->sessions[i].guest);
    free(state->sessions);
    free(state->owner);
    free(state->lagging);
    *state = (struct points_repository_state){0};
}
