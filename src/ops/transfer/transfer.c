/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "ops/transfer/transfer.h"

#include <stdatomic.h>
#include <string.h>

#include "base/units.h"
#include "record/content_digest.h"

/* ---- the run --------------------------------------------------------------------- */

struct transfer_run {
    struct transfer *transfer;
    const struct chunk_source *source;
    const struct chunk_sink *sink;  /* NULL: to nowhere */
    struct content_digest *content; /* decoding */
    _Atomic uint64_t decoded;       /* bytes; counted where they are put, in another thread */
    uint64_t raw_size;              /* of the image */
    uint64_t started_ms;
};

static void on_tick(void *opaque, uint64_t raw_bytes_done)
{
    const struct transfer_run *run = opaque;
    const struct transfer *transfer = run->transfer;
    const struct progress progress = {
        .guest = transfer->guest,
        .what = transfer->what,
        .done = run->source->unpack ? run->decoded : raw_bytes_done,
        .total = run->raw_size,
        .stored = run->content ? run->decoded : run->sink->stored(run->sink->opaque),
        .elapsed_ms = units_now_ms() - run->started_ms,
    };

    transfer->report->progress(transfer->report->opaque, &progress);
}

static int limited_look(void *opaque, uint64_t id, struct chunk_run *ret, struct err *err)
{
    const struct transfer_run *run = opaque;

    return run->source->look(run->source->opaque, id, ret, err);
}

static int limited_read(void *opaque, uint64_t id, void *data, size_t cap, size_t *ret_len,
                        enum chunk_kind *ret_kind, struct err *err)
{
    const struct transfer_run *run = opaque;
    const struct chunk_source *source = run->source;

    if (source->read(source->opaque, id, data, cap, ret_len, ret_kind, err) < 0)
        return -1;
    uint64_t len = source->counted ? source->counted(source->opaque, id) : *ret_len;
    return limit_take(&run->transfer->children->limit, len, err);
}

static uint32_t limited_gathered(void *opaque, uint64_t id)
{
    const struct transfer_run *run = opaque;

    return run->source->gathered(run->source->opaque, id);
}

static uint64_t limited_wanted(void *opaque, uint64_t id)
{
    const struct transfer_run *run = opaque;

    return run->source->wanted(run->source->opaque, id);
}

static int run_pool(struct transfer_run *run, const struct chunk_sink *sink, struct err *err)
{
    struct pool_stats stats = {0};
    struct children *children = run->transfer->children;
    const struct pool_progress progress = {.opaque = run, .tick = on_tick};
    struct chunk_source limited = *run->source;
    const struct pool_plugs plugs = {.source = &limited, .sink = sink, .progress = &progress};

    limited.opaque = run;
    limited.look = limited_look;
    limited.read = limited_read;
    limited.gathered = run->source->gathered ? limited_gathered : NULL;
    limited.wanted = run->source->wanted ? limited_wanted : NULL;
    run->started_ms = units_now_ms();
    if (pool_run(children->pool, &plugs, &stats, err) < 0)
        return -1;
    work_add(&children->work, &stats, pool_children(children->pool), children->plan.cpus);
    return 0;
}

int transfer_in(struct transfer *transfer, const struct chunk_source *source,
                const struct chunk_sink *sink, struct err *err)
{
    struct transfer_run run = {
        .transfer = transfer, .source = source, .sink = sink, .raw_size = source->raw_size};

    return run_pool(&run, sink, err);
}

/* ---- decoding --------------------------------------------------------------------- */

static int decoded_put(void *opaque, const struct chunk_output *output, struct err *err)
{
    struct transfer_run *run = opaque;

    atomic_fetch_add(&run->decoded, output->raw_len);
    return run->sink ? run->sink->put(run->sink->opaque, output, err) : 0;
}

/* The digests arrive in order, whatever the order of the chunks. */
static void decoded_chain(void *opaque, const uint8_t *digest, uint64_t count)
{
    const struct transfer_run *run = opaque;

    content_digest_add(run->content, digest, count);
}

int transfer_out(struct transfer *transfer, const struct chunk_source *source,
                 const struct chunk_sink *sink, const struct manifest_image *facts, struct err *err)
{
    CLEANUP(content_digest_freep) struct content_digest *content = content_digest_new();
    struct transfer_run run = {.transfer = transfer,
                               .source = source,
                               .sink = sink,
                               .content = content,
                               .raw_size = facts->raw_size};
    const struct chunk_sink image = {.opaque = &run, .put = decoded_put, .chain = decoded_chain};
    struct chunk_sink decoded = image;
    uint8_t digest[DIGEST_SIZE];

    if ((source->unpack && source->unpack(source->opaque, &image, &decoded, err) < 0) ||
        run_pool(&run, &decoded, err) < 0 ||
        (source->check && source->check(source->opaque, err) < 0))
        return -1;
    content_digest_finish(content, digest);
    if (facts->has_content && memcmp(digest, facts->content, DIGEST_SIZE) != 0)
        return err_set(err, ERR_CORRUPT,
                       "%s: its content is not what was backed up: the content digest differs",
                       source->name);
    return 0;
}
