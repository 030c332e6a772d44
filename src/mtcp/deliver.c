/* SPDX-License-Identifier: LGPL-2.1-or-later
 *
 * From the children to the sink.
 */
#include "mtcp/pool_private.h"

#include <assert.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "base/io.h"
#include "codec/result.h"

/* ---- taking results -------------------------------------------------------- */

/* Keeps the digests of the chunk's blocks, if the sink wants them. They are copied, because the
 * child can reach its own; those of a child that gives none are computed. Decoded bytes are in
 * the output, others are still where the child got them. */
static int note_blocks(struct run *run, struct worker *worker, struct item *item, uint32_t raw_len,
                       struct err *err)
{
    size_t len = chunk_digest_blocks_size(raw_len);
    const uint8_t *noted = NULL;
    uint8_t digest[DIGEST_SIZE];

    if (!run->sink->block_digests || item->kind == CHUNK_ZERO)
        return 0;
    if (worker_noted_blocks(worker, raw_len, &noted, err) < 0)
        return -1;
    free(item->block_digests); /* of a result that was lost with its child */
    item->block_digests = mem_alloc(len);
    if (noted)
        memcpy(item->block_digests, noted, len);
    else
        chunk_digest_with_blocks(run->pool->digest,
                                 run->pool->settings.decode ? item->area->at.output
                                                            : item->area->at.input,
                                 raw_len, digest, item->block_digests);
    for (size_t at = 0; at < len; at += DIGEST_SIZE) {
        if (io_is_zero(item->block_digests + at, DIGEST_SIZE))
            return err_set(err, ERR_CORRUPT, "gave no digest of block %zu", at / DIGEST_SIZE + 1);
    }
    if (len == DIGEST_SIZE && memcmp(item->block_digests, item->digest, len) != 0)
        return err_set(err, ERR_CORRUPT, "gave a block another digest than the chunk that it is");
    return 0;
}

/* Checks that it can be this chunk's result. Sets the chunk's digest. */
static int check_result(struct run *run, struct worker *worker, struct item *item, struct err *err)
{
    const struct shared_area *at = &item->area->at;
    size_t len = item->area->len;
    uint32_t raw_len = item->raw_len;
    struct result result;

    if (run->pool->settings.decode) {
        if (len != raw_len)
            return err_set(err, ERR_CORRUPT, "answered with %zu bytes instead of %u", len, raw_len);
        if (worker->foreign)
            chunk_digest_of(run->pool->digest, at->output, raw_len, item->digest);
        else
            memcpy(item->digest, at->digest, DIGEST_SIZE);
        return note_blocks(run, worker, item, raw_len, err);
    }
    int failed = shared_outlines(&run->pool->settings)
                     ? result_parse_outline(at->output, len, at->input, &result, err)
                     : result_parse(at->output, len, &result, err);
    if (failed)
        return err_prefix(err, "sent a bad result");
    if (result.raw_len != raw_len || io_is_zero(result.digest, DIGEST_SIZE))
        return err_set(err, ERR_CORRUPT, "sent the result of another chunk");
    memcpy(item->digest, result.digest, DIGEST_SIZE);
    return note_blocks(run, worker, item, raw_len, err);
}

static int keep_zeros(struct pool *pool, const void *data, size_t len, struct err *err)
{
    uint8_t *zeros = malloc(len);

    if (!zeros)
        return err_set_errno(err, ENOMEM, "cannot keep the result of a zero chunk");
    free(pool->zeros);
    pool->zeros = zeros;
    memcpy(pool->zeros, data, len);
    pool->zeros_len = len;
    return 0;
}

/* Decoding: the chunk turned out to be all zeros. */
static void learn_zeros(struct run *run, const struct item *item)
{
    struct pool *pool = run->pool;
    uint32_t raw_len = item->raw_len;

    if (!pool->settings.decode || pool->zeros_input || item->input_len > POOL_ZERO_INPUT_MAX ||
        raw_len < pool->settings.chunk_size || !io_is_zero(item->area->at.output, raw_len))
        return;
    pool->zeros_input = mem_alloc(item->input_len);
    memcpy(pool->zeros_input, item->area->at.input, item->input_len);
    pool->zeros_input_len = item->input_len;
}

int deliver_take(struct run *run, size_t index, struct err *err)
{
    struct pool *pool = run->pool;
    struct worker *worker = &pool->workers[index];
    struct item *item = window_of_worker(&pool->window, index);

    assert(item && item->id == worker->id);
    if (check_result(run, worker, item, err) < 0)
        return -1;
    pool->idle_losses = 0;
    if (item->kind == CHUNK_ZERO &&
        pool_raw_len(run->source, item->id) == pool->settings.chunk_size &&
        keep_zeros(pool, item->area->at.output, item->area->len, err) < 0)
        return -1;
    learn_zeros(run, item);
    item->state = ITEM_READY;
    return 0;
}

