/* SPDX-License-Identifier: LGPL-2.1-or-later
 *
 * What a point takes over from others, and what it stores again although others have it.
 */
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "../chance.h"
#include "backups.h"
#include "base/array.h"
#include "repository/format/name.h"
#include "repository/format/small_object.h"

#define MIB (UINT64_C(1) << 20)
#define BLOCK ((size_t)LIMITS_BLOCK)
#define BLOCKS 64u /* of the disk */

struct clone {
    struct folder_repository folder;
    uint8_t *data;
    struct backup_disk disk;
    struct backup backup;
};

static void clone_end(struct clone *clone)
{
    folder_end(&clone->folder);
    free(clone->data);
}

static void clone_begin(struct clone *clone)
{
    folder_begin(&clone->folder);
    clone->data = mem_alloc(BLOCKS * BLOCK);
    backup_fill(clone->data, BLOCKS * BLOCK, 1);
    clone->disk = (struct backup_disk){
        .target = "vda", .size = BLOCKS * BLOCK, .data = clone->data, .data_len = BLOCKS * BLOCK};
    clone->backup = (struct backup){.repository = clone->folder.repository,
                                    .guest = {{7}},
                                    .codec = CODEC_NONE,
                                    .disks = &clone->disk,
                                    .disk_count = 1};
}
#define CLONE                                                                                      \
    CLEANUP(clone_end) struct clone clone = {0};                                                   \
    clone_begin(&clone)

static void change_blocks(struct clone *clone, unsigned from, unsigned to, uint64_t seed)
{
    backup_fill(clone->data + from * BLOCK, (to - from) * BLOCK, seed);
}

static bool uses_session(const struct backup *backup, const struct id *session,
                         const struct id *used)
{
    CLEANUP(stored_point_freep) struct stored_point *point = backup_read(backup, session);

    for (uint32_t i = 0; i < point->packs.session_count; i++) {
        if (id_compare(&point->packs.sessions[i].session, used) == 0)
            return true;
    }
    return false;
}

static char *pack_path(const struct clone *clone, const struct id *session)
{
    struct name name = {.kind = NAME_PACK, .scope = REPOSITORY_SCOPE, .session = *session};
    CLEANUP_FREE char *text = name_format(&name);

    return mem_printf("%s/%s", clone->folder.path, text);
}

/* ---- refresh --------------------------------------------------------------------------------- */

/* Of the first session's pack less than 35 % is used: the next backup stores that again, and then
 * that pack is not needed any more. */
static void test_packs_little_used_are_left(void **state)
{
    (void)state;
    CLONE;
    struct id first = backup_run(&clone.backup).session;
    change_blocks(&clone, 0, 42, 2); /* 22 of 64 are left: 34 % */
    struct backup_result second = backup_run(&clone.backup);
    assert_int_equal(second.new_blocks, 42);
    assert_true(uses_session(&clone.backup, &second.session, &first));

    clone.backup.no_refresh = true;
    assert_int_equal(backup_run(&clone.backup).new_blocks, 0);
    clone.backup.no_refresh = false;
    struct backup_result third = backup_run(&clone.backup);
    assert_int_equal(third.new_blocks, 22);
    assert_false(uses_session(&clone.backup, &third.session, &first));
    assert_true(uses_session(&clone.backup, &third.session, &second.session));
    assert_int_equal(backup_run(&clone.backup).new_blocks, 0);
}

static void test_packs_used_more_are_kept(void **state)
{
    (void)state;
    CLONE;
    backup_run(&clone.backup);
    change_blocks(&clone, 0, 41, 2); /* 23 of 64 are left: 36 % */
    assert_int_equal(backup_run(&clone.backup).new_blocks, 41);
    assert_int_equal(backup_run(&clone.backup).new_blocks, 0);
}

/* ---- pieces ---------------------------------------------------------------------------------- */

/* A chunk that is put together of blocks from all over the disk would have them in many frames. */
static void test_a_chunk_is_not_spread_over_many_frames(void **state)
{
    (void)state;
    CLONE;
    clone.backup.no_refresh = true;
    backup_run(&clone.backup);
    /* the blocks of the first chunk are gathered from all over the disk */
    CLEANUP_FREE uint8_t *was = mem_alloc(BLOCKS * BLOCK);
    memcpy(was, clone.data, BLOCKS * BLOCK);
    for (unsigned i = 0; i < 14; i++)
        memcpy(clone.data + i * BLOCK, was + (i % 2 * 32 + 16 + i) * BLOCK, BLOCK);
    /* 14 pieces of one, and one of two */
    struct backup_result result = backup_run(&clone.backup);
    assert_int_equal(result.new_blocks, 14);
    assert_int_equal(result.images[0].known_blocks, BLOCKS - 14);

    /* six pieces of one, and one of ten */
    memcpy(clone.data, was, BLOCKS * BLOCK);
    for (unsigned i = 0; i < 6; i++)
        memcpy(clone.data + i * BLOCK, was + (i % 2 * 32 + 17 + i) * BLOCK, BLOCK);
    assert_int_equal(backup_run(&clone.backup).new_blocks, 0);
}

