/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "repository/point_writer.h"

#include <string.h>

#include "base/log.h"
#include "repository/point_writer_internal.h"
#include "repository/refresh.h"
#include "repository/witnesses.h"

/* ---- beginning ------------------------------------------------------------------------------- */

#define KNOWN_LEAST ((size_t)1 << 20)

struct point_options point_options_within(uint64_t memory)
{
    struct point_options options = {.pack_buffers = PACKER_BUFFERS, .known_memory = KNOWN_MEMORY};

    if (memory == 0)
        return options;
    /* Three quarters are for packs: to write one while the next is filled is worth more. */
    while (options.pack_buffers > 1 &&
           (uint64_t)options.pack_buffers * LIMITS_PACK > memory / 4 * 3)
        options.pack_buffers--;
    uint64_t packs = (uint64_t)options.pack_buffers * LIMITS_PACK;
    uint64_t left = memory > packs ? memory - packs : 0;
    if (left < KNOWN_MEMORY)
        options.known_memory = left < KNOWN_LEAST ? KNOWN_LEAST : (size_t)left;
    return options;
}

/* The session changes only while no pack is being put. */
static int put_session_pack(void *opaque, struct pack_writer *pack, struct pack_digest *ret_digest,
                            struct pack_id *ret_id, struct err *err)
{
    const struct point_writer *writer = opaque;
    struct session *session = *writer->session;

    *ret_id = (struct pack_id){session_scope(session)->repository, *session_id(session), 0};
    return session_put_pack(session, pack, ret_digest, &ret_id->number, err);
}

static bool is_pack_due(void *opaque)
{
    const struct point_writer *writer = opaque;

    return session_pack_is_due(*writer->session);
}

static int read_known_packs(struct point_writer *writer, const struct point_options *options,
                            struct err *err)
{
    const struct stored_point *base = session_base(*writer->session);
    CLEANUP_FREE bool *left_out = base ? mem_array(base->packs.count + 1, sizeof(*left_out)) : NULL;
    const struct known_request request = {
        *writer->session, left_out, options->known_memory ? options->known_memory : KNOWN_MEMORY,
        .increment = base && base->trust_count > 0};

    if (base && !options->no_refresh)
        refresh_choose(base, left_out);
    return known_packs_read(&request, &writer->packs, err);
}

int point_writer_new(const struct repository *repository, struct session **session,
                     const struct point_options *options, struct point_writer **ret,
                     struct err *err)
{
    CLEANUP(point_writer_freep) struct point_writer *writer = mem_alloc(sizeof(*writer));
    const struct pack_target target = {writer, put_session_pack, is_pack_due};

    writer->repository = repository;
    writer->session = session;
    writer->options = *options;
    if (writer->options.part_bytes == 0)
        writer->options.part_bytes = POINT_PART_BYTES;
    if (writer->options.part_ms == 0)
        writer->options.part_ms = POINT_PART_MS;
    if (read_known_packs(writer, options, err) < 0)
        return -1;
    writer->packer = packer_new(&target, options->pack_buffers, err);
    if (!writer->packer)
        return -1;
    *ret = TAKE_PTR(writer);
    return 0;
}

void point_writer_free(struct point_writer *writer)
{
    if (!writer)
        return;
    packer_free(writer->packer);
    known_packs_clear(&writer->packs);
    for (size_t i = 0; i < writer->map_count + (writer->image != NULL); i++) {
        buf_clear(&writer->maps[i].bytes);
        free(writer->maps[i].target);
    }
    image_packer_free(writer->image);
    free(writer->maps);
    free(writer);
}

uint32_t point_writer_unread(const struct point_writer *writer, const char **ret_why)
{
    *ret_why = writer->packs.why;
    return writer->packs.unread;
}

int point_writer_show_life(struct point_writer *writer, struct err *err)
{
    return packer_tick(writer->packer, err);
}

/* ---- images ---------------------------------------------------------------------------------- */

uint64_t point_writer_chunk_size(enum codec_type codec)
{
    return image_packer_chunk_size(codec);
}

/* NULL: the point does not have this disk. */
static const struct stored_image *find_image_of(const struct stored_point *point,
                                                const char *target)
{
    for (size_t i = 0; point && target && i < point->info.disk_count; i++) {
        if (strcmp(point->info.disks[i].target, target) == 0)
            return stored_point_image(point, (uint32_t)i);
    }
    return NULL;
}

