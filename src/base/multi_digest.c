/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "base/multi_digest.h"

#include <assert.h>
#include <stdbool.h>
#include <string.h>

#include "base/digest.h"

#ifdef HAVE_IPSEC_MB
#include <intel-ipsec-mb.h>

/* With fewer messages most of the 16 lanes of a vector are empty, and libcrypto, which uses the
 * SHA-256 instructions of many CPUs, is faster. */
#define WORTH_IT 8

struct multi_digest {
    IMB_MGR *manager; /* owned; NULL: it cannot be used */
};

static void stop_using(struct multi_digest *multi)
{
    free_mb_mgr(multi->manager);
    multi->manager = NULL;
}

static void submit_message(IMB_MGR *manager, const struct multi_digest_message *message,
                           size_t *done)
{
    IMB_JOB *job = IMB_GET_NEXT_JOB(manager);

    memset(job, 0, sizeof(*job));
    job->cipher_mode = IMB_CIPHER_NULL;
    job->cipher_direction = IMB_DIR_ENCRYPT;
    job->chain_order = IMB_ORDER_HASH_CIPHER;
    job->hash_alg = IMB_AUTH_SHA_256;
    job->src = message->data;
    job->msg_len_to_hash_in_bytes = message->len;
    job->auth_tag_output = message->sha256;
    job->auth_tag_output_len_in_bytes = DIGEST_SIZE;
    job = IMB_SUBMIT_JOB(manager); /* returns a finished job, usually not this one */
    if (job && job->status == IMB_STATUS_COMPLETED)
        (*done)++;
}

/* False: not all of them were done. */
static bool side_by_side(IMB_MGR *manager, const struct multi_digest_message *messages,
                         size_t count)
{
    size_t done = 0;
    IMB_JOB *job;

    for (size_t i = 0; i < count; i++)
        submit_message(manager, &messages[i], &done);
    while ((job = IMB_FLUSH_JOB(manager)) != NULL)
        if (job->status == IMB_STATUS_COMPLETED)
            done++;
    return done == count;
}

/* Digests decide what is reported as damaged, so a library that gives wrong results on this CPU is
 * not used again. */
static bool is_right(IMB_MGR *manager)
{
    static const uint8_t message[1000] = {1};
    uint8_t ret[2 * WORTH_IT][DIGEST_SIZE] = {{0}};
    struct multi_digest_message messages[2 * WORTH_IT];
    uint8_t expected[DIGEST_SIZE];

    for (size_t i = 0; i < 2 * WORTH_IT; i++)
        messages[i] = (struct multi_digest_message){message, sizeof(message) - i, ret[i]};
    if (!side_by_side(manager, messages, 2 * WORTH_IT))
        return false;
    for (size_t i = 0; i < 2 * WORTH_IT; i++) {
        digest_of(message, sizeof(message) - i, expected);
        if (memcmp(ret[i], expected, DIGEST_SIZE) != 0)
            return false;
    }
    return true;
}

struct multi_digest *multi_digest_new(void)
{
    struct multi_digest *multi = mem_alloc(sizeof(*multi));

    multi->manager = alloc_mb_mgr(0);
    if (!multi->manager)
        return multi;
    init_mb_mgr_auto(multi->manager, NULL);
    if (imb_get_errno(multi->manager) != 0 || !is_right(multi->manager))
        stop_using(multi);
    return multi;
}

void multi_digest_free(struct multi_digest *multi)
{
    if (!multi)
        return;
    if (multi->manager)
        stop_using(multi);
    free(multi);
}

uint64_t multi_digest_memory(void)
{
    /* aligned by hand */
    return sizeof(struct multi_digest) + imb_get_mb_mgr_size() + 256;
}

static bool fast_way(struct multi_digest *multi, const struct multi_digest_message *messages,
                     size_t count)
{
    if (!multi->manager || count < WORTH_IT)
        return false;
    if (side_by_side(multi->manager, messages, count))
        return true;
    stop_using(multi);
    return false;
}

#else

struct multi_digest {
    char unused;
};

struct multi_digest *multi_digest_new(void)
{
    return mem_alloc(sizeof(struct multi_digest));
}

void multi_digest_free(struct multi_digest *multi)
{
    free(multi);
}

uint64_t multi_digest_memory(void)
{
    return sizeof(struct multi_digest);
}

static bool fast_way(struct multi_digest *multi, const struct multi_digest_message *messages,
                     size_t count)
{
    (void)multi;
    (void)messages;
    (void)count;
    return false;
}

#endif

void multi_digest_of(struct multi_digest *multi, const struct multi_digest_message *messages,
                     size_t count)
{
    assert(count <= MULTI_DIGEST_MAX);
    for (size_t i = 0; i < count; i++)
        assert(messages[i].len >= 1 && messages[i].len <= MULTI_DIGEST_LEN_MAX);
    if (fast_way(multi, messages, count))
        return;
    for (size_t i = 0; i < count; i++)
        digest_of(messages[i].data, messages[i].len, messages[i].sha256);
}