/* A chunk in which one block or another changes each day has frames of many days, and no more is stored
 * than has changed. */
static void test_blocks_that_change_day_by_day_are_stored_alone(void **state)
{
    (void)state;
    CLONE;
    clone.backup.no_refresh = true;
    backup_run(&clone.backup);
    for (unsigned day = 0; day < 16; day++) {
        change_blocks(&clone, day * 7 % 16, day * 7 % 16 + 1, 100 + day);
        assert_int_equal(backup_run(&clone.backup).new_blocks, 1);
    }
}

/* ---- packs that cannot be relied on ---------------------------------------------------------- */

static void test_a_pack_that_was_found_bad_is_stored_again(void **state)
{
    (void)state;
    CLONE;
    struct id first = backup_run(&clone.backup).session;
    struct name name = {.kind = NAME_BAD_PACK, .scope = REPOSITORY_SCOPE, .session = first};
    CLEANUP_FREE char *record = name_format(&name);
    const struct store_object object = {.name = record, .data = "{}", .len = 2};
    enum store_outcome outcome;
    assert_int_equal(store_create(clone.folder.repository->store, &object, &outcome, NULL), 0);

    struct backup_result second = backup_run(&clone.backup);
    assert_int_equal(second.new_blocks, BLOCKS);
    assert_int_equal(second.unread, 0); /* it was not tried */
    assert_false(uses_session(&clone.backup, &second.session, &first));
    assert_int_equal(backup_run(&clone.backup).new_blocks, 0);
}

static void test_a_pack_that_is_gone_or_damaged_is_stored_again(void **state)
{
    struct stat st;

    (void)state;
    for (unsigned damage = 0; damage < 5; damage++) {
        CLONE;
        struct id first = backup_run(&clone.backup).session;
        CLEANUP_FREE char *path = pack_path(&clone, &first);
        assert_int_equal(stat(path, &st), 0);
        FILE *file = fopen(path, "r+");
        assert_non_null(file);
        if (damage == 0)
            assert_int_equal(remove(path), 0);
        if (damage == 1)
            assert_int_equal(truncate(path, st.st_size - 1), 0);
        if (damage == 2)
            assert_int_equal(truncate(path, st.st_size + 1), 0);
        if (damage == 3) {
            assert_int_equal(fseek(file, st.st_size - 100, SEEK_SET), 0); /* in the index */
            assert_int_equal(fputc('x', file), 'x');
        }
        if (damage == 4) {
            assert_int_equal(fseek(file, 47, SEEK_SET), 0); /* flags: as if encrypted */
            assert_int_equal(fputc(1, file), 1);
        }
        fclose(file);
        struct backup_result second = backup_run(&clone.backup);
        assert_int_equal(second.new_blocks, BLOCKS);
        assert_int_equal(second.unread, 1);
        assert_false(uses_session(&clone.backup, &second.session, &first));
    }
}

/* ---- other guests ---------------------------------------------------------------------------- */

static void test_a_guest_that_is_like_another(void **state)
{
    (void)state;
    CLONE;
    struct id first = backup_run(&clone.backup).session;
    const struct id template = clone.backup.guest;
    clone.backup.guest.bytes[0] = 8;
    assert_int_equal(backup_run(&clone.backup).new_blocks, BLOCKS);

    clone.backup.guest.bytes[0] = 9;
    clone.backup.like = &template;
    change_blocks(&clone, 10, 13, 2);
    struct backup_result clone_of = backup_run(&clone.backup);
    assert_int_equal(clone_of.new_blocks, 3);
    assert_true(uses_session(&clone.backup, &clone_of.session, &first));
    CLEANUP(stored_point_freep)
    struct stored_point *point = backup_read(&clone.backup, &clone_of.session);
    assert_false(point->info.has_base);

    /* It has now a base of its own; that uses packs of the other, too, which are not read twice. */
    struct backup_result next = backup_run(&clone.backup);
    assert_int_equal(next.new_blocks, 0);
    backup_check(&clone.backup, &clone_of.session);

    /* A pack that is left because the base uses little of it is not known by the other either. */
    change_blocks(&clone, 13, 58, 3);
    assert_int_equal(backup_run(&clone.backup).new_blocks, 45);
    struct backup_result refreshed = backup_run(&clone.backup);
    assert_int_equal(refreshed.new_blocks, BLOCKS - 45 - 3);
    assert_false(uses_session(&clone.backup, &refreshed.session, &first));
}

