/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "mtcp/shared.h"

#include <assert.h>

/* Each area starts on a page of its own, whatever the machine's page size. */
#define PAGE_SIZE_MAX ((size_t)65536)

static size_t round_up(size_t size)
{
    return (size + PAGE_SIZE_MAX - 1) & ~(PAGE_SIZE_MAX - 1);
}

void shared_layout(const struct child_settings *settings, struct shared_layout *ret)
{
    assert(settings->chunk_size >= CODEC_CHUNK_MIN && settings->chunk_size <= CODEC_CHUNK_MAX);
    size_t raw = (size_t)settings->chunk_size;
    size_t result = codec_result_bound(&settings->codec, settings->chunk_size);

    ret->input_size = settings->decode ? result : raw;
    ret->output_size = settings->decode ? raw : result;
    ret->input_offset[0] = SHARED_HEAD_SIZE;
    ret->input_offset[1] = round_up(ret->input_offset[0] + ret->input_size);
    ret->output_offset = round_up(ret->input_offset[1] + ret->input_size);
    ret->total_size = round_up(ret->output_offset + ret->output_size);
}

bool shared_outlines(const struct child_settings *settings)
{
    return !settings->foreign && !settings->decode && settings->codec.type == CODEC_NONE;
}
