/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "repository/frame_scatter.h"

#include <errno.h>
#include <inttypes.h>
#include <string.h>

#include "base/quit.h"
#include "codec/chunk_digest.h"
#include "repository/block_id.h"

/* Memory of chunks is given to writers that want whole pages. */
#define ALIGNMENT 4096

#define CHUNK_LEAVES (FRAME_SCATTER_CHUNK / CHUNK_DIGEST_LEAF)
#define FRAME_LEAVES (LIMITS_FRAME_BLOCKS_LZMA * (LIMITS_BLOCK / CHUNK_DIGEST_LEAF))
#define BLOCK_LEAVES (LIMITS_BLOCK / CHUNK_DIGEST_LEAF)

/* A block of a frame that is kept, with the digests of its leaves. */
struct kept_block {
    struct kept_block *next; /* of those that are free */
    uint8_t leaves[BLOCK_LEAVES][DIGEST_SIZE];
    uint8_t data[LIMITS_BLOCK];
};

struct frame_scatter {
    struct frame_scatter_request request;
    struct chunk_sink sink;
    struct frame_plan *plan;
    struct frame_plan_step step; /* the frame that comes next, if `started` and not `ended` */
    bool started;
    bool ended;
    /* Of the frames that are kept, blocks that will be used; NULL: others. Owned, like those that are
     * free, which are used again because memory that was in use lately is fast. */
    struct kept_block *slots[FRAME_PLAN_SLOTS][LIMITS_FRAME_BLOCKS_LZMA];
    struct kept_block *free;
    const uint8_t *passing;        /* the frame that came last, until the next piece is placed */
    const uint8_t *passing_leaves; /* the digests of its leaves */
    uint8_t *zeros;                /* of a frame; NULL until one is met */
    uint8_t zero_leaves[FRAME_LEAVES][DIGEST_SIZE];
    uint64_t at;    /* bytes of the image that were put, or are in `chunk` */
    uint8_t *chunk; /* the beginning of the chunk that `at` is in, if it is not at its start */
    uint8_t chunk_leaves[CHUNK_LEAVES][DIGEST_SIZE];
    struct chunk_digest *digest;
    struct block_ids *ids;
};

struct frame_scatter *frame_scatter_new(const struct frame_scatter_request *request,
                                        const struct chunk_sink *sink, struct err *err)
{
    CLEANUP(frame_scatter_freep) struct frame_scatter *scatter = mem_alloc(sizeof(*scatter));

    scatter->request = *request;
    scatter->sink = *sink;
    scatter->plan = frame_plan_new(request->indexes, request->point, request->image, request->uses);
    scatter->digest = chunk_digest_new();
    scatter->ids = block_ids_new(request->id_salt);
    scatter->chunk = aligned_alloc(ALIGNMENT, FRAME_SCATTER_CHUNK);
    if (!scatter->chunk) {
        err_set_errno(err, ENOMEM, "cannot get memory for a chunk");
        return NULL;
    }
    memset(scatter->chunk, 0, CHUNK_DIGEST_LEAF);
    for (size_t i = 0; i < FRAME_LEAVES; i++)
        digest_of(scatter->chunk, CHUNK_DIGEST_LEAF, scatter->zero_leaves[i]);
    return TAKE_PTR(scatter);
}

static void release_slot(struct frame_scatter *scatter, uint32_t slot)
{
    for (size_t i = 0; i < LIMITS_FRAME_BLOCKS_LZMA; i++) {
        struct kept_block *block = TAKE_PTR(scatter->slots[slot][i]);
        if (!block)
            continue;
        block->next = scatter->free;
        scatter->free = block;
    }
}

void frame_scatter_free(struct frame_scatter *scatter)
{
    if (!scatter)
        return;
    for (uint32_t i = 0; i < FRAME_PLAN_SLOTS; i++)
        release_slot(scatter, i);
    for (struct kept_block *block; (block = scatter->free);) {
        scatter->free = block->next;
        free(block);
    }
    frame_plan_free(scatter->plan);
    chunk_digest_free(scatter->digest);
    block_ids_free(scatter->ids);
    free(scatter->zeros);
    free(scatter->chunk);
    free(scatter);
}

