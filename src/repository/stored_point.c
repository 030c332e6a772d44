/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "repository/stored_point.h"

#include <errno.h>
#include <inttypes.h>
#include <string.h>

void stored_point_free(struct stored_point *point)
{
    if (!point)
        return;
    packs_clear(&point->packs);
    free(point->digests);
    free((void *)point->map_packs.block_counts);
    info_clear(&point->info);
    for (uint32_t i = 0; i < point->image_count; i++)
        slot_content_clear(&point->images[i].map);
    free(point->images);
    slot_content_clear(&point->manifest);
    slot_content_clear(&point->small_content);
    free(point->bytes);
    free(point);
}

/* ---- sections --------------------------------------------------------------------------------- */

/* A section that need not be there: then *ret stays empty. */
static int open_section_of(const struct stored_point *point, const struct slot *slot,
                           enum slot_type type, struct slot_content *ret, struct err *err)
{
    const struct slot_section *section = slot_find(slot, type, 0);

    return section ? slot_open_section(section, point->bytes + section->offset, section->raw_len,
                                       ret, err)
                   : 0;
}

static int take_packs(struct stored_point *point, const struct slot *slot, struct err *err)
{
    CLEANUP_SLOT_CONTENT struct slot_content packs = {0}, digests = {0};

    if (open_section_of(point, slot, SLOT_PACKS, &packs, err) < 0 ||
        packs_parse(packs.data, packs.len, &point->packs, err) < 0 ||
        open_section_of(point, slot, SLOT_DIGESTS, &digests, err) < 0 ||
        packs_parse_digests(digests.data, digests.len, point->packs.count, &point->digests, err) <
            0)
        return -1;
    point->map_packs.count = point->packs.count;
    point->map_packs.block_counts = packs_block_counts(point->digests, point->packs.count);
    return point->map_packs.block_counts
               ? 0
               : err_set_errno(err, ENOMEM, "cannot get memory for its list of packs");
}

static int take_info(struct stored_point *point, const struct slot *slot, struct err *err)
{
    CLEANUP_SLOT_CONTENT struct slot_content content = {0};

    if (open_section_of(point, slot, SLOT_INFO, &content, err) < 0 ||
        info_parse(content.data, content.len, &point->id.guest, &point->info, err) < 0)
        return -1;
    if (point->info.derived != ((point->flags & FLAG_DERIVED) != 0))
        return err_set(err, ERR_CORRUPT, "its head and its facts differ in whether it was %s",
                       "made from another point");
    return 0;
}

static int take_small_items(struct stored_point *point, const struct slot *slot, struct err *err)
{
    return open_section_of(point, slot, SLOT_SMALL, &point->small_content, err) < 0 ||
                   small_items_parse(point->small_content.data, point->small_content.len,
                                     &point->small, err) < 0
               ? -1
               : 0;
}

/* ---- images ----------------------------------------------------------------------------------- */

/* Which of the point's packs are in a map. */
struct packs_met {
    uint8_t *each; /* of each, by place: 1 if it is */
    uint32_t count;
};

static int walk_map(const struct stored_point *point, const struct stored_image *image,
                    uint64_t size, struct packs_met *met, struct err *err)
{
    struct map_reader reader;
    struct map_run run;
    int more = -1;

    if (map_reader_begin(&reader, image->map.data, image->map.len, &point->map_packs, err) < 0)
        return -1;
    if (reader.size != size)
        return err_set(err, ERR_CORRUPT,
                       "its map is of %" PRIu64 " bytes, and its facts say %" PRIu64, reader.size,
                       size);
    while ((more = map_reader_next(&reader, &run, err)) > 0) {
        met->count += !met->each[run.pack];
        met->each[run.pack] = 1;
    }
    return more;
}

static int take_image(struct stored_point *point, const struct slot_section *section,
                      struct packs_met *met, struct err *err)
{
    struct stored_image *image = &point->images[point->image_count];
    bool memory = section->number == SLOT_MEMORY;
    uint64_t size = 0;

    if (memory ? !point->info.memory : section->number >= point->info.disk_count)
        return err_set(err, ERR_CORRUPT, "there is a map, but no image in its facts");
    image->number = section->number;
    point->image_count++;
    if (slot_open_section(section, point->bytes + section->offset, section->raw_len, &image->map,
                          err) < 0)
        return -1;
    /* INFO has no size of the memory: its map tells. */
    if (memory && image->map.len >= sizeof(size))
        size = get_be64(image->map.data);
    else if (!memory)
        size = point->info.disks[section->number].size;
    image->size = size;
    return walk_map(point, image, size, met, err);
}

