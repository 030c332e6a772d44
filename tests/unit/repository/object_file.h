/* SPDX-License-Identifier: LGPL-2.1-or-later
 *
 * The file of an object in a repository's folder, which a test damages.
 */
#pragma once

#include <stdio.h>

#include "base/buf.h"
#include "small_backup.h"

static inline struct buf object_file_get(const struct small_backup *backup, const char *name)
{
    CLEANUP_FREE char *path = small_backup_file(backup, name);
    CLEANUP_FCLOSE FILE *file = fopen(path, "rb");
    struct buf bytes = {0};
    int c;

    assert_non_null(file);
    while ((c = fgetc(file)) != EOF)
        buf_put_u8(&bytes, (uint8_t)c);
    return bytes;
}

static inline void object_file_put(const struct small_backup *backup, const char *name,
                                   const void *data, size_t len)
{
    CLEANUP_FREE char *path = small_backup_file(backup, name);
    CLEANUP_FCLOSE FILE *file = fopen(path, "wb");

    assert_non_null(file);
    assert_int_equal(fwrite(data, 1, len, file), len);
}
