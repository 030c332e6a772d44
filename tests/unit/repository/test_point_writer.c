/* SPDX-License-Identifier: LGPL-2.1-or-later
 *
 * Points written and read back: what is stored of an image, and what is not.
 */
#include <string.h>
#include <sys/resource.h>

#include "backups.h"
#include "../chance.h"
#include "base/array.h"
#include "repository/known.h"

#define MIB (UINT64_C(1) << 20)
#define BLOCK ((size_t)LIMITS_BLOCK)

struct guest {
    struct folder_repository folder;
    uint8_t *data; /* of the disk */
    struct backup_disk disk;
    struct backup backup;
};

static void guest_end(struct guest *guest)
{
    folder_end(&guest->folder);
    free(guest->data);
}

/* A guest with one disk, all of whose bytes are different. */
static void guest_begin(struct guest *guest, enum codec_type codec, uint64_t size)
{
    folder_begin(&guest->folder);
    guest->data = mem_alloc((size_t)size);
    for (uint64_t done = 0; done < size; done += BLOCK)
        backup_fill(guest->data + done, (size_t)(size - done < BLOCK ? size - done : BLOCK), done);
    guest->disk =
        (struct backup_disk){.target = "vda", .size = size, .data = guest->data, .data_len = size};
    guest->backup = (struct backup){.repository = guest->folder.repository,
                                    .guest = {{7}},
                                    .codec = codec,
                                    .disks = &guest->disk,
                                    .disk_count = 1,
                                    .seed = 1};
}
#define GUEST(codec, size)                                                                         \
    CLEANUP(guest_end) struct guest guest = {0};                                                   \
    guest_begin(&guest, codec, size)

static void change_block(struct guest *guest, uint64_t block, uint64_t seed)
{
    backup_fill(guest->data + block * BLOCK, BLOCK, seed);
}

static const enum codec_type codecs[] = {CODEC_NONE, CODEC_ZSTD, CODEC_LZMA};

/* So much that without compression it takes two packs; compression takes its time. */
static uint64_t mib_for(enum codec_type codec)
{
    return codec == CODEC_NONE ? 40 : codec == CODEC_ZSTD ? 10 : 5;
}

/* The last block is short. */
static void test_a_first_point(void **state)
{
    (void)state;
    for (size_t i = 0; i < ARRAY_COUNT(codecs); i++) {
        uint64_t mib = mib_for(codecs[i]);
        GUEST(codecs[i], mib * MIB + 5000);
        struct backup_result result = backup_run(&guest.backup);
        assert_int_equal(result.new_blocks, mib * 16 + 1);
        assert_int_equal(result.images[0].known_blocks, 0);
        assert_int_equal(result.packs, codecs[i] == CODEC_NONE ? 2 : 1);
        CLEANUP(stored_point_freep)
        struct stored_point *point = backup_read(&guest.backup, &result.session);
        assert_false(point->info.has_base);
        assert_int_equal(point->packs.count, result.packs);
        assert_true(point->info.stored > result.images[0].stored);
    }
}

static void test_of_one_percent_changed_that_is_stored(void **state)
{
    (void)state;
    for (size_t i = 0; i < ARRAY_COUNT(codecs); i++) {
        uint64_t blocks = mib_for(codecs[i]) * 16;
        uint64_t changed = 1;
        GUEST(codecs[i], blocks * BLOCK + 5000);
        struct backup_result first = backup_run(&guest.backup);
        for (uint64_t block = 50; block < blocks; block += 100, changed++)
            change_block(&guest, block, block + 1);
        guest.data[blocks * BLOCK + 17] ^= 1; /* the short one */
        struct backup_result second = backup_run(&guest.backup);
        assert_int_equal(second.new_blocks, changed);
        assert_int_equal(second.images[0].known_blocks, blocks + 1 - changed);
        assert_int_equal(second.packs, 1);
        CLEANUP(stored_point_freep)
        struct stored_point *point = backup_read(&guest.backup, &second.session);
        assert_true(point->info.has_base);
        assert_int_equal(id_compare(&point->info.base, &first.session), 0);
        backup_check(&guest.backup, &second.session);
    }
}

