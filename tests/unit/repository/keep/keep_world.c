/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "keep_world.h"

#include <fcntl.h>
#include <string.h>
#include <unistd.h>

#include "base/dir.h"
#include "base/io.h"

#define BEGIN_MS INT64_C(1767225600000)

void keep_world_begin(struct keep_world *world)
{
    CLEANUP_ERR struct err err = ERR_INIT;
    struct repository *repository = NULL;

    world->memory = memory_new();
    if (repository_create_in(memory_open(world->memory, NULL), REPOSITORY_SCOPE, &repository,
                             &err) < 0)
        fail_msg("%s", err.text);
    keep_world_begin_with(world, repository);
}

void keep_world_begin_with(struct keep_world *world, struct repository *repository)
{
    world->repository = repository;
    world->scope = (struct stored_scope){.store = world->repository->store,
                                         .repository = world->repository->id,
                                         .name = REPOSITORY_SCOPE};
    memcpy(world->state_path, "/tmp/keep-world.XXXXXX", 23);
    assert_non_null(mkdtemp(world->state_path));
    assert_int_equal(io_open_dir(world->state_path, &world->state_fd, NULL), 0);
}

void keep_world_end(struct keep_world *world)
{
    CLEANUP_STRINGS struct strings names = {0};

    assert_int_equal(dir_list(world->state_fd, ".", &names, NULL), 0);
    for (size_t i = 0; i < names.count; i++)
        assert_int_equal(unlinkat(world->state_fd, names.items[i], 0), 0);
    close(world->state_fd);
    assert_int_equal(rmdir(world->state_path), 0);
    repository_close(world->repository);
    if (world->memory)
        memory_free(world->memory);
    buf_clear(&world->events);
}

struct id keep_world_guest(unsigned number)
{
    struct id id;

    memset(id.bytes, (int)number, sizeof(id.bytes));
    return id;
}

struct point_id keep_world_point(unsigned guest, unsigned session)
{
    struct point_id point = {.guest = keep_world_guest(guest)};
    int64_t time_ms = BEGIN_MS + (int64_t)session * 1000;

    for (int i = 0; i < 6; i++)
        point.session.bytes[i] = (uint8_t)(time_ms >> (8 * (5 - i)));
    for (size_t i = 6; i < ID_SIZE; i++)
        point.session.bytes[i] = (uint8_t)(session * 37 + i);
    return point;
}

void keep_world_put_bytes(struct keep_world *world, const char *name, const void *data, size_t len)
{
    struct store_object object = {.name = name, .data = data, .len = len};
    CLEANUP_ERR struct err err = ERR_INIT;
    enum store_outcome outcome = STORE_EXISTS;

    if (store_create(world->scope.store, &object, &outcome, &err) < 0)
        fail_msg("%s", err.text);
    assert_int_equal(outcome, STORE_MADE);
}

void keep_world_put_object(struct keep_world *world, const char *name, const char *text)
{
    keep_world_put_bytes(world, name, text, strlen(text));
}

void keep_world_put_removed(struct keep_world *world, const struct point_id *point)
{
    const struct slot_id id = {world->repository->id, point->session, point->guest};
    CLEANUP_FREE char *slot = objects_name(&world->scope, NAME_SLOT, point, 0);
    uint8_t bytes[SLOT_TOMBSTONE_SIZE];

    slot_format_tombstone(SLOT_REMOVED, &id, bytes);
    keep_world_put_bytes(world, slot, bytes, sizeof(bytes));
}

void keep_world_put_packs(struct keep_world *world, const struct point_id *point)
{
    CLEANUP_FREE char *session = objects_name(&world->scope, NAME_SESSION, point, 0);

    keep_world_put_object(world, session, "{}");
    for (uint32_t i = 0; i < 2; i++) {
        CLEANUP_FREE char *pack = objects_name(&world->scope, NAME_PACK, point, i);
        keep_world_put_object(world, pack, "pack");
    }
}

/* Each pack has one block, which the disk has once. */
struct buf keep_world_bytes(const struct keep_world *world, const struct point_id *point,
                            const struct point_id *base)
{
    CLEANUP_MADE_POINT struct made_point made = made_point_usual();
    CLEANUP_PACKS struct packs packs = {0};
    CLEANUP_ERR struct err err = ERR_INIT;

    made.id = (struct slot_id){world->repository->id, point->session, point->guest};
    made.info.guest = point->guest;
    made.info.taken_ms = id_time_ms(&point->session);
    if (base) {
        CLEANUP_FREE char *name = objects_name(&world->scope, NAME_SLOT, base, 0);
        const struct slot_id id = {world->repository->id, base->session, base->guest};
        struct slot slot = {0};
        if (packs_read(world->scope.store, name, &id, &slot, &packs, &err) < 0)
            fail_msg("%s", err.text);
        slot_clear(&slot);
    }
    for (uint32_t i = 0; i < 2; i++)
        assert_int_equal(packs_add(&packs, &point->session, i, NULL), 0);
    packs_clear(&made.packs);
    made.packs = packs;
    packs = (struct packs){0};
    assert_true(made.packs.count <= MADE_PACKS);
    for (uint32_t i = 0; i < made.packs.count; i++) {
        made.digests[i] =
            (struct pack_digest){.index_offset = 100, .block_count = 1, .size = 100 + 36 + 64};
        made.images[0].runs[i] = (struct map_run){i, 1, i, 0};
    }
    made.digest_count = made.packs.count;
    made.images[0].run_count = made.packs.count;
    made.images[1].run_count = made.images[2].run_count = 0;
    return made_point_bytes(&made);
}

