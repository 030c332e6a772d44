/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "keep_world.h"

#include <string.h>

/* ---- a repository with points ------------------------------------------------------------------ */

void keep_world_begin(struct keep_world *world)
{
    folder_begin(&world->folder);
    world->scope = (struct stored_scope){world->folder.repository->store,
                                         world->folder.repository->id, REPOSITORY_SCOPE};
}

void keep_world_end(struct keep_world *world)
{
    buf_clear(&world->told);
    folder_end(&world->folder);
}

struct point_id keep_world_id(const struct planted *planted)
{
    struct point_id id;

    memset(id.guest.bytes, planted->guest, ID_SIZE);
    assert_true(id_parse(planted->id, &id.session));
    return id;
}

void keep_world_plant_bytes(struct keep_world *world, const struct point_id *id, const void *data,
                            size_t len)
{
    CLEANUP_FREE char *name = objects_name(&world->scope, NAME_SLOT, id, 0);
    const struct store_object object = {.name = name, .data = data, .len = len};
    enum store_outcome outcome = STORE_EXISTS;

    assert_int_equal(store_create(world->scope.store, &object, &outcome, NULL), 0);
    assert_int_equal(outcome, STORE_MADE);
}

static struct buf planted_bytes(const struct keep_world *world, const struct planted *planted)
{
    CLEANUP_MADE_POINT struct made_point made = made_point_usual();
    const struct point_id id = keep_world_id(planted);

    made.id = (struct slot_id){world->scope.repository, id.session, id.guest};
    made.info.guest = id.guest;
    made.info.taken_ms = planted->taken_ms;
    made.flags = planted->flags;
    if (made.flags & FLAG_PARTIAL)
        made.more_count = 0;
    if (made.flags & FLAG_DERIVED)
        made.info.derived = true;
    free(made.info.name);
    made.info.name = mem_strdup(planted->name);
    return made_point_bytes(&made);
}

struct point_id keep_world_plant(struct keep_world *world, const struct planted *planted)
{
    CLEANUP_BUF struct buf bytes = planted_bytes(world, planted);
    const struct point_id id = keep_world_id(planted);

    keep_world_plant_bytes(world, &id, bytes.data, bytes.len);
    return id;
}

#define FLAGS_AT 12 /* big-endian, after magic and kind */

struct points_store *keep_world_of(struct keep_world *world, const struct planted *points,
                                   size_t count)
{
    struct points_store *store = NULL;

    keep_world_begin(world);
    for (size_t i = 0; i < count; i++)
        keep_world_plant(world, &points[i]);
    const struct points_place place = {.path = world->folder.path, .is_repository = true};
    assert_int_equal(points_store_open(&place, &store, NULL), 0);
    return store;
}

struct point_id keep_world_plant_newer(struct keep_world *world, const struct planted *planted)
{
    CLEANUP_BUF struct buf bytes = planted_bytes(world, planted);
    const struct point_id id = keep_world_id(planted);
    size_t len = bytes.len - DIGEST_SIZE;

    bytes.data[FLAGS_AT + 1] |= 0x10;
    digest_of(bytes.data, len, bytes.data + len);
    keep_world_plant_bytes(world, &id, bytes.data, bytes.len);
    return id;
}

void keep_world_plant_tombstone(struct keep_world *world, const struct planted *planted)
{
    struct point_id id = keep_world_id(planted);
    const struct slot_id slot = {world->scope.repository, id.session, id.guest};
    uint8_t bytes[SLOT_TOMBSTONE_SIZE];

    slot_format_tombstone(SLOT_REMOVED, &slot, bytes);
    keep_world_plant_bytes(world, &id, bytes, sizeof(bytes));
}

void keep_world_trash(struct keep_world *world, const struct point_id *id)
{
    const struct mark mark = {"test", "test"};
    bool made = false;

    assert_int_equal(marks_trash(&world->scope, id, &mark, &made, NULL), 0);
    assert_true(made);
}

