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

static bool wants_block_digests(const struct pool_run *run, const struct item *item)
{
    return run->sink->block_digests && item->kind != CHUNK_ZERO;
}

/* Room for the digests of the chunk's parts, if the sink wants them. */
static struct chunk_digest_parts part_digests(const struct pool_run *run, struct item *item)
{
    size_t blocks = chunk_digest_blocks_size(item->raw_len);
    size_t leaves = run->pool->settings.decode ? chunk_digest_leaves_size(item->raw_len) : 0;

    if (!wants_block_digests(run, item))
        return (struct chunk_digest_parts){0};
    free(item->block_digests); /* of a result that was lost with its child */
    item->block_digests = mem_alloc(blocks + leaves);
    item->leaf_digests = leaves ? item->block_digests + blocks : NULL;
    return (struct chunk_digest_parts){item->block_digests, item->leaf_digests};
}

/* A child of our own has hashed what it decoded. Its digests are copied, because it can reach them. */
static void digest_decoded(struct pool_run *run, const struct worker *worker, struct item *item)
{
    const struct shared_area *at = &item->area->at;
    const struct chunk_digest_parts parts = part_digests(run, item);
    struct chunk_digest *digest = run->pool->digest;

    if (worker->foreign) {
        chunk_digest_with_parts(digest, at->output, item->raw_len, item->digest, parts);
        return;
    }
    memcpy(item->digest, at->digest, DIGEST_SIZE);
    if (!parts.leaves)
        return;
    memcpy(parts.leaves, at->leaves, chunk_digest_leaves_size(item->raw_len));
    chunk_digest_blocks_of_leaves(digest, parts.leaves, chunk_digest_leaf_count(item->raw_len),
                                  parts.blocks);
}

/* Keeps the digests of the chunk's blocks, if the sink wants them, as the child gave them; those of a
 * child that gives none are computed, of a chunk that was encoded from where the child got it. */
static int keep_block_digests(struct pool_run *run, struct worker *worker, struct item *item,
                              struct err *err)
{
    bool decode = run->pool->settings.decode;
    uint32_t raw_len = item->raw_len;
    size_t len = chunk_digest_blocks_size(raw_len);
    const uint8_t *noted = NULL;
    uint8_t digest[DIGEST_SIZE];

    if (!wants_block_digests(run, item))
        return 0;
    if (!decode)
        (void)part_digests(run, item);
    if ((worker->foreign || !decode) && worker_noted_blocks(worker, raw_len, &noted, err) < 0)
        return -1;
    if (noted)
        memcpy(item->block_digests, noted, len);
    else if (!decode)
        chunk_digest_with_blocks(run->pool->digest, item->area->at.input, raw_len, digest,
                                 item->block_digests);
    for (size_t done = 0; done < len; done += DIGEST_SIZE) {
        if (io_is_zero(item->block_digests + done, DIGEST_SIZE))
            return err_set(err, ERR_CORRUPT, "gave no digest of block %zu", done / DIGEST_SIZE + 1);
    }
    if (len == DIGEST_SIZE && memcmp(item->block_digests, item->digest, len) != 0)
        return err_set(err, ERR_CORRUPT, "gave a block another digest than the chunk that it is");
    return 0;
}

/* Checks that it can be this chunk's result. Sets the chunk's digest. */
static int check_result(struct pool_run *run, struct worker *worker, struct item *item,
                        struct err *err)
{
    const struct shared_area *at = &item->area->at;
    size_t len = item->area->len;
    uint32_t raw_len = item->raw_len;
    struct result result;

    if (run->pool->settings.decode) {
        if (len != raw_len)
            return err_set(err, ERR_CORRUPT, "answered with %zu bytes instead of %u", len, raw_len);
        digest_decoded(run, worker, item);
        return keep_block_digests(run, worker, item, err);
    }
    int failed = shared_outlines(&run->pool->settings)
                     ? result_parse_outline(at->output, len, at->input, &result, err)
                     : result_parse(at->output, len, &result, err);
    if (failed)
        return err_prefix(err, "sent a bad result");
    bool needs_digest = worker->foreign || !run->pool->settings.digests_known;
    if (result.raw_len != raw_len || (needs_digest && io_is_zero(result.digest, DIGEST_SIZE)))
        return err_set(err, ERR_CORRUPT, "sent the result of another chunk");
    memcpy(item->digest, result.digest, DIGEST_SIZE);
    return keep_block_digests(run, worker, item, err);
}

static int keep_zeros(struct pool *pool, const void *data, size_t len, struct err *err)
{
    uint8_t *zeros = malloc(len);

    if (!zeros)
        return err_set_errno(err, ENOMEM, "cannot keep the result of a zero chunk");
    memcpy(zeros, data, len);
    pool->zeros = zeros;
    pool->zeros_len = len;
    return 0;
}

/* The first chunk of zeros of full length that a child has had spares it all others: encoding, its
 * result is theirs; decoding, what gave zeros once gives zeros again. */
