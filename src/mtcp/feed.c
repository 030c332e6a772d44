/* SPDX-License-Identifier: LGPL-2.1-or-later
 *
 * From the source to the children.
 */
#include "mtcp/pool_private.h"

#include <inttypes.h>
#include <string.h>

#include "base/quit.h"

/* Of a chunk that was read. */
static uint32_t raw_len_of(const struct pool_run *run, uint64_t id, enum chunk_kind kind)
{
    const struct chunk_source *source = run->source;

    return kind == CHUNK_DATA && source->gathered ? source->gathered(source->opaque, id)
                                                  : pool_raw_len(source, id);
}

/* Tells the child what is wanted of a chunk that was read. One of another program, which does not see the
 * area, gives all. */
static void tell_wanted(const struct pool_run *run, struct worker_area *area, uint64_t id)
{
    const struct chunk_source *source = run->source;
    uint64_t wanted =
        run->sink->block_digests && source->wanted ? source->wanted(source->opaque, id) : 0;

    area->partial = wanted != 0 && !run->pool->settings.foreign;
    if (area->at.wanted)
        memcpy(area->at.wanted, &wanted, sizeof(wanted));
}

static int read_chunk(struct pool_run *run, struct worker_area *area, uint64_t id, size_t *ret_len,
                      enum chunk_kind *ret_kind, struct err *err)
{
    const size_t cap = run->pool->layout.input_size;
    enum chunk_kind kind = CHUNK_DATA;
    size_t len = 0;

    if (run->source->read(run->source->opaque, id, area->at.input, cap, &len, &kind, err) < 0)
        return -1;
    uint32_t raw_len = raw_len_of(run, id, kind);
    bool fits = run->pool->settings.decode ? len > 0 && len <= cap : len == raw_len;
    fits = fits && raw_len > 0 && raw_len <= pool_raw_len(run->source, id);
    if (kind == CHUNK_DATA && !fits)
        return err_set(err, ERR_INTERNAL, "chunk %" PRIu64 " was read with %zu bytes", id, len);
    tell_wanted(run, area, id);
    *ret_len = len;
    *ret_kind = kind;
    return 0;
}

static size_t fill_zeros(struct pool_run *run, const struct worker_area *area, uint64_t id)
{
    uint32_t len = pool_raw_len(run->source, id);

    memset(area->at.input, 0, len);
    return len;
}

/* True if this zero chunk needs a child. When encoding, the first of full length does, and all
 * others share its result; the last chunk, if it is short, is the only one of its length. */
static bool zeros_need_child(struct pool_run *run, uint64_t id)
{
    struct pool *pool = run->pool;

    if (pool->settings.decode)
        return false;
    return !pool->zeros_asked || pool_raw_len(run->source, id) < pool->settings.chunk_size;
}

/* Decoding: true if these bytes gave a chunk of zeros before. */
static bool gives_zeros(const struct pool_run *run, const struct worker_area *area, uint64_t id,
                        size_t len)
{
    const struct pool *pool = run->pool;

    return pool->zeros_input && len == pool->zeros_input_len &&
           raw_len_of(run, id, CHUNK_DATA) == pool->settings.chunk_size &&
           memcmp(area->at.input, pool->zeros_input, len) == 0;
}

/* Adds what is known of the chunks from next_id on to the window; returns how many: none if the
 * first of them needs a child. The last chunk, if it is short, is no part of a run. */
