/* SPDX-License-Identifier: LGPL-2.1-or-later
 *
 * From the source to the children.
 */
#include "mtcp/pool_private.h"

#include <inttypes.h>
#include <string.h>

#include "base/quit.h"

/* Of a chunk that was read. */
static uint32_t raw_len_of(const struct run *run, uint64_t id, enum chunk_kind kind)
{
    const struct chunk_source *source = run->source;

    return kind == CHUNK_DATA && source->gathered ? source->gathered(source->opaque, id)
                                                  : pool_raw_len(source, id);
}

/* Reads a chunk into the worker's input area. */
static int read_chunk(struct run *run, struct worker *worker, uint64_t id, size_t *ret_len,
                      enum chunk_kind *ret_kind, struct err *err)
{
    enum chunk_kind kind = CHUNK_DATA;
    size_t len = 0;

    if (run->source->read(run->source->opaque, id, worker->input, worker->input_size, &len, &kind,
                          err) < 0)
        return -1;
    uint32_t raw_len = raw_len_of(run, id, kind);
    bool fits = run->pool->settings.decode ? len > 0 && len <= worker->input_size : len == raw_len;
    fits = fits && raw_len > 0 && raw_len <= pool_raw_len(run->source, id);
    if (kind == CHUNK_DATA && !fits)
        return err_set(err, ERR_INTERNAL, "chunk %" PRIu64 " was read with %zu bytes", id, len);
    *ret_len = len;
    *ret_kind = kind;
    return 0;
}

static size_t fill_zeros(struct run *run, struct worker *worker, uint64_t id)
{
    uint32_t len = pool_raw_len(run->source, id);

    memset(worker->input, 0, len);
    return len;
}

/* True if this zero chunk needs a child. When encoding, the first of full length does, and all
 * others share its result; the last chunk, if it is short, is the only one of its length. */
static bool needs_child(struct run *run, uint64_t id)
{
    struct pool *pool = run->pool;

    if (pool->settings.decode)
        return false;
    return !pool->zeros_asked || pool_raw_len(run->source, id) < pool->settings.chunk_size;
}

/* Decoding: true if these bytes gave a chunk of zeros before. */
static bool gives_zeros(const struct run *run, const struct worker *worker, uint64_t id, size_t len)
{
    const struct pool *pool = run->pool;

    return pool->zeros_input && len == pool->zeros_input_len &&
           raw_len_of(run, id, CHUNK_DATA) == pool->settings.chunk_size &&
           memcmp(worker->input, pool->zeros_input, len) == 0;
}

/* Adds what is known of the chunks from next_id on to the window; returns how many: none if the
 * first of them needs a child. The last chunk, if it is short, is no part of a run. */
static uint64_t add_known(struct run *run, const struct chunk_run *known)
{
    struct pool *pool = run->pool;
    uint64_t full = run->source->raw_size / pool->settings.chunk_size - run->next_id;
    struct chunk_run part = *known;

    if (known->kind == CHUNK_DATA || (known->kind == CHUNK_ZERO && needs_child(run, run->next_id)))
        return 0;
    if (full == 0) {
        struct item *item = window_add(&pool->window, run->next_id++, ITEM_KNOWN);
        item->kind = known->kind;
        item->digests = known->digests;
        return 1;
    }
    if (part.count > full)
        part.count = full;
    uint64_t added = window_add_known(&pool->window, run->next_id, &part);
    run->next_id += added;
    return added;
}

/* What the next chunks are; if the next one has to be read for that, it is in the worker's input
 * area. */
static int look_at_next(struct run *run, struct worker *worker, struct chunk_run *ret,
                        size_t *ret_len, struct err *err)
{
    enum chunk_kind kind = CHUNK_ZERO;
    uint64_t id = run->next_id;

    *ret_len = 0;
    *ret = (struct chunk_run){.kind = CHUNK_DATA};
    if (run->source->look(run->source->opaque, id, ret, err) < 0)
        return -1;
    if (ret->kind == CHUNK_SAME && (!run->sink->same || run->pool->settings.decode))
        return err_set(err, ERR_INTERNAL, "chunk %" PRIu64 " is known, but not to the sink", id);
    if (ret->kind != CHUNK_DATA)
        return 0;
    if (read_chunk(run, worker, id, ret_len, &kind, err) < 0)
        return -1;
    if (kind == CHUNK_ZERO || gives_zeros(run, worker, id, *ret_len))
        *ret = (struct chunk_run){.kind = CHUNK_ZERO, .count = 1};
    return 0;
}

