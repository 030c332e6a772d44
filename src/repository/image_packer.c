/* SPDX-License-Identifier: LGPL-2.1-or-later
 *
 * The source is called in the thread that runs the pool, the sink in the putter's. They share the
 * frames that are on their way: the source appends one for each chunk that it gives to a child, in
 * the order of the image, and the sink takes them off in the same order. So the source knows what
 * number each new block will have, and writes the map; the sink does not touch it.
 */
#include "repository/image_packer.h"

#include <assert.h>
#include <inttypes.h>
#include <pthread.h>
#include <stdatomic.h>
#include <string.h>

#include "base/io.h"
#include "base/units.h"
#include "codec/chunk_digest.h"
#include "codec/result.h"
#include "record/content_digest.h"
#include "repository/base_image.h"
#include "repository/taken_over.h"
#include "repository/chunk_hasher.h"
#include "repository/format/map.h"
#include "repository/frame_queue.h"
#include "repository/gathered_frame.h"
#include "repository/made_result.h"
#include "repository/point_maps.h"

struct image_packer {
    struct image_input input;
    struct chunk_source source;

    /* Of the source, which holds it while it looks blocks up; the sink, to keep it from that. */
    pthread_mutex_t planning;

    /* Of the source. */
    struct chunk_digest *digest;
    struct content_digest *content;
    struct chunk_hasher *hasher;
    struct base_image base;
    struct taken_over inherited; /* is_increment: `source` is this one's */
    struct chunk_source whole;   /* what that reads from */
    bool is_increment;
    uint64_t taken_over; /* blocks before this one are in the map if they are not zeros */
    struct map_writer map;
    uint64_t next_chunk;              /* those before it were looked at */
    uint8_t zero_digest[DIGEST_SIZE]; /* of a full chunk of the content digest */
    uint64_t new_blocks;
    uint64_t known_blocks;
    uint64_t counted; /* of the chunk that was read last, in bytes */
    /* Of the chunk that is looked at. */
    struct known_block expected[PLAN_BLOCKS];
    struct chunk_plan plan;

    /* Of the sink. */
    uint64_t chunks_put;
    struct buf table; /* of the result being put */
    _Atomic uint64_t stored;

    struct frame_queue *frames; /* of both */
};

uint64_t image_packer_chunk_size(enum codec_type codec)
{
    uint32_t blocks = codec == CODEC_LZMA ? LIMITS_FRAME_BLOCKS_LZMA : LIMITS_FRAME_BLOCKS;

    return (uint64_t)blocks * LIMITS_BLOCK;
}

/* ---- making one ------------------------------------------------------------------------------ */

static int check_packer_source(const struct image_input *input, struct err *err)
{
    const struct chunk_source *source = input->source;

    if (source->chunk_size != image_packer_chunk_size(input->codec) || source->gathered)
        return err_set(err, ERR_INTERNAL, "an image in chunks of %" PRIu64 " bytes makes no frames",
                       source->chunk_size);
    if (source->raw_size > LIMITS_IMAGE)
        return err_set(err, ERR_UNSUPPORTED,
                       "an image of %" PRIu64 " bytes is too large for a repository, whose largest "
                       "has %" PRIu64,
                       source->raw_size, LIMITS_IMAGE);
    if (source->find_same && (!input->base_image || input->base_image->size != source->raw_size))
        return err_set(err, ERR_INTERNAL, "an increment of an image that the base does not have");
    return 0;
}

/* The hasher is to see only what can be taken over. */
static void begin_increment(struct image_packer *image)
{
    image->is_increment = true;
    image->whole = image->source;
    image->inherited = (struct taken_over){
        .source = &image->whole, .known = image->input.known, .planning = &image->planning};
    base_image_begin(&image->inherited.base, image->input.base, image->input.base_image);
    image->source = taken_over_source(&image->inherited);
}

int image_packer_new(const struct image_input *input, struct image_packer **ret, struct err *err)
{
    const struct chunk_source *source = input->source;
    CLEANUP(image_packer_freep) struct image_packer *image = NULL;

    if (check_packer_source(input, err) < 0)
        return -1;
    image = mem_alloc(sizeof(*image));
    image->input = *input;
    image->source = *source;
    pthread_mutex_init(&image->planning, NULL);
    image->digest = chunk_digest_new();
    image->content = content_digest_new();
    chunk_digest_of_zeros(image->digest, MANIFEST_MAP_CHUNK, image->zero_digest);
    map_writer_begin(&image->map, source->raw_size);
    image->frames = frame_queue_new();
    known_set_codec(input->known, input->codec);
    base_image_begin(&image->base, input->base, input->base_image);
    if (source->find_same)
        begin_increment(image);
    image->hasher = chunk_hasher_new(&image->source, input->id_salt, err);
    if (!image->hasher)
        return -1;
    *ret = TAKE_PTR(image);
    return 0;
}