static void test_what_has_not_changed_costs_no_pack_and_no_child(void **state)
{
    (void)state;
    for (size_t i = 0; i < ARRAY_COUNT(codecs); i++) {
        GUEST(codecs[i], 9 * MIB + 5000);
        struct backup_result first = backup_run(&guest.backup);
        struct backup_result second = backup_run(&guest.backup);
        assert_int_equal(second.new_blocks, 0);
        assert_int_equal(second.packs, 0);
        assert_int_equal(second.chunks, 0);
        CLEANUP(stored_point_freep)
        struct stored_point *was = backup_read(&guest.backup, &first.session);
        CLEANUP(stored_point_freep)
        struct stored_point *is = backup_read(&guest.backup, &second.session);
        assert_int_equal(is->info.stored, 0);
        assert_int_equal(is->packs.count, was->packs.count);
        assert_int_equal(is->images[0].map.len, was->images[0].map.len);
        assert_memory_equal(is->images[0].map.data, was->images[0].map.data,
                            was->images[0].map.len);
    }
}

/* Whoever restores an image decodes one codec. */
static void test_another_codec_stores_all_of_it_again(void **state)
{
    GUEST(CODEC_ZSTD, 9 * MIB + 5000);

    (void)state;
    struct backup_result first = backup_run(&guest.backup);
    guest.backup.codec = CODEC_NONE;
    struct backup_result second = backup_run(&guest.backup);
    assert_int_equal(second.new_blocks, first.new_blocks);
    backup_check(&guest.backup, &second.session);
    assert_int_equal(backup_run(&guest.backup).new_blocks, 0);
    guest.backup.codec = CODEC_ZSTD;
    assert_int_equal(backup_run(&guest.backup).new_blocks, first.new_blocks);
}

/* Zeros that look finds cost nothing, those that read finds cost reading. */
static void test_zeros_are_not_stored(void **state)
{
    (void)state;
    for (unsigned all_read = 0; all_read < 2; all_read++) {
        GUEST(CODEC_ZSTD, 20 * MIB + 5000);
        guest.disk.all_read = all_read;
        memset(guest.data + 3 * MIB, 0, 10 * MIB + 3 * BLOCK);
        memset(guest.data + 17 * MIB, 0, 3 * MIB + 5000);
        struct backup_result result = backup_run(&guest.backup);
        assert_int_equal(result.new_blocks, 3 * 16 + 4 * 16 - 3);
        assert_int_equal(result.chunks, 7);
    }
}

static void test_an_image_of_zeros_and_an_empty_one(void **state)
{
    (void)state;
    for (uint64_t size = 0; size < 3 * MIB; size += MIB + 100) {
        GUEST(CODEC_ZSTD, size);
        guest.disk.data_len = 0;
        struct backup_result result = backup_run(&guest.backup);
        assert_int_equal(result.packs, 0);
        CLEANUP(stored_point_freep)
        struct stored_point *point = backup_read(&guest.backup, &result.session);
        assert_int_equal(point->images[0].map.len, 8);
    }
}

static void test_a_block_that_comes_often_is_stored_once(void **state)
{
    (void)state;
    for (size_t i = 0; i < ARRAY_COUNT(codecs); i++) {
        uint64_t blocks = mib_for(codecs[i]) * 16;
        GUEST(codecs[i], blocks * BLOCK);
        for (uint64_t block = 1; block < blocks; block++)
            memcpy(guest.data + block * BLOCK, guest.data, BLOCK);
        struct backup_result result = backup_run(&guest.backup);
        assert_int_equal(result.new_blocks, 1);
        assert_int_equal(result.images[0].known_blocks,
                         blocks - point_writer_chunk_size(codecs[i]) / BLOCK);
        assert_int_equal(result.chunks, 1);
    }
}