/* ---- chunks of the image ---------------------------------------------------------------------- */

static uint32_t image_chunk_len(const struct frame_scatter *scatter, uint64_t id)
{
    return (uint32_t)chunk_raw_len(id, FRAME_SCATTER_CHUNK, scatter->request.image->size);
}

static int put_image_chunks(struct frame_scatter *scatter, const struct chunk_output *output,
                            struct err *err)
{
    const struct chunk_sink *sink = &scatter->sink;

    if ((quit_requested() && quit_check(err) < 0) || sink->put(sink->opaque, output, err) < 0)
        return -1;
    if (sink->chain)
        sink->chain(sink->opaque, output->digest, output->count);
    scatter->at = output->id * FRAME_SCATTER_CHUNK + output->count * output->raw_len;
    return 0;
}

/* data: of the chunk that `at` is in, all of it; and its leaves' digests. */
static int put_image_data(struct frame_scatter *scatter, const uint8_t *data, const uint8_t *leaves,
                          struct err *err)
{
    uint64_t id = scatter->at / FRAME_SCATTER_CHUNK;
    uint32_t len = image_chunk_len(scatter, id);
    uint8_t digest[DIGEST_SIZE];
    const struct chunk_output output = {
        .id = id,
        .count = 1,
        .raw_len = len,
        .kind = CHUNK_DATA,
        .data = data,
        .len = len,
        .digest = digest,
    };

    chunk_digest_of_leaves(scatter->digest, leaves, chunk_digest_leaf_count(len), digest);
    return put_image_chunks(scatter, &output, err);
}

/* `at` is at the start of a chunk; the chunks from there on that end at or before `end` are zeros, at
 * least one. */
static int put_image_zeros(struct frame_scatter *scatter, uint64_t end, struct err *err)
{
    uint8_t digest[DIGEST_SIZE];
    uint64_t id = scatter->at / FRAME_SCATTER_CHUNK;
    uint64_t full = (end - scatter->at) / FRAME_SCATTER_CHUNK;
    struct chunk_output output = {.id = id,
                                  .count = full > 0 && scatter->sink.runs ? full : 1,
                                  .raw_len = image_chunk_len(scatter, id),
                                  .kind = CHUNK_ZERO,
                                  .digest = digest};

    chunk_digest_of_zeros(scatter->digest, output.raw_len, digest);
    for (; full > 0 && output.id < id + full; output.id += output.count)
        if (put_image_chunks(scatter, &output, err) < 0)
            return -1;
    return full > 0 ? 0 : put_image_chunks(scatter, &output, err);
}

/* The chunk that `at` is in has len bytes more; puts it if that completes it. */
static int grow_chunk(struct frame_scatter *scatter, uint32_t len, struct err *err)
{
    uint32_t start = (uint32_t)(scatter->at % FRAME_SCATTER_CHUNK);

    if (start + len == image_chunk_len(scatter, scatter->at / FRAME_SCATTER_CHUNK))
        return put_image_data(scatter, scatter->chunk, scatter->chunk_leaves[0], err);
    scatter->at += len;
    return 0;
}

/* Adds len bytes, at most to the end of the chunk that `at` is in. */
static int add_to_chunk(struct frame_scatter *scatter, const uint8_t *data, const uint8_t *leaves,
                        uint32_t len, struct err *err)
{
    uint32_t start = (uint32_t)(scatter->at % FRAME_SCATTER_CHUNK);

    memcpy(scatter->chunk + start, data, len);
    memcpy(scatter->chunk_leaves[start / CHUNK_DIGEST_LEAF], leaves, chunk_digest_leaves_size(len));
    return grow_chunk(scatter, len, err);
}

/* The same of zeros. The last leaf of an image may be short. */
static int add_zeros_to_chunk(struct frame_scatter *scatter, uint32_t len, struct err *err)
{
    uint32_t start = (uint32_t)(scatter->at % FRAME_SCATTER_CHUNK), end = start + len;
    uint32_t rest = end % CHUNK_DIGEST_LEAF;

    memset(scatter->chunk + start, 0, len);
    memcpy(scatter->chunk_leaves[start / CHUNK_DIGEST_LEAF], scatter->zero_leaves,
           chunk_digest_leaves_size(len));
    if (rest > 0)
        digest_of(scatter->chunk + end - rest, rest,
                  scatter->chunk_leaves[end / CHUNK_DIGEST_LEAF]);
    return grow_chunk(scatter, len, err);
}