void image_packer_free(struct image_packer *image)
{
    if (!image)
        return;
    frame_queue_free(image->frames);
    map_writer_clear(&image->map);
    buf_clear(&image->table);
    chunk_digest_free(image->digest);
    content_digest_free(image->content);
    chunk_hasher_free(image->hasher);
    pthread_mutex_destroy(&image->planning);
    free(image);
}

/* ---- the source ------------------------------------------------------------------------------ */

/* All chunks from next_chunk to this one are zeros. */
static void pass_zeros(struct image_packer *image, uint64_t to_chunk)
{
    const struct chunk_source *source = &image->source;
    uint64_t start = image->next_chunk * source->chunk_size;
    uint64_t end = to_chunk < source->count ? to_chunk * source->chunk_size : source->raw_size;
    uint8_t digest[DIGEST_SIZE];

    if (to_chunk == image->next_chunk)
        return;
    image->next_chunk = to_chunk;
    if (image->is_increment)
        return;
    content_digest_add(image->content, image->zero_digest, (end - start) / MANIFEST_MAP_CHUNK);
    if ((end - start) % MANIFEST_MAP_CHUNK > 0) {
        chunk_digest_of_zeros(image->digest, (end - start) % MANIFEST_MAP_CHUNK, digest);
        content_digest_add(image->content, digest, 1);
    }
}

/* What was read ahead, and found to be the same, was found before the session changed. */
static int set_base_gone(struct err *err)
{
    return err_set(err, ERR_TRANSIENT,
                   "the point on which this one builds was removed while it was made; start the "
                   "backup again");
}

/* Blocks of these chunks that the base has, up to the last. May be called again for some of them. */
static int take_over(struct image_packer *image, uint64_t id, uint64_t count, struct err *err)
{
    uint64_t in_chunk = image->source.chunk_size / LIMITS_BLOCK;
    uint64_t from = id * in_chunk, to = (id + count) * in_chunk;
    struct map_run run;

    if (from < image->taken_over)
        from = image->taken_over;
    pthread_mutex_lock(&image->planning);
    bool usable = true;
    while (usable && base_image_next(&image->base, &from, to, &run)) {
        usable = known_is_usable(image->input.known, run.pack);
        map_writer_add(&image->map, &run);
        image->known_blocks += run.count;
    }
    pthread_mutex_unlock(&image->planning);
    if (to > image->taken_over)
        image->taken_over = to;
    return usable ? 0 : set_base_gone(err);
}

static int look_at_image(void *opaque, uint64_t id, struct chunk_run *ret, struct err *err)
{
    struct image_packer *image = opaque;

    if (chunk_hasher_look(image->hasher, id, ret, err) < 0)
        return -1;
    if (ret->kind == CHUNK_SAME && take_over(image, id, ret->count, err) < 0)
        return -1;
    if (ret->kind == CHUNK_ZERO)
        ret->kind = CHUNK_SAME; /* a gap of the map */
    return 0;
}

static void plan_chunk(struct image_packer *image, uint64_t id, const struct hashed_chunk *chunk)
{
    uint64_t first = id * (image->source.chunk_size / LIMITS_BLOCK);
    const struct planned_input input = {
        .ids = chunk->ids,
        .zeros = chunk->zeros,
        .expected = image->expected,
        .count = chunk->block_count,
        .same = chunk->same,
    };

    for (uint32_t i = 0; i < input.count; i++)
        image->expected[i] = base_image_block(&image->base, first + i);
    chunk_plan_make(image->input.known, &input, &image->plan);
}

static void map_chunk(struct image_packer *image, uint64_t chunk, uint64_t first_new)
{
    uint64_t block = chunk * (image->source.chunk_size / LIMITS_BLOCK);

    for (uint32_t i = 0; i < image->plan.count; i++, block++) {
        const struct planned_block *planned = &image->plan.blocks[i];
        struct known_block at = planned->at;
        if (planned->kind == PLANNED_ZERO)
            continue;
        if (planned->kind == PLANNED_NEW)
            at = known_own(image->input.known, first_new + planned->number);
        map_writer_add(
            &image->map,
            &(struct map_run){.block = block, .count = 1, .pack = at.pack, .first = at.block});
        image->known_blocks += planned->kind == PLANNED_KNOWN;
    }
}

