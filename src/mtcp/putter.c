/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "mtcp/putter.h"

#include <assert.h>
#include <errno.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdlib.h>
#include <sys/eventfd.h>
#include <unistd.h>

#include "base/thread.h"

struct putter {
    pthread_t thread;
    bool started;
    int done_fd;
    _Atomic uint64_t raw_done;
    atomic_bool dropping; /* of jobs: looked at between the chunks of one, too */

    pthread_mutex_t mutex; /* of all below */
    pthread_cond_t posted_more;
    pthread_cond_t idle;
    bool quit;
    const struct chunk_sink *sink;
    struct put_job *jobs; /* job n lies at n % size */
    size_t size;
    uint64_t posted; /* jobs 0 to posted-1 are */
    uint64_t done;   /* those before it */
    uint64_t collected;
    bool failed;
    struct err err;
};

/* ---- the thread ------------------------------------------------------------- */

/* How many of the `left` chunks are put at once. */
static uint64_t chunks_at_once(const struct chunk_sink *sink, const struct chunk_output *output,
                               uint64_t left)
{
    uint64_t most = output->len > 0 ? PUTTER_RUN_BYTES / output->len : left;

    if (output->kind == CHUNK_SAME)
        return left;
    if (!sink->runs)
        return 1;
    if (most < 1)
        most = 1;
    return left < most ? left : most;
}

static void chain_digests(const struct chunk_sink *sink, const struct put_job *job)
{
    if (!job->digests)
        sink->chain(sink->opaque, job->digest, job->count);
    for (uint64_t i = 0; job->digests && i < job->count; i++)
        sink->chain(sink->opaque, job->digests + i * DIGEST_SIZE, 1);
}

static int do_put_job(struct putter *putter, const struct chunk_sink *sink,
                      const struct put_job *job, struct err *err)
{
    struct chunk_output output = job->output;
    uint64_t end = output.id + job->count;

    output.digest = job->digests || output.kind == CHUNK_SAME ? job->digests : job->digest;
    if (job->chain) {
        if (!atomic_load(&putter->dropping))
            chain_digests(sink, job);
        return 0;
    }
    for (; output.id < end && !atomic_load(&putter->dropping); output.id += output.count) {
        output.count = chunks_at_once(sink, &output, end - output.id);
        if (sink->put(sink->opaque, &output, err) < 0)
            return -1;
        atomic_fetch_add(&putter->raw_done, output.count * output.raw_len);
    }
    return 0;
}

static void *write_results(void *opaque)
{
    struct putter *putter = opaque;

    pthread_mutex_lock(&putter->mutex);
    for (;;) {
        while (putter->done == putter->posted && !putter->quit)
            pthread_cond_wait(&putter->posted_more, &putter->mutex);
        if (putter->quit)
            break;
        struct put_job job = putter->jobs[putter->done % putter->size];
        const struct chunk_sink *sink = putter->sink;
        CLEANUP_ERR struct err err = ERR_INIT;
        pthread_mutex_unlock(&putter->mutex);
        int status = do_put_job(putter, sink, &job, &err);
        pthread_mutex_lock(&putter->mutex);
        if (status < 0) {
            putter->failed = true;
            atomic_store(&putter->dropping, true);
            err_move(&putter->err, &err);
        }
        putter->done++;
        if (putter->done == putter->posted)
            pthread_cond_signal(&putter->idle);
        if (!job.chain)
            (void)!write(putter->done_fd, &(uint64_t){1}, sizeof(uint64_t));
    }
    pthread_mutex_unlock(&putter->mutex);
    return NULL;
}

/* ---- the pool's side -------------------------------------------------------- */

struct putter *putter_new(size_t jobs, struct err *err)
{
    CLEANUP(putter_freep) struct putter *putter = mem_alloc(sizeof(*putter));

    pthread_mutex_init(&putter->mutex, NULL);
    pthread_cond_init(&putter->posted_more, NULL);
    pthread_cond_init(&putter->idle, NULL);
    /* As many digests may wait: they are of items that were in the window together when the
     * first of them was posted. */
    putter->size = 2 * jobs;
    putter->jobs = mem_array(putter->size, sizeof(*putter->jobs));
    putter->done_fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
    if (putter->done_fd < 0) {
        err_set_errno(err, errno, "cannot create an eventfd");
        return NULL;
    }
    if (thread_start(&putter->thread, write_results, putter, "writing", err) < 0)
        return NULL;
    putter->started = true;
    return TAKE_PTR(putter);
}

void putter_free(struct putter *putter)
{
    if (!putter)
        return;
    pthread_mutex_lock(&putter->mutex);
    putter->quit = true;
    pthread_cond_signal(&putter->posted_more);
    pthread_mutex_unlock(&putter->mutex);
    if (putter->started)
        pthread_join(putter->thread, NULL);
    pthread_mutex_destroy(&putter->mutex);
    pthread_cond_destroy(&putter->posted_more);
    pthread_cond_destroy(&putter->idle);
    if (putter->done_fd >= 0)
        close(putter->done_fd);
    err_clear(&putter->err);
    free(putter->jobs);
    free(putter);
}

int putter_fd(const struct putter *putter)
{
    return putter->done_fd;
}

void putter_begin(struct putter *putter, const struct chunk_sink *sink)
{
    pthread_mutex_lock(&putter->mutex);
    assert(putter->done == putter->posted && !putter->failed);
    putter->collected = putter->done;
    putter->sink = sink;
    atomic_store(&putter->raw_done, 0);
    atomic_store(&putter->dropping, false);
    pthread_mutex_unlock(&putter->mutex);
}

void putter_post(struct putter *putter, const struct put_job *job)
{
    pthread_mutex_lock(&putter->mutex);
    assert(putter->posted - putter->collected < putter->size);
    putter->jobs[putter->posted++ % putter->size] = *job;
    pthread_cond_signal(&putter->posted_more);
    pthread_mutex_unlock(&putter->mutex);
}

int putter_collect(struct putter *putter, uint64_t *ret_id, struct err *err)
{
    int status = 0;

    pthread_mutex_lock(&putter->mutex);
    if (putter->failed)
        status = err_move(err, &putter->err);
    while (status == 0 && putter->collected < putter->done) {
        const struct put_job *job = &putter->jobs[putter->collected++ % putter->size];
        *ret_id = job->output.id;
        status = job->chain ? 0 : 1;
    }
    /* What is done from here on makes it readable again. */
    if (putter->collected == putter->done)
        (void)!read(putter->done_fd, &(uint64_t){0}, sizeof(uint64_t));
    pthread_mutex_unlock(&putter->mutex);
    return status;
}

uint64_t putter_raw_done(const struct putter *putter)
{
    return atomic_load(&putter->raw_done);
}

void putter_drain(struct putter *putter)
{
    pthread_mutex_lock(&putter->mutex);
    while (putter->done < putter->posted)
        pthread_cond_wait(&putter->idle, &putter->mutex);
    pthread_mutex_unlock(&putter->mutex);
}

void putter_end(struct putter *putter)
{
    atomic_store(&putter->dropping, true);
    putter_drain(putter);
}
