/* SPDX-License-Identifier: LGPL-2.1-or-later
 *
 * zstd frames with a seek table: the table, the frames and what they decode to. What names
 * the table's place is put right.
 */
#include "fuzz.h"

#include "base/buf.h"
#include "container_target.h"

#define FOOTER_SIZE 9
#define HEADER_SIZE 8

static void put_right(uint8_t *data, size_t size)
{
    if (size < FOOTER_SIZE + HEADER_SIZE)
        return;
    uint8_t *footer = data + size - FOOTER_SIZE;
    set_le32(footer + 5, UINT32_C(0x8F92EAB1));
    uint64_t entry = footer[4] & 0x80 ? 12 : 8;
    uint64_t table = get_le32(footer) * entry + FOOTER_SIZE;
    if (table + HEADER_SIZE <= size) {
        uint8_t *header = data + size - table - HEADER_SIZE;
        set_le32(header, UINT32_C(0x184D2A5E));
        set_le32(header + 4, (uint32_t)table);
    }
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct fuzz_input input = {data, size};
    CLEANUP_FREE uint8_t *copy = (uint8_t *)fuzz_text(&input);

    put_right(copy, size);
    container_target_try(CODEC_ZSTD, copy, size, size);
    return 0;
}