static uint64_t add_known(struct pool_run *run, const struct chunk_run *known)
{
    struct pool *pool = run->pool;
    uint64_t full = run->source->raw_size / pool->settings.chunk_size - run->next_id;
    struct chunk_run part = *known;

    if (known->kind == CHUNK_DATA ||
        (known->kind == CHUNK_ZERO && zeros_need_child(run, run->next_id)))
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

static int check_same(const struct pool_run *run, uint64_t id, const struct chunk_run *known,
                      struct err *err)
{
    if (known->kind != CHUNK_SAME)
        return 0;
    if (!run->sink->same || run->pool->settings.decode)
        return err_set(err, ERR_INTERNAL, "chunk %" PRIu64 " is known, but not to the sink", id);
    if (run->sink->chain && !known->digests)
        return err_set(err, ERR_INTERNAL, "chunk %" PRIu64 " is known, but not its digest", id);
    return 0;
}

/* What the next chunks are; if the next one has to be read for that, it is in the area. */
static int look_at_next(struct pool_run *run, struct worker_area *area, struct chunk_run *ret,
                        size_t *ret_len, struct err *err)
{
    enum chunk_kind kind = CHUNK_ZERO;
    uint64_t id = run->next_id;

    *ret_len = 0;
    *ret = (struct chunk_run){.kind = CHUNK_DATA};
    if (run->source->look(run->source->opaque, id, ret, err) < 0)
        return -1;
    if (ret->kind != CHUNK_DATA)
        return check_same(run, id, ret, err);
    if (read_chunk(run, area, id, ret_len, &kind, err) < 0)
        return -1;
    if (kind == CHUNK_DATA && gives_zeros(run, area, id, *ret_len))
        kind = CHUNK_ZERO;
    if (kind != CHUNK_DATA)
        *ret = (struct chunk_run){.kind = kind, .count = 1};
    return check_same(run, id, ret, err);
}

/* Reads the next chunk that needs a child into the free area of this worker, and adds what comes
 * before it to the window. If this turn found no such chunk, *ret_item is NULL, and *ret_more tells
 * whether there may be more. */
static int load_next(struct pool_run *run, struct worker *worker, struct item **ret_item,
                     bool *ret_more, struct err *err)
{
    struct pool *pool = run->pool;
    struct worker_area *area = worker_free_area(worker);
    uint64_t passed = 0;
    size_t read = 0;

    *ret_item = NULL;
    if (quit_check(err) < 0)
        return -1;
    while (passed < POOL_KNOWN_BATCH && read < POOL_ZERO_BATCH_BYTES &&
           run->next_id < run->source->count && !window_full(&pool->window)) {
        struct chunk_run known;
        size_t len = 0;
        if (look_at_next(run, area, &known, &len, err) < 0)
            return -1;
        uint64_t added = add_known(run, &known);
        passed += added;
        read += len;
        if (added > 0)
            continue;
        struct item *item = window_add(&pool->window, run->next_id++, ITEM_LOADED);
        if (known.kind == CHUNK_ZERO) {
            len = fill_zeros(run, area, item->id);
            pool->zeros_asked = pool->zeros_asked || len == pool->settings.chunk_size;
        }
        item->kind = known.kind;
        item->input_len = len;
        item->raw_len = raw_len_of(run, item->id, known.kind);
        window_take_area(item, (size_t)(worker - pool->workers), area);
        *ret_item = item;
        return 0;
    }
    *ret_more = run->next_id < run->source->count && !window_full(&pool->window);
    return 0;
}

/* ---- which child ------------------------------------------------------------ */

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

/* A worker that a new chunk can be read for and given to. */
static struct worker *free_worker(struct pool *pool)
{
    for (size_t i = 0; i < pool->worker_count; i++) {
        struct worker *worker = &pool->workers[i];
        if (worker_can_take(worker) && worker_free_area(worker) && !is_reserved(pool, i))
            return worker;
    }
    return NULL;
}

/* The worker that will probably be idle next: the one that has had its chunk for longest. */
static struct worker *worker_to_load(struct pool *pool)
{
    struct window *window = &pool->window;

    for (size_t i = 0; i < window->count; i++) {
        const struct item *item = &window->items[i];
        struct worker *worker = &pool->workers[item->worker];
        if (item->state == ITEM_WORKING && worker_free_area(worker) &&
            !is_reserved(pool, item->worker))
            return worker;
    }
    return NULL;
}

enum readiness {
    NEVER, /* not before this chunk is done */
    LATER,
    NOW,
};

/* When a worker can try a chunk that has failed. What is in its next area may be in the way: a
 * later chunk that was only read makes room; one that was read before this one goes first; a
 * result has to be put, and that of a later chunk may have to wait for this very one. */
static enum readiness readiness_for(struct pool *pool, struct worker *worker,
                                    const struct item *failed)
{
    const struct item *next = worker_free_area(worker)
                                  ? NULL
                                  : window_in_area(&pool->window, &worker->areas[worker->next]);

    if (next && next->state == ITEM_READY && next->id > failed->id)
        return NEVER;
    if (next && (next->state != ITEM_LOADED || next->id < failed->id))
        return LATER;
    return worker_can_take(worker) ? NOW : LATER;
}

/* The worker that is to try a failed chunk again, or NULL to decide later. After a death it is
 * the new child in the same place: whatever killed the first may be about to reach the others,
 * too. After E it is another child, if one can now or later. Its own child always can in the end:
 * no other chunk is given to it, and what is in its areas comes before this one, and so will be
 * put. */
static struct worker *worker_to_retry(struct pool *pool, const struct item *item)
{
    struct worker *own = &pool->workers[item->worker];
    bool later = false;

    for (size_t i = 0; i < pool->worker_count && !item->renewed; i++) {
        if (i == item->worker || is_reserved(pool, i))
            continue;
        enum readiness readiness = readiness_for(pool, &pool->workers[i], item);
        if (readiness == NOW)
            return &pool->workers[i];
        later = later || readiness == LATER;
    }
    return !later && readiness_for(pool, own, item) == NOW ? own : NULL;
}

/* ---- feeding ---------------------------------------------------------------- */

void feed_unload(struct item *item)
{
    window_free_area(item);
    item->state = ITEM_WAITING;
    item->renewed = true;
}

static void give_chunk(struct pool *pool, struct item *item)
{
    item->state = ITEM_WORKING;
    worker_give(&pool->workers[item->worker], item->id, item->input_len);
}

/* Chunks that have failed go before new ones. */
static int feed_failed(struct pool_run *run, struct err *err)
{
    struct pool *pool = run->pool;

    for (size_t i = 0; i < pool->window.count; i++) {
        struct item *item = &pool->window.items[i];
        struct worker *worker = item->state == ITEM_WAITING ? worker_to_retry(pool, item) : NULL;
        if (!worker)
            continue;
        if (!worker_free_area(worker))
            feed_unload(window_in_area(&pool->window, &worker->areas[worker->next]));
        window_take_area(item, (size_t)(worker - pool->workers), worker_free_area(worker));
        enum chunk_kind kind = item->kind;
        if (kind == CHUNK_DATA &&
            read_chunk(run, item->area, item->id, &item->input_len, &kind, err) < 0)
            return -1;
        if (kind == CHUNK_SAME)
            return err_set(err, ERR_INTERNAL, "chunk %" PRIu64 " was read, and now is the same",
                           item->id);
        if (kind == CHUNK_ZERO)
            item->input_len = fill_zeros(run, item->area, item->id);
        item->raw_len = raw_len_of(run, item->id, kind);
        give_chunk(pool, item);
    }
    return 0;
}

static void feed_loaded(struct pool *pool)
{
    for (size_t i = 0; i < pool->window.count; i++) {
        struct item *item = &pool->window.items[i];
        if (item->state == ITEM_LOADED && worker_can_take(&pool->workers[item->worker]) &&
            !is_reserved(pool, item->worker))
            give_chunk(pool, item);
    }
}

static int feed_turn(struct pool_run *run, bool *ret_more, struct err *err)
{
    struct pool *pool = run->pool;
    struct worker *worker;
    struct item *item;

    if (feed_failed(run, err) < 0)
        return -1;
    feed_loaded(pool);
    while ((worker = free_worker(pool))) {
        if (load_next(run, worker, &item, ret_more, err) < 0)
            return -1;
        if (!item)
            return 0;
        give_chunk(pool, item);
    }
    /* One chunk ahead, then the finished ones are looked at first. */
    worker = worker_to_load(pool);
    if (!worker || run->next_id == run->source->count || window_full(&pool->window))
        return 0;
    if (load_next(run, worker, &item, ret_more, err) < 0)
        return -1;
    *ret_more = *ret_more || item;
    return 0;
}

int feed_workers(struct pool_run *run, bool *ret_more, struct err *err)
{
    uint64_t start = pool_now_ns();

    *ret_more = false;
    int status = feed_turn(run, ret_more, err);
    run->source_ns += pool_now_ns() - start;
    return status;
}
