/* SPDX-License-Identifier: LGPL-2.1-or-later
 *
 * A pack's buffer goes round: free, filled by the caller, waiting to be written, written by a
 * thread, free. What is known of a pack stands in `packs` from when it is closed; the thread that
 * writes it fills in the rest.
 */
#include "repository/packer.h"

#include <assert.h>

#include "base/thread.h"

struct full_pack {
    struct pack_writer *writer;
    uint32_t index; /* in packs */
};

struct packer {
    struct pack_target target;
    unsigned buffers;
    pthread_t threads[PACKER_BUFFERS];
    unsigned thread_count;

    /* Of the caller. */
    struct pack_writer *current; /* owned; NULL: none was begun */
    unsigned made;               /* writers, wherever they are */
    uint64_t block_count;
    uint64_t current_first; /* block of the current pack */
    uint64_t current_bytes; /* of its frames */
    uint32_t closed_count;
    uint64_t closed_bytes;

    pthread_mutex_t mutex; /* of all below */
    pthread_cond_t changed;
    struct pack_writer *unused[PACKER_BUFFERS]; /* owned, as those in full */
    unsigned unused_count;
    struct full_pack full[PACKER_BUFFERS]; /* the first is the next */
    unsigned full_count;
    unsigned writing;
    struct packer_pack *packs;
    uint32_t pack_count;
    uint32_t pack_cap;
    bool ending;
    bool failed;
    struct err err; /* until it was told */
};

/* ---- the threads ----------------------------------------------------------------------------- */

static struct full_pack take_full(struct packer *packer)
{
    struct full_pack pack = packer->full[0];

    packer->full_count--;
    for (unsigned i = 0; i < packer->full_count; i++)
        packer->full[i] = packer->full[i + 1];
    return pack;
}

static void *write_packs(void *opaque)
{
    struct packer *packer = opaque;

    pthread_mutex_lock(&packer->mutex);
    for (;;) {
        while (packer->full_count == 0 && !packer->ending)
            pthread_cond_wait(&packer->changed, &packer->mutex);
        if (packer->ending)
            break;
        struct full_pack pack = take_full(packer);
        CLEANUP_ERR struct err err = ERR_INIT;
        struct pack_digest digest;
        struct pack_id id = {0};
        packer->writing++;
        pthread_mutex_unlock(&packer->mutex);
        int status = packer->target.put(packer->target.opaque, pack.writer, &digest, &id, &err);
        pthread_mutex_lock(&packer->mutex);
        packer->writing--;
        packer->unused[packer->unused_count++] = pack.writer;
        if (status == 0) {
            packer->packs[pack.index].id = id;
            packer->packs[pack.index].digest = digest;
        } else if (!packer->failed) {
            packer->failed = true;
            err_move(&packer->err, &err);
        }
        pthread_cond_broadcast(&packer->changed);
    }
    pthread_mutex_unlock(&packer->mutex);
    return NULL;
}

struct packer *packer_new(const struct pack_target *target, unsigned buffers, struct err *err)
{
    CLEANUP(packer_freep) struct packer *packer = mem_alloc(sizeof(*packer));
    unsigned threads = buffers > 1 ? buffers - 1 : 1;

    assert(buffers >= 1 && buffers <= PACKER_BUFFERS);
    packer->target = *target;
    packer->buffers = buffers;
    pthread_mutex_init(&packer->mutex, NULL);
    pthread_cond_init(&packer->changed, NULL);
    while (packer->thread_count < threads) {
        if (thread_start(&packer->threads[packer->thread_count], write_packs, packer,
                         "writing packs", err) < 0)
            return NULL;
        packer->thread_count++;
    }
    return TAKE_PTR(packer);
}

void packer_free(struct packer *packer)
{
    if (!packer)
        return;
    pthread_mutex_lock(&packer->mutex);
    packer->ending = true;
    pthread_cond_broadcast(&packer->changed);
    pthread_mutex_unlock(&packer->mutex);
    for (unsigned i = 0; i < packer->thread_count; i++)
        pthread_join(packer->threads[i], NULL);
    for (unsigned i = 0; i < packer->unused_count; i++)
        pack_writer_free(packer->unused[i]);
    for (unsigned i = 0; i < packer->full_count; i++)
        pack_writer_free(packer->full[i].writer);
    pack_writer_free(packer->current);
    pthread_mutex_destroy(&packer->mutex);
    pthread_cond_destroy(&packer->changed);
    err_clear(&packer->err);
    free(packer->packs);
    free(packer);
}