/* The second half of the disk is the first one. */
static void test_what_the_session_has_stored_is_known_to_it(void **state)
{
    (void)state;
    for (size_t i = 0; i < ARRAY_COUNT(codecs); i++) {
        uint64_t half = mib_for(codecs[i]) / 4 * 4;
        GUEST(codecs[i], 2 * half * MIB);
        memcpy(guest.data + half * MIB, guest.data, (size_t)(half * MIB));
        struct backup_result result = backup_run(&guest.backup);
        assert_int_equal(result.new_blocks, half * 16);
        assert_int_equal(result.images[0].known_blocks, half * 16);
    }
}

static void test_a_sparse_disk_of_a_tebibyte_takes_little_memory(void **state)
{
    uint64_t tebibyte = UINT64_C(1) << 40;
    struct rusage before, after;

    (void)state;
    GUEST(CODEC_ZSTD, 3 * MIB);
    guest.disk.size = tebibyte + 12345;
    guest.disk.data_start = tebibyte / 3 / MIB * MIB + 5 * BLOCK;
    assert_int_equal(getrusage(RUSAGE_SELF, &before), 0);
    struct backup_result result = backup_run(&guest.backup);
    assert_int_equal(getrusage(RUSAGE_SELF, &after), 0);
    assert_int_equal(result.new_blocks, 48);
    assert_in_range(after.ru_maxrss - before.ru_maxrss, 0, 64 << 10); /* KiB */
    assert_int_equal(backup_run(&guest.backup).new_blocks, 0);
}

static void test_disks_and_memory_are_images_of_one_point(void **state)
{
    (void)state;
    for (size_t i = 0; i < ARRAY_COUNT(codecs); i++) {
        GUEST(codecs[i], 12 * MIB);
        struct backup_disk disks[] = {
            {.target = "vda", .size = 5 * MIB, .data = guest.data, .data_len = 5 * MIB},
            {.target = "vdb", .size = 3 * MIB, .data = guest.data + 5 * MIB, .data_len = 3 * MIB},
            {.size = 4 * MIB - 99, .data = guest.data + 8 * MIB, .data_len = 4 * MIB - 99},
        };
        guest.backup.disks = disks;
        guest.backup.disk_count = ARRAY_COUNT(disks);
        struct backup_result first = backup_run(&guest.backup);
        assert_int_equal(first.packs, 1); /* all share it */
        assert_int_equal(first.new_blocks, 12 * 16);

        /* disks in another order, one has grown */
        struct backup_disk again[] = {disks[1], disks[0], disks[2]};
        again[0].size += 2 * MIB;
        guest.backup.disks = again;
        struct backup_result second = backup_run(&guest.backup);
        assert_int_equal(second.new_blocks, 0);
    }
}

/* ---- what goes wrong ------------------------------------------------------------------------- */

static void expect_failure(const struct backup *backup, enum err_kind kind, const char *text)
{
    CLEANUP_ERR struct err err = ERR_INIT;
    struct backup_result result;

    assert_int_equal(backup_try(backup, &result, &err), -1);
    if (!strstr(err.text, text))
        fail_msg("'%s' is expected in: %s", text, err.text);
    assert_int_equal(err.kind, kind);
}

/* A chunk that is read once more for another child. */
static void test_a_disk_that_changes_while_it_is_read(void **state)
{
    (void)state;
    GUEST(CODEC_NONE, 20 * MIB);
    for (guest.disk.changed_at = 1; guest.disk.changed_at < 20; guest.disk.changed_at++) {
        CLEANUP_ERR struct err err = ERR_INIT;
        struct backup_result result;
        guest.backup.guest.bytes[1] = (uint8_t)guest.disk.changed_at; /* without a base */
        if (backup_try(&guest.backup, &result, &err) == 0)
            continue; /* it was read once */
        assert_int_equal(err.kind, ERR_IO);
        assert_non_null(strstr(err.text, "changed while it was being read"));
        return;
    }
    fail_msg("no chunk was read twice");
}