/* ---- putting --------------------------------------------------------------- */

/* Decoding: the digest of a zero chunk of full length is kept. */
static int know_zeros(struct pool *pool, struct err *err)
{
    uint8_t digest[DIGEST_SIZE];

    if (pool->zeros)
        return 0;
    chunk_digest_of_zeros(pool->digest, (size_t)pool->settings.chunk_size, digest);
    return keep_zeros(pool, digest, DIGEST_SIZE, err);
}

/* Of a run of chunks that are known, all of one length. Those that are the same have a digest
 * each. */
static int note_known_digest(struct pool *pool, struct item *item, uint32_t raw_len,
                             struct err *err)
{
    if (item->kind == CHUNK_SAME)
        return 0;
    if (pool->settings.decode && raw_len < pool->settings.chunk_size) {
        chunk_digest_of_zeros(pool->digest, raw_len, item->digest);
        return 0;
    }
    if (pool->settings.decode && know_zeros(pool, err) < 0)
        return -1;
    memcpy(item->digest, pool->zeros, DIGEST_SIZE); /* a result begins with it */
    return 0;
}

/* Zeros: the result at `data` is valid for every chunk of the run. An outline of zeros is also a
 * result, since its blocks have no bytes. */
static void describe_data(const struct pool *pool, const struct item *item,
                          struct chunk_output *output)
{
    if (item->state == ITEM_KNOWN) {
        bool has_result = item->kind == CHUNK_ZERO && !pool->settings.decode;
        output->data = has_result ? pool->zeros : NULL;
        output->len = has_result ? pool->zeros_len : 0;
    } else {
        output->data = item->area->at.output;
        output->len = item->area->len;
        output->raw = shared_outlines(&pool->settings) ? item->area->at.input : NULL;
    }
}

static int post(struct run *run, struct item *item, struct err *err)
{
    uint32_t raw_len =
        item->state == ITEM_KNOWN ? pool_raw_len(run->source, item->id) : item->raw_len;
    struct put_job job = {.output = {.id = item->id,
                                     .raw_len = raw_len,
                                     .kind = item->kind,
                                     .block_digests = item->block_digests},
                          .count = item->count,
                          .digests = item->digests};

    if (item->state == ITEM_KNOWN && note_known_digest(run->pool, item, raw_len, err) < 0)
        return -1;
    memcpy(job.digest, item->digest, DIGEST_SIZE);
    describe_data(run->pool, item, &job.output);
    item->state = ITEM_PUTTING;
    putter_post(run->pool->putter, &job);
    return 0;
}

static bool is_ready(const struct pool *pool, const struct item *item)
{
    if (item->state == ITEM_KNOWN)
        return item->kind == CHUNK_SAME || pool->settings.decode || pool->zeros;
    return item->state == ITEM_READY;
}

int deliver_post(struct run *run, struct err *err)
{
    struct window *window = &run->pool->window;

    for (size_t i = 0; i < window->count; i++) {
        struct item *item = &window->items[i];
        if (item->state == ITEM_PUTTING || item->state == ITEM_PUT)
            continue;
        if (is_ready(run->pool, item)) {
            if (post(run, item, err) < 0)
                return -1;
        } else if (run->sink->ordered) {
            return 0;
        }
    }
    return 0;
}

/* ---- what was put ----------------------------------------------------------- */

static void note_put(struct run *run, struct item *item)
{
    run->chunks += item->count;
    run->zero_chunks += item->kind == CHUNK_ZERO ? item->count : 0;
    run->same_chunks += item->kind == CHUNK_SAME ? item->count : 0;
    window_free_area(item);
    item->state = ITEM_PUT;
}

/* Removes the items at the front of the window that were put. */
static void retire(struct run *run)
{
    struct window *window = &run->pool->window;

    while (window->count > 0 && window->items[0].state == ITEM_PUT) {
        struct put_job job = {
            .chain = true, .count = window->items[0].count, .digests = window->items[0].digests};
        memcpy(job.digest, window->items[0].digest, DIGEST_SIZE);
        if (run->sink->chain)
            putter_post(run->pool->putter, &job);
        window_remove(window, &window->items[0]);
    }
}

int deliver_collect(struct run *run, struct err *err)
{
    uint64_t id = 0;
    int status;

    while ((status = putter_collect(run->pool->putter, &id, err)) > 0)
        note_put(run, window_find(&run->pool->window, id));
    retire(run);
    return status;
}
