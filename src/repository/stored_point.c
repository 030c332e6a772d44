/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "repository/stored_point.h"

#include <errno.h>
#include <inttypes.h>
#include <string.h>

#include "repository/format/slot_room.h"
#include "repository/stored_unpack.h"

void stored_point_free(struct stored_point *point)
{
    if (!point)
        return;
    packs_clear(&point->packs);
    free(point->digests);
    free((void *)point->map_packs.block_counts);
    info_clear(&point->info);
    free(point->images);
    for (uint32_t i = 0; i < point->trust_count; i++)
        trust_section_clear(&point->trusts[i].section);
    free(point->trusts);
    buf_clear(&point->unpacked);
    free(point);
}

/* ---- images ----------------------------------------------------------------------------------- */

/* Which of the point's packs are in a map. */
struct packs_met {
    uint8_t *each; /* of each, by place: 1 if it is; owned */
    uint32_t count;
};

static void packs_met_clear(struct packs_met *met)
{
    free(met->each);
}

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

static int take_image(struct stored_point *point, const struct unpacked_section *section,
                      struct packs_met *met, struct err *err)
{
    bool memory = section->number == SLOT_MEMORY;
    struct stored_image image = {.number = section->number,
                                 .map = {.data = section->data, .len = section->len}};

    if (memory ? !point->info.memory : section->number >= point->info.disk_count)
        return err_set(err, ERR_CORRUPT, "there is a map, but no image in its facts");
    /* INFO has no size of the memory: its map tells. */
    if (!memory)
        image.size = point->info.disks[section->number].size;
    else if (image.map.len >= sizeof(image.size))
        image.size = get_be64(image.map.data);
    point->images[point->image_count++] = image;
    return walk_map(point, &image, image.size, met, err);
}

static int prefix_image(const struct stored_point *point, uint32_t number, struct err *err)
{
    if (number == SLOT_MEMORY)
        return err_prefix(err, "memory");
    return number < point->info.disk_count
               ? err_prefix(err, "disk '%s'", point->info.disks[number].target)
               : err_prefix(err, "disk %" PRIu32, number);
}

/* ---- sections --------------------------------------------------------------------------------- */

static int take_digests(struct stored_point *point, const struct unpacked_section *section,
                        struct packs_met *met, struct err *err)
{
    uint32_t count = point->packs.count;

    if (packs_parse_digests(section->data, section->len, count, &point->digests, err) < 0)
        return -1;
    point->map_packs.count = count;
    point->map_packs.block_counts = packs_block_counts(point->digests, count);
    met->each = calloc((size_t)count + 1, 1);
    return point->map_packs.block_counts && met->each
               ? 0
               : err_set_errno(err, ENOMEM, "cannot get memory for its list of packs");
}

static int take_trust(struct stored_point *point, const struct unpacked_section *section,
                      struct err *err)
{
    if (section->number >= point->info.disk_count)
        return err_set(err, ERR_CORRUPT,
                       "it keeps how disk %" PRIu32 " goes on, and has no such disk",
                       section->number);
    if (section->len == 0)
        return 0;
    point->trusts = mem_resize(point->trusts, point->trust_count + 1, sizeof(*point->trusts));
    struct stored_trust *trust = &point->trusts[point->trust_count];
    *trust = (struct stored_trust){.number = section->number};
    if (trust_section_take(section->data, section->len, &trust->section, err) < 0)
        return prefix_image(point, section->number, err);
    point->trust_count++;
    return 0;
}

static int take_section(struct stored_point *point, const struct unpacked_section *section,
                        struct packs_met *met, struct err *err)
{
    if (section->type > SLOT_DIGESTS && !met->each)
        return err_set(err, ERR_CORRUPT, "it has no lists of packs");
    switch (section->type) {
    case SLOT_PACKS:
        return packs_parse(section->data, section->len, &point->packs, err);
    case SLOT_DIGESTS:
        return take_digests(point, section, met, err);
    case SLOT_MAP:
        return take_image(point, section, met, err) < 0 ? prefix_image(point, section->number, err)
                                                        : 0;
    case SLOT_TRUST:
        return take_trust(point, section, err);
    case SLOT_MANIFEST:
        point->manifest = (struct slot_content){.data = section->data, .len = section->len};
        return 0;
    default: /* SLOT_SMALL */
        return small_items_parse(section->data, section->len, &point->small, err);
    }
}

/* Their numbers ascend, so as many as are expected are those. */
static int check_image_counts(const struct stored_point *point, const struct packs_met *met,
                              struct err *err)
{
    size_t expected = point->info.disk_count + point->info.memory;

    if (!met->each)
        return err_set(err, ERR_CORRUPT, "it has no lists of packs");
    if (point->image_count != expected)
        return err_set(err, ERR_CORRUPT, "it has %" PRIu32 " maps, and %zu images",
                       point->image_count, expected);
    if (met->count != point->packs.count)
        return err_set(err, ERR_CORRUPT, "it names %" PRIu32 " packs, and its maps use %" PRIu32,
                       point->packs.count, met->count);
    return 0;
}

