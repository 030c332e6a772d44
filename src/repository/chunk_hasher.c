/* SPDX-License-Identifier: LGPL-2.1-or-later
 *
 * A ring of what lies ahead. Part n is in places[n % PLACES]. The caller appends parts (added) and
 * takes them off again (taken); the thread goes through those between (hashed). Each of them changes
 * only its own number, and only the thread touches a chunk of data between added and hashed.
 */
#include "repository/chunk_hasher.h"

#include <assert.h>
#include <errno.h>
#include <inttypes.h>
#include <pthread.h>
#include <stdlib.h>

#include "base/io.h"
#include "base/thread.h"
#include "base/units.h"
#include "codec/chunk_digest.h"
#include "repository/block_id.h"

#define PLACES 6u
/* More than one, so that the ring fills. */
#define READ_AT_ONCE 2u
#define PAGE 4096

/* A run of chunks of zeros that need not be read, or one chunk of data. */
struct part_ahead {
    uint64_t id;
    uint64_t count;
    enum chunk_kind kind;
    uint8_t *data; /* owned by the ring */
    struct hashed_chunk chunk;
};

struct chunk_hasher {
    struct chunk_source source;
    struct part_ahead places[PLACES];
    uint64_t next_id; /* chunk to be added */
    struct chunk_digest *digest;
    struct block_ids *ids;
    pthread_t thread;
    bool started;

    pthread_mutex_t mutex; /* of all below */
    pthread_cond_t changed;
    uint64_t added;
    uint64_t hashed;
    uint64_t taken; /* not of the thread */
    bool ending;
};

/* ---- the thread ------------------------------------------------------------------------------ */

/* digests: of the blocks. */
static void hash_content(struct chunk_hasher *hasher, struct hashed_chunk *chunk, uint8_t *digests)
{
    uint8_t *content = chunk->content;
    uint8_t *leaves = chunk->leaves;

    for (uint32_t done = 0, len; done < chunk->len; done += len) {
        len = chunk->len - done < MANIFEST_MAP_CHUNK ? chunk->len - done
                                                     : (uint32_t)MANIFEST_MAP_CHUNK;
        chunk_digest_with_parts(hasher->digest, chunk->data + done, len, content,
                                (struct chunk_digest_parts){digests, leaves});
        content += DIGEST_SIZE;
        digests += chunk_digest_blocks_size(len);
        leaves += chunk_digest_leaf_count(len) * DIGEST_SIZE;
    }
}

/* Runs of blocks that were read: more leaves are hashed at the same time than a block has. */
static void hash_read_blocks(struct chunk_hasher *hasher, struct hashed_chunk *chunk,
                             uint8_t *digests)
{
    uint32_t most = (uint32_t)(MANIFEST_MAP_CHUNK / LIMITS_BLOCK);
    uint8_t unused[DIGEST_SIZE];

    for (uint32_t i = 0, end; i < chunk->block_count; i = end) {
        bool same = chunk->same >> i & 1;
        for (end = i + 1; end < chunk->block_count && end - i < most &&
                          (chunk->same >> end & 1) == (uint64_t)same;)
            end++;
        if (same)
            continue;
        uint32_t offset = i * LIMITS_BLOCK;
        uint32_t len = end < chunk->block_count ? (end - i) * LIMITS_BLOCK : chunk->len - offset;
        chunk_digest_with_parts(hasher->digest, chunk->data + offset, len, unused,
                                (struct chunk_digest_parts){
                                    digests + (size_t)i * DIGEST_SIZE,
                                    chunk->leaves + (size_t)i * HASHER_BLOCK_LEAVES * DIGEST_SIZE});
    }
}

