/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <string.h>

#include <cmocka.h>

#include "base/array.h"
#include "small_backup.h"

#define DISK ((uint64_t)9 * 1048576 + 12345)

static struct stored_point *read_taken(const struct small_backup *backup, const struct point_id *id)
{
    CLEANUP_ERR struct err err = ERR_INIT;
    struct stored_point *point = NULL;

    if (stored_point_read(&backup->scope, id, &point, &err) < 0)
        fail_msg("%s", err.text);
    return point;
}

static void restores_as(const struct small_backup *backup, const struct point_id *id,
                        uint32_t number, const uint8_t *data, uint64_t size)
{
    CLEANUP(stored_point_freep) struct stored_point *point = read_taken(backup, id);
    CLEANUP_FREE uint8_t *found = malloc(size + 1);
    CLEANUP_ERR struct err err = ERR_INIT;

    if (small_backup_restore(backup, point, number, found, size, &err) < 0)
        fail_msg("%s", err.text);
    assert_memory_equal(found, data, size);
}

/* Each day some blocks are other ones, in the middle of what is otherwise the same. */
static void days_are_restored_with(const char *codec)
{
    enum { DAYS = 5 };
    CLEANUP_SMALL_BACKUP struct small_backup backup;
    CLEANUP_FREE uint8_t *days = malloc(DAYS * DISK);
    struct point_id ids[DAYS];

    small_backup_begin(&backup, codec);
    for (unsigned day = 0; day < DAYS; day++) {
        uint8_t *disk = days + day * DISK;
        struct small_image image = {0, disk, DISK};
        if (day == 0)
            small_backup_fill(disk, DISK, 1);
        else
            memcpy(disk, disk - DISK, DISK);
        for (uint64_t at = day * LIMITS_BLOCK; day && at + LIMITS_BLOCK < DISK;
             at += (7 + day) * LIMITS_BLOCK)
            small_backup_fill(disk + at, LIMITS_BLOCK, (uint32_t)at + day * 77);
        ids[day] = small_backup_take(&backup, &image, 1);
    }
    for (unsigned day = 0; day < DAYS; day++)
        restores_as(&backup, &ids[day], 0, days + day * DISK, DISK);
}

static void days_are_restored(void **state)
{
    static const char *const codecs[] = {"none", "zstd", "lzma:0"};

    (void)state;
    for (size_t i = 0; i < ARRAY_COUNT(codecs); i++)
        days_are_restored_with(codecs[i]);
}

static void images_of_all_kinds_are_restored(void **state)
{
    static const uint64_t sizes[] = {
        0,       1,       LIMITS_BLOCK - 1, LIMITS_BLOCK, LIMITS_BLOCK + 1,
        1048575, 1048576, 1048577,          3 * 1048576};
    CLEANUP_SMALL_BACKUP struct small_backup backup;
    CLEANUP_FREE uint8_t *data = calloc(4, 1048576);

    (void)state;
    small_backup_begin(&backup, "zstd:1");
    for (size_t i = 0; i < ARRAY_COUNT(sizes); i++)
        for (unsigned kind = 0; kind < 3; kind++) {
            struct small_image images[] = {{0, data, sizes[i]}, {SLOT_MEMORY, data, sizes[i]}};
            memset(data, 0, sizes[i]);
            if (kind > 0)
                memset(data, 'a', sizes[i]);
            if (kind > 1)
                small_backup_fill(data, sizes[i], (uint32_t)i);
            struct point_id id = small_backup_take(&backup, images, 2);
            restores_as(&backup, &id, 0, data, sizes[i]);
            restores_as(&backup, &id, SLOT_MEMORY, data, sizes[i]);
        }
}

/* Runs of zeros between chunks, and chunks that are moved by less than their size. */
static void what_is_moved_is_restored(void **state)
{
    CLEANUP_SMALL_BACKUP struct small_backup backup;
    CLEANUP_FREE uint8_t *data = calloc(1, DISK), *moved = calloc(1, 2 * DISK);
    struct small_image image = {0, data, DISK};

    (void)state;
    small_backup_begin(&backup, "zstd:1");
    small_backup_fill(data, DISK, 5);
    small_backup_take(&backup, &image, 1);
    for (unsigned blocks = 1; blocks <= 33; blocks += 4) {
        memset(moved, 0, 2 * DISK);
        memcpy(moved + (size_t)blocks * LIMITS_BLOCK, data, DISK);
        image = (struct small_image){0, moved, 2 * DISK};
        size_t packs = backup.pack_count;
        struct point_id id = small_backup_take(&backup, &image, 1);
        assert_in_range(backup.pack_count - packs, 0, 1); /* at most the end, no longer short */
        restores_as(&backup, &id, 0, moved, 2 * DISK);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(days_are_restored),
        cmocka_unit_test(images_of_all_kinds_are_restored),
        cmocka_unit_test(what_is_moved_is_restored),
    };

    return cmocka_run_group_tests_name("repository restored_image", tests, NULL, NULL);
}
