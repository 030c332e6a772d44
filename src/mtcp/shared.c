/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "mtcp/shared.h"

#include <assert.h>

#include "base/digest.h"
#include "codec/chunk_digest.h"

/* Input and output each start on a page of their own, whatever the machine's page size. */
#define PAGE_SIZE_MAX ((size_t)65536)

#define DIGESTS_UNIT ((size_t)4096)

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
    ret->leaves_size =
        settings->block_digests && settings->decode ? chunk_digest_leaves_size(raw) : 0;
    ret->input_offset = round_up(
        DIGEST_SIZE + ret->blocks_size + ret->leaves_size + sizeof(uint64_t), DIGESTS_UNIT);
    ret->output_offset = round_up(ret->input_offset + ret->input_size, PAGE_SIZE_MAX);
    ret->area_size = round_up(ret->output_offset + ret->output_size, PAGE_SIZE_MAX);
    ret->total_size = SHARED_AREAS * ret->area_size;
}

struct shared_area shared_area(const struct shared_layout *layout, uint8_t *segment,
                               unsigned number)
{
    uint8_t *area = segment + number * layout->area_size;
    uint8_t *leaves = layout->leaves_size > 0 ? area + DIGEST_SIZE + layout->blocks_size : NULL;

    return (struct shared_area){
        .digest = area,
        .blocks = layout->blocks_size > 0 ? area + DIGEST_SIZE : NULL,
        .leaves = leaves,
        .wanted = leaves ? leaves + layout->leaves_size : NULL,
        .input = area + layout->input_offset,
        .output = area + layout->output_offset,
    };
}

bool shared_outlines(const struct child_settings *settings)
{
    return !settings->foreign && !settings->decode && settings->codec.type == CODEC_NONE;
}
