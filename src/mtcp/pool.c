/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "mtcp/pool.h"

#include <assert.h>
#include <errno.h>
#include <inttypes.h>
#include <poll.h>
#include <stdlib.h>
#include <string.h>

#include "base/quit.h"
#include "base/units.h"
#include "mtcp/pool_private.h"
#include "mtcp/shared.h"

#define TICK_MS 200
/* How long a child whose stream has ended may take to end itself. */
#define GRACE_MS 1000
/* How long children may take to end when they are told to. */
#define QUIT_MS 500
/* A signal to the whole group or service may kill children before it reaches us. */
#define SIGNAL_MS 100

struct pool *pool_new(struct spawner *spawner, const struct child_settings *settings,
                      unsigned children, struct err *err)
{
    CLEANUP(pool_freep) struct pool *pool = mem_alloc(sizeof(*pool));

    assert(children > 0);
    pool->spawner = spawner;
    pool->settings = *settings;
    pool->workers = mem_array(children, sizeof(*pool->workers));
    pool->polls = mem_array((size_t)children + 2, sizeof(*pool->polls));
    shared_layout(settings, &pool->layout);
    window_init(&pool->window, children);
    pool->digest = chunk_digest_new();
    pool->putter = putter_new(pool->window.cap, err);
    if (!pool->putter)
        return NULL;
    for (; pool->worker_count < children; pool->worker_count++) {
        if (worker_start(&pool->workers[pool->worker_count], spawner, settings, err) < 0)
            return NULL;
    }
    return TAKE_PTR(pool);
}

unsigned pool_children(const struct pool *pool)
{
    return (unsigned)pool->worker_count;
}

/* ---- the end --------------------------------------------------------------- */

/* Waits until all sockets have hung up, for a limited time. */
static void wait_for_children_to_end(struct pool *pool)
{
    uint64_t deadline_ms = units_now_ms() + QUIT_MS;
    size_t left = 0;

    for (size_t i = 0; i < pool->worker_count; i++) {
        /* a child of our own does not listen while it works, and has nothing to lose */
        bool deaf = !pool->workers[i].foreign && pool->workers[i].state == WORKER_BUSY;
        pool->polls[i] = (struct pollfd){.fd = deaf ? -1 : pool->workers[i].child.sock};
        left += pool->polls[i].fd >= 0;
    }
    while (left > 0) {
        uint64_t now_ms = units_now_ms();
        if (now_ms >= deadline_ms ||
            poll(pool->polls, pool->worker_count, (int)(deadline_ms - now_ms)) == 0)
            return;
        for (size_t i = 0; i < pool->worker_count; i++) {
            if (pool->polls[i].fd >= 0 && pool->polls[i].revents) {
                pool->polls[i].fd = -1;
                left--;
            }
        }
    }
}

void pool_free(struct pool *pool)
{
    if (!pool)
        return;
    for (size_t i = 0; i < pool->worker_count; i++) {
        if (pool->workers[i].child.sock >= 0)
            worker_quit(&pool->workers[i]);
    }
    wait_for_children_to_end(pool);
    for (size_t i = 0; i < pool->worker_count; i++) {
        bool hung_up = pool->polls[i].fd < 0 && pool->workers[i].state != WORKER_BUSY;
        if (pool->workers[i].child.sock >= 0)
            worker_end(&pool->workers[i], pool->spawner, hung_up ? GRACE_MS : 0, NULL, NULL);
        worker_free(&pool->workers[i]);
    }
    putter_free(pool->putter);
    chunk_digest_free(pool->digest);
    window_clear(&pool->window);
    free(pool->zeros);
    free(pool->zeros_input);
    free(pool->workers);
    free(pool->polls);
    free(pool);
}

/* ---- failures -------------------------------------------------------------- */

/* The run fails because of a child. If the real reason is a signal to all of us, say that
 * instead. */
static int fail_run(struct err *err, enum err_kind kind, const char *text)
{
    struct pollfd quit = {.fd = quit_fd(), .events = POLLIN};

    if (quit.fd >= 0)
        poll(&quit, 1, SIGNAL_MS);
    if (quit_check(err) < 0)
        return -1;
    return err_set(err, kind, "%s", text);
}