static bool same_is_usable(const struct image_packer *image, const struct hashed_chunk *chunk)
{
    for (uint32_t i = 0; i < image->plan.count; i++)
        if (chunk->same >> i & 1 && image->expected[i].pack != BASE_NOWHERE &&
            !known_is_usable(image->input.known, image->expected[i].pack))
            return false;
    return true;
}

/* What there is of a chunk for a child goes to `data`. */
static int take_chunk(struct image_packer *image, uint64_t id, const struct hashed_chunk *chunk,
                      uint8_t *data, size_t *ret_len, enum chunk_kind *ret_kind, struct err *err)
{
    uint64_t parts = units_div_up(chunk->len, MANIFEST_MAP_CHUNK);

    for (uint64_t i = 0; i < parts && !image->is_increment; i++)
        content_digest_add(image->content, chunk->content + i * DIGEST_SIZE, 1);
    pthread_mutex_lock(&image->planning);
    uint64_t first_new = known_own_count(image->input.known);
    plan_chunk(image, id, chunk);
    bool usable = same_is_usable(image, chunk);
    map_chunk(image, id, first_new);
    if (image->plan.frame_count > 0)
        known_add_own(image->input.known, image->plan.ids, image->plan.frame_count);
    pthread_mutex_unlock(&image->planning);
    if (!usable)
        return set_base_gone(err);
    if (image->plan.frame_count == 0)
        return 0;
    image->new_blocks += image->plan.frame_count;
    struct frame_in_work *frame = gathered_frame_make(image->digest, id, chunk, &image->plan);
    frame->raw_len = gathered_frame_fill(frame, chunk->data, chunk->len, data);
    *ret_len = frame->raw_len;
    *ret_kind = CHUNK_DATA;
    frame_queue_add(image->frames, frame);
    return 0;
}

static int set_changed(uint64_t id, struct err *err)
{
    return err_set(err, ERR_IO, "chunk %" PRIu64 " changed while it was being read", id);
}

/* A chunk that a child could not do: the same blocks once more. */
static int read_chunk_again(struct image_packer *image, uint64_t id, uint8_t *data, size_t cap,
                            size_t *ret_len, struct err *err)
{
    const struct chunk_source *source = &image->source;
    const struct frame_in_work *frame = frame_queue_find(image->frames, id);
    uint32_t len = (uint32_t)chunk_raw_len(id, source->chunk_size, source->raw_size);
    enum chunk_kind kind = CHUNK_DATA;
    uint8_t digest[DIGEST_SIZE];

    if (!frame)
        return err_set(err, ERR_INTERNAL, "chunk %" PRIu64 " is read again, and needs no child",
                       id);
    image->counted = len;
    if (source->read(source->opaque, id, data, cap, ret_len, &kind, err) < 0)
        return -1;
    if (kind == CHUNK_ZERO)
        memset(data, 0, len);
    *ret_len = gathered_frame_fill(frame, data, len, data);
    chunk_digest_of(image->digest, data, *ret_len, digest);
    return memcmp(digest, frame->digest, DIGEST_SIZE) == 0 ? 0 : set_changed(id, err);
}

/* Whether an earlier backup, that was not completed, has come by the whole chunk. */
static bool is_passed(const struct image_packer *image, uint64_t id)
{
    return (id + 1) * (image->source.chunk_size / LIMITS_BLOCK) <= image->input.passed;
}

static int read_image(void *opaque, uint64_t id, void *data, size_t cap, size_t *ret_len,
                      enum chunk_kind *ret_kind, struct err *err)
{
    struct image_packer *image = opaque;
    const struct hashed_chunk *chunk = NULL;

    *ret_kind = CHUNK_DATA;
    if (id < image->next_chunk)
        return read_chunk_again(image, id, data, cap, ret_len, err);
    if (chunk_hasher_read(image->hasher, id, &chunk, err) < 0)
        return -1;
    if (cap < chunk->len)
        return err_set(err, ERR_INTERNAL, "no room for chunk %" PRIu64, id);
    *ret_kind = CHUNK_SAME;
    *ret_len = chunk->len;
    image->counted = is_passed(image, id) ? 0 : chunk_hasher_bytes_read(chunk);
    pass_zeros(image, id);
    if (chunk->all_zeros) {
        pass_zeros(image, id + 1);
        return 0;
    }
    if (take_chunk(image, id, chunk, data, ret_len, ret_kind, err) < 0)
        return -1;
    if (*ret_kind == CHUNK_DATA)
        image->counted = chunk_hasher_bytes_read(chunk);
    image->next_chunk = id + 1;
    return 0;
}

static uint32_t image_gathered(void *opaque, uint64_t id)
{
    const struct image_packer *image = opaque;
    const struct frame_in_work *frame = frame_queue_find(image->frames, id);

    return frame ? frame->raw_len : 0;
}