static void hash_part(struct chunk_hasher *hasher, struct part_ahead *part)
{
    struct hashed_chunk *chunk = &part->chunk;
    uint8_t digests[PLAN_BLOCKS * DIGEST_SIZE];

    if (part->kind != CHUNK_DATA || chunk->all_zeros)
        return;
    chunk->block_count = (uint32_t)units_div_up(chunk->len, LIMITS_BLOCK);
    if (hasher->source.find_same)
        hash_read_blocks(hasher, chunk, digests);
    else
        hash_content(hasher, chunk, digests);
    for (uint32_t i = 0; i < chunk->block_count; i++) {
        if (chunk->same >> i & 1)
            continue;
        uint32_t left = chunk->len - i * LIMITS_BLOCK;
        chunk->zeros[i] = io_is_zero(chunk->data + (size_t)i * LIMITS_BLOCK,
                                     left < LIMITS_BLOCK ? left : LIMITS_BLOCK);
        if (!chunk->zeros[i])
            block_id_of(hasher->ids, digests + (size_t)i * DIGEST_SIZE, &chunk->ids[i]);
    }
}

static void *hash_ahead(void *opaque)
{
    struct chunk_hasher *hasher = opaque;

    pthread_mutex_lock(&hasher->mutex);
    for (;;) {
        while (hasher->hashed == hasher->added && !hasher->ending)
            pthread_cond_wait(&hasher->changed, &hasher->mutex);
        if (hasher->ending)
            break;
        struct part_ahead *part = &hasher->places[hasher->hashed % PLACES];
        pthread_mutex_unlock(&hasher->mutex);
        hash_part(hasher, part);
        pthread_mutex_lock(&hasher->mutex);
        hasher->hashed++;
        pthread_cond_broadcast(&hasher->changed);
    }
    pthread_mutex_unlock(&hasher->mutex);
    return NULL;
}

struct chunk_hasher *chunk_hasher_new(const struct chunk_source *source, const uint8_t *id_salt,
                                      struct err *err)
{
    CLEANUP(chunk_hasher_freep) struct chunk_hasher *hasher = mem_alloc(sizeof(*hasher));

    hasher->source = *source;
    hasher->digest = chunk_digest_new();
    hasher->ids = block_ids_new(id_salt);
    pthread_mutex_init(&hasher->mutex, NULL);
    pthread_cond_init(&hasher->changed, NULL);
    for (unsigned i = 0; i < PLACES; i++) {
        hasher->places[i].data = aligned_alloc(PAGE, (size_t)source->chunk_size);
        if (!hasher->places[i].data) {
            err_set_errno(err, ENOMEM, "cannot get memory to read ahead");
            return NULL;
        }
    }
    if (thread_start(&hasher->thread, hash_ahead, hasher, "hashing", err) < 0)
        return NULL;
    hasher->started = true;
    return TAKE_PTR(hasher);
}

void chunk_hasher_free(struct chunk_hasher *hasher)
{
    if (!hasher)
        return;
    pthread_mutex_lock(&hasher->mutex);
    hasher->ending = true;
    pthread_cond_broadcast(&hasher->changed);
    pthread_mutex_unlock(&hasher->mutex);
    if (hasher->started)
        pthread_join(hasher->thread, NULL);
    pthread_mutex_destroy(&hasher->mutex);
    pthread_cond_destroy(&hasher->changed);
    for (unsigned i = 0; i < PLACES; i++)
        free(hasher->places[i].data);
    chunk_digest_free(hasher->digest);
    block_ids_free(hasher->ids);
    free(hasher);
}

/* ---- the caller ------------------------------------------------------------------------------ */

static int read_part(struct chunk_hasher *hasher, struct part_ahead *part, struct err *err)
{
    const struct chunk_source *source = &hasher->source;
    size_t expected = (size_t)chunk_raw_len(part->id, source->chunk_size, source->raw_size);
    enum chunk_kind kind = CHUNK_DATA;
    size_t len = expected;

    if (source->read(source->opaque, part->id, part->data, expected, &len, &kind, err) < 0)
        return -1;
    if (kind == CHUNK_SAME || (kind == CHUNK_DATA && len != expected))
        return err_set(err, ERR_INTERNAL, "chunk %" PRIu64 " was read with %zu bytes", part->id,
                       len);
    part->chunk.all_zeros = kind == CHUNK_ZERO;
    part->chunk.same = 0;
    return 0;
}

