/* SPDX-License-Identifier: LGPL-2.1-or-later
 *
 * Points of which only what has changed was read: the rest is as in the base. A source of the tests
 * gives no byte that it was not asked for.
 */
#include <string.h>

#include "backups.h"
#include "base/array.h"
#include "repository/format/name.h"
#include "repository/witnesses.h"

#define BLOCK ((size_t)LIMITS_BLOCK)
#define BLOCKS 70u /* of the disk; the last one is short */
#define SIZE (BLOCKS * BLOCK - 1000)

struct diary {
    struct folder_repository folder;
    uint8_t *data;
    uint8_t *former;
    struct backup_disk disk;
    struct backup backup;
    struct id first;
};

static void diary_end(struct diary *diary)
{
    folder_end(&diary->folder);
    free(diary->data);
    free(diary->former);
}

/* A first point; what comes after it is an increment. */
static void diary_begin(struct diary *diary)
{
    folder_begin(&diary->folder);
    diary->data = mem_alloc(BLOCKS * BLOCK);
    diary->former = mem_alloc(BLOCKS * BLOCK);
    backup_fill(diary->data, SIZE, 1);
    memset(diary->data + 20 * BLOCK, 0, 25 * BLOCK); /* a whole chunk, and parts of others */
    diary->disk =
        (struct backup_disk){.target = "vda", .size = SIZE, .data = diary->data, .data_len = SIZE};
    diary->backup = (struct backup){.repository = diary->folder.repository,
                                    .guest = {{7}},
                                    .codec = CODEC_NONE,
                                    .disks = &diary->disk,
                                    .disk_count = 1,
                                    .no_refresh = true,
                                    .follow = true};
    diary->first = backup_run(&diary->backup).session;
    memcpy(diary->former, diary->data, SIZE);
    diary->disk.former = diary->former;
}
#define DIARY                                                                                      \
    CLEANUP(diary_end) struct diary diary = {0};                                                   \
    diary_begin(&diary)

static void change_block(struct diary *diary, unsigned block, uint64_t seed)
{
    size_t len = block == BLOCKS - 1 ? SIZE % BLOCK : BLOCK;

    if (seed)
        backup_fill(diary->data + block * BLOCK, len, seed);
    else
        memset(diary->data + block * BLOCK, 0, len);
}

static struct backup_result next_day(struct diary *diary)
{
    struct backup_result result = backup_run(&diary->backup);

    memcpy(diary->former, diary->data, SIZE);
    return result;
}

static void test_only_what_has_changed_is_read(void **state)
{
    (void)state;
    DIARY;
    struct backup_result nothing = next_day(&diary);
    assert_int_equal(nothing.blocks_read, 0);
    assert_int_equal(nothing.new_blocks, 0);
    assert_int_equal(nothing.packs, 0);
    assert_int_equal(nothing.chunks, 0);
    assert_int_equal(nothing.images[0].known_blocks, BLOCKS - 25);

    change_block(&diary, 0, 2);
    change_block(&diary, 19, 0); /* data that becomes zeros, */
    change_block(&diary, 33, 3); /* zeros that become data, */
    change_block(&diary, 34, 4);
    change_block(&diary, BLOCKS - 1, 5);
    memcpy(diary.data + 50 * BLOCK, diary.data + 60 * BLOCK, BLOCK); /* and what is known */
    struct backup_result some = next_day(&diary);
    assert_int_equal(some.blocks_read, 6);
    assert_int_equal(some.new_blocks, 4);
    assert_int_equal(some.packs, 1);
    assert_int_equal(next_day(&diary).blocks_read, 0);

    diary.disk.former = NULL; /* one that is read whole in between finds the same */
    assert_int_equal(next_day(&diary).new_blocks, 0);
    diary.disk.former = diary.former;
    change_block(&diary, 7, 0);
    assert_int_equal(next_day(&diary).blocks_read, 1);
}

/* The bytes that were not read stay where they are, though the chunk is in many pieces. */
static void test_what_was_not_read_is_not_stored_again(void **state)
{
    (void)state;
    DIARY;
    for (unsigned i = 0; i < 16; i += 2) {
        change_block(&diary, i, 100 + i);
        struct backup_result result = next_day(&diary);
        assert_int_equal(result.blocks_read, 1);
        assert_int_equal(result.new_blocks, 1);
    }
}

static void mark_bad(const struct diary *diary, const struct id *session)
{
    struct name name = {.kind = NAME_BAD_PACK, .scope = REPOSITORY_SCOPE, .session = *session};
    CLEANUP_FREE char *record = name_format(&name);
    const struct store_object object = {.name = record, .data = "{}", .len = 2};
    enum store_outcome outcome;

    assert_int_equal(store_create(diary->folder.repository->store, &object, &outcome, NULL), 0);
}

static void remove_pack(const struct diary *diary, const struct id *session)
{
    struct name name = {.kind = NAME_PACK, .scope = REPOSITORY_SCOPE, .session = *session};
    CLEANUP_FREE char *text = name_format(&name);
    CLEANUP_FREE char *path = mem_printf("%s/%s", diary->folder.path, text);

    assert_int_equal(remove(path), 0);
}

