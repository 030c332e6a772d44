/* SPDX-License-Identifier: LGPL-2.1-or-later
 *
 * Framing: how blocks become a file that foreign tools read, and where the
 * blocks are in such a file.
 *   lzma  .xz file format 1.1.0: stream header, Blocks, Index, stream footer
 *   zstd  zstd frames, then the seek table of the zstd seekable format 0.1.0
 *   none  no framing: the bytes of the image
 * The writer only makes bytes; the caller writes them where they belong. A
 * container may start at any offset of a file (behind a save image's header).
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/buf.h"
#include "codec/codec.h"
#include "codec/result.h"

/* Blocks of one container: 4 TiB in chunks of 64 KiB, 256 TiB at the default sizes. */
#define CONTAINER_MAX_BLOCKS (UINT64_C(1) << 26)

struct container_writer;

struct container_writer *container_writer_new(enum codec_type type);
/* Appends what comes before the first block to *out. */
int container_begin(struct container_writer *writer, struct buf *out, struct err *err);
/* Notes one block, whose bytes the caller writes next. A block that is not what
 * codec/result.h says is refused (corrupt): it may come from a foreign child. So is
 * one more than CONTAINER_MAX_BLOCKS (unsupported). Its data is not decoded. */
int container_add(struct container_writer *writer, const struct result_block *block,
                  struct err *err);
/* Appends what comes after the last block. */
int container_end(struct container_writer *writer, struct buf *out, struct err *err);
void container_writer_free(struct container_writer *writer);
DEFINE_CLEANUP(struct container_writer *, container_writer_freep, container_writer_free)

/* How many of a container's first bytes container_starts looks at. */
#define CONTAINER_START_SIZE 6
/* May a container of this codec begin with these bytes? Of none any may. */
bool container_starts(enum codec_type type, const uint8_t data[static CONTAINER_START_SIZE]);

struct container_block {
    uint64_t offset; /* from the container's first byte */
    uint64_t raw_offset;
    uint32_t stored_len;
    uint32_t raw_len;
};

struct container_index {
    struct container_block *blocks; /* owned; in order, without gaps in raw_offset */
    size_t count;
    uint64_t raw_size;
};

/* Reads index and footer of the container that takes up bytes [start, start+size)
 * of fd. Every length is checked against size, all of it is accounted for, and a
 * block is never larger than CODEC_CHUNK_MAX raw. Decoder memory for the index is
 * bounded. type none is a usage error: there is no index. For lzma the stream
 * check must be CRC64, and there must be exactly one stream, without padding. */
int container_read(enum codec_type type, int fd, uint64_t start, uint64_t size,
                   struct container_index *ret, struct err *err);
/* The same, possibly in a process that can do nothing else. What it returns was checked as far
 * as possible without the file. */
struct container_indexer {
    void *opaque;
    int (*read)(void *opaque, enum codec_type type, int fd, uint64_t start, uint64_t size,
                struct container_index *ret, struct err *err);
};

/* Room for count blocks (checked against CONTAINER_MAX_BLOCKS: corrupt). */
int container_index_reserve(struct container_index *index, uint64_t count, struct err *err);
/* Adds the next block. The lengths may be whatever a file says (checked: corrupt); there must be room.
 * `offset` is from the container's first byte. */
int container_index_append(struct container_index *index, uint64_t offset, uint64_t stored_len,
                           uint64_t raw_len, struct err *err);
void container_index_clear(struct container_index *index);
#define CLEANUP_CONTAINER_INDEX CLEANUP(container_index_clear)