/* How far backups that were not completed have come with this disk, in blocks. */
static uint64_t count_passed(const struct session *session, const char *target)
{
    const struct stored_point *point;
    uint64_t passed = 0;

    for (size_t i = 0; (point = session_known(session, i)); i++) {
        const struct stored_image *image = find_image_of(point, target);
        struct map_reader reader;
        struct map_run run;
        if (!image || !(point->flags & FLAG_PARTIAL))
            continue;
        stored_point_walk(point, image, &reader);
        while (map_reader_next(&reader, &run, NULL) > 0)
            if (run.block + run.count > passed)
                passed = run.block + run.count;
    }
    return passed;
}

static uint64_t point_image_stored(void *opaque)
{
    const struct point_writer *writer = opaque;

    return writer->sink.stored(writer->sink.opaque);
}

int point_writer_begin_image(struct point_writer *writer, const struct point_image *image,
                             struct point_plugs *ret, struct err *err)
{
    const struct stored_point *base = session_base(*writer->session);
    const struct image_input input = {
        .source = image->source,
        .codec = image->codec,
        .id_salt = writer->repository->id_salt,
        .known = writer->packs.known,
        .packer = writer->packer,
        .base = base,
        .base_image = find_image_of(base, image->target),
        .passed = count_passed(*writer->session, image->target),
    };

    if (writer->image)
        return err_set(err, ERR_INTERNAL, "another image is still being written");
    if (image_packer_new(&input, &writer->image, err) < 0)
        return -1;
    writer->maps = mem_resize(writer->maps, writer->map_count + 1, sizeof(*writer->maps));
    writer->maps[writer->map_count] = (struct point_map){
        .number = image->number,
        .target = image->target ? mem_strdup(image->target) : NULL,
        .size = image->source->raw_size,
    };
    writer->sink = image_packer_sink(writer->image);
    ret->source = image_packer_source(writer->image);
    ret->sink = writer->sink;
    ret->sink.opaque = writer;
    ret->sink.put = point_writer_put;
    ret->sink.stored = point_image_stored;
    return 0;
}

int point_writer_end_image(struct point_writer *writer, struct point_image_written *ret,
                           struct err *err)
{
    struct image_written written;

    if (image_packer_finish(writer->image, &written, err) < 0)
        return -1;
    image_packer_free(TAKE_PTR(writer->image));
    struct point_map *map = &writer->maps[writer->map_count++];
    buf_clear(&map->bytes);
    map->bytes = written.map;
    *ret = (struct point_image_written){
        .image = written.image,
        .new_blocks = written.new_blocks,
        .stored = written.stored,
        .known_blocks = written.known_blocks,
    };
    return 0;
}

/* ---- the point ------------------------------------------------------------------------------- */

/* In the order of the point: the memory comes last. */
static int compare_maps(const void *a, const void *b)
{
    const struct point_map *x = a;
    const struct point_map *y = b;

    return x->number < y->number ? -1 : x->number > y->number;
}

static int check_images(const struct point_writer *writer, const struct info *info, struct err *err)
{
    bool right = writer->map_count == info->disk_count + info->memory;

    for (size_t i = 0; right && i < writer->map_count; i++) {
        uint32_t number = i < info->disk_count ? (uint32_t)i : SLOT_MEMORY;
        right = writer->maps[i].number == number &&
                (number == SLOT_MEMORY || writer->maps[i].size == info->disks[i].size);
    }
    return right ? 0 : err_set(err, ERR_INTERNAL, "the images are not those of the guest's point");
}

static int add_section(struct slot_writer *slot, uint16_t type, const struct buf *bytes,
                       struct err *err)
{
    const struct slot_added added = {
        .type = type, .data = bytes->data, .len = bytes->len, .compress = type != SLOT_PACKS};

    return slot_writer_add(slot, &added, err);
}

static int add_packs(struct slot_writer *slot, const struct point_packs *used, struct err *err)
{
    CLEANUP_BUF struct buf packs = {0}, digests = {0};

    packs_format(&used->packs, &packs);
    packs_format_digests(used->digests, used->packs.count, &digests);
    if (add_section(slot, SLOT_PACKS, &packs, err) < 0)
        return -1;
    return add_section(slot, SLOT_DIGESTS, &digests, err);
}

static int add_maps(const struct point_maps *maps, struct slot_writer *slot,
                    const struct point_packs *used, struct err *err)
{
    for (size_t i = 0; i < maps->count; i++) {
        CLEANUP_BUF struct buf map = {0};
        if (point_maps_write(&maps->maps[i], used, &map, err) < 0)
            return -1;
        const struct slot_added added = {.type = SLOT_MAP,
                                         .number = maps->maps[i].number,
                                         .data = map.data,
                                         .len = map.len,
                                         .compress = true};
        if (slot_writer_add(slot, &added, err) < 0)
            return -1;
    }
    return 0;
}