static int prefix_image(const struct stored_point *point, uint32_t number, struct err *err)
{
    if (number == SLOT_MEMORY)
        return err_prefix(err, "memory");
    return number < point->info.disk_count
               ? err_prefix(err, "disk '%s'", point->info.disks[number].target)
               : err_prefix(err, "disk %" PRIu32, number);
}

static int take_images(struct stored_point *point, const struct slot *slot, struct err *err)
{
    size_t expected = point->info.disk_count + point->info.memory;
    CLEANUP_FREE uint8_t *each = calloc((size_t)point->packs.count + 1, 1);
    struct packs_met met = {.each = each};

    point->images = mem_array(expected + 1, sizeof(*point->images));
    if (!each)
        return err_set_errno(err, ENOMEM, "cannot get memory to look at its maps");
    for (uint32_t i = 0; i < slot->section_count; i++) {
        const struct slot_section *section = &slot->sections[i];
        if (section->type == SLOT_MAP && take_image(point, section, &met, err) < 0)
            return prefix_image(point, section->number, err);
        if (section->type == SLOT_TRUST && section->number >= point->info.disk_count)
            return err_set(err, ERR_CORRUPT,
                           "it keeps how disk %" PRIu32 " goes on, and has no such disk",
                           section->number);
    }
    /* Their numbers ascend, so as many as are expected are those. */
    if (point->image_count != expected)
        return err_set(err, ERR_CORRUPT, "it has %" PRIu32 " maps, and %zu images",
                       point->image_count, expected);
    if (met.count != point->packs.count)
        return err_set(err, ERR_CORRUPT, "it names %" PRIu32 " packs, and its maps use %" PRIu32,
                       point->packs.count, met.count);
    return 0;
}

/* ---- the whole -------------------------------------------------------------------------------- */

/* point has the bytes. */
static int take_point(struct stored_point *point, struct err *err)
{
    CLEANUP_SLOT struct slot slot = {0};

    if (slot_parse(point->bytes, point->len, &point->id, &slot, err) < 0)
        return -1;
    point->flags = slot.flags;
    if (take_packs(point, &slot, err) < 0 || take_info(point, &slot, err) < 0 ||
        take_images(point, &slot, err) < 0 ||
        open_section_of(point, &slot, SLOT_MANIFEST, &point->manifest, err) < 0 ||
        take_small_items(point, &slot, err) < 0)
        return err_prefix(err, "is unreadable");
    return 0;
}

static const char *tombstone_text(enum slot_kind kind)
{
    switch (kind) {
    case SLOT_FENCED:
        return "its backup was taken for dead";
    case SLOT_GIVEN_UP:
        return "its backup failed";
    default:
        return "it was removed";
    }
}

/* A slot that is being read. */
struct slot_look {
    struct store *store;
    char *name; /* owned */
    struct buf start;
    struct slot slot;
};

static void slot_look_clear(struct slot_look *look)
{
    free(look->name);
    buf_clear(&look->start);
    slot_clear(&look->slot);
}

static int prefix_slot(const struct slot_look *look, struct err *err)
{
    return err_prefix(err, "%s/%s", store_url(look->store), look->name);
}

/* The first bytes tell what is in the slot. */
static int look_at_slot(const struct stored_scope *scope, const struct slot_id *id,
                        struct slot_look *ret, struct err *err)
{
    struct buf *start = &ret->start;

    ret->store = scope->store;
    ret->name = objects_name(scope, NAME_SLOT, &(struct point_id){id->guest, id->session}, 0);
    struct store_range range = {ret->name, 0, buf_reserve(start, SLOT_START_MAX), SLOT_START_MAX};
    if (store_get(scope->store, &range, &start->len, err) < 0)
        return -1;
    bool tombstone = start->len <= SLOT_TOMBSTONE_SIZE;
    return (tombstone ? slot_parse : slot_parse_start)(start->data, start->len, id, &ret->slot,
                                                       err) < 0
               ? prefix_slot(ret, err)
               : 0;
}

/* All bytes, as many as the table says; before so many are asked for, whether there are. */
static int read_point_bytes(const struct slot_look *look, struct stored_point *point,
                            struct err *err)
{
    uint64_t size = look->slot.size;
    uint8_t last[2];
    struct store_range end = {look->name, size - 1, last, sizeof(last)};
    struct store_range all = {look->name, 0, NULL, (size_t)size};
    size_t len = 0;