/* ---- the caller ------------------------------------------------------------------------------ */

/* The mutex is held. */
static int check_failed(struct packer *packer, struct err *err)
{
    if (!packer->failed)
        return 0;
    if (packer->err.kind == ERR_NONE)
        return err_set(err, ERR_INTERNAL, "a pack was not written, as was said before");
    return err_move(err, &packer->err);
}

static int begin_pack(struct packer *packer, struct err *err)
{
    int status;

    pthread_mutex_lock(&packer->mutex);
    while (!packer->current && packer->unused_count == 0 && packer->made == packer->buffers &&
           !packer->failed)
        pthread_cond_wait(&packer->changed, &packer->mutex);
    status = check_failed(packer, err);
    if (status == 0 && !packer->current && packer->unused_count > 0) {
        packer->current = packer->unused[--packer->unused_count];
        pack_writer_begin(packer->current);
    }
    pthread_mutex_unlock(&packer->mutex);
    if (status < 0 || packer->current)
        return status;
    packer->current = pack_writer_new(err);
    packer->made += packer->current != NULL;
    return packer->current ? 0 : -1;
}

/* Hands the current pack to the threads. */
static void close_pack(struct packer *packer)
{
    pthread_mutex_lock(&packer->mutex);
    if (packer->pack_count == packer->pack_cap) {
        packer->pack_cap = packer->pack_cap ? packer->pack_cap * 2 : 16;
        packer->packs = mem_resize(packer->packs, packer->pack_cap, sizeof(*packer->packs));
    }
    packer->packs[packer->pack_count] = (struct packer_pack){.first_block = packer->current_first};
    packer->full[packer->full_count++] =
        (struct full_pack){TAKE_PTR(packer->current), packer->pack_count++};
    pthread_cond_broadcast(&packer->changed);
    pthread_mutex_unlock(&packer->mutex);
    packer->current_first = packer->block_count;
    packer->closed_count++;
    packer->closed_bytes += packer->current_bytes;
    packer->current_bytes = 0;
}

uint8_t *packer_room(struct packer *packer, uint32_t stored_len, uint32_t block_count,
                     struct err *err)
{
    if (packer->current && !pack_writer_fits(packer->current, stored_len, block_count))
        close_pack(packer);
    return begin_pack(packer, err) < 0 ? NULL : pack_writer_room(packer->current);
}

int packer_add(struct packer *packer, const void *data, const struct pack_index_added *frame,
               struct err *err)
{
    if (!packer_room(packer, frame->stored_len, frame->block_count, err) ||
        pack_writer_add(packer->current, data, frame, err) < 0)
        return -1;
    packer->block_count += frame->block_count;
    packer->current_bytes += frame->stored_len;
    return 0;
}

static bool is_putting(struct packer *packer)
{
    pthread_mutex_lock(&packer->mutex);
    bool putting = packer->full_count > 0 || packer->writing > 0;
    pthread_mutex_unlock(&packer->mutex);
    return putting;
}

int packer_tick(struct packer *packer, struct err *err)
{
    if (!packer->target.due(packer->target.opaque) || is_putting(packer))
        return 0;
    if (begin_pack(packer, err) < 0)
        return -1;
    close_pack(packer);
    return 0;
}

int packer_finish(struct packer *packer, struct err *err)
{
    if (packer->current && pack_writer_frame_count(packer->current) > 0)
        close_pack(packer);
    pthread_mutex_lock(&packer->mutex);
    while ((packer->full_count > 0 || packer->writing > 0) && !packer->failed)
        pthread_cond_wait(&packer->changed, &packer->mutex);
    int status = check_failed(packer, err);
    pthread_mutex_unlock(&packer->mutex);
    return status;
}

uint64_t packer_block_count(const struct packer *packer)
{
    return packer->block_count;
}

uint32_t packer_closed(const struct packer *packer, uint64_t *ret_bytes)
{
    *ret_bytes = packer->closed_bytes;
    return packer->closed_count;
}

const struct packer_pack *packer_packs(const struct packer *packer, uint32_t *ret_count)
{
    *ret_count = packer->pack_count;
    return packer->packs;
}
