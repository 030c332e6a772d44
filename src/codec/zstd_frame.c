/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "codec/zstd_frame.h"

#include <inttypes.h>
#include <zstd.h>

#include "base/buf.h"
#include "base/units.h"

/* Frame_Header_Descriptor */
#define SINGLE_SEGMENT 0x20
#define HAS_CHECKSUM 0x04
#define DICTIONARY_ID 0x03

/* magic, descriptor, shortest content size, one block header, checksum */
#define FRAME_MIN (4 + 1 + 1 + 3 + 4)

static uint64_t window_size(uint8_t descriptor)
{
    uint64_t base = UINT64_C(1) << (10 + (descriptor >> 3));

    return base + base / 8 * (descriptor & 7);
}

static int check_header(const struct result_block *block, struct err *err)
{
    const uint8_t *data = block->data;

    if (block->stored_len < FRAME_MIN || get_le32(data) != ZSTD_MAGICNUMBER)
        return err_set(err, ERR_CORRUPT, "not a zstd frame");

    uint8_t descriptor = data[4];
    if (!(descriptor & HAS_CHECKSUM))
        return err_set(err, ERR_CORRUPT, "a zstd frame without a checksum");
    if (descriptor & DICTIONARY_ID)
        return err_set(err, ERR_CORRUPT, "a zstd frame that needs a dictionary");

    uint64_t window = (descriptor & SINGLE_SEGMENT) ? block->raw_len : window_size(data[5]);
    if (window > UINT64_C(1) << ZSTD_FRAME_WINDOW_LOG_MAX)
        return err_set(err, ERR_CORRUPT, "a zstd frame with a window of more than %u MiB",
                       (unsigned)((UINT64_C(1) << ZSTD_FRAME_WINDOW_LOG_MAX) / MIB));
    return 0;
}

int zstd_frame_check(const struct result_block *block, struct err *err)
{
    if (check_header(block, err) < 0)
        return -1;

    unsigned long long content = ZSTD_getFrameContentSize(block->data, block->stored_len);
    if (content == ZSTD_CONTENTSIZE_UNKNOWN || content == ZSTD_CONTENTSIZE_ERROR)
        return err_set(err, ERR_CORRUPT, "a zstd frame without its content size");
    if (content != block->raw_len)
        return err_set(err, ERR_CORRUPT,
                       "a zstd frame for %llu bytes, but %" PRIu32 " were announced", content,
                       block->raw_len);

    size_t size = ZSTD_findFrameCompressedSize(block->data, block->stored_len);
    if (ZSTD_isError(size))
        return err_set(err, ERR_CORRUPT, "a damaged zstd frame: %s", ZSTD_getErrorName(size));
    if (size != block->stored_len)
        return err_set(err, ERR_CORRUPT,
                       "a zstd frame of %zu bytes, but %" PRIu32 " were announced", size,
                       block->stored_len);
    return 0;
}

uint32_t zstd_frame_checksum(const struct result_block *block)
{
    return get_le32(block->data + block->stored_len - 4);
}
