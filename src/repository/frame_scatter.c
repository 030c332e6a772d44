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

struct frame_scatter {
    struct frame_scatter_request request;
    struct chunk_sink sink;
    struct frame_plan *plan;
    struct frame_plan_step step; /* the frame that comes next, if `started` and not `ended` */
    bool started;
    bool ended;
    uint8_t *slots[FRAME_PLAN_SLOTS]; /* owned; of the frames that are kept */
    const uint8_t *passing;           /* the frame that came last */
    const uint8_t *passing_digest;
    uint8_t *zeros; /* of a frame; NULL until one is met */
    uint64_t at;    /* bytes of the image that were put, or are in `chunk` */
    uint8_t *chunk; /* the beginning of the chunk that `at` is in, if it is not at its start */
    struct chunk_digest *digest;
    struct block_ids *ids;
};

struct frame_scatter *frame_scatter_new(const struct frame_scatter_request *request,
                                        const struct chunk_sink *sink, struct err *err)
{
    CLEANUP(frame_scatter_freep) struct frame_scatter *scatter = mem_alloc(sizeof(*scatter));

    scatter->request = *request;
    scatter->sink = *sink;
    scatter->plan = frame_plan_new(request->indexes, request->point, request->image);
    scatter->digest = chunk_digest_new();
    scatter->ids = block_ids_new(request->id_salt);
    scatter->chunk = aligned_alloc(ALIGNMENT, FRAME_SCATTER_CHUNK);
    if (!scatter->chunk) {
        err_set_errno(err, ENOMEM, "cannot get memory for a chunk");
        return NULL;
    }
    return TAKE_PTR(scatter);
}

void frame_scatter_free(struct frame_scatter *scatter)
{
    if (!scatter)
        return;
    for (uint32_t i = 0; i < FRAME_PLAN_SLOTS; i++)
        free(scatter->slots[i]);
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

/* data: of the chunk that `at` is in, all of it. digest NULL: not known. */
static int put_image_data(struct frame_scatter *scatter, const uint8_t *data, const uint8_t *digest,
                          struct err *err)
{
    uint64_t id = scatter->at / FRAME_SCATTER_CHUNK;
    uint32_t len = image_chunk_len(scatter, id);
    uint8_t computed[DIGEST_SIZE];

    if (!digest)
        chunk_digest_of(scatter->digest, data, len, computed);
    const struct chunk_output output = {
        .id = id,
        .count = 1,
        .raw_len = len,
        .kind = CHUNK_DATA,
        .data = data,
        .len = len,
        .digest = digest ? digest : computed,
    };
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

/* Adds len bytes, at most to the end of the chunk that `at` is in, which is put if that completes it.
 * data NULL: zeros. */
static int add_to_chunk(struct frame_scatter *scatter, const uint8_t *data, uint32_t len,
                        struct err *err)
{
    uint32_t start = (uint32_t)(scatter->at % FRAME_SCATTER_CHUNK);

    if (data)
        memcpy(scatter->chunk + start, data, len);
    else
        memset(scatter->chunk + start, 0, len);
    if (start + len < image_chunk_len(scatter, scatter->at / FRAME_SCATTER_CHUNK)) {
        scatter->at += len;
        return 0;
    }
    return put_image_data(scatter, scatter->chunk, NULL, err);
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
        if ((whole ? put_image_zeros(scatter, end, err) : add_to_chunk(scatter, NULL, len, err)) <
            0)
            return -1;
    }
    return 0;
}

/* digest: of all these bytes as one chunk; NULL: not known. */
static int add_bytes(struct frame_scatter *scatter, const uint8_t *data, uint32_t len,
                     const uint8_t *digest, struct err *err)
{
    while (len > 0) {
        uint32_t missing = missing_in_chunk(scatter);
        uint32_t part = missing < len ? missing : len;
        bool whole = scatter->at % FRAME_SCATTER_CHUNK == 0 && part == missing;
        if (whole ? put_image_data(scatter, data, part == len ? digest : NULL, err) < 0
                  : add_to_chunk(scatter, data, part, err) < 0)
            return -1;
        data += part;
        len -= part;
        digest = NULL;
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

static int check_block_ids(struct frame_scatter *scatter, const struct chunk_output *output,
                           struct err *err)
{
    const struct frame_plan_step *step = &scatter->step;

    for (uint32_t i = 0; i < step->frame.block_count; i++) {
        uint32_t len = frame_plan_offset(&step->frame, i + 1) - frame_plan_offset(&step->frame, i);
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

static int keep_decoded(struct frame_scatter *scatter, const uint8_t *data, struct err *err)
{
    const struct frame_plan_step *step = &scatter->step;

    scatter->passing = data;
    if (step->slot == FRAME_PLAN_PASSING)
        return 0;
    free(scatter->slots[step->slot]);
    scatter->slots[step->slot] = malloc(step->frame.raw_len);
    if (!scatter->slots[step->slot])
        return err_set_errno(err, ENOMEM, "cannot get memory for a frame");
    memcpy(scatter->slots[step->slot], data, step->frame.raw_len);
    return 0;
}

static int place_piece(struct frame_scatter *scatter, const struct frame_plan_step *step,
                       struct err *err)
{
    bool passing = step->slot == FRAME_PLAN_PASSING;
    const uint8_t *data = passing ? scatter->passing : scatter->slots[step->slot];
    uint32_t start = frame_plan_offset(&step->frame, step->first);
    uint32_t end = frame_plan_offset(&step->frame, step->first + step->count);

    if (add_zeros(scatter, step->block * LIMITS_BLOCK, err) < 0)
        return -1;
    return add_bytes(scatter, data + start, end - start, passing ? scatter->passing_digest : NULL,
                     err);
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
    const uint8_t *data = frame_bytes(scatter, output, err);
    if (!data || check_block_ids(scatter, output, err) < 0 || keep_decoded(scatter, data, err) < 0)
        return -1;
    scatter->passing_digest = output->digest;
    return place_up_to_next(scatter, err);
}

int frame_scatter_finish(struct frame_scatter *scatter, struct err *err)
{
    if (!scatter->started && place_up_to_next(scatter, err) < 0)
        return -1;
    return scatter->ended ? 0 : err_set(err, ERR_INTERNAL, "frames of the image are missing");
}