bool keep_world_has_trashed(struct keep_world *world, const struct point_id *id)
{
    CLEANUP_LISTING struct listing listing = {0};

    assert_int_equal(listing_read(&world->scope, &id->guest, NULL, &listing, NULL), 0);
    for (size_t i = 0; i < listing.count; i++)
        if (objects_compare_points(&listing.points[i].id, id) == 0)
            return listing.points[i].trashed;
    fail_msg("the point is gone");
    return false;
}

/* ---- what is told -------------------------------------------------------------------------------- */

static const char *const kinds[EVENT_KINDS] = {
    [EVENT_WARNING] = "warning",           [EVENT_GUEST_FAILED] = "guest-failed",
    [EVENT_POINT_FAILED] = "point-failed", [EVENT_POINT_HELD] = "held",
    [EVENT_POINT_RELEASED] = "released",   [EVENT_POINT_TAGGED] = "tagged",
    [EVENT_POINT_UNTAGGED] = "untagged",   [EVENT_POINT_UNDELETED] = "undeleted",
    [EVENT_POINT_SET_ASIDE] = "set-aside", [EVENT_PRUNE_VERDICT] = "verdict",
    [EVENT_POINT_PRUNED] = "pruned",       [EVENT_POINT_DAMAGED] = "damaged",
    [EVENT_PRUNED] = "guest-pruned",       [EVENT_PRUNE_SKIPPED] = "skipped",
    [EVENT_SCOPE_FAILED] = "scope-failed", [EVENT_REMOVED] = "removed",
    [EVENT_NO_MATCH] = "no-match",
};

static void put_point_line(struct buf *told, const struct event_point *point)
{
    buf_printf(told, " %s/%.4s", point->scope, point->id + 12);
    if (point->tag)
        buf_printf(told, " %s", point->tag);
    if (point->was_so)
        buf_append_str(told, " was so");
}

static void note_event(void *opaque, const struct event *event)
{
    struct buf *told = opaque;

    assert_non_null(kinds[event->kind]);
    buf_printf(told, "%s %s", kinds[event->kind], event->guest ? event->guest : "-");
    switch (event->kind) {
    case EVENT_GUEST_FAILED:
        buf_printf(told, ": %s", event->problem.error);
        break;
    case EVENT_POINT_FAILED:
        buf_printf(told, " %s: %s", event->point_failed.word, event->point_failed.problem.error);
        break;
    case EVENT_PRUNE_VERDICT:
        put_point_line(told, &event->verdict.point);
        buf_printf(told, " %s %s", event->verdict.keeps ? "keep" : "drop",
                   event->verdict.option ? event->verdict.option : "-");
        break;
    case EVENT_POINT_DAMAGED:
        put_point_line(told, &event->point_damaged.point);
        break;
    case EVENT_REMOVED:
        buf_printf(told, " %.4s", event->point_id + 12);
        break;
    case EVENT_PRUNED:
        buf_printf(told, " %zu/%zu", event->pruned.kept, event->pruned.dropped);
        break;
    case EVENT_PRUNE_SKIPPED:
        buf_printf(told, " %s", event->prune_skipped.newest ? "old" : "none");
        break;
    case EVENT_WARNING:
        buf_printf(told, " %s", event->warning.name);
        break;
    case EVENT_SCOPE_FAILED:
        buf_printf(told, " %s: %s", event->scope_failed.scope, event->scope_failed.problem.error);
        break;
    case EVENT_NO_MATCH:
        buf_printf(told, " %s", event->no_match.name);
        break;
    default:
        put_point_line(told, &event->point);
        break;
    }
    buf_append_str(told, "\n");
}

struct report keep_world_report(struct keep_world *world)
{
    buf_clear(&world->told);
    world->outcome = (struct outcome){0};
    return (struct report){.opaque = &world->told, .event = note_event};
}

void keep_world_told(struct keep_world *world, const char *text)
{
    CLEANUP_FREE char *told = buf_take_str(&world->told);

    assert_string_equal(told, text);
}