static uint64_t image_counted(void *opaque, uint64_t id)
{
    const struct image_packer *image = opaque;

    (void)id;
    return image->counted;
}

static int check_image_source(void *opaque, struct err *err)
{
    const struct image_packer *image = opaque;
    const struct chunk_source *source = &image->source;

    return source->check ? source->check(source->opaque, err) : 0;
}

struct chunk_source image_packer_source(struct image_packer *image)
{
    struct chunk_source source = image->source;

    source.opaque = image;
    source.look = look_at_image;
    source.read = read_image;
    source.gathered = image_gathered;
    source.counted = image_counted;
    source.find_same = NULL;
    source.read_blocks = NULL;
    source.check = image->source.check ? check_image_source : NULL;
    return source;
}

/* ---- the sink -------------------------------------------------------------------------------- */

static int put_frame(struct image_packer *image, const struct chunk_output *output,
                     const struct frame_in_work *frame, struct err *err)
{
    struct pack_index_added added = {
        .raw_len = frame->raw_len,
        .codec = image->input.codec,
        .block_count = frame->count,
        .ids = frame->ids,
    };
    struct result result;
    size_t len = 0;

    /* Children of our own say none. */
    bool same = io_is_zero(output->digest, DIGEST_SIZE) ||
                memcmp(output->digest, frame->digest, DIGEST_SIZE) == 0;
    if (output->raw_len != frame->raw_len || !same)
        return set_changed(output->id, err);
    if (made_result_parse(output, &image->table, &result, &len, err) < 0)
        return -1;
    added.stored_len = (uint32_t)len;
    uint8_t *room = packer_room(image->input.packer, added.stored_len, added.block_count, err);
    if (!room)
        return -1;
    made_result_write(&result, frame->digest, room);
    if (packer_add(image->input.packer, room, &added, err) < 0)
        return -1;
    image->stored += len;
    return 0;
}

static int put_image(void *opaque, const struct chunk_output *output, struct err *err)
{
    struct image_packer *image = opaque;

    if (output->id != image->chunks_put)
        return err_set(err, ERR_INTERNAL, "chunk %" PRIu64 " came out of turn", output->id);
    image->chunks_put += output->count;
    if (output->kind == CHUNK_SAME)
        return packer_tick(image->input.packer, err);
    CLEANUP_FREE struct frame_in_work *frame = frame_queue_take(image->frames);
    if (!frame || frame->chunk != output->id || output->kind != CHUNK_DATA)
        return err_set(err, ERR_INTERNAL, "chunk %" PRIu64 " is put, and was not read", output->id);
    if (put_frame(image, output, frame, err) < 0)
        return -1;
    return packer_tick(image->input.packer, err);
}

static uint64_t image_stored(void *opaque)
{
    const struct image_packer *image = opaque;

    return image->stored;
}

struct chunk_sink image_packer_sink(struct image_packer *image)
{
    return (struct chunk_sink){
        .opaque = image,
        .ordered = true,
        .runs = true,
        .same = true,
        .digests_known = true,
        .put = put_image,
        .stored = image_stored,
    };
}

void image_packer_pause(struct image_packer *image)
{
    pthread_mutex_lock(&image->planning);
}

void image_packer_go_on(struct image_packer *image)
{
    pthread_mutex_unlock(&image->planning);
}

void image_packer_map_so_far(const struct image_packer *image, struct buf *ret)
{
    const struct point_maps_stored stored = {
        .known_packs = known_pack_count(image->input.known),
        .own = packer_block_count(image->input.packer),
        .mapped = known_own_count(image->input.known),
    };
    CLEANUP_BUF struct buf map = {0};

    map_writer_copy(&image->map, &map);
    point_maps_cut(&map, &stored, ret);
}

uint64_t image_packer_size(const struct image_packer *image)
{
    return image->source.raw_size;
}

int image_packer_finish(struct image_packer *image, struct image_written *ret, struct err *err)
{
    const struct chunk_source *source = &image->source;

    if (image->chunks_put != source->count)
        return err_set(err, ERR_INTERNAL, "%" PRIu64 " of %" PRIu64 " chunks were written",
                       image->chunks_put, source->count);
    pass_zeros(image, source->count);
    *ret = (struct image_written){
        .image = {.has_content = !image->is_increment,
                  .raw_size = source->raw_size,
                  .chunk_size = MANIFEST_MAP_CHUNK},
        .new_blocks = image->new_blocks,
        .known_blocks = image->known_blocks,
        .stored = image->stored,
    };
    if (!image->is_increment)
        content_digest_finish(image->content, ret->image.content);
    map_writer_finish(&image->map, &ret->map);
    return 0;
}