/* What is in packs that cannot be used counts as changed. */
static void test_a_lost_or_bad_pack_is_not_inherited(void **state)
{
    (void)state;
    for (unsigned way = 0; way < 4; way++) {
        DIARY;
        for (unsigned i = 2; i < 6; i++)
            change_block(&diary, i, 10 + i);
        change_block(&diary, 68, 20);
        struct id second = next_day(&diary).session;
        change_block(&diary, 69, 21);
        if (way == 0)
            mark_bad(&diary, &second);
        if (way == 1)
            remove_pack(&diary, &second);
        if (way == 2)
            mark_bad(&diary, &diary.first);
        if (way == 3)
            diary.backup.codec = CODEC_ZSTD; /* frames of another codec are not used either */
        struct backup_result third = next_day(&diary);
        unsigned lost[] = {5, 5, BLOCKS - 25 - 5 - 1, BLOCKS - 25 - 1};
        assert_int_equal(third.blocks_read, lost[way] + 1);
        assert_int_equal(third.new_blocks, lost[way] + 1);
        assert_int_equal(next_day(&diary).blocks_read, 0);
    }
}

/* So that packs of which little is used can go. */
static void test_packs_that_are_to_be_left_are_read(void **state)
{
    (void)state;
    DIARY;
    diary.backup.no_refresh = false;
    for (unsigned i = 0; i < 56; i++)
        change_block(&diary, i, 10 + i);
    assert_int_equal(next_day(&diary).blocks_read, 56);
    struct backup_result refreshed = next_day(&diary);
    assert_int_equal(refreshed.blocks_read, 14); /* all that is left of the first pack */
    assert_int_equal(refreshed.new_blocks, 14);
}

static void test_what_the_base_does_not_have_is_refused(void **state)
{
    CLEANUP_ERR struct err err = ERR_INIT;
    struct backup_result result;

    (void)state;
    DIARY;
    diary.disk.size -= BLOCK;
    assert_int_equal(backup_try(&diary.backup, &result, &err), -1);
    assert_int_equal(err.kind, ERR_INTERNAL);
    diary.disk.size += BLOCK;
    diary.disk.target = "vdb";
    err_clear(&err);
    assert_int_equal(backup_try(&diary.backup, &result, &err), -1);
    assert_int_equal(err.kind, ERR_INTERNAL);
}

/* ---- witnesses ------------------------------------------------------------------------------- */

static void test_witnesses_are_blocks_of_the_disk(void **state)
{
    (void)state;
    DIARY;
    change_block(&diary, 3, 9);
    struct id session = next_day(&diary).session;
    CLEANUP(stored_point_freep) struct stored_point *point = backup_read(&diary.backup, &session);
    const struct trust_section *kept = stored_point_trust(point, 0);
    assert_non_null(kept);
    assert_null(stored_point_trust(point, 1));
    assert_int_equal(kept->facts.size, SIZE);
    assert_int_equal(kept->facts.inode, 17);
    assert_string_equal(kept->facts.path, "/images/web.qcow2");
    /* fewer blocks than witnesses: each of them is one */
    assert_int_equal(kept->witness_count, BLOCKS - 25);
    assert_int_equal(kept->witnesses[0].offset, 0);
    assert_int_equal(kept->witnesses[kept->witness_count - 1].offset, (BLOCKS - 1) * BLOCK);
    for (size_t i = 0; i < kept->witness_count; i++) {
        const struct trust_witness *witness = &kept->witnesses[i];
        size_t len = SIZE - witness->offset < BLOCK ? SIZE - witness->offset : BLOCK;
        const uint8_t *salt = diary.folder.repository->id_salt;
        assert_true(witnesses_fit(salt, witness, diary.data + witness->offset, len));
        diary.data[witness->offset + len - 1] ^= 1;
        assert_false(witnesses_fit(salt, witness, diary.data + witness->offset, len));
    }
}

static void test_witnesses_are_spread_evenly(void **state)
{
    CLEANUP(folder_end) struct folder_repository folder;
    const size_t blocks = 640;
    CLEANUP_FREE uint8_t *data = mem_alloc(blocks * BLOCK);

    (void)state;
    folder_begin(&folder);
    backup_fill(data, blocks * BLOCK, 1);
    const struct backup_disk disks[] = {
        {.target = "vda", .size = blocks * BLOCK, .data = data, .data_len = blocks * BLOCK},
        {.target = "vdb", .size = BLOCK}};
    const struct backup backup = {.repository = folder.repository,
                                  .guest = {{7}},
                                  .codec = CODEC_NONE,
                                  .disks = disks,
                                  .disk_count = ARRAY_COUNT(disks),
                                  .follow = true};
    struct id session = backup_run(&backup).session;
    CLEANUP(stored_point_freep) struct stored_point *point = backup_read(&backup, &session);
    const struct trust_section *kept = stored_point_trust(point, 0);
    assert_int_equal(kept->witness_count, LIMITS_WITNESSES);
    assert_int_equal(kept->witnesses[0].offset, 0);
    assert_int_equal(kept->witnesses[1].offset, 5 * BLOCK);
    for (size_t i = 2; i < LIMITS_WITNESSES - 1; i++)
        assert_int_equal(kept->witnesses[i].offset - kept->witnesses[i - 1].offset, 10 * BLOCK);
    assert_int_equal(kept->witnesses[LIMITS_WITNESSES - 1].offset, (blocks - 1) * BLOCK);
    assert_int_equal(stored_point_trust(point, 1)->witness_count, 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_only_what_has_changed_is_read),
        cmocka_unit_test(test_what_was_not_read_is_not_stored_again),
        cmocka_unit_test(test_a_lost_or_bad_pack_is_not_inherited),
        cmocka_unit_test(test_packs_that_are_to_be_left_are_read),
        cmocka_unit_test(test_what_the_base_does_not_have_is_refused),
        cmocka_unit_test(test_witnesses_are_blocks_of_the_disk),
        cmocka_unit_test(test_witnesses_are_spread_evenly),
    };

    return cmocka_run_group_tests_name("repository point increment", tests, NULL, NULL);
}