/* What cannot be kept only costs the next backup time. */
static int add_trusts(const struct point_writer *writer, const struct point_parts *parts,
                      struct slot_writer *slot, const struct point_packs *used, struct err *err)
{
    for (size_t i = 0; parts->trusts && i < parts->info->disk_count; i++) {
        CLEANUP_TRUST_SECTION struct trust_section section = {0};
        CLEANUP_BUF struct buf bytes = {0};
        CLEANUP_ERR struct err why = ERR_INIT;
        if (!parts->trusts[i])
            continue;
        trust_copy(parts->trusts[i], &section.facts);
        if (witnesses_choose(&writer->maps[i], used, writer->packs.known, &section, err) < 0)
            return -1;
        if (trust_section_format(&section, &bytes, &why) < 0) {
            log_detail("disk '%s': the next backup will read all of it: %s",
                       parts->info->disks[i].target, why.text);
            continue;
        }
        const struct slot_added added = {.type = SLOT_TRUST,
                                         .number = (uint32_t)i,
                                         .data = bytes.data,
                                         .len = bytes.len,
                                         .compress = true};
        if (slot_writer_add(slot, &added, err) < 0)
            return -1;
    }
    return 0;
}

static int add_rest(const struct point_parts *parts, struct slot_writer *slot, struct err *err)
{
    const struct slot_added manifest = {.type = SLOT_MANIFEST,
                                        .data = parts->manifest,
                                        .len = parts->manifest_len,
                                        .compress = true};
    CLEANUP_BUF struct buf small = {0};

    if (slot_writer_add(slot, &manifest, err) < 0)
        return -1;
    if (parts->small->count == 0)
        return 0;
    if (small_items_format(parts->small, &small, err) < 0)
        return -1;
    return add_section(slot, SLOT_SMALL, &small, err);
}

static void complete_info(const struct point_writer *writer, const struct point_packs *used,
                          struct info *info)
{
    const struct stored_point *base = session_base(*writer->session);

    info->has_base = base != NULL;
    if (base)
        info->base = base->id.session;
    info->stored = used->own_bytes;
}

int point_writer_add_images(const struct point_writer *writer, size_t map_count, struct info *info,
                            struct slot_writer *slot, struct point_packs *ret_used, struct err *err)
{
    const struct point_maps maps = {
        .maps = writer->maps,
        .count = map_count,
        .known = &writer->packs,
        .packer = writer->packer,
    };
    CLEANUP_BUF struct buf text = {0};

    if (point_maps_packs(&maps, ret_used, err) < 0)
        return -1;
    complete_info(writer, ret_used, info);
    return info_format(info, &text, err) < 0 || add_packs(slot, ret_used, err) < 0 ||
                   add_section(slot, SLOT_INFO, &text, err) < 0 ||
                   add_maps(&maps, slot, ret_used, err) < 0
               ? -1
               : 0;
}

int point_writer_fill_slot(const struct point_writer *writer, struct slot_writer *slot,
                           uint32_t flags, const struct info *info, struct err *err)
{
    const struct stored_scope *scope = session_scope(*writer->session);
    const struct slot_id id = {scope->repository, *session_id(*writer->session), info->guest};
    CLEANUP_BUF struct buf point = {0};

    if (slot_writer_finish(slot, &id, flags | (writer->options.derived ? FLAG_DERIVED : 0), &point,
                           err) < 0)
        return -1;
    return session_commit(*writer->session, point.data, point.len, err);
}

int point_writer_commit(struct point_writer *writer, const struct point_parts *parts,
                        struct err *err)
{
    CLEANUP_SLOT_WRITER struct slot_writer slot = {0};
    CLEANUP_POINT_PACKS struct point_packs used = {0};

    if (writer->map_count)
        qsort(writer->maps, writer->map_count, sizeof(*writer->maps), compare_maps);
    return check_images(writer, parts->info, err) < 0 || packer_finish(writer->packer, err) < 0 ||
                   point_writer_add_images(writer, writer->map_count, parts->info, &slot, &used,
                                           err) < 0 ||
                   add_trusts(writer, parts, &slot, &used, err) < 0 ||
                   add_rest(parts, &slot, err) < 0 ||
                   point_writer_fill_slot(writer, &slot, 0, parts->info, err) < 0
               ? -1
               : 0;
}