/* The other's is older, and comes first in the point, though it was read second. */
static void test_packs_of_several_points_are_in_order(void **state)
{
    (void)state;
    CLONE;
    CLEANUP_FREE uint8_t *was = mem_alloc(BLOCKS * BLOCK);
    memcpy(was, clone.data, BLOCKS * BLOCK);
    const struct id template = clone.backup.guest;
    struct id first = backup_run(&clone.backup).session;
    clone.backup.guest.bytes[0] = 8;
    change_blocks(&clone, 0, BLOCKS, 2);
    struct id own = backup_run(&clone.backup).session;

    memcpy(clone.data, was, BLOCKS / 2 * BLOCK);
    clone.backup.like = &template;
    struct backup_result both = backup_run(&clone.backup);
    assert_int_equal(both.new_blocks, 0);
    assert_true(uses_session(&clone.backup, &both.session, &first));
    assert_true(uses_session(&clone.backup, &both.session, &own));
}

/* ---- many days ------------------------------------------------------------------------------- */

#define DAYS 30u
#define DISK_BLOCKS 66u

/* Writes, moves, copies and zeros some blocks, and sometimes parts of one. */
static void live_a_day(uint8_t *data, uint64_t size, uint64_t *random)
{
    uint64_t blocks = size / BLOCK;

    for (uint64_t edits = chance_below(random, 8); edits > 0; edits--) {
        uint64_t at = chance_below(random, blocks);
        uint64_t from = chance_below(random, blocks);
        uint64_t count = 1 + chance_below(random, 12);
        if (at + count > blocks || from + count > blocks)
            continue;
        switch (chance_below(random, 4)) {
        case 0:
            backup_fill(data + at * BLOCK, (size_t)count * BLOCK, chance_next(random));
            break;
        case 1:
            memmove(data + at * BLOCK, data + from * BLOCK, (size_t)count * BLOCK);
            break;
        case 2:
            memset(data + at * BLOCK, 0, (size_t)count * BLOCK);
            break;
        default:
            data[chance_below(random, size)] ^= (uint8_t)(1 + chance_below(random, 255));
        }
    }
}

static void test_each_of_thirty_days_comes_back(void **state)
{
    uint64_t random = chance_seed();
    uint64_t size = DISK_BLOCKS * BLOCK + chance_below(&random, BLOCK);
    static const enum codec_type codecs[] = {CODEC_NONE, CODEC_ZSTD, CODEC_LZMA};
    size_t first_codec = (size_t)chance_below(&random, ARRAY_COUNT(codecs));
    CLEANUP(folder_end) struct folder_repository folder;
    struct backup_disk days[DAYS];
    struct id sessions[DAYS];
    uint64_t stored = 0;
    unsigned increments = 0;

    (void)state;
    folder_begin(&folder);
    struct backup backup = {
        .repository = folder.repository, .guest = {{7}}, .disk_count = 1, .follow = true};
    for (unsigned day = 0; day < DAYS; day++) {
        uint8_t *data = mem_alloc((size_t)size);
        days[day] = (struct backup_disk){
            .target = "vda", .size = size, .data = data, .data_len = size, .all_read = day % 2};
        if (day == 0)
            backup_fill(data, (size_t)size, chance_next(&random));
        else
            memcpy(data, days[day - 1].data, (size_t)size);
        live_a_day(data, size, &random);
        if (day > 0 && chance_below(&random, 3) > 0)
            days[day].former = days[day - 1].data;
        increments += days[day].former != NULL;
        backup.disks = &days[day];
        backup.codec = codecs[(first_codec + day / 10) % ARRAY_COUNT(codecs)];
        backup.seed = chance_next(&random);
        backup.no_refresh = chance_below(&random, 4) == 0;
        struct backup_result result;
        CLEANUP_ERR struct err err = ERR_INIT;
        if (backup_try(&backup, &result, &err) < 0)
            fail_msg("day %u: %s", day, err.text);
        stored += result.new_blocks;
        sessions[day] = result.session;
    }
    for (unsigned day = 0; day < DAYS; day++) {
        backup.disks = &days[day];
        backup_check(&backup, &sessions[day]);
    }
    assert_in_range(increments, 1, DAYS - 2);
    /* Each of three codecs stores the whole disk; were nothing known, it would be thirty times. */
    assert_in_range(stored, DISK_BLOCKS / 2, 8 * DISK_BLOCKS);
    for (unsigned day = 0; day < DAYS; day++)
        free(days[day].data);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_packs_little_used_are_left),
        cmocka_unit_test(test_packs_used_more_are_kept),
        cmocka_unit_test(test_a_chunk_is_not_spread_over_many_frames),
        cmocka_unit_test(test_blocks_that_change_day_by_day_are_stored_alone),
        cmocka_unit_test(test_a_pack_that_was_found_bad_is_stored_again),
        cmocka_unit_test(test_a_pack_that_is_gone_or_damaged_is_stored_again),
        cmocka_unit_test(test_a_guest_that_is_like_another),
        cmocka_unit_test(test_packs_of_several_points_are_in_order),
        cmocka_unit_test(test_each_of_thirty_days_comes_back),
    };

    return cmocka_run_group_tests_name("repository point known", tests, NULL, NULL);
}
