/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "repository/restored_image.h"

#include <inttypes.h>
#include <stdatomic.h>
#include <string.h>

#include "base/io.h"
#include "base/quit.h"
#include "codec/result.h"
#include "repository/frame_fetch.h"
#include "repository/frame_scatter.h"

/* Frames are asked for in batches of so many stored bytes, or frames, and as many as this many bytes
 * are asked for ahead of those that children have. */
#define BATCH_BYTES ((size_t)32 << 20)
#define BATCH_FRAMES 4096u
#define AHEAD_BYTES ((size_t)64 << 20)
/* Steps of a plan before a signal is looked for. */
#define LOOK_STEPS 1024u

struct restored_image {
    struct restored_request request;
    const struct stored_image *stored;
    char *name; /* owned: for messages */
    struct pack_indexes *indexes;
    struct frame_uses uses;
    enum codec_type codec;
    uint64_t chunk_size;  /* the most bytes of a frame of this codec */
    uint64_t frame_count; /* of the plan: those that are decoded twice count twice */

    /* The end that reads. */
    struct frame_plan *plan;
    bool planned_all;
    struct frame_fetch *fetch;
    struct fetched_frame *frames; /* those from first_id on that were asked for */
    uint64_t first_id;
    size_t count;
    size_t cap;
    uint64_t next_id; /* that was not read yet */
    size_t ahead;     /* stored bytes from there on */

    /* The end that puts. */
    struct frame_scatter *scatter;
    _Atomic uint64_t put_count;
};

/* ---- opening ---------------------------------------------------------------------------------- */

/* Goes through the plan once, for what can be known of it. */
static int count_frames(struct restored_image *image, struct err *err)
{
    CLEANUP(frame_plan_freep)
    struct frame_plan *plan =
        frame_plan_new(image->indexes, image->request.point, image->stored, &image->uses);
    struct frame_plan_step step;
    int more;

    for (uint64_t steps = 0; (more = frame_plan_next(plan, &step, err)) > 0; steps++) {
        if (steps % LOOK_STEPS == 0 && quit_check(err) < 0)
            return -1;
        if (step.kind != FRAME_PLAN_DECODE)
            continue;
        if (image->frame_count++ == 0)
            image->codec = step.frame.codec;
        if (step.frame.codec != image->codec)
            return err_set(err, ERR_UNSUPPORTED, "its frames were compressed in different ways");
    }
    return more;
}

static char *describe_image(const struct restored_request *request)
{
    const struct info *info = &request->point->info;

    return request->number == SLOT_MEMORY || request->number >= info->disk_count
               ? mem_strdup("memory")
               : mem_printf("disk '%s'", info->disks[request->number].target);
}

int restored_image_open(const struct restored_request *request, struct restored_image **ret,
                        struct err *err)
{
    CLEANUP(restored_image_closep) struct restored_image *image = mem_alloc(sizeof(*image));

    image->request = *request;
    image->stored = stored_point_image(request->point, request->number);
    if (!image->stored)
        return err_set(err, ERR_NOT_FOUND, "the point has no such image");
    image->name = describe_image(request);
    image->codec = CODEC_NONE;
    image->indexes = pack_indexes_new(request->scope, request->point);
    if (count_frames(image, err) < 0)
        return err_prefix(err, "%s", image->name);
    image->chunk_size =
        (image->codec == CODEC_LZMA ? LIMITS_FRAME_BLOCKS_LZMA : LIMITS_FRAME_BLOCKS) *
        (uint64_t)LIMITS_BLOCK;
    image->plan = frame_plan_new(image->indexes, request->point, image->stored, &image->uses);
    image->fetch = frame_fetch_new(request->scope, request->point);
    *ret = TAKE_PTR(image);
    return 0;
}

void restored_image_close(struct restored_image *image)
{
    if (!image)
        return;
    frame_scatter_free(image->scatter);
    frame_fetch_free(image->fetch);
    frame_plan_free(image->plan);
    pack_indexes_free(image->indexes);
    frame_uses_clear(&image->uses);
    free(image->frames);
    free(image->name);
    free(image);
}

enum codec_type restored_image_codec(const struct restored_image *image)
{
    return image->codec;
}

/* ---- the end that reads ----------------------------------------------------------------------- */

static void forget_put_frames(struct restored_image *image)
{
    uint64_t put = atomic_load(&image->put_count);
    size_t gone = (size_t)(put - image->first_id);

    if (gone == 0)
        return;
    image->count -= gone;
    image->first_id = put;
    memmove(image->frames, image->frames + gone, image->count * sizeof(*image->frames));
}

static int want_batch(struct restored_image *image, struct err *err)
{
    size_t start, bytes = 0;
    struct frame_plan_step step;
    int more = 1;

    forget_put_frames(image);
    start = image->count;
    while (bytes < BATCH_BYTES && image->count - start < BATCH_FRAMES &&
           (more = frame_plan_next(image->plan, &step, err)) > 0) {
        if (step.kind != FRAME_PLAN_DECODE)
            continue;
        if (image->count == image->cap) {
            image->cap = image->cap ? image->cap * 2 : 256;
            image->frames = mem_resize(image->frames, image->cap, sizeof(*image->frames));
        }
        image->frames[image->count++] =
            (struct fetched_frame){.pack = step.pack, .frame = step.frame, .wanted = step.wanted};
        bytes += step.frame.stored_len;
    }
    if (more < 0)
        return -1;
    image->planned_all = more == 0;
    image->ahead += bytes;
    return frame_fetch_want(image->fetch, image->frames + start, image->count - start, err);
}

