/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "codec/chunk_digest.h"

#include "base/io.h"
#include "base/units.h"

#define STEP ((size_t)64 << 10)
/* Of zeros at a chunk's beginning, more are hashed again and again. */
#define STEPS_MAX ((size_t)(16 * MIB) / STEP)
/* A running hash with libcrypto's own records of it: 3.0 takes 240 bytes. */
#define STATE_SIZE ((size_t)320)

struct chunk_digest {
    struct digest *running;
    struct digest *zeros[STEPS_MAX]; /* after i + 1 steps; known[] to known - 1 */
    size_t known;
};

uint64_t chunk_digest_memory(void)
{
    return sizeof(struct chunk_digest) + (STEPS_MAX + 1) * STATE_SIZE;
}

struct chunk_digest *chunk_digest_new(void)
{
    struct chunk_digest *chunk = mem_alloc(sizeof(*chunk));

    chunk->running = digest_new();
    return chunk;
}

void chunk_digest_free(struct chunk_digest *chunk)
{
    if (!chunk)
        return;
    for (size_t i = 0; i < chunk->known; i++)
        digest_free(chunk->zeros[i]);
    digest_free(chunk->running);
    free(chunk);
}

static size_t zero_steps(const uint8_t *data, size_t len)
{
    size_t most = len / STEP < STEPS_MAX ? len / STEP : STEPS_MAX;
    size_t steps = 0;

    while (steps < most && io_is_zero(data + steps * STEP, STEP))
        steps++;
    return steps;
}

/* What they are is known: zeros, which serve for being hashed. */
static void learn(struct chunk_digest *chunk, const uint8_t *zeros, size_t steps)
{
    for (; chunk->known < steps; chunk->known++) {
        struct digest *next = digest_new();
        if (chunk->known > 0)
            digest_copy(next, chunk->zeros[chunk->known - 1]);
        digest_add(next, zeros, STEP);
        chunk->zeros[chunk->known] = next;
    }
}

void chunk_digest_of(struct chunk_digest *chunk, const void *data, size_t len,
                     uint8_t ret[static DIGEST_SIZE])
{
    size_t steps = zero_steps(data, len);

    if (steps > 0) {
        learn(chunk, data, steps);
        digest_copy(chunk->running, chunk->zeros[steps - 1]);
    }
    digest_add(chunk->running, (const uint8_t *)data + steps * STEP, len - steps * STEP);
    digest_finish(chunk->running, ret);
}
