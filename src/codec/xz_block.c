/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "codec/xz_block.h"

#include <errno.h>
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "base/units.h"

int xz_block_error(lzma_ret ret, const char *what, struct err *err)
{
    switch (ret) {
    case LZMA_MEM_ERROR:
        return err_set_errno(err, ENOMEM, "%s", what);
    case LZMA_MEMLIMIT_ERROR:
        return err_set(err, ERR_CORRUPT, "%s needs more memory than is allowed", what);
    case LZMA_FORMAT_ERROR:
        return err_set(err, ERR_CORRUPT, "%s is missing", what);
    case LZMA_OPTIONS_ERROR:
        return err_set(err, ERR_CORRUPT, "%s uses features that this liblzma does not support",
                       what);
    case LZMA_DATA_ERROR:
        return err_set(err, ERR_CORRUPT, "%s is damaged", what);
    case LZMA_OK:
    case LZMA_BUF_ERROR:
    case LZMA_STREAM_END:
        return err_set(err, ERR_CORRUPT, "%s has a wrong length", what);
    default:
        return err_set(err, ERR_INTERNAL, "%s: liblzma answers %d", what, (int)ret);
    }
}

static int check_block_sizes(const struct xz_block *xz, const struct result_block *stored,
                             struct err *err)
{
    if (xz->block.compressed_size == LZMA_VLI_UNKNOWN ||
        xz->block.uncompressed_size == LZMA_VLI_UNKNOWN)
        return err_set(err, ERR_CORRUPT, "an .xz block without its sizes in its header");
    if (lzma_block_total_size(&xz->block) != stored->stored_len)
        return err_set(err, ERR_CORRUPT,
                       "an .xz block of %" PRIu64 " bytes, but %" PRIu32 " were announced",
                       lzma_block_total_size(&xz->block), stored->stored_len);
    if (xz->block.uncompressed_size != stored->raw_len)
        return err_set(err, ERR_CORRUPT,
                       "an .xz block for %" PRIu64 " bytes, but %" PRIu32 " were announced",
                       (uint64_t)xz->block.uncompressed_size, stored->raw_len);
    return 0;
}

static int check_block_memory(const struct xz_block *xz, uint64_t limit, struct err *err)
{
    char needed[UNITS_TEXT_SIZE], allowed[UNITS_TEXT_SIZE];
    uint64_t memory = lzma_raw_decoder_memusage(xz->filters);

    if (memory == UINT64_MAX)
        return err_set(err, ERR_CORRUPT, "an .xz block with filters that cannot be decoded");
    if (memory > limit)
        return err_set(err, ERR_CORRUPT, "an .xz block needs more memory than %s: %s",
                       units_format_size(limit, allowed), units_format_size(memory, needed));
    return 0;
}

int xz_block_decode_header(struct xz_block *xz, const struct result_block *stored,
                           uint64_t memory_limit, struct err *err)
{
    memset(xz, 0, sizeof(*xz));
    /* A first byte of zero is not a Block but the Index. */
    if (stored->stored_len < LZMA_BLOCK_HEADER_SIZE_MIN || stored->data[0] == 0)
        return err_set(err, ERR_CORRUPT, "not an .xz block");

    xz->block.version = 1;
    xz->block.check = LZMA_CHECK_CRC64;
    xz->block.filters = xz->filters;
    xz->block.header_size = lzma_block_header_size_decode(stored->data[0]);
    if (xz->block.header_size > stored->stored_len)
        return err_set(err, ERR_CORRUPT, "an .xz block ends in its header");

    lzma_ret ret = lzma_block_header_decode(&xz->block, NULL, stored->data);
    if (ret != LZMA_OK) {
        /* liblzma has freed and reset the filters itself. */
        memset(xz, 0, sizeof(*xz));
        return xz_block_error(ret, "the header of an .xz block", err);
    }
    if (check_block_sizes(xz, stored, err) < 0 || check_block_memory(xz, memory_limit, err) < 0) {
        xz_block_clear(xz);
        return -1;
    }
    return 0;
}

void xz_block_clear(struct xz_block *xz)
{
    if (!xz->block.filters)
        return;
    for (size_t i = 0; i < LZMA_FILTERS_MAX && xz->filters[i].id != LZMA_VLI_UNKNOWN; i++)
        free(xz->filters[i].options);
    memset(xz, 0, sizeof(*xz));
}