static int learn_zeros(struct pool *pool, const struct item *item, struct err *err)
{
    const struct shared_area *at = &item->area->at;

    if (item->raw_len < pool->settings.chunk_size || item->area->partial)
        return 0;
    if (!pool->settings.decode && item->kind == CHUNK_ZERO && !pool->zeros)
        return keep_zeros(pool, at->output, item->area->len, err);
    if (pool->settings.decode && !pool->zeros_input && item->input_len <= POOL_ZERO_INPUT_MAX &&
        io_is_zero(at->output, item->raw_len)) {
        pool->zeros_input = mem_alloc(item->input_len);
        memcpy(pool->zeros_input, at->input, item->input_len);
        pool->zeros_input_len = item->input_len;
    }
    return 0;
}

int deliver_take(struct pool_run *run, size_t index, struct err *err)
{
    struct pool *pool = run->pool;
    struct worker *worker = &pool->workers[index];
    struct item *item = window_of_worker(&pool->window, index);

    assert(item && item->id == worker->id);
    if (check_result(run, worker, item, err) < 0 || learn_zeros(pool, item, err) < 0)
        return -1;
    pool->idle_losses = 0;
    item->state = ITEM_READY;
    return 0;
}

/* ---- putting --------------------------------------------------------------- */

/* A run of chunks that no child has had, all of one length: those that are the same as before have
 * a digest each; for zeros, what is known of one of them is valid for all. Encoding, that is a
 * result; an outline of zeros is one, too, since its blocks have no bytes. */
static int describe_known(struct pool *pool, const struct item *item, uint32_t raw_len,
                          struct put_job *job, struct err *err)
{
    if (item->kind == CHUNK_SAME)
        return 0;
    if (!pool->settings.decode) {
        job->output.data = pool->zeros;
        job->output.len = pool->zeros_len;
        memcpy(job->digest, pool->zeros, DIGEST_SIZE); /* a result begins with it */
        return 0;
    }
    if (raw_len == pool->settings.chunk_size && pool->zeros) {
        memcpy(job->digest, pool->zeros, DIGEST_SIZE);
        return 0;
    }
    chunk_digest_of_zeros(pool->digest, raw_len, job->digest);
    return raw_len == pool->settings.chunk_size ? keep_zeros(pool, job->digest, DIGEST_SIZE, err)
                                                : 0;
}

/* Gives the putter a result where it is: in the child's area, which stays as it is until the
 * result is put. */
static int post_item(struct pool_run *run, struct item *item, struct err *err)
{
    struct pool *pool = run->pool;
    struct put_job job = {.output = {.id = item->id,
                                     .raw_len = item->raw_len,
                                     .kind = item->kind,
                                     .block_digests = item->block_digests,
                                     .leaf_digests = item->leaf_digests},
                          .count = item->count,
                          .digests = item->digests};

    if (item->state == ITEM_KNOWN) {
        job.output.raw_len = pool_raw_len(run->source, item->id);
        if (describe_known(pool, item, job.output.raw_len, &job, err) < 0)
            return -1;
        memcpy(item->digest, job.digest, DIGEST_SIZE);
    } else {
        job.output.data = item->area->at.output;
        job.output.len = item->area->len;
        job.output.raw = shared_outlines(&pool->settings) ? item->area->at.input : NULL;
        memcpy(job.digest, item->digest, DIGEST_SIZE);
    }
    item->state = ITEM_PUTTING;
    putter_post(pool->putter, &job);
    return 0;
}

static bool can_be_posted(const struct pool *pool, const struct item *item)
{
    if (item->state == ITEM_KNOWN)
        return item->kind == CHUNK_SAME || pool->settings.decode || pool->zeros;
    return item->state == ITEM_READY;
}

int deliver_post(struct pool_run *run, struct err *err)
{
    struct window *window = &run->pool->window;

    for (size_t i = 0; i < window->count; i++) {
        struct item *item = &window->items[i];
        if (item->state == ITEM_PUTTING || item->state == ITEM_PUT)
            continue;
        if (can_be_posted(run->pool, item)) {
            if (post_item(run, item, err) < 0)
                return -1;
        } else if (run->sink->ordered) {
            return 0;
        }
    }
    return 0;
}

/* ---- what was put ----------------------------------------------------------- */

/* Removes the items at the front of the window that were put, and chains their digests. */
static void retire_items(struct pool_run *run)
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

int deliver_collect(struct pool_run *run, struct err *err)
{
    uint64_t id = 0;
    int status;

    while ((status = putter_collect(run->pool->putter, &id, err)) > 0) {
        struct item *item = window_find(&run->pool->window, id);
        run->chunks += item->count;
        run->zero_chunks += item->kind == CHUNK_ZERO ? item->count : 0;
        run->same_chunks += item->kind == CHUNK_SAME ? item->count : 0;
        window_free_area(item);
        item->state = ITEM_PUT;
    }
    retire_items(run);
    return status;
}
