/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "codec/codec.h"

#include <assert.h>
#include <errno.h>
#include <inttypes.h>

#include "codec/backend.h"
#include "codec/chunk_digest.h"

struct encoder {
    const struct codec_backend *backend;
    void *state; /* owned, the backend's */
    struct chunk_digest *digest;
    uint8_t *blocks; /* borrowed: where the digests of a chunk's blocks go; may be NULL */
    bool omits_digests;
    uint64_t chunk_size;
    size_t bound;
};

struct encoder *encoder_new(const struct codec_spec *spec, uint64_t chunk_size, struct err *err)
{
    if (codec_check_spec(spec, err) < 0 || codec_check_chunk_size(chunk_size, err) < 0)
        return NULL;

    /* A dictionary beyond the chunk would cost memory and find nothing more. */
    struct codec_spec fitted = *spec;
    codec_fit_chunk(&fitted, chunk_size);

    struct encoder *encoder = mem_alloc(sizeof(*encoder));
    encoder->backend = codec_backend(spec->type);
    encoder->digest = chunk_digest_new();
    encoder->chunk_size = chunk_size;
    encoder->bound = codec_result_bound(spec, chunk_size);
    encoder->state = encoder->backend->encoder_new(&fitted, chunk_size, err);
    if (!encoder->state) {
        encoder_free(encoder);
        return NULL;
    }
    return encoder;
}

static int run_encode_job(struct encoder *encoder, struct encode_job *job, struct err *err)
{
    uint8_t digest[DIGEST_SIZE] = {0};

    if (job->raw_len < 1 || job->raw_len > encoder->chunk_size)
        return err_set(err, ERR_INTERNAL,
                       "a chunk of %zu bytes, where 1 to %" PRIu64 " are allowed", job->raw_len,
                       encoder->chunk_size);
    if (job->cap < encoder->bound)
        return err_set(err, ERR_INTERNAL, "room for a result of %zu bytes, but %zu are needed",
                       job->cap, encoder->bound);
    if (!encoder->omits_digests)
        chunk_digest_with_blocks(encoder->digest, job->raw, job->raw_len, digest, encoder->blocks);
    if (encoder->backend->encode(encoder->state, job, err) < 0)
        return -1;
    assert(job->len <= job->cap);
    result_put_head(job->result, digest, (uint32_t)job->raw_len, job->block_count);
    return 0;
}

int encoder_encode(struct encoder *encoder, const void *raw, size_t raw_len,
                   struct codec_room *result, struct err *err)
{
    struct encode_job job = {
        .raw = raw, .raw_len = raw_len, .result = result->data, .cap = result->cap};

    if (run_encode_job(encoder, &job, err) < 0)
        return -1;
    result->len = job.len;
    return 0;
}

int encoder_outline(struct encoder *encoder, const void *raw, size_t raw_len,
                    struct codec_room *outline, struct err *err)
{
    struct encode_job job = {.raw = raw,
                             .raw_len = raw_len,
                             .result = outline->data,
                             .cap = outline->cap,
                             .outline = true};

    assert(encoder->backend == &codec_backend_none);
    if (run_encode_job(encoder, &job, err) < 0)
        return -1;
    outline->len = job.len;
    return 0;
}

void encoder_set_blocks(struct encoder *encoder, uint8_t *blocks)
{
    encoder->blocks = blocks;
}

void encoder_omit_digests(struct encoder *encoder)
{
    encoder->omits_digests = true;
}

void encoder_free(struct encoder *encoder)
{
    if (!encoder)
        return;
    encoder->backend->encoder_free(encoder->state);
    chunk_digest_free(encoder->digest);
    free(encoder);
}