static void test_a_child_that_says_another_digest(void **state)
{
    (void)state;
    GUEST(CODEC_NONE, 3 * MIB);
    guest.backup.lying_children = true;
    expect_failure(&guest.backup, ERR_IO, "changed while it was being read");
}

static void test_a_pack_that_cannot_be_written(void **state)
{
    (void)state;
    GUEST(CODEC_NONE, 100 * MIB);
    CLEANUP_FREE char *packs = mem_printf("%s/d/default", guest.folder.path);
    CLEANUP_FREE char *away = mem_printf("%s/d/away", guest.folder.path);
    backup_run(&(struct backup){.repository = guest.folder.repository, .guest = {{8}}});
    assert_int_equal(rename(packs, away), 0);
    FILE *file = fopen(packs, "w");
    assert_non_null(file);
    fclose(file);
    expect_failure(&guest.backup, ERR_CORRUPT, "/d/default/");
    assert_int_equal(remove(packs), 0);
    assert_int_equal(rename(away, packs), 0);
    backup_run(&guest.backup);
}

static void test_images_that_are_not_those_of_the_point(void **state)
{
    (void)state;
    GUEST(CODEC_NONE, MIB);
    struct backup_disk disks[2] = {guest.disk, guest.disk};
    disks[0].target = NULL; /* the memory goes before */
    guest.backup.disks = disks;
    guest.backup.disk_count = 2;
    expect_failure(&guest.backup, ERR_INTERNAL, "not those of the guest's point");
}

static void test_options_keep_to_a_limit(void **state)
{
    const struct point_options all = point_options_within(0);

    (void)state;
    assert_int_equal(all.pack_buffers, PACKER_BUFFERS);
    assert_int_equal(all.known_memory, KNOWN_MEMORY);
    for (uint64_t mib = 1; mib < 2048; mib += mib / 2 + 1) {
        const struct point_options some = point_options_within(mib * MIB);
        uint64_t taken = (uint64_t)some.pack_buffers * LIMITS_PACK + some.known_memory;
        assert_in_range(some.pack_buffers, 1, PACKER_BUFFERS);
        assert_true(some.known_memory >= MIB && some.known_memory <= KNOWN_MEMORY);
        assert_true(taken <= mib * MIB || taken == LIMITS_PACK + MIB);
    }
    assert_int_equal(point_options_within(128 * MIB).pack_buffers, 2);
    assert_int_equal(point_options_within(2048 * MIB).known_memory, KNOWN_MEMORY);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_options_keep_to_a_limit),
        cmocka_unit_test(test_a_first_point),
        cmocka_unit_test(test_of_one_percent_changed_that_is_stored),
        cmocka_unit_test(test_what_has_not_changed_costs_no_pack_and_no_child),
        cmocka_unit_test(test_another_codec_stores_all_of_it_again),
        cmocka_unit_test(test_zeros_are_not_stored),
        cmocka_unit_test(test_an_image_of_zeros_and_an_empty_one),
        cmocka_unit_test(test_a_block_that_comes_often_is_stored_once),
        cmocka_unit_test(test_what_the_session_has_stored_is_known_to_it),
        cmocka_unit_test(test_a_sparse_disk_of_a_tebibyte_takes_little_memory),
        cmocka_unit_test(test_disks_and_memory_are_images_of_one_point),
        cmocka_unit_test(test_a_disk_that_changes_while_it_is_read),
        cmocka_unit_test(test_a_child_that_says_another_digest),
        cmocka_unit_test(test_a_pack_that_cannot_be_written),
        cmocka_unit_test(test_images_that_are_not_those_of_the_point),
    };

    return cmocka_run_group_tests_name("repository point writer", tests, NULL, NULL);
}