/* From what is unpacked. */
static int take_point(struct stored_point *point, struct err *err)
{
    CLEANUP(packs_met_clear) struct packs_met met = {0};
    struct unpacked_section section;
    struct unpacked_point unpacked;
    int more = 0;

    if (stored_unpack_begin(point->unpacked.data, point->unpacked.len, &point->id.guest, &unpacked,
                            err) < 0)
        return -1;
    point->info = unpacked.info;
    point->flags = unpacked.flags;
    point->images =
        mem_array(point->info.disk_count + point->info.memory + 1, sizeof(*point->images));
    if (point->info.derived && !(point->flags & FLAG_DERIVED))
        return err_set(err, ERR_CORRUPT,
                       "its head and its facts differ in whether it was made from another point");
    while ((more = stored_unpack_next(&unpacked, &section, err)) > 0)
        if (take_section(point, &section, &met, err) < 0)
            return -1;
    return more < 0 ? -1 : check_image_counts(point, &met, err);
}

/* ---- the whole -------------------------------------------------------------------------------- */

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
    struct slot slot;
};

static void slot_look_clear(struct slot_look *look)
{
    free(look->name);
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
    CLEANUP_BUF struct buf start = {0};

    ret->store = scope->store;
    ret->name = objects_name(scope, NAME_SLOT, &(struct point_id){id->guest, id->session}, 0);
    struct store_range range = {ret->name, 0, buf_reserve(&start, SLOT_START_MAX), SLOT_START_MAX};
    if (store_get(scope->store, &range, &start.len, err) < 0)
        return -1;
    bool tombstone = start.len <= SLOT_TOMBSTONE_SIZE;
    return (tombstone ? slot_parse : slot_parse_start)(start.data, start.len, id, &ret->slot, err) <
                   0
               ? prefix_slot(ret, err)
               : 0;
}

/* All bytes, as many as the table says, behind the id; before so many are asked for, whether there
 * are. */
static int read_point_bytes(const struct slot_look *look, const struct slot_id *id, struct buf *ret,
                            struct err *err)
{
    uint64_t size = look->slot.size, unpacked = 0;
    uint8_t last[2];
    const struct store_range end = {look->name, size - 1, last, sizeof(last)};
    size_t len = 0;

    /* What says that it is larger than it can be is damaged, and no lack of memory. */
    if (stored_unpack_size(&look->slot, &unpacked, err) < 0)
        return prefix_slot(look, err);
    if (store_get(look->store, &end, &len, err) < 0)
        return -1;
    if (len != 1 || size > SIZE_MAX - sizeof(*id)) {
        err_set(err, ERR_CORRUPT, "is unreadable: it does not have the %" PRIu64 " bytes of %s",
                size, "its sections");
        return prefix_slot(look, err);
    }
    ret->data = malloc(sizeof(*id) + (size_t)size);
    if (!ret->data)
        return err_set_errno(err, ENOMEM, "cannot get %" PRIu64 " bytes of memory", size);
    memcpy(ret->data, id, sizeof(*id));
    const struct store_range all = {look->name, 0, ret->data + sizeof(*id), (size_t)size};
    if (store_get(look->store, &all, &len, err) < 0)
        return -1;
    ret->len = sizeof(*id) + len;
    return 0;
}

int stored_point_read(const struct stored_scope *scope, const struct point_id *id,
                      struct stored_point **ret, struct err *err)
{
    CLEANUP(stored_point_freep) struct stored_point *point = mem_alloc(sizeof(*point));
    CLEANUP(slot_look_clear) struct slot_look look = {0};
    CLEANUP_BUF struct buf bytes = {0};