    if (store_get(look->store, &end, &len, err) < 0)
        return -1;
    if (len != 1 || size > SIZE_MAX) {
        err_set(err, ERR_CORRUPT, "is unreadable: it does not have the %" PRIu64 " bytes of %s",
                size, "its sections");
        return prefix_slot(look, err);
    }
    all.data = point->bytes = malloc((size_t)size);
    if (!point->bytes)
        return err_set_errno(err, ENOMEM, "cannot get %" PRIu64 " bytes of memory", size);
    return store_get(look->store, &all, &point->len, err);
}

int stored_point_read(const struct stored_scope *scope, const struct point_id *id,
                      struct stored_point **ret, struct err *err)
{
    CLEANUP(stored_point_freep) struct stored_point *point = mem_alloc(sizeof(*point));
    CLEANUP(slot_look_clear) struct slot_look look = {0};

    point->id = (struct slot_id){scope->repository, id->session, id->guest};
    if (look_at_slot(scope, &point->id, &look, err) < 0)
        return -1;
    if (look.slot.kind != SLOT_POINT) {
        err_set(err, ERR_NOT_FOUND, "there is no point: %s", tombstone_text(look.slot.kind));
        return prefix_slot(&look, err);
    }
    if (read_point_bytes(&look, point, err) < 0)
        return -1;
    if (take_point(point, err) < 0)
        return prefix_slot(&look, err);
    *ret = TAKE_PTR(point);
    return 0;
}

const struct stored_image *stored_point_image(const struct stored_point *point, uint32_t number)
{
    for (uint32_t i = 0; i < point->image_count; i++)
        if (point->images[i].number == number)
            return &point->images[i];
    return NULL;
}

void stored_point_walk(const struct stored_point *point, const struct stored_image *image,
                       struct map_reader *ret)
{
    (void)map_reader_begin(ret, image->map.data, image->map.len, &point->map_packs, NULL);
}

struct pack_id stored_point_pack(const struct stored_point *point, uint32_t place)
{
    struct pack_id id = {.repository = point->id.repository};

    packs_at(&point->packs, place, &id.session, &id.number);
    return id;
}

char *stored_point_pack_name(const struct stored_scope *scope, const struct pack_id *id)
{
    struct name name = {.kind = NAME_PACK, .session = id->session, .number = id->number};

    memcpy(name.scope, scope->name, strlen(scope->name) + 1);
    return name_format(&name);
}

/* ---- without the rest ------------------------------------------------------------------------- */

void stored_summary_clear(struct stored_summary *summary)
{
    info_clear(&summary->info);
    *summary = (struct stored_summary){0};
}

static int read_info_of(const struct slot_look *look, const struct slot_id *id, struct info *ret,
                        struct err *err)
{
    const struct slot_section *section = slot_find(&look->slot, SLOT_INFO, 0);
    CLEANUP_SLOT_CONTENT struct slot_content content = {0};
    size_t len = (size_t)section->stored_len, found = 0;
    CLEANUP_FREE uint8_t *stored = malloc(len + 1);

    if (!stored)
        return err_set_errno(err, ENOMEM, "cannot get memory for the facts of a point");
    struct store_range range = {look->name, section->offset, stored, len};
    if (store_get(look->store, &range, &found, err) < 0)
        return -1;
    if (found != len) {
        err_set(err, ERR_CORRUPT, "is unreadable: it is too short");
        return prefix_slot(look, err);
    }
    if (slot_open_section(section, stored, LIMITS_INFO, &content, err) < 0 ||
        info_parse(content.data, content.len, &id->guest, ret, err) < 0) {
        err_prefix(err, "is unreadable");
        return prefix_slot(look, err);
    }
    return 0;
}

int stored_point_summary(const struct stored_scope *scope, const struct point_id *id,
                         struct stored_summary *ret, struct err *err)
{
    const struct slot_id slot_id = {scope->repository, id->session, id->guest};
    CLEANUP(slot_look_clear) struct slot_look look = {0};
    struct stored_summary summary = {0};

    if (look_at_slot(scope, &slot_id, &look, err) < 0)
        return -1;
    summary.kind = look.slot.kind;
    summary.flags = look.slot.flags;
    if (summary.kind == SLOT_POINT && read_info_of(&look, &slot_id, &summary.info, err) < 0)
        return -1;
    *ret = summary;
    return 0;
}