/* For messages. A chunk that is not the image's has no place in it. */
static char *describe_chunk(const struct chunk_source *source, uint64_t id)
{
    const char *name = source->name ? source->name : "", *colon = source->name ? ": " : "";

    return source->unpack ? mem_printf("%s%sframe %" PRIu64 " of the %" PRIu64 " that it needs",
                                       name, colon, id + 1, source->count)
                          : mem_printf("%s%schunk %" PRIu64 " (from byte %" PRIu64 ")", name, colon,
                                       id, id * source->chunk_size);
}

/* How a child has failed at a chunk. */
enum chunk_end {
    CHUNK_REFUSED, /* it says that it cannot be encoded or decoded */
    CHUNK_DIED,    /* the child has died, or is not to be trusted any more */
    CHUNK_KILLED,  /* the child was killed from outside */
};

/* Of the second failure of a chunk. What a child that is killed from outside was decoding may be good. */
static enum err_kind kind_of_failure(const struct pool_run *run, enum chunk_end end)
{
    if (end == CHUNK_KILLED)
        return ERR_TRANSIENT;
    return end == CHUNK_REFUSED && run->pool->settings.decode ? ERR_CORRUPT : ERR_IO;
}

/* The first time it is tried again. */
static int fail_chunk(struct pool_run *run, struct item *item, enum chunk_end end, const char *why,
                      struct err *err)
{
    item->failures++;
    if (item->failures > 1) {
        CLEANUP_FREE char *chunk = describe_chunk(run->source, item->id);
        CLEANUP_FREE char *text = mem_printf("%s: %s", chunk, why);
        return fail_run(err, kind_of_failure(run, end), text);
    }
    window_free_area(item);
    item->state = ITEM_WAITING;
    item->renewed = end != CHUNK_REFUSED;
    return 0;
}

static int take_child_error(struct pool_run *run, size_t index, struct err *err)
{
    struct worker *worker = &run->pool->workers[index];
    struct item *item = window_of_worker(&run->pool->window, index);
    CLEANUP_FREE char *why =
        mem_printf("child process %d: %s", (int)worker->child.pid, worker->text);

    assert(item && item->id == worker->id);
    return fail_chunk(run, item, CHUNK_REFUSED, why, err);
}

/* Waits until none of its results is being put. */
static int settle_worker(struct pool_run *run, const struct worker *worker, struct err *err)
{
    for (size_t i = 0; i < SHARED_AREAS; i++) {
        const struct item *item = window_in_area(&run->pool->window, &worker->areas[i]);
        if (!item || item->state != ITEM_PUTTING)
            continue;
        putter_drain(run->pool->putter);
        return deliver_collect(run, err);
    }
    return 0;
}

/* The child has died, or (broke: how) is not to be trusted any more. Another one takes its place.
 *
 * What was in its two areas:
 *   - A result that the putter is just writing is still needed: the putter finishes first, before
 *     the segment is unmapped. Such a chunk is done, not lost.
 *   - The chunk that it was given last, which it worked on, or whose result was not yet given to
 *     the putter, counts as failed once. It is read again and reserved for the new child in this
 *     place, not for one of the others: whatever killed the first may kill them all. The second
 *     failure ends the run with this child's reason.
 *   - Another chunk there - a result that waits for its turn, or the next one that was read ahead -
 *     did nothing wrong; it is only read again, for the new child.
 * A child that dies without having been given a chunk that is still to be put costs nothing. If
 * that happens time and again, the program cannot work at all, and the run ends. */
