/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "mtcp/shared.h"

#include <assert.h>

#include "base/digest.h"
#include "codec/chunk_digest.h"

/* Each area starts on a page of its own, whatever the machine's page size. */
#define PAGE_SIZE_MAX ((size_t)65536)

#define HEAD_UNIT ((size_t)4096)

static size_t round_up(size_t size, size_t unit)
{
    return (size + unit - 1) & ~(unit - 1);
}

void shared_layout(const struct child_settings *settings, struct shared_layout *ret)
{
    assert(settings->chunk_size >= CODEC_CHUNK_MIN && settings->chunk_size <= CODEC_CHUNK_MAX);
    size_t raw = (size_t)settings->chunk_size;
    size_t result = codec_result_bound(&settings->codec, settings->chunk_size);

    ret->input_size = settings->decode ? result : raw;
    ret->output_size = settings->decode ? raw : result;
    ret->blocks_size = settings->block_digests ? chunk_digest_blocks_size(raw) : 0;
    ret->head_size = round_up(SHARED_BLOCKS_OFFSET + ret->blocks_size, HEAD_UNIT);
    ret->input_offset[0] = ret->head_size;
    ret->input_offset[1] = round_up(ret->input_offset[0] + ret->input_size, PAGE_SIZE_MAX);
    ret->output_offset = round_up(ret->input_offset[1] + ret->input_size, PAGE_SIZE_MAX);
    ret->total_size = round_up(ret->output_offset + ret->output_size, PAGE_SIZE_MAX);
}

bool shared_outlines(const struct child_settings *settings)
{
    return !settings->foreign && !settings->decode && settings->codec.type == CODEC_NONE;
}