static int read_part_of_increment(struct chunk_hasher *hasher, struct part_ahead *part,
                                  struct err *err)
{
    const struct chunk_source *source = &hasher->source;

    part->chunk.all_zeros = false;
    return source->find_same(source->opaque, part->id, &part->chunk.same, err) < 0
               ? -1
               : source->read_blocks(source->opaque, part->id, ~part->chunk.same, part->data, err);
}

/* Adds what comes next to the ring, which has room for it. */
static int append_part_ahead(struct chunk_hasher *hasher, struct err *err)
{
    const struct chunk_source *source = &hasher->source;
    struct part_ahead *part = &hasher->places[hasher->added % PLACES];
    struct chunk_run run;

    if (source->look(source->opaque, hasher->next_id, &run, err) < 0)
        return -1;
    if (run.kind == CHUNK_SAME && !source->find_same)
        return err_set(err, ERR_INTERNAL, "an image of which parts are known cannot be hashed");
    part->id = hasher->next_id;
    part->count = run.kind == CHUNK_DATA ? 1 : run.count;
    part->kind = run.kind;
    part->chunk.data = part->data;
    part->chunk.len = (uint32_t)chunk_raw_len(part->id, source->chunk_size, source->raw_size);
    if (run.kind == CHUNK_DATA && (source->find_same ? read_part_of_increment(hasher, part, err)
                                                     : read_part(hasher, part, err)) < 0)
        return -1;
    hasher->next_id += part->count;
    pthread_mutex_lock(&hasher->mutex);
    hasher->added++;
    pthread_cond_broadcast(&hasher->changed);
    pthread_mutex_unlock(&hasher->mutex);
    return 0;
}

static void wait_until_hashed(struct chunk_hasher *hasher, uint64_t number)
{
    pthread_mutex_lock(&hasher->mutex);
    while (hasher->hashed <= number)
        pthread_cond_wait(&hasher->changed, &hasher->mutex);
    pthread_mutex_unlock(&hasher->mutex);
}

/* The part that this chunk is in; those before it are taken off. */
static int find_part(struct chunk_hasher *hasher, uint64_t id, struct part_ahead **ret,
                     struct err *err)
{
    for (;; hasher->taken++) {
        if (hasher->taken == hasher->added && append_part_ahead(hasher, err) < 0)
            return -1;
        struct part_ahead *part = &hasher->places[hasher->taken % PLACES];
        assert(id >= part->id);
        if (id - part->id < part->count) {
            *ret = part;
            return 0;
        }
        /* its place is needed */
        wait_until_hashed(hasher, hasher->taken);
    }
}

int chunk_hasher_look(struct chunk_hasher *hasher, uint64_t id, struct chunk_run *ret,
                      struct err *err)
{
    struct part_ahead *part = NULL;

    if (find_part(hasher, id, &part, err) < 0)
        return -1;
    *ret = (struct chunk_run){.kind = part->kind, .count = part->id + part->count - id};
    return 0;
}

int chunk_hasher_read(struct chunk_hasher *hasher, uint64_t id, const struct hashed_chunk **ret,
                      struct err *err)
{
    struct part_ahead *part = NULL;

    if (find_part(hasher, id, &part, err) < 0)
        return -1;
    assert(part->kind == CHUNK_DATA);
    for (unsigned i = 0; i < READ_AT_ONCE && hasher->added - hasher->taken < PLACES &&
                         hasher->next_id < hasher->source.count;
         i++) {
        if (append_part_ahead(hasher, err) < 0)
            return -1;
    }
    wait_until_hashed(hasher, hasher->taken);
    *ret = &part->chunk;
    return 0;
}

uint64_t chunk_hasher_bytes_read(const struct hashed_chunk *chunk)
{
    uint64_t len = chunk->len;

    for (uint32_t i = 0; chunk->same && i < chunk->block_count; i++)
        if (chunk->same >> i & 1) {
            uint32_t left = chunk->len - i * LIMITS_BLOCK;
            len -= left < LIMITS_BLOCK ? left : LIMITS_BLOCK;
        }
    return len;
}