static int lose_worker(struct pool_run *run, size_t index, const struct err *broke, struct err *err)
{
    struct pool *pool = run->pool;
    struct worker *worker = &pool->workers[index];
    CLEANUP_SPAWNER_END struct spawner_end end = {0};
    pid_t pid = worker->child.pid;

    run->children_lost++;
    if (settle_worker(run, worker, err) < 0)
        return -1;
    struct item *failed = window_in_area(&pool->window, worker_last_area(worker));
    struct item *other = window_in_area(&pool->window, &worker->areas[worker->next]);
    if (other)
        feed_unload(other);
    run->cpu_ns += worker_cpu_ns(worker);
    if (worker_end(worker, pool->spawner, broke ? 0 : GRACE_MS, &end, err) < 0)
        return -1;
    CLEANUP_FREE char *why =
        mem_printf("child process %d: %s", (int)pid, broke ? broke->text : end.why);
    enum chunk_end how = end.from_outside && !broke ? CHUNK_KILLED : CHUNK_DIED;
    if (failed && fail_chunk(run, failed, how, why, err) < 0)
        return -1;
    if (!failed && ++pool->idle_losses > 2 * pool->worker_count + 2)
        return fail_run(err, ERR_TRANSIENT, why); /* the data has no part in it */
    if (worker_start(worker, pool->spawner, &pool->settings, err) < 0)
        return err_prefix(err, "cannot replace %s", why);
    return 0;
}

/* ---- what children say ----------------------------------------------------- */

static int hear_worker(struct pool_run *run, size_t index, struct err *err)
{
    struct worker *worker = &run->pool->workers[index];
    enum worker_event event = WORKER_NOTHING;

    worker_flush(worker);
    do {
        CLEANUP_ERR struct err broke = ERR_INIT;
        if (worker_receive(worker, &event, &broke) < 0 ||
            (event == WORKER_SAID_RESULT && deliver_take(run, index, &broke) < 0))
            return lose_worker(run, index, &broke, err);
        if (event == WORKER_HUNG_UP)
            return lose_worker(run, index, NULL, err);
        if (event == WORKER_SAID_ERROR && take_child_error(run, index, err) < 0)
            return -1;
    } while (event != WORKER_NOTHING);
    return 0;
}

/* Counts as waiting for children while one of them works and none waits for its result to be
 * put. */
static uint64_t *waiting_time(struct pool_run *run)
{
    const struct pool *pool = run->pool;

    for (size_t i = 0; i < pool->worker_count; i++) {
        if (pool->workers[i].state == WORKER_BUSY)
            return &run->children_ns;
    }
    return window_is_putting(&pool->window) ? &run->sink_ns : &run->children_ns;
}

/* A child that somebody has stopped, say, is replaced like one that has died. */
static int replace_stalled(struct pool_run *run, struct err *err)
{
    struct pool *pool = run->pool;
    uint64_t now_ms = units_now_ms();

    if (now_ms < run->next_look_ms)
        return 0;
    run->next_look_ms = now_ms + STALL_LOOK_MS;
    for (size_t i = 0; i < pool->worker_count; i++) {
        CLEANUP_ERR struct err broke = ERR_INIT;
        if (!worker_is_stalled(&pool->workers[i]))
            continue;
        err_set(&broke, ERR_IO, "killed, because it made no progress for ten minutes");
        if (lose_worker(run, i, &broke, err) < 0)
            return -1;
    }
    return 0;
}

static int wait_for_news(struct pool_run *run, int timeout_ms, struct err *err)
{
    struct pool *pool = run->pool;
    uint64_t start = pool_now_ns();

    for (size_t i = 0; i < pool->worker_count; i++)
        pool->polls[i] = (struct pollfd){.fd = pool->workers[i].child.sock,
                                         .events = worker_poll_events(&pool->workers[i])};
    pool->polls[pool->worker_count] = (struct pollfd){.fd = quit_fd(), .events = POLLIN};
    pool->polls[pool->worker_count + 1] =
        (struct pollfd){.fd = putter_fd(pool->putter), .events = POLLIN};
    int ready = poll(pool->polls, pool->worker_count + 2, timeout_ms);
    if (ready < 0 && errno != EINTR)
        return err_set_errno(err, errno, "cannot wait for child processes");
    if (timeout_ms > 0)
        *waiting_time(run) += pool_now_ns() - start;
    if (quit_check(err) < 0)
        return -1;
    for (size_t i = 0; ready > 0 && i < pool->worker_count; i++) {
        if (pool->polls[i].revents && hear_worker(run, i, err) < 0)
            return -1;
    }
    return 0;
}

