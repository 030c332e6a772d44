/* SPDX-License-Identifier: LGPL-2.1-or-later
 *
 * The index at a pack's end: what its frames are, and the id of each block in them. See PACKS in
 * virt-backup-repository(5). Blocks and frames are numbered from 0 in the order of the pack.
 */
#pragma once

#include "base/buf.h"
#include "base/cleanup.h"
#include "codec/codec.h"
#include "repository/format/id.h"
#include "repository/format/limits.h"

struct pack_frame {
    uint32_t stored_len;
    uint32_t raw_len;
    enum codec_type codec;
    uint32_t block_count;
    /* Not stored: what lies before it. */
    uint32_t offset; /* in the frames' bytes */
    uint32_t first_block;
};

struct pack_index {
    struct pack_frame *frames; /* owned */
    uint32_t frame_count;
    struct id *ids; /* owned; of each block */
    uint32_t block_count;
    uint32_t frames_len; /* bytes of all frames */
};

void pack_index_clear(struct pack_index *index);
#define CLEANUP_PACK_INDEX CLEANUP(pack_index_clear)

/* Appends a frame of block_count blocks, whose ids are copied. The caller stays within the limits:
 * pack_index_fits. Memory that cannot be had is an error. */
struct pack_index_added {
    uint32_t stored_len;
    uint32_t raw_len;
    enum codec_type codec;
    uint32_t block_count;
    const struct id *ids;
};
int pack_index_add(struct pack_index *index, const struct pack_index_added *added, struct err *err);
/* Whether the pack, whose head takes head_len bytes, has room for another frame. */
bool pack_index_fits(const struct pack_index *index, uint32_t head_len, uint32_t stored_len,
                     uint32_t block_count);

void pack_index_format(const struct pack_index *index, struct buf *ret);
/* frames_len: the bytes that the pack has for frames; plain packs have no padding. Corrupt: anything
 * that the limits and the lengths do not allow. */
int pack_index_parse(const void *data, size_t len, uint32_t frames_len, struct pack_index *ret,
                     struct err *err);

/* The codec of all its frames; false: there are several, or no frames. */
bool pack_index_codec(const struct pack_index *index, enum codec_type *ret);
/* The frame that holds a block of the pack. */
const struct pack_frame *pack_index_frame_of(const struct pack_index *index, uint32_t block);