/* Finds the next chunk that a child is needed for, its input in the worker's
 * input area. *ret_len is 0 if there was none in this batch. */
static int next_chunk(struct run *run, struct worker *worker, uint64_t *ret_id, size_t *ret_len,
                      enum chunk_kind *ret_kind, struct err *err)
{
    struct pool *pool = run->pool;
    struct chunk_run known;
    uint64_t passed = 0;
    size_t read = 0;

    for (; passed < POOL_KNOWN_BATCH && read < POOL_ZERO_BATCH_BYTES; read += *ret_len) {
        uint64_t id = run->next_id;
        if (id == run->source->count || window_full(&pool->window))
            break;
        if (look_at_next(run, worker, &known, ret_len, err) < 0)
            return -1;
        uint64_t added = add_known(run, &known);
        passed += added;
        if (added > 0)
            continue;
        run->next_id++;
        *ret_id = id;
        *ret_kind = known.kind;
        if (known.kind == CHUNK_ZERO && pool_raw_len(run->source, id) == pool->settings.chunk_size)
            pool->zeros_asked = true;
        if (known.kind == CHUNK_ZERO)
            *ret_len = fill_zeros(run, worker, id);
        return 0;
    }
    *ret_len = 0;
    return 0;
}

/* A child whose chunk has failed, or its replacement, is reserved for that chunk until the chunk
 * is given to somebody: whatever happens to the others, the chunk can then be done. */
static bool is_reserved(const struct pool *pool, size_t worker)
{
    const struct window *window = &pool->window;

    for (size_t i = 0; i < window->count; i++) {
        if (window->items[i].state == ITEM_WAITING && window->items[i].worker == worker)
            return true;
    }
    return false;
}

static struct worker *free_worker(struct pool *pool)
{
    for (size_t i = 0; i < pool->worker_count; i++) {
        if (worker_can_take(&pool->workers[i]) && !is_reserved(pool, i))
            return &pool->workers[i];
    }
    return NULL;
}

/* The worker that is to try a failed chunk again, or NULL to decide later. After a death it is
 * the new child in the same place: whatever killed the first may be about to reach the others,
 * too. After E it is another child, if one is free or soon will be. A child whose result waits
 * for its turn does not count: it may be waiting for this very chunk. */
static struct worker *next_worker(struct pool *pool, const struct item *item)
{
    struct worker *own = &pool->workers[item->worker];
    bool wait = false;

    for (size_t i = 0; i < pool->worker_count && !item->renewed; i++) {
        if (i == item->worker || is_reserved(pool, i))
            continue;
        if (worker_can_take(&pool->workers[i]))
            return &pool->workers[i];
        wait = wait || pool->workers[i].state != WORKER_DONE;
    }
    return !wait && worker_can_take(own) ? own : NULL;
}

/* What was read ahead for a worker has to be read again. */
void feed_unload(struct pool *pool, size_t worker)
{
    struct item *item = window_loaded_for(&pool->window, worker);

    if (item) {
        item->state = ITEM_WAITING;
        item->renewed = true;
    }
}

static void give(struct pool *pool, struct item *item)
{
    item->state = ITEM_WORKING;
    worker_give(&pool->workers[item->worker], item->id, item->input_len);
}

static int feed_again(struct run *run, struct item *item, struct worker *worker, struct err *err)
{
    struct pool *pool = run->pool;
    enum chunk_kind kind = item->kind;
    size_t len = 0;

    feed_unload(pool, (size_t)(worker - pool->workers));
    if (kind == CHUNK_DATA && read_chunk(run, worker, item->id, &len, &kind, err) < 0)
        return -1;
    if (kind == CHUNK_ZERO)
        len = fill_zeros(run, worker, item->id);
    item->worker = (size_t)(worker - pool->workers);
    item->input_len = len;
    item->raw_len = raw_len_of(run, item->id, kind);
    give(pool, item);
    return 0;
}

