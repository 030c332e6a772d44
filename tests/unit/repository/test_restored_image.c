/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <string.h>

#include <cmocka.h>

#include "base/array.h"
#include "codec/result.h"
#include "object_file.h"
#include "repository/format/pack.h"
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

/* The digest of a frame is that of a chunk only if it is all of it, and nothing else. */
static void short_last_chunks_have_their_own_digest(void **state)
{
    const uint64_t frame = 1048576, half = frame / 2;
    CLEANUP_SMALL_BACKUP struct small_backup backup;
    CLEANUP_FREE uint8_t *data = malloc(frame), *other = calloc(2, frame);
    struct small_image image = {0, data, frame};

    (void)state;
    small_backup_begin(&backup, "zstd:1");
    for (uint64_t at = 0; at < frame; at += 8)
        set_be64(data + at, at);
    small_backup_take(&backup, &image, 1);
    /* a frame that ends with the image, and begins in the chunk before */
    memcpy(other + half, data, frame);
    image = (struct small_image){0, other, half + frame};
    struct point_id id = small_backup_take(&backup, &image, 1);
    restores_as(&backup, &id, 0, other, image.size);
    /* a block of a frame that is kept */
    memcpy(other, data, frame);
    memcpy(other + frame, data + 3 * LIMITS_BLOCK, LIMITS_BLOCK);
    image.size = frame + LIMITS_BLOCK;
    id = small_backup_take(&backup, &image, 1);
    restores_as(&backup, &id, 0, other, image.size);
}

/* A writer need not know what zeros are. */
static void frames_of_zeros_are_restored(void **state)
{
    CLEANUP_SMALL_BACKUP struct small_backup backup;
    CLEANUP_FREE uint8_t *data = calloc(1, DISK);
    struct small_image image = {0, data, DISK};

    (void)state;
    small_backup_begin(&backup, "zstd:1");
    backup.zeros = true;
    struct point_id id = small_backup_take(&backup, &image, 1);
    restores_as(&backup, &id, 0, data, DISK);
}

/* Where the blocks of the second image are in the first, which has `frames` frames. */
typedef uint64_t dealt_from(uint64_t block, unsigned frames);

static void blocks_are_dealt_out(unsigned frames, dealt_from *from, uint64_t expected)
{
    const uint64_t size = frames * UINT64_C(1048576);
    CLEANUP_SMALL_BACKUP struct small_backup backup;
    CLEANUP_FREE uint8_t *data = calloc(1, size), *dealt = malloc(size);
    struct small_image image = {0, data, size};

    small_backup_begin(&backup, "zstd:1");
    backup.pack_frames = 64;
    for (uint64_t at = 0; at < size; at += 1024)
        set_be64(data + at, at + 1);
    for (uint64_t block = 0; block < size / LIMITS_BLOCK; block++)
        memcpy(dealt + block * LIMITS_BLOCK, data + from(block, frames) * LIMITS_BLOCK,
               LIMITS_BLOCK);
    small_backup_take(&backup, &image, 1);
    image.data = dealt;
    struct point_id id = small_backup_take(&backup, &image, 1);
    CLEANUP(stored_point_freep) struct stored_point *point = read_taken(&backup, &id);
    assert_int_equal(small_backup_frames(&backup, point, 0), expected);
    restores_as(&backup, &id, 0, dealt, size);
}

/* One of each frame, then the next of each, and so on: all frames are in use at a time. */
static uint64_t one_of_each(uint64_t block, unsigned frames)
{
    return block % frames * LIMITS_FRAME_BLOCKS + block / frames;
}

/* Some of the first frame between those of each other. */
static uint64_t first_between(uint64_t block, unsigned frames)
{
    (void)frames;
    return block % 4 == 3 ? block / 4 % 4 : block;
}

static void frames_are_kept_while_there_is_room(void **state)
{
    (void)state;
    blocks_are_dealt_out(64, one_of_each, 64);
    blocks_are_dealt_out(65, one_of_each, UINT64_C(65) * LIMITS_FRAME_BLOCKS);
    blocks_are_dealt_out(66, first_between, 66);
}

/* ---- damage ----------------------------------------------------------------------------------- */

static void wrong_id(uint8_t *frame, struct pack_index_added *added, struct id *ids)
{
    (void)frame;
    ids[added->block_count - 1].bytes[ID_SIZE - 1] ^= 1;
}

static void no_digest(uint8_t *frame, struct pack_index_added *added, struct id *ids)
{
    (void)added;
    (void)ids;
    memset(frame, 0, DIGEST_SIZE);
}

static void wrong_digest(uint8_t *frame, struct pack_index_added *added, struct id *ids)
{
    (void)added;
    (void)ids;
    frame[0] ^= 1;
}

static void wrong_length_in_head(uint8_t *frame, struct pack_index_added *added, struct id *ids)
{
    (void)ids;
    set_be32(frame + DIGEST_SIZE, added->raw_len - 1);
}

