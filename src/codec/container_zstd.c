/* SPDX-License-Identifier: LGPL-2.1-or-later
 *
 * The zstd framing: frames, then a seek table in a skippable frame, as in the
 * zstd seekable format 0.1.0. The checksums in the table are those at the end of the frames.
 */
#include "codec/container_format.h"

#include <inttypes.h>
#include <zstd.h>

#include "codec/zstd_frame.h"

#define SKIPPABLE_MAGIC UINT32_C(0x184D2A5E)
#define SEEKABLE_MAGIC UINT32_C(0x8F92EAB1)
#define SKIPPABLE_HEADER_SIZE 8 /* magic, size of what follows */
#define FOOTER_SIZE 9           /* number of frames, descriptor, magic */
#define ENTRY_SIZE 8            /* compressed and decompressed size */
#define ENTRY_CHECKSUM_SIZE 4
/* Seek_Table_Descriptor: the lowest two bits may mean anything that does not matter. */
#define DESCRIPTOR_CHECKSUM 0x80
#define DESCRIPTOR_RESERVED 0x7c
#define TABLE_PIECE ((size_t)4096) /* entries read at once */

_Static_assert(CONTAINER_MAX_BLOCKS *(ENTRY_SIZE + ENTRY_CHECKSUM_SIZE) + FOOTER_SIZE < UINT32_MAX,
               "the size of the seek table is a 32-bit number");

/* ---- writing ---------------------------------------------------------------- */

struct zstd_writer {
    struct buf table;
    uint32_t count;
};

static void *zstd_writer_new(void)
{
    return mem_alloc(sizeof(struct zstd_writer));
}

static void zstd_writer_free(void *state)
{
    struct zstd_writer *writer = state;

    if (!writer)
        return;
    buf_clear(&writer->table);
    free(writer);
}

static int zstd_begin(void *state, struct buf *out, struct err *err)
{
    (void)state;
    (void)out;
    (void)err;
    return 0;
}

static int zstd_add(void *state, const struct result_block *block, struct err *err)
{
    struct zstd_writer *writer = state;

    if (zstd_frame_check(block, err) < 0)
        return -1;
    buf_put_le32(&writer->table, block->stored_len);
    buf_put_le32(&writer->table, block->raw_len);
    buf_put_le32(&writer->table, zstd_frame_checksum(block));
    writer->count++;
    return 0;
}

static int zstd_end(void *state, struct buf *out, struct err *err)
{
    struct zstd_writer *writer = state;

    (void)err;
    buf_put_le32(out, SKIPPABLE_MAGIC);
    buf_put_le32(out, (uint32_t)(writer->table.len + FOOTER_SIZE));
    buf_append(out, writer->table.data, writer->table.len);
    buf_put_le32(out, writer->count);
    buf_put_u8(out, DESCRIPTOR_CHECKSUM);
    buf_put_le32(out, SEEKABLE_MAGIC);
    return 0;
}

/* ---- reading ---------------------------------------------------------------- */

struct seek_table {
    uint64_t offset; /* of its frame, which is where the last data frame ends */
    uint32_t count;
    uint32_t entry_size;
};

static int read_footer(const struct container_place *place, struct seek_table *ret, struct err *err)
{
    uint8_t footer[FOOTER_SIZE];

    if (place->size < SKIPPABLE_HEADER_SIZE + FOOTER_SIZE)
        return err_set(err, ERR_CORRUPT, "is too short for a seek table");
    if (container_pread(place, place->size - FOOTER_SIZE, footer, sizeof(footer), err) < 0)
        return -1;

    struct reader reader = reader_of(footer, sizeof(footer));
    ret->count = reader_le32(&reader);
    uint8_t descriptor = reader_u8(&reader);
    if (reader_le32(&reader) != SEEKABLE_MAGIC)
        return err_set(err, ERR_CORRUPT, "has no seek table at its end");
    if (descriptor & DESCRIPTOR_RESERVED)
        return err_set(err, ERR_CORRUPT, "has a seek table of an unknown kind");
    ret->entry_size = ENTRY_SIZE + ((descriptor & DESCRIPTOR_CHECKSUM) ? ENTRY_CHECKSUM_SIZE : 0);
    return 0;
}

static int read_skippable_header(const struct container_place *place, struct seek_table *table,
                                 struct err *err)
{
    uint8_t header[SKIPPABLE_HEADER_SIZE];
    uint64_t table_size = (uint64_t)table->count * table->entry_size + FOOTER_SIZE;

    if (table_size + SKIPPABLE_HEADER_SIZE > place->size)
        return err_set(err, ERR_CORRUPT, "its seek table is larger than the file");
    table->offset = place->size - table_size - SKIPPABLE_HEADER_SIZE;
    if (container_pread(place, table->offset, header, sizeof(header), err) < 0)
        return -1;
    if (get_le32(header) != SKIPPABLE_MAGIC || get_le32(header + 4) != table_size)
        return err_set(err, ERR_CORRUPT, "its seek table does not begin where it should");
    return 0;
}

static int read_entries(const struct container_place *place, const struct seek_table *table,
                        struct container_index *ret, struct err *err)
{
    uint8_t *piece CLEANUP_FREE = mem_array(TABLE_PIECE, table->entry_size);
    uint64_t table_pos = table->offset + SKIPPABLE_HEADER_SIZE;
    uint64_t offset = 0;

    for (uint32_t done = 0; done < table->count;) {
        uint32_t left = table->count - done;
        size_t count = left < TABLE_PIECE ? left : TABLE_PIECE;
        if (container_pread(place, table_pos, piece, count * table->entry_size, err) < 0)
            return -1;
        for (size_t i = 0; i < count; i++) {
            const uint8_t *entry = piece + i * table->entry_size;
            uint32_t stored_len = get_le32(entry);
            if (container_index_append(ret, offset, stored_len, get_le32(entry + 4), err) < 0)
                return -1;
            offset += stored_len;
        }
        table_pos += count * table->entry_size;
        done += (uint32_t)count;
    }
    if (offset != table->offset)
        return err_set(err, ERR_CORRUPT,
                       "its seek table describes %" PRIu64
                       " bytes of frames, but there are %" PRIu64,
                       offset, table->offset);
    return 0;
}

static int zstd_read(const struct container_place *place, struct container_index *ret,
                     struct err *err)
{
    struct seek_table table = {0};

    if (read_footer(place, &table, err) < 0 || read_skippable_header(place, &table, err) < 0 ||
        container_index_reserve(ret, table.count, err) < 0)
        return -1;
    return read_entries(place, &table, ret, err);
}

/* An empty image has no frame before the seek table. */
static bool zstd_starts(const uint8_t *data)
{
    return get_le32(data) == ZSTD_MAGICNUMBER || get_le32(data) == SKIPPABLE_MAGIC;
}

const struct container_format container_format_zstd = {
    .writer_new = zstd_writer_new,
    .begin = zstd_begin,
    .add = zstd_add,
    .end = zstd_end,
    .writer_free = zstd_writer_free,
    .starts = zstd_starts,
    .read = zstd_read,
};