/* How much of the chunk that `at` is in is missing. */
static uint32_t missing_in_chunk(const struct frame_scatter *scatter)
{
    return image_chunk_len(scatter, scatter->at / FRAME_SCATTER_CHUNK) -
           (uint32_t)(scatter->at % FRAME_SCATTER_CHUNK);
}

static int add_zeros(struct frame_scatter *scatter, uint64_t end, struct err *err)
{
    while (scatter->at < end) {
        uint32_t missing = missing_in_chunk(scatter);
        bool whole = scatter->at % FRAME_SCATTER_CHUNK == 0 && missing <= end - scatter->at;
        uint32_t len = missing < end - scatter->at ? missing : (uint32_t)(end - scatter->at);
        if ((whole ? put_image_zeros(scatter, end, err) : add_zeros_to_chunk(scatter, len, err)) <
            0)
            return -1;
    }
    return 0;
}

/* Whole blocks, or such that end with the image. */
static int add_bytes(struct frame_scatter *scatter, const uint8_t *data, const uint8_t *leaves,
                     uint32_t len, struct err *err)
{
    while (len > 0) {
        uint32_t missing = missing_in_chunk(scatter);
        uint32_t part = missing < len ? missing : len;
        bool whole = scatter->at % FRAME_SCATTER_CHUNK == 0 && part == missing;
        if (whole ? put_image_data(scatter, data, leaves, err) < 0
                  : add_to_chunk(scatter, data, leaves, part, err) < 0)
            return -1;
        data += part;
        leaves += chunk_digest_leaves_size(part);
        len -= part;
    }
    return 0;
}

/* ---- frames ----------------------------------------------------------------------------------- */

static int check_block_id(const struct frame_scatter *scatter, const struct frame_plan_step *step,
                          uint32_t block, const uint8_t *digest, struct err *err)
{
    struct id found;

    block_id_of(scatter->ids, digest, &found);
    if (id_compare(&found, &step->ids[block]) == 0)
        return 0;
    const struct pack_id id = stored_point_pack(scatter->request.point, step->pack);
    CLEANUP_FREE char *name = stored_point_pack_name(scatter->request.scope, &id);
    return err_set(err, ERR_CORRUPT,
                   "%s/%s: block %" PRIu32 " is not what was stored: its id differs",
                   store_url(scatter->request.scope->store), name, step->frame.first_block + block);
}

static uint32_t block_len(const struct pack_frame *frame, uint32_t block)
{
    return frame_plan_offset(frame, block + 1) - frame_plan_offset(frame, block);
}

static int check_block_ids(struct frame_scatter *scatter, const struct chunk_output *output,
                           struct err *err)
{
    const struct frame_plan_step *step = &scatter->step;

    for (uint32_t i = 0; i < step->frame.block_count; i++) {
        if (!(step->wanted >> i & 1))
            continue;
        uint32_t len = block_len(&step->frame, i);
        uint8_t of_zeros[DIGEST_SIZE];
        const uint8_t *digest =
            output->block_digests ? output->block_digests + (size_t)i * DIGEST_SIZE : of_zeros;
        if (!output->block_digests)
            chunk_digest_of_zeros(scatter->digest, len, of_zeros);
        if (check_block_id(scatter, step, i, digest, err) < 0)
            return -1;
    }
    return 0;
}

/* The bytes of a frame that is zeros are not given. */
static const uint8_t *frame_bytes(struct frame_scatter *scatter, const struct chunk_output *output,
                                  struct err *err)
{
    if (output->kind == CHUNK_DATA)
        return output->data;
    if (!scatter->zeros)
        scatter->zeros = calloc(LIMITS_FRAME_BLOCKS_LZMA, LIMITS_BLOCK);
    if (!scatter->zeros)
        err_set_errno(err, ENOMEM, "cannot get memory for a frame");
    return scatter->zeros;
}

static struct kept_block *new_block(struct frame_scatter *scatter, struct err *err)
{
    struct kept_block *block = scatter->free;