static void no_whole_head(uint8_t *frame, struct pack_index_added *added, struct id *ids)
{
    (void)frame;
    (void)ids;
    added->stored_len = DIGEST_SIZE + 7;
}

static void short_block(uint8_t *frame, struct pack_index_added *added, struct id *ids)
{
    (void)ids;
    set_be32(frame + DIGEST_SIZE, --added->raw_len);
}

static void more_than_is_written(uint8_t *frame, struct pack_index_added *added, struct id *ids)
{
    (void)frame;
    (void)ids;
    added->stored_len = added->raw_len + LIMITS_FRAME_GROWTH;
}

static const struct {
    void (*spoil)(uint8_t *frame, struct pack_index_added *added, struct id *ids);
    const char *text;
} spoils[] = {
    {wrong_id, "is not what was stored: its id differs"},
    {no_digest, "has no digest"},
    {wrong_digest, "digest mismatch"},
    {wrong_length_in_head, "has another length than the index says"},
    {no_whole_head, "the frame of block 0 is too short"},
    {short_block, "bytes, which the image does not have"},
    {more_than_is_written, "is longer than any that is written"},
};

/* The point was made with them, so nothing but what restores finds them. */
static void spoilt_frames_are_refused(void **state)
{
    CLEANUP_FREE uint8_t *data = malloc(2 * DISK);
    struct small_image image = {0, data, 1048576};

    (void)state;
    for (uint64_t at = 0; at < image.size; at += 8)
        set_be64(data + at, at);
    for (size_t i = 0; i < ARRAY_COUNT(spoils); i++) {
        CLEANUP_SMALL_BACKUP struct small_backup backup;
        CLEANUP_FREE uint8_t *found = malloc(DISK);
        CLEANUP_ERR struct err err = ERR_INIT;
        small_backup_begin(&backup, "zstd:1");
        backup.spoil = spoils[i].spoil;
        struct point_id id = small_backup_take(&backup, &image, 1);
        CLEANUP(stored_point_freep) struct stored_point *point = read_taken(&backup, &id);
        if (small_backup_restore(&backup, point, 0, found, image.size, &err) == 0)
            fail_msg("'%s' was not found", spoils[i].text);
        assert_int_equal(err.kind, ERR_CORRUPT);
        if (!strstr(err.text, spoils[i].text))
            fail_msg("'%s' instead of '%s'", err.text, spoils[i].text);
    }
}

/* But its SHA-256, which is for checks that do not decode, and a bit of a zstd frame's head that means
 * nothing (RFC 8878, 3.1.1.1.1.3). */
#define UNUSED_BIT ((size_t)PACK_HEAD_SIZE + RESULT_HEAD_SIZE + RESULT_ENTRY_SIZE + 4)

static void every_byte_of_a_pack_counts(void **state)
{
    CLEANUP_SMALL_BACKUP struct small_backup backup;
    uint8_t data[LIMITS_BLOCK + 100], found[sizeof(data)];
    struct small_image image = {0, data, sizeof(data)};

    (void)state;
    small_backup_begin(&backup, "zstd:1");
    memset(data, 'a', LIMITS_BLOCK);
    memset(data + LIMITS_BLOCK, 'b', 100);
    struct point_id id = small_backup_take(&backup, &image, 1);
    assert_int_equal(backup.pack_count, 1);
    CLEANUP_FREE char *name = stored_point_pack_name(&backup.scope, &backup.packs[0].id);
    CLEANUP_BUF struct buf bytes = object_file_get(&backup, name);
    CLEANUP(stored_point_freep) struct stored_point *point = read_taken(&backup, &id);
    for (size_t i = 0; i < bytes.len; i++) {
        bytes.data[i] ^= (uint8_t)(1u << i % 8);
        object_file_put(&backup, name, bytes.data, bytes.len);
        int status = small_backup_restore(&backup, point, 0, found, sizeof(data), NULL);
        bool unused = (i == UNUSED_BIT && i % 8 == 4) || i >= bytes.len - DIGEST_SIZE;
        if (status != (unused ? 0 : -1))
            fail_msg("byte %zu", i);
        bytes.data[i] ^= (uint8_t)(1u << i % 8);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(days_are_restored),
        cmocka_unit_test(images_of_all_kinds_are_restored),
        cmocka_unit_test(what_is_moved_is_restored),
        cmocka_unit_test(short_last_chunks_have_their_own_digest),
        cmocka_unit_test(frames_of_zeros_are_restored),
        cmocka_unit_test(frames_are_kept_while_there_is_room),
        cmocka_unit_test(spoilt_frames_are_refused),
        cmocka_unit_test(every_byte_of_a_pack_counts),
    };

    return cmocka_run_group_tests_name("repository restored_image", tests, NULL, NULL);
}
