/* SPDX-License-Identifier: LGPL-2.1-or-later
 *
 * Sessions of a long backup: one ends in a partial point, and another goes on.
 *
 * It happens in the thread of the sink. The source is paused meanwhile, and may be ahead: it has looked up blocks of
 * chunks that children still work on. What of them is known is in the partial point's map, and so its packs
 * stay; what is new comes into packs of the next session. So nothing that the source has decided need be
 * decided again, even if a point on which it was based is gone now.
 */
#include "repository/point_writer_internal.h"

/* What a partial point says of itself: what is known from the beginning, and the images so far. */
static void describe_part(const struct point_writer *writer, size_t map_count, struct info *ret)
{
    const struct info *info = writer->options.part_info;

    *ret = (struct info){
        .name = mem_strdup(info->name),
        .guest = info->guest,
        .taken_ms = info->taken_ms,
        .derived = info->derived,
        .derived_from = info->derived_from,
        .state = info->state,
        .consistency = info->consistency,
        .host = mem_strdup(info->host),
        .program = mem_strdup(info->program),
    };
    for (size_t i = 0; i < info->tags.count; i++)
        strings_add(&ret->tags, info->tags.items[i]);
    for (size_t i = 0; i < map_count; i++) {
        const struct point_map *map = &writer->maps[i];
        if (map->target)
            info_add_disk(ret, map->target, map->size);
        ret->memory = ret->memory || !map->target;
    }
}

/* Ends the session in a partial point. The source is paused, or ended. */
static int commit_part(struct point_writer *writer, struct point_packs *ret_used, struct err *err)
{
    size_t count = writer->map_count + (writer->image != NULL);
    CLEANUP_SLOT_WRITER struct slot_writer slot = {0};
    CLEANUP_INFO struct info info = {0};

    if (packer_finish(writer->packer, err) < 0)
        return -1;
    if (writer->image) {
        struct buf *map = &writer->maps[writer->map_count].bytes;
        buf_clear(map);
        image_packer_map_so_far(writer->image, map);
    }
    describe_part(writer, count, &info);
    if (point_writer_add_images(writer, count, &info, &slot, ret_used, err) < 0 ||
        point_writer_fill_slot(writer, &slot, FLAG_PARTIAL, &info, err) < 0)
        return -1;
    writer->parts++;
    return 0;
}

static bool is_pack_held(const struct session *session, const struct point_packs *part,
                         const struct pack_id *pack)
{
    const struct stored_point *point;
    uint32_t place = 0;

    if (packs_find(&part->packs, &pack->session, pack->number, &place))
        return true;
    for (size_t i = 0; (point = session_known(session, i)); i++)
        if (!session_known_is_gone(session, i) &&
            packs_find(&point->packs, &pack->session, pack->number, &place))
            return true;
    return false;
}

/* Of points that are gone, only what the partial point has of them may still be referred to. */
static void leave_lost_packs(const struct point_writer *writer, const struct point_packs *part)
{
    const struct session *session = *writer->session;
    bool any = false;

    for (size_t i = 0; session_known(session, i); i++)
        any = any || session_known_is_gone(session, i);
    for (uint32_t i = 0; any && i < writer->packs.count; i++)
        if (!is_pack_held(session, part, &writer->packs.names[i].id))
            known_leave_pack(writer->packs.known, i);
}

static int change_session(struct point_writer *writer, struct err *err)
{
    CLEANUP_POINT_PACKS struct point_packs used = {0};

    if (commit_part(writer, &used, err) < 0 ||
        session_go_on(writer->repository, writer->session, err) < 0)
        return -1;
    leave_lost_packs(writer, &used);
    writer->part_packs = packer_closed(writer->packer, &writer->part_bytes);
    return 0;
}

/* *ret_bytes: of the packs that the session has closed. False: it has none. */
static bool has_closed_pack(const struct point_writer *writer, uint64_t *ret_bytes)
{
    uint32_t packs = packer_closed(writer->packer, ret_bytes);

    *ret_bytes -= writer->part_bytes;
    return packs > writer->part_packs;
}

static bool is_part_due(const struct point_writer *writer)
{
    uint64_t bytes = 0;

    return writer->options.part_info && has_closed_pack(writer, &bytes) &&
           (bytes >= writer->options.part_bytes ||
            session_age_ms(*writer->session) >= writer->options.part_ms);
}

int point_writer_put(void *opaque, const struct chunk_output *output, struct err *err)
{
    struct point_writer *writer = opaque;

    if (writer->sink.put(writer->sink.opaque, output, err) < 0)
        return -1;
    if (!is_part_due(writer))
        return 0;
    /* What the source has looked up until now is in the part's map; what it will look up may rely only
     * on what the next session finds. */
    image_packer_pause(writer->image);
    writer->failed = change_session(writer, err) < 0;
    image_packer_go_on(writer->image);
    return writer->failed ? -1 : 0;
}

int point_writer_put_aside(struct point_writer *writer, bool *ret, struct err *err)
{
    CLEANUP_POINT_PACKS struct point_packs used = {0};
    uint64_t bytes = 0;

    *ret = false;
    if (writer->failed || !writer->options.part_info || !has_closed_pack(writer, &bytes))
        return 0;
    if (commit_part(writer, &used, err) < 0)
        return -1;
    *ret = true;
    return 0;
}

unsigned point_writer_parts(const struct point_writer *writer)
{
    return writer->parts;
}