    if (block)
        scatter->free = block->next;
    else
        block = malloc(sizeof(*block));
    if (!block)
        err_set_errno(err, ENOMEM, "cannot get memory for a block");
    return block;
}

/* Of the frame that has come, what is for more than the next piece. */
static int keep_blocks(struct frame_scatter *scatter, struct err *err)
{
    const struct frame_plan_step *step = &scatter->step;

    if (step->slot == FRAME_PLAN_PASSING)
        return 0;
    release_slot(scatter, step->slot);
    for (uint32_t i = 0; i < step->frame.block_count; i++) {
        if (!(step->kept >> i & 1))
            continue;
        struct kept_block *block = new_block(scatter, err);
        if (!block)
            return -1;
        uint32_t len = block_len(&step->frame, i);
        memcpy(block->data, scatter->passing + frame_plan_offset(&step->frame, i), len);
        memcpy(block->leaves, scatter->passing_leaves + i * sizeof(block->leaves),
               chunk_digest_leaves_size(len));
        scatter->slots[step->slot][i] = block;
    }
    return 0;
}

static int place_kept(struct frame_scatter *scatter, const struct frame_plan_step *step,
                      struct err *err)
{
    for (uint32_t i = step->first; i < step->first + step->count; i++) {
        const struct kept_block *block = scatter->slots[step->slot][i];
        if (!block)
            return err_set(err, ERR_INTERNAL, "block %" PRIu32 " of a frame was not kept", i);
        if (add_bytes(scatter, block->data, block->leaves[0], block_len(&step->frame, i), err) < 0)
            return -1;
    }
    if (step->last)
        release_slot(scatter, step->slot);
    return 0;
}

static int place_piece(struct frame_scatter *scatter, const struct frame_plan_step *step,
                       struct err *err)
{
    uint32_t start = frame_plan_offset(&step->frame, step->first);
    uint32_t end = frame_plan_offset(&step->frame, step->first + step->count);
    const uint8_t *passing = scatter->passing;

    scatter->passing = NULL;
    if (add_zeros(scatter, step->block * LIMITS_BLOCK, err) < 0)
        return -1;
    return passing ? add_bytes(scatter, passing + start,
                               scatter->passing_leaves + chunk_digest_leaves_size(start),
                               end - start, err)
                   : place_kept(scatter, step, err);
}

/* Places all pieces up to the next frame that is needed. */
static int place_up_to_next(struct frame_scatter *scatter, struct err *err)
{
    struct frame_plan_step step;
    int more;

    scatter->started = true;
    while ((more = frame_plan_next(scatter->plan, &step, err)) > 0) {
        if (step.kind == FRAME_PLAN_DECODE) {
            scatter->step = step;
            return 0;
        }
        if (place_piece(scatter, &step, err) < 0)
            return -1;
    }
    scatter->ended = true;
    return more < 0 ? -1 : add_zeros(scatter, scatter->request.image->size, err);
}

int frame_scatter_put(struct frame_scatter *scatter, const struct chunk_output *output,
                      struct err *err)
{
    if (!scatter->started && place_up_to_next(scatter, err) < 0)
        return -1;
    if (scatter->ended || output->raw_len != scatter->step.frame.raw_len)
        return err_set(err, ERR_INTERNAL, "frame %" PRIu64 " is not the one that is expected",
                       output->id);
    if (output->kind == CHUNK_DATA && !output->leaf_digests)
        return err_set(err, ERR_INTERNAL, "frame %" PRIu64 " came without digests", output->id);
    scatter->passing_leaves =
        output->kind == CHUNK_DATA ? output->leaf_digests : scatter->zero_leaves[0];
    scatter->passing = frame_bytes(scatter, output, err);
    if (!scatter->passing || check_block_ids(scatter, output, err) < 0 ||
        keep_blocks(scatter, err) < 0)
        return -1;
    return place_up_to_next(scatter, err);
}

int frame_scatter_finish(struct frame_scatter *scatter, struct err *err)
{
    if (!scatter->started && place_up_to_next(scatter, err) < 0)
        return -1;
    return scatter->ended ? 0 : err_set(err, ERR_INTERNAL, "frames of the image are missing");
}
