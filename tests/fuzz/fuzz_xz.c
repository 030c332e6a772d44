/* SPDX-License-Identifier: LGPL-2.1-or-later
 *
 * An .xz file: index, blocks and what they decode to. Its CRC32s would stop nearly every
 * change, so the ones of stream header, index and footer are put right.
 */
#include "fuzz.h"

#include <lzma.h>
#include <string.h>

#include "base/buf.h"
#include "container_target.h"

#define FLAGS_SIZE 12 /* of stream header and footer */

static void put_right(uint8_t *data, size_t size)
{
    if (size < 2 * FLAGS_SIZE + 8)
        return;
    memcpy(data,
           "\xfd"
           "7zXZ\0\0\x04",
           8);
    set_le32(data + 8, lzma_crc32(data + 6, 2, 0));
    uint8_t *footer = data + size - FLAGS_SIZE;
    memcpy(footer + 8, "\0\x04YZ", 4);
    set_le32(footer, lzma_crc32(footer + 4, 6, 0));
    uint64_t index_size = ((uint64_t)get_le32(footer + 4) + 1) * 4;
    if (index_size >= 8 && index_size <= size - 2 * FLAGS_SIZE) {
        uint8_t *index = footer - index_size;
        set_le32(footer - 4, lzma_crc32(index, (size_t)index_size - 4, 0));
    }
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct fuzz_input input = {data, size};
    CLEANUP_FREE uint8_t *copy = (uint8_t *)fuzz_text(&input);

    put_right(copy, size);
    container_target_try(CODEC_LZMA, copy, size, size);
    return 0;
}
