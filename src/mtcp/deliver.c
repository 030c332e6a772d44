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

void deliver_fetch(struct run *run)
{
    struct pool *pool = run->pool;
    struct window *window = &pool->window;

    for (size_t i = 0; i < window->count; i++) {
        struct item *item = &window->items[i];
        if (item->state != ITEM_WORKING || pool->workers[item->worker].state != WORKER_DONE)
            continue;
        if (!run->sink->ordered || window_is_first(window, item) || window_take_slot(window, item))
            worker_fetch(&pool->workers[item->worker]);
    }
}

/* Is it what this chunk must give? Sets the chunk's SHA-256. */
static int check_result(struct run *run, const struct worker *worker, struct item *item,
                        struct err *err)
{
    uint32_t raw_len = pool_raw_len(run->source, item->id);
    struct result result;

    if (run->pool->settings.decode) {
        if (worker->output_len != raw_len)
            return err_set(err, ERR_CORRUPT, "answered with %zu bytes in place of %u",
                           worker->output_len, raw_len);
        if (worker->foreign)
            digest_of(worker->output, raw_len, item->sha256);
        else
            memcpy(item->sha256, worker_noted_sha256(worker), DIGEST_SIZE);
        return 0;
    }
    if (result_parse(worker->output, worker->output_len, &result, err) < 0)
        return err_prefix(err, "sent a bad result");
    if (result.raw_len != raw_len || io_is_zero(result.sha256, DIGEST_SIZE))
        return err_set(err, ERR_CORRUPT, "sent a result that is not of this chunk");
    memcpy(item->sha256, result.sha256, DIGEST_SIZE);
    return 0;
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

/* Decoding: a chunk of zeros has come out. What it was made of still lies in the
 * input area. */
static void learn_zeros(struct run *run, const struct worker *worker, const struct item *item)
{
    struct pool *pool = run->pool;
    uint32_t raw_len = pool_raw_len(run->source, item->id);

    if (!pool->settings.decode || pool->zeros_input || item->input_len > POOL_ZERO_INPUT_MAX ||
        raw_len < pool->settings.chunk_size || !io_is_zero(worker->output, raw_len))
        return;
    pool->zeros_input = mem_alloc(item->input_len);
    memcpy(pool->zeros_input, worker->input, item->input_len);
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
    if (item->zero && pool_raw_len(run->source, item->id) == pool->settings.chunk_size &&
        keep_zeros(pool, worker->output, worker->output_len, err) < 0)
        return -1;
    learn_zeros(run, worker, item);
    if (!run->sink->ordered || window_is_first(&pool->window, item)) {
        window_free_slot(&pool->window, item);
        item->state = ITEM_HELD;
        return 0;
    }
    assert(item->slot != WINDOW_NO_SLOT);
    memcpy(pool->window.slots[item->slot], worker->output, worker->output_len);
    item->len = worker->output_len;
    item->state = ITEM_KEPT;
    worker_release(worker);
    return 0;
}

/* ---- putting --------------------------------------------------------------- */

static int put(struct run *run, const struct chunk_output *output, struct err *err)
{
    if (run->sink->put(run->sink->opaque, output, err) < 0)
        return -1;
    run->chunks++;
    run->zero_chunks += output->zero;
    run->raw_done += output->raw_len;
    return 0;
}

static void chain(struct run *run, const uint8_t *sha256)
{
    if (run->sink->chain)
        run->sink->chain(run->sink->opaque, sha256);
}

/* Runs of zeros are always put in their turn. */
static int put_zero(struct run *run, const struct chunk_output *output, struct err *err)
{
    if (put(run, output, err) < 0)
        return -1;
    chain(run, output->sha256);
    return 0;
}

static void digest_of_zeros(uint32_t len, uint8_t ret[static DIGEST_SIZE])
{
    static const uint8_t zeros[65536];
    CLEANUP(digest_freep) struct digest *digest = digest_new();

    while (len > 0) {
        uint32_t piece = len < sizeof(zeros) ? len : (uint32_t)sizeof(zeros);
        digest_add(digest, zeros, piece);
        len -= piece;
    }
    digest_finish(digest, ret);
}

static int put_decoded_zero(struct run *run, uint64_t id, struct err *err)
{
    struct pool *pool = run->pool;
    uint32_t raw_len = pool_raw_len(run->source, id);
    uint8_t own[DIGEST_SIZE];
    struct chunk_output output = {.id = id, .raw_len = raw_len, .zero = true, .sha256 = own};

    if (raw_len == pool->settings.chunk_size) {
        if (!pool->zeros) {
            digest_of_zeros(raw_len, own);
            if (keep_zeros(pool, own, DIGEST_SIZE, err) < 0)
                return -1;
        }
        output.sha256 = pool->zeros;
    } else {
        digest_of_zeros(raw_len, own);
    }
    return put_zero(run, &output, err);
}

static int put_encoded_zero(struct run *run, uint64_t id, struct err *err)
{
    struct pool *pool = run->pool;
    struct chunk_output output = {
        .id = id,
        .raw_len = pool_raw_len(run->source, id),
        .zero = true,
        .data = pool->zeros,
        .len = pool->zeros_len,
        .sha256 = pool->zeros, /* a result begins with it */
    };

    return put_zero(run, &output, err);
}

static int put_zeros(struct run *run, struct item *item, struct err *err)
{
    bool decode = run->pool->settings.decode;

    for (unsigned i = 0; i < POOL_ZERO_BATCH && item->count > 0; i++) {
        int status =
            decode ? put_decoded_zero(run, item->id, err) : put_encoded_zero(run, item->id, err);
        if (status < 0)
            return -1;
        item->id++;
        item->count--;
    }
    if (item->count == 0)
        window_remove(&run->pool->window, item);
    return 0;
}

static int put_result(struct run *run, struct item *item, struct err *err)
{
    struct pool *pool = run->pool;
    struct worker *worker = &pool->workers[item->worker];
    bool held = item->state == ITEM_HELD;
    struct chunk_output output = {
        .id = item->id,
        .raw_len = pool_raw_len(run->source, item->id),
        .zero = item->zero,
        .data = held ? worker->output : pool->window.slots[item->slot],
        .len = held ? worker->output_len : item->len,
        .sha256 = item->sha256,
    };

    if (put(run, &output, err) < 0)
        return -1;
    if (held)
        worker_release(worker);
    window_free_slot(&pool->window, item);
    item->state = ITEM_PUT;
    return 0;
}

/* Lets go of what was put and has all before it put. */
static void retire(struct run *run)
{
    struct window *window = &run->pool->window;

    while (window->count > 0 && window->items[0].state == ITEM_PUT) {
        chain(run, window->items[0].sha256);
        window_remove(window, &window->items[0]);
    }
}

static bool is_ready(const struct pool *pool, const struct item *item)
{
    if (item->state == ITEM_ZEROS)
        return window_is_first(&pool->window, item) && (pool->settings.decode || pool->zeros);
    return item->state == ITEM_HELD || item->state == ITEM_KEPT;
}

int deliver_put(struct run *run, bool *ret_put, struct err *err)
{
    struct window *window = &run->pool->window;
    size_t considered = run->sink->ordered && window->count > 1 ? 1 : window->count;

    *ret_put = false;
    for (size_t i = 0; i < considered; i++) {
        struct item *item = &window->items[i];
        if (!is_ready(run->pool, item))
            continue;
        uint64_t start = pool_now_ns();
        int status =
            item->state == ITEM_ZEROS ? put_zeros(run, item, err) : put_result(run, item, err);
        retire(run);
        run->sink_ns += pool_now_ns() - start;
        *ret_put = true;
        return status;
    }
    return 0;
}