void keep_world_put(struct keep_world *world, const struct point_id *point,
                    const struct point_id *base)
{
    CLEANUP_BUF struct buf bytes = keep_world_bytes(world, point, base);
    CLEANUP_FREE char *slot = objects_name(&world->scope, NAME_SLOT, point, 0);

    keep_world_put_packs(world, point);
    keep_world_put_bytes(world, slot, bytes.data, bytes.len);
}

bool keep_world_has(const struct keep_world *world, enum name_kind kind,
                    const struct point_id *point, uint32_t number)
{
    CLEANUP_FREE char *name = objects_name(&world->scope, kind, point, number);

    return memory_look(world->memory, name).data;
}

bool keep_world_restores(struct keep_world *world, const struct point_id *point)
{
    CLEANUP_FREE char *name = objects_name(&world->scope, NAME_SLOT, point, 0);
    const struct slot_id id = {world->repository->id, point->session, point->guest};
    CLEANUP_SLOT struct slot slot = {0};
    CLEANUP_PACKS struct packs packs = {0};

    if (packs_read(world->scope.store, name, &id, &slot, &packs, NULL) < 0 ||
        slot.kind != SLOT_POINT)
        return false;
    for (uint32_t i = 0; i < packs.count; i++) {
        struct point_id owner = {0};
        uint32_t number = 0;
        packs_at(&packs, i, &owner.session, &number);
        if (!keep_world_has(world, NAME_PACK, &owner, number))
            return false;
    }
    return true;
}

static void note_event(void *opaque, const struct collect_event *event)
{
    static const char *const kinds[] = {
        [COLLECT_RESUMED] = "resumed",   [COLLECT_ANEW] = "anew",
        [COLLECT_HELD] = "held",         [COLLECT_YOUNG] = "young",
        [COLLECT_TAKEN] = "taken",       [COLLECT_WAITING] = "waiting",
        [COLLECT_FENCED] = "fenced",     [COLLECT_REMOVED] = "removed",
        [COLLECT_STAYS] = "stays",       [COLLECT_UNKNOWN] = "unknown",
        [COLLECT_RESERVED] = "reserved",
    };

    buf_printf(opaque, "%s ", kinds[event->kind]);
}

struct collect_settings keep_world_settings(const struct keep_world *world)
{
    return (struct collect_settings){
        .scope = REPOSITORY_SCOPE, .state_fd = world->state_fd, .host = "alpha"};
}

struct collect_result keep_world_collect(struct keep_world *world,
                                         const struct collect_settings *settings)
{
    const struct collect_events events = {note_event, &world->events};
    struct collect_result result = {0};
    CLEANUP_ERR struct err err = ERR_INIT;

    buf_clear(&world->events);
    if (collect_run(world->repository, settings, &events, &result, &err) < 0)
        fail_msg("%s", err.text);
    buf_put_u8(&world->events, '\0');
    return result;
}

void keep_world_pass_event(void *opaque, const struct collect_event *event)
{
    (void)opaque;
    (void)event;
}

static int free_room(void *opaque, enum memory_step step, const char *name, struct err *err)
{
    (void)err;
    if (step == MEMORY_DELETE && strcmp(name, "reserve") == 0)
        memory_set_full(opaque, false);
    return 0;
}

struct collect_result keep_world_collect_when_full(struct keep_world *world,
                                                   const struct collect_settings *settings)
{
    const struct memory_hook hook = {free_room, world->memory};
    struct store *store = world->repository->store;
    CLEANUP_ERR struct err err = ERR_INIT;
    int64_t now_ms = 0;

    world->repository->store = memory_open(world->memory, &hook);
    assert_int_equal(store_now(store, &now_ms, &err), 0);
    memory_set_full(world->memory, true);
    struct collect_result result = keep_world_collect(world, settings);
    store_close(world->repository->store);
    world->repository->store = store;
    return result;
}

void keep_world_damage_state(struct keep_world *world, const char *kind, off_t at)
{
    char id[ID_TEXT_SIZE];
    CLEANUP_FREE char *name =
        mem_printf("%s-%s-default", kind, id_text(&world->repository->id, id));
    CLEANUP_CLOSE int fd = openat(world->state_fd, name, O_RDWR | O_CLOEXEC);
    uint8_t byte = 0;

    assert_true(fd >= 0);
    assert_int_equal(pread(fd, &byte, 1, at), 1);
    byte ^= 1;
    assert_int_equal(pwrite(fd, &byte, 1, at), 1);
}

bool keep_world_same(const struct memory *a, const struct memory *b)
{
    const char *left = memory_next(a, ""), *right = memory_next(b, "");

    for (; left && right; left = memory_next(a, left), right = memory_next(b, right)) {
        struct memory_bytes x = memory_look(a, left), y = memory_look(b, right);
        if (strcmp(left, right) != 0 || x.len != y.len || memcmp(x.data, y.data, x.len) != 0)
            return false;
    }
    return !left && !right;
}
