/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "codec/zstd_whole.h"

#include <errno.h>
#include <stdlib.h>
#include <zstd.h>

#include "codec/zstd_frame.h"

DEFINE_CLEANUP(ZSTD_CCtx *, zstd_whole_freep, ZSTD_freeCCtx)

int zstd_whole_compress(const void *data, size_t len, struct buf *ret, struct err *err)
{
    CLEANUP(zstd_whole_freep) ZSTD_CCtx *context = ZSTD_createCCtx();
    size_t cap = ZSTD_compressBound(len);
    CLEANUP_FREE uint8_t *room = malloc(cap);

    if (!context || !room)
        return err_set_errno(err, ENOMEM, "cannot get memory to compress %zu bytes", len);
    ZSTD_CCtx_setParameter(context, ZSTD_c_compressionLevel, ZSTD_CLEVEL_DEFAULT);
    ZSTD_CCtx_setParameter(context, ZSTD_c_checksumFlag, 1);
    size_t size = ZSTD_compress2(context, room, cap, data, len);
    if (ZSTD_isError(size))
        return err_set(err, ERR_INTERNAL, "cannot compress: %s", ZSTD_getErrorName(size));
    *ret = (struct buf){TAKE_PTR(room), size, cap};
    return 0;
}

int zstd_whole_decompress_to(const void *data, size_t len, size_t raw_len, void *room,
                             struct err *err)
{
    if (len > ZSTD_WHOLE_MAX || raw_len > ZSTD_WHOLE_MAX)
        return err_set(err, ERR_CORRUPT, "a zstd frame for %zu bytes", raw_len);
    struct result_block block = {data, (uint32_t)len, (uint32_t)raw_len};
    if (zstd_frame_check(&block, err) < 0)
        return -1;
    size_t size = ZSTD_decompress(room, raw_len, data, len);
    if (ZSTD_isError(size))
        return err_set(err, ERR_CORRUPT, "a damaged zstd frame: %s", ZSTD_getErrorName(size));
    if (size != raw_len)
        return err_set(err, ERR_CORRUPT,
                       "a zstd frame decodes to %zu bytes, but %zu were announced", size, raw_len);
    return 0;
}

int zstd_whole_decompress(const void *data, size_t len, size_t raw_len, struct buf *ret,
                          struct err *err)
{
    if (raw_len > ZSTD_WHOLE_MAX)
        return err_set(err, ERR_CORRUPT, "a zstd frame for %zu bytes", raw_len);
    CLEANUP_FREE uint8_t *room = malloc(raw_len + 1);
    if (!room)
        return err_set_errno(err, ENOMEM, "cannot get %zu bytes of memory", raw_len);
    if (zstd_whole_decompress_to(data, len, raw_len, room, err) < 0)
        return -1;
    *ret = (struct buf){TAKE_PTR(room), raw_len, raw_len + 1};
    return 0;
}