/* A frame that was asked for; NULL: the plan has no such frame. */
static struct fetched_frame *planned_frame(struct restored_image *image, uint64_t id)
{
    return id >= image->first_id && id - image->first_id < image->count
               ? &image->frames[id - image->first_id]
               : NULL;
}

static int look_at_frame(void *opaque, uint64_t id, struct chunk_run *ret, struct err *err)
{
    (void)opaque;
    (void)id;
    (void)err;
    *ret = (struct chunk_run){.kind = CHUNK_DATA, .count = 1};
    return 0;
}

static int fail_frame(const struct restored_image *image, const struct fetched_frame *frame,
                      const char *what, struct err *err)
{
    const struct pack_id id = stored_point_pack(image->request.point, frame->pack);
    CLEANUP_FREE char *name = stored_point_pack_name(image->request.scope, &id);

    return err_set(err, ERR_CORRUPT, "%s: %s/%s: the frame of block %" PRIu32 " %s", image->name,
                   store_url(image->request.scope->store), name, frame->frame.first_block, what);
}

/* Only the head: the rest is the child's. */
static int check_frame_head(const struct restored_image *image, const struct fetched_frame *frame,
                            const uint8_t *data, struct err *err)
{
    if (frame->frame.stored_len < RESULT_HEAD_SIZE)
        return fail_frame(image, frame, "is too short", err);
    if (io_is_zero(data, DIGEST_SIZE))
        return fail_frame(image, frame, "has no digest", err);
    if (get_be32(data + DIGEST_SIZE) != frame->frame.raw_len)
        return fail_frame(image, frame, "has another length than the index says", err);
    return 0;
}

static int read_planned_frame(void *opaque, uint64_t id, void *data, size_t cap, size_t *ret_len,
                              enum chunk_kind *ret_kind, struct err *err)
{
    struct restored_image *image = opaque;

    while (id >= image->next_id && !image->planned_all && image->ahead < AHEAD_BYTES)
        if (want_batch(image, err) < 0)
            return -1;
    struct fetched_frame *frame = planned_frame(image, id);
    if (!frame)
        return err_set(err, ERR_INTERNAL, "%s: there is no frame %" PRIu64, image->name, id);
    if (frame->frame.stored_len > cap)
        return fail_frame(image, frame, "is longer than any that is written", err);
    if (frame_fetch_take(image->fetch, frame, data, err) < 0)
        return err_prefix(err, "%s", image->name);
    if (id >= image->next_id) {
        image->next_id = id + 1;
        image->ahead -= frame->frame.stored_len;
    }
    *ret_len = frame->frame.stored_len;
    *ret_kind = CHUNK_DATA;
    return check_frame_head(image, frame, data, err);
}

static uint32_t planned_frame_len(void *opaque, uint64_t id)
{
    const struct fetched_frame *frame = planned_frame(opaque, id);

    return frame ? frame->frame.raw_len : 0;
}

static uint64_t planned_frame_wanted(void *opaque, uint64_t id)
{
    const struct fetched_frame *frame = planned_frame(opaque, id);

    return frame ? frame->wanted : 0;
}

/* ---- the end that puts ------------------------------------------------------------------------ */

static int put_decoded_frame(void *opaque, const struct chunk_output *output, struct err *err)
{
    struct restored_image *image = opaque;

    if (frame_scatter_put(image->scatter, output, err) < 0)
        return err_prefix(err, "%s", image->name);
    atomic_fetch_add(&image->put_count, 1);
    return 0;
}

static int unpack_frames(void *opaque, const struct chunk_sink *sink, struct chunk_sink *ret,
                         struct err *err)
{
    struct restored_image *image = opaque;
    const struct frame_scatter_request request = {
        .scope = image->request.scope,
        .point = image->request.point,
        .image = image->stored,
        .id_salt = image->request.id_salt,
        .indexes = image->indexes,
        .uses = &image->uses,
    };

    image->scatter = frame_scatter_new(&request, sink, err);
    if (!image->scatter)
        return -1;
    *ret = (struct chunk_sink){
        .opaque = image, .ordered = true, .block_digests = true, .put = put_decoded_frame};
    return 0;
}

static int check_all_put(void *opaque, struct err *err)
{
    struct restored_image *image = opaque;

    return frame_scatter_finish(image->scatter, err) < 0 ? err_prefix(err, "%s", image->name) : 0;
}

struct chunk_source restored_image_source(struct restored_image *image)
{
    return (struct chunk_source){
        .opaque = image,
        .name = image->name,
        .count = image->frame_count,
        .chunk_size = image->chunk_size,
        .raw_size = image->frame_count * image->chunk_size,
        .look = look_at_frame,
        .read = read_planned_frame,
        .gathered = planned_frame_len,
        .wanted = planned_frame_wanted,
        .unpack = unpack_frames,
        .check = check_all_put,
    };
}