/* ---- the run --------------------------------------------------------------- */

static void tell_progress(struct pool_run *run, bool last)
{
    uint64_t now_ms = units_now_ms();

    if (!last && now_ms < run->next_tick_ms)
        return;
    run->next_tick_ms = now_ms + TICK_MS;
    if (run->progress)
        run->progress->tick(run->progress->opaque, putter_raw_done(run->pool->putter));
}

static int run_to_end(struct pool_run *run, struct err *err)
{
    struct pool *pool = run->pool;

    for (;;) {
        bool more = false;
        /* children that are done answer while others' chunks are read */
        if (deliver_post(run, err) < 0 || deliver_collect(run, err) < 0 ||
            feed_workers(run, &more, err) < 0 || deliver_post(run, err) < 0)
            return -1;
        if (run->next_id == run->source->count && pool->window.count == 0)
            return 0;
        tell_progress(run, false);
        if (wait_for_news(run, more ? 0 : TICK_MS, err) < 0 || replace_stalled(run, err) < 0)
            return -1;
    }
}

static uint64_t children_cpu_ns(struct pool *pool)
{
    uint64_t sum = 0;

    for (size_t i = 0; i < pool->worker_count; i++)
        sum += worker_cpu_ns(&pool->workers[i]);
    return sum;
}

static int check_plugs(const struct pool *pool, const struct pool_plugs *plugs, struct err *err)
{
    const struct chunk_source *source = plugs->source;

    if (pool->failed)
        return err_set(err, ERR_INTERNAL, "a pool of child processes was used after a failure");
    if (source->chunk_size != pool->settings.chunk_size ||
        source->count != units_div_up(source->raw_size, source->chunk_size))
        return err_set(err, ERR_INTERNAL,
                       "%" PRIu64 " bytes in %" PRIu64 " chunks of %" PRIu64
                       " do not fit child processes with chunks of %" PRIu64,
                       source->raw_size, source->count, source->chunk_size,
                       pool->settings.chunk_size);
    if (plugs->sink->block_digests && !pool->settings.block_digests)
        return err_set(err, ERR_INTERNAL,
                       "digests of blocks are wanted of child processes that were not told so");
    if (pool->settings.digests_known && (plugs->sink->block_digests || !plugs->sink->digests_known))
        return err_set(err, ERR_INTERNAL, "digests are wanted of child processes that make none");
    return 0;
}

int pool_run(struct pool *pool, const struct pool_plugs *plugs, struct pool_stats *ret_stats,
             struct err *err)
{
    struct pool_run run = {
        .pool = pool, .source = plugs->source, .sink = plugs->sink, .progress = plugs->progress};

    if (check_plugs(pool, plugs, err) < 0)
        return -1;
    uint64_t start = pool_now_ns();
    (void)children_cpu_ns(pool); /* what they took before is not this image's */
    run.next_tick_ms = units_now_ms() + TICK_MS;
    putter_begin(pool->putter, plugs->sink);
    int status = quit_check(err) < 0 ? -1 : run_to_end(&run, err);
    if (status == 0)
        putter_drain(pool->putter); /* digests */
    putter_end(pool->putter);
    if (status < 0) {
        pool->failed = true;
        return -1;
    }
    tell_progress(&run, true);
    if (ret_stats)
        *ret_stats = (struct pool_stats){
            .chunks = run.chunks,
            .zero_chunks = run.zero_chunks,
            .same_chunks = run.same_chunks,
            .children_lost = run.children_lost,
            .wait_source_ms = run.source_ns / 1000000,
            .wait_sink_ms = run.sink_ns / 1000000,
            .wait_children_ms = run.children_ns / 1000000,
            .elapsed_ms = (pool_now_ns() - start) / 1000000,
            .children_cpu_ms = (run.cpu_ns + children_cpu_ns(pool)) / 1000000,
        };
    return 0;
}