    point->id = (struct slot_id){scope->repository, id->session, id->guest};
    if (look_at_slot(scope, &point->id, &look, err) < 0)
        return -1;
    if (look.slot.kind != SLOT_POINT) {
        err_set(err, ERR_NOT_FOUND, "there is no point: %s", tombstone_text(look.slot.kind));
        return prefix_slot(&look, err);
    }
    if (read_point_bytes(&look, &point->id, &bytes, err) < 0)
        return -1;
    const struct parser_task task = {stored_unpack_point, bytes.data, bytes.len,
                                     slot_room_most(bytes.len), .alone = true};
    if (parser_run(scope->parser, &task, &point->unpacked, err) < 0)
        return prefix_slot(&look, err);
    if (take_point(point, err) < 0) {
        err_prefix(err, "is unreadable");
        return prefix_slot(&look, err);
    }
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

const struct trust_section *stored_point_trust(const struct stored_point *point, uint32_t number)
{
    for (uint32_t i = 0; i < point->trust_count; i++)
        if (point->trusts[i].number == number)
            return &point->trusts[i].section;
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

/* A summary that is being read. */
struct summary_look {
    struct slot_id id;
    struct slot_look slot;
    struct buf bytes; /* for stored_unpack_info */
};

static void summary_look_clear(struct summary_look *look)
{
    slot_look_clear(&look->slot);
    buf_clear(&look->bytes);
}

static int read_info_bytes(struct summary_look *summary, struct err *err)
{
    const struct slot_look *look = &summary->slot;
    const struct slot_section *section = slot_find(&look->slot, SLOT_INFO, 0);
    size_t head = sizeof(summary->id) + sizeof(*section), found = 0;
    struct buf *bytes = &summary->bytes;

    buf_append(bytes, &summary->id, sizeof(summary->id));
    buf_append(bytes, section, sizeof(*section));
    (void)buf_reserve(bytes, (size_t)section->stored_len); /* at most LIMITS_INFO */
    const struct store_range range = {look->name, section->offset, bytes->data + head,
                                      (size_t)section->stored_len};
    if (store_get(look->store, &range, &found, err) < 0)
        return -1;
    bytes->len += found;
    if (found != section->stored_len) {
        err_set(err, ERR_CORRUPT, "is unreadable: it is too short");
        return prefix_slot(look, err);
    }
    return 0;
}

/* Of a tombstone this is all. */
static int begin_summary(const struct stored_scope *scope, const struct point_id *id,
                         struct summary_look *look, struct stored_summary *ret, struct err *err)
{
    look->id = (struct slot_id){scope->repository, id->session, id->guest};
    if (look_at_slot(scope, &look->id, &look->slot, err) < 0)
        return -1;
    ret->kind = look->slot.slot.kind;
    ret->flags = look->slot.slot.flags;
    return ret->kind == SLOT_POINT ? read_info_bytes(look, err) : 0;
}

static int end_summary(const struct summary_look *look, struct parser_result *result,
                       struct stored_summary *ret, struct err *err)
{
    if (result->err.kind != ERR_NONE) {
        err_move(err, &result->err);
        return prefix_slot(&look->slot, err);
    }
    if (stored_unpack_take_info(result->made.data, result->made.len, &look->id.guest, &ret->info,
                                err) < 0) {
        err_prefix(err, "is unreadable");
        return prefix_slot(&look->slot, err);
    }
    return 0;
}

/* What is open of so many points at a time. */
#define SUMMARIES_AT_ONCE 256u

static void read_summaries(const struct stored_scope *scope, const struct point_id *ids,
                           size_t count, struct stored_found *ret)
{
    struct summary_look *looks = mem_array(count, sizeof(*looks));
    struct parser_task *tasks = mem_array(count, sizeof(*tasks));
    struct parser_result *results = mem_array(count, sizeof(*results));
    size_t *places = mem_array(count, sizeof(*places)); /* of the tasks */
    size_t asked = 0;

    for (size_t i = 0; i < count; i++) {
        if (begin_summary(scope, &ids[i], &looks[i], &ret[i].summary, &ret[i].err) < 0 ||
            ret[i].summary.kind != SLOT_POINT)
            continue;
        tasks[asked] = (struct parser_task){stored_unpack_info, looks[i].bytes.data,
                                            looks[i].bytes.len, SLOT_ROOM_INFO_MAX, count > 1};
        places[asked++] = i;
    }
    parser_run_each(scope->parser, tasks, asked, results);
    for (size_t i = 0; i < asked; i++) {
        struct stored_found *found = &ret[places[i]];
        (void)end_summary(&looks[places[i]], &results[i], &found->summary, &found->err);
    }
    parser_results_clear(results, asked);
    for (size_t i = 0; i < count; i++)
        summary_look_clear(&looks[i]);
    free(places);
    free(results);
    free(tasks);
    free(looks);
}

bool stored_point_is_unreadable(const struct err *err)
{
    return err->kind == ERR_CORRUPT || err->kind == ERR_UNSUPPORTED || err->kind == ERR_DENIED ||
           err->kind == ERR_IO;
}

struct stored_found *stored_point_summaries(const struct stored_scope *scope,
                                            const struct point_id *ids, size_t count)
{
    struct stored_found *found = mem_array(count, sizeof(*found));

    for (size_t i = 0, some = 0; i < count; i += some) {
        some = count - i < SUMMARIES_AT_ONCE ? count - i : SUMMARIES_AT_ONCE;
        read_summaries(scope, &ids[i], some, &found[i]);
    }
    return found;
}

void stored_found_free(struct stored_found *found, size_t count)
{
    for (size_t i = 0; i < count; i++) {
        stored_summary_clear(&found[i].summary);
        err_clear(&found[i].err);
    }
    free(found);
}

int stored_point_summary(const struct stored_scope *scope, const struct point_id *id,
                         struct stored_summary *ret, struct err *err)
{
    struct stored_found found = {0};

    read_summaries(scope, id, 1, &found);
    if (found.err.kind != ERR_NONE)
        return err_move(err, &found.err);
    *ret = found.summary;
    return 0;
}