/* Chunks that have failed go before new ones. */
static int feed_failed(struct run *run, struct err *err)
{
    struct pool *pool = run->pool;

    for (size_t i = 0; i < pool->window.count; i++) {
        struct item *item = &pool->window.items[i];
        struct worker *worker = item->state == ITEM_WAITING ? next_worker(pool, item) : NULL;
        if (worker && feed_again(run, item, worker, err) < 0)
            return -1;
    }
    return 0;
}

static void feed_loaded(struct pool *pool)
{
    for (size_t i = 0; i < pool->window.count; i++) {
        struct item *item = &pool->window.items[i];
        if (item->state == ITEM_LOADED && worker_can_take(&pool->workers[item->worker]) &&
            !is_reserved(pool, item->worker))
            give(pool, item);
    }
}

/* Reads the next chunk that needs a child into the worker's input area. If there was none in this
 * turn, *ret_item is NULL, and *ret_more tells whether there may be more. */
static int load(struct run *run, struct worker *worker, struct item **ret_item, bool *ret_more,
                struct err *err)
{
    struct pool *pool = run->pool;
    uint64_t id = 0;
    size_t len = 0;
    enum chunk_kind kind = CHUNK_DATA;

    *ret_item = NULL;
    if (quit_check(err) < 0 || next_chunk(run, worker, &id, &len, &kind, err) < 0)
        return -1;
    if (len == 0) {
        *ret_more = run->next_id < run->source->count && !window_full(&pool->window);
        return 0;
    }
    *ret_item = window_add(&pool->window, id, ITEM_LOADED);
    (*ret_item)->worker = (size_t)(worker - pool->workers);
    (*ret_item)->kind = kind;
    (*ret_item)->input_len = len;
    (*ret_item)->raw_len = raw_len_of(run, id, kind);
    return 0;
}

static int feed_new(struct run *run, bool *ret_more, struct err *err)
{
    struct pool *pool = run->pool;
    struct worker *worker;

    while ((worker = free_worker(pool))) {
        struct item *item;
        if (load(run, worker, &item, ret_more, err) < 0)
            return -1;
        if (!item)
            return 0;
        give(pool, item);
    }
    return 0;
}

/* The worker that will probably be idle next: the one that has had its chunk for longest. */
static struct worker *worker_to_load(struct pool *pool)
{
    struct window *window = &pool->window;

    for (size_t i = 0; i < window->count; i++) {
        const struct item *item = &window->items[i];
        if (item->state == ITEM_WORKING && worker_can_load(&pool->workers[item->worker]) &&
            !window_loaded_for(window, item->worker) && !is_reserved(pool, item->worker))
            return &pool->workers[item->worker];
    }
    return NULL;
}

/* Loads one chunk for a busy child, then returns so that finished ones are looked at first. */
static int feed_ahead(struct run *run, bool *ret_more, struct err *err)
{
    struct worker *worker = worker_to_load(run->pool);
    struct item *item = NULL;

    if (!worker || run->next_id == run->source->count || window_full(&run->pool->window))
        return 0;
    if (load(run, worker, &item, ret_more, err) < 0)
        return -1;
    *ret_more = *ret_more || item;
    return 0;
}

static int feed(struct run *run, bool *ret_more, struct err *err)
{
    if (feed_failed(run, err) < 0)
        return -1;
    feed_loaded(run->pool);
    if (feed_new(run, ret_more, err) < 0)
        return -1;
    return *ret_more ? 0 : feed_ahead(run, ret_more, err);
}

int feed_workers(struct run *run, bool *ret_more, struct err *err)
{
    uint64_t start = pool_now_ns();

    *ret_more = false;
    int status = feed(run, ret_more, err);
    run->source_ns += pool_now_ns() - start;
    return status;
}
