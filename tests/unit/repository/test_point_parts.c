/* SPDX-License-Identifier: LGPL-2.1-or-later
 *
 * Backups that take several sessions, and backups that are not completed: what they leave, and that
 * nothing is stored twice.
 */
#include <string.h>

#include "../chance.h"
#include "../store/memory_store.h"
#include "backups.h"
#include "repository/keep/marks.h"
#include "repository/listing.h"
#include "repository/refresh.h"

#define MIB (UINT64_C(1) << 20)
#define BLOCK ((size_t)LIMITS_BLOCK)
#define PACK_MIB                                                                                   \
    31u /* of a disk that cannot be compressed fill a pack, and almost a second MiB more */
#define DISK_MIB 100u
#define DISK_BLOCKS (DISK_MIB * 16)

struct parts {
    struct memory *memory;
    struct repository *repository;
    struct stored_scope scope;
    uint8_t *data;
    struct backup_disk disks[3];
    struct backup backup;
    uint64_t stop_at;  /* chunk of the disk before which the backup fails; UINT64_MAX: none */
    uint64_t trash_at; /* the same: a point goes into the trash */
    struct point_id trashed;
};

static int before_chunk(void *opaque, uint64_t chunk, struct err *err)
{
    const struct parts *parts = opaque;
    const struct mark mark = {"remove", "test"};
    bool made = false;

    if (chunk == parts->trash_at &&
        marks_trash(&parts->scope, &parts->trashed, &mark, &made, err) < 0)
        return -1;
    return chunk == parts->stop_at ? err_set(err, ERR_CANCELLED, "it was stopped") : 0;
}

static void parts_end(struct parts *parts)
{
    repository_close(parts->repository);
    memory_free(parts->memory);
    free(parts->data);
}

static void parts_begin(struct parts *parts)
{
    parts->memory = memory_new();
    assert_int_equal(repository_create_in(memory_open(parts->memory, NULL), REPOSITORY_SCOPE,
                                          &parts->repository, NULL),
                     0);
    parts->scope =
        (struct stored_scope){parts->repository->store, parts->repository->id, REPOSITORY_SCOPE};
    parts->data = mem_alloc(DISK_MIB * MIB);
    for (uint64_t i = 0; i < DISK_BLOCKS; i++)
        memset(parts->data + i * BLOCK, (int)(1 + i % 255), BLOCK);
    for (uint64_t i = 0; i < DISK_BLOCKS; i++)
        *(uint64_t *)(void *)(parts->data + i * BLOCK) = i + 1;
    parts->disks[0] = (struct backup_disk){
        .target = "vda", .size = DISK_MIB * MIB, .data = parts->data, .data_len = DISK_MIB * MIB};
    parts->backup = (struct backup){.repository = parts->repository,
                                    .guest = {{7}},
                                    .codec = CODEC_NONE,
                                    .disks = parts->disks,
                                    .disk_count = 1,
                                    .no_refresh = true,
                                    .before_chunk = before_chunk,
                                    .opaque = parts};
    parts->stop_at = parts->trash_at = UINT64_MAX;
}
#define PARTS                                                                                      \
    CLEANUP(parts_end) struct parts parts = {0};                                                   \
    parts_begin(&parts)

/* Tries a backup that is stopped before this chunk. */
static struct backup_result stop_backup(struct parts *parts, uint64_t chunk)
{
    struct backup_result result;

    parts->stop_at = chunk;
    assert_int_equal(backup_try(&parts->backup, &result, NULL), -1);
    parts->stop_at = UINT64_MAX;
    return result;
}

/* How many blocks all packs have that are in the repository. */
static uint64_t count_blocks(const struct parts *parts)
{
    uint64_t blocks = 0;
    CLEANUP_FREE char *name = mem_strdup("");
    const char *next;

    while ((next = memory_next(parts->memory, name))) {
        free(name);
        name = mem_strdup(next);
        const struct memory_bytes pack = memory_look(parts->memory, name);
        if (strncmp(name, "d/", 2) == 0)
            blocks += get_be32(pack.data + get_be64(pack.data + pack.len - PACK_TAIL_SIZE) + 4);
    }
    return blocks;
}

/* The guest's partial points, the newest last. */
static unsigned list_parts(const struct parts *parts, struct id *ret, unsigned max)
{
    CLEANUP_LISTING struct listing listing = {0};
    unsigned count = 0;

    assert_int_equal(listing_read(&parts->scope, &parts->backup.guest, NULL, &listing, NULL), 0);
    for (size_t i = 0; i < listing.count; i++) {
        CLEANUP_STORED_SUMMARY struct stored_summary summary = {0};
        if (listing.points[i].tombstone)
            continue;
        assert_int_equal(stored_point_summary(&parts->scope, &listing.points[i].id, &summary, NULL),
                         0);
        if (!(summary.flags & FLAG_PARTIAL))
            continue;
        assert_true(count < max);
        ret[count++] = listing.points[i].id.session;
    }
    return count;
}

static bool uses_pack(const struct stored_point *point, const struct stored_point *of,
                      uint32_t place)
{
    const struct pack_id id = stored_point_pack(of, place);
    uint32_t found = 0;

    return packs_find(&point->packs, &id.session, id.number, &found);
}

/* ---- one backup ------------------------------------------------------------------------------ */

static void test_a_long_backup_takes_several_sessions(void **state)
{
    struct id sessions[8];
    PARTS;

    (void)state;
    parts.backup.part_bytes = 1; /* one pack each */
    struct backup_result result = backup_run(&parts.backup);
    assert_int_equal(result.new_blocks, DISK_BLOCKS);
    assert_int_equal(result.parts, 3);
    assert_int_equal(list_parts(&parts, sessions, 8), 3);
    assert_int_equal(count_blocks(&parts), DISK_BLOCKS);
    CLEANUP(stored_point_freep)
    struct stored_point *point = backup_read(&parts.backup, &result.session);
    assert_int_equal(point->flags, 0);
    assert_int_equal(point->packs.session_count, 4);
    /* `stored` is what the backup has put, in whatever session. */
    uint64_t bytes = 0;
    for (uint32_t i = 0; i < point->packs.count; i++)
        bytes += point->digests[i].size;
    assert_int_equal(point->info.stored, bytes);

    /* Each part has what was stored until then, in the order of the image, and the next one builds on it. */
    uint64_t blocks = 0;
    for (unsigned i = 0; i < 3; i++) {
        CLEANUP(stored_point_freep)
        struct stored_point *part = backup_read(&parts.backup, &sessions[i]);
        struct map_reader reader;
        struct map_run run;
        uint64_t end = 0;
        assert_int_equal(part->flags, FLAG_PARTIAL);
        assert_int_equal(part->packs.session_count, i + 1);
        assert_string_equal(part->info.disks[0].target, "vda");
        assert_int_equal(part->manifest.len, 0);
        stored_point_walk(part, &part->images[0], &reader);
        while (map_reader_next(&reader, &run, NULL) > 0) {
            assert_int_equal(run.block, end);
            end = run.block + run.count;
        }
        assert_in_range(end - blocks, PACK_MIB * 16, (PACK_MIB + 2) * 16);
        blocks = end;
    }
}

/* Its second disk and the memory are begun in one session and ended in another. */
static void test_all_images_may_be_cut(void **state)
{
    static uint8_t other[40 * MIB], memory[40 * MIB];
    struct id sessions[16];
    uint64_t seed = chance_seed();
    PARTS;

    (void)state;
    backup_fill(other, sizeof(other), chance_next(&seed));
    backup_fill(memory, sizeof(memory), chance_next(&seed));
    parts.disks[0].size = parts.disks[0].data_len = 40 * MIB;
    parts.disks[1] = (struct backup_disk){.target = "vdb",
                                          .size = 300 * MIB,
                                          .data = other,
                                          .data_start = 130 * MIB - 5 * BLOCK,
                                          .data_len = sizeof(other),
                                          .all_read = true};
    parts.disks[2] =
        (struct backup_disk){.size = 41 * MIB + 7, .data = memory, .data_len = sizeof(memory)};
    parts.backup.disk_count = 3;
    parts.backup.part_bytes = 1;
    parts.backup.seed = chance_next(&seed);
    struct backup_result result = backup_run(&parts.backup);
    assert_int_equal(result.parts, 3);
    assert_int_equal(list_parts(&parts, sessions, 16), 3);
    CLEANUP(stored_point_freep)
    struct stored_point *last = backup_read(&parts.backup, &sessions[2]);
    assert_true(last->info.memory);
    assert_int_equal(last->image_count, 3);
    CLEANUP(stored_point_freep)
    struct stored_point *first = backup_read(&parts.backup, &sessions[0]);
    assert_int_equal(first->image_count, 1);
    assert_false(first->info.memory);
}

/* Time counts from when the session has put a pack. */
static void test_a_session_without_a_pack_does_not_end(void **state)
{
    struct id sessions[4];
    PARTS;

    (void)state;
    parts.disks[0].size = parts.disks[0].data_len = 30 * MIB;
    parts.backup.part_bytes = UINT64_MAX;
    parts.backup.part_ms = 1;
    struct backup_result result = backup_run(&parts.backup);
    assert_int_equal(result.parts, 0);
    parts.disks[0].size = parts.disks[0].data_len = DISK_MIB * MIB;
    result = backup_run(&parts.backup);
    assert_true(result.parts > 0);
    assert_int_equal(list_parts(&parts, sessions, 4), result.parts);
    parts.backup.part_ms = 0;
    memset(parts.data, 0xaa, DISK_MIB * MIB / 2);
    assert_int_equal(backup_run(&parts.backup).parts, 0);
}

/* ---- several backups ------------------------------------------------------------------------- */

/* Nights that come to no end, until one does: all that was put is taken over. */
static void test_nights_that_are_stopped_store_nothing_twice(void **state)
{
    static const uint64_t stops[] = {20, 50, 51, 90};
    struct id sessions[16];
    PARTS;

    (void)state;
    parts.backup.put_aside = true;
    for (unsigned i = 0; i < 4; i++) {
        struct backup_result night = stop_backup(&parts, stops[i]);
        /* less than a pack is not worth a point */
        assert_int_equal(night.aside, i == 1 || i == 3);
    }
    uint64_t before = count_blocks(&parts);
    assert_int_equal(list_parts(&parts, sessions, 16), 2);
    struct backup_result last = backup_run(&parts.backup);
    assert_int_equal(last.new_blocks, DISK_BLOCKS - before);
    assert_int_equal(count_blocks(&parts), DISK_BLOCKS);
    CLEANUP(stored_point_freep)
    struct stored_point *point = backup_read(&parts.backup, &last.session);
    assert_false(point->info.has_base);
    /* The next one has a base, and needs the parts no more. */
    assert_int_equal(backup_run(&parts.backup).new_blocks, 0);
}

/* Killed at random: only what was put since the last part is lost. */
static void test_nights_that_are_killed_lose_little(void **state)
{
    uint64_t random = chance_seed();
    uint64_t lost = 0;
    PARTS;

    (void)state;
    parts.backup.part_bytes = 1;
    for (unsigned i = 0; i < 6; i++) {
        uint64_t before = count_blocks(&parts);
        parts.backup.seed = chance_next(&random);
        stop_backup(&parts, 10 + chance_below(&random, 90));
        lost += count_blocks(&parts) - before;
    }
    struct backup_result last = backup_run(&parts.backup);
    /* What was in a pack that was put is in a part, which is made right after it. */
    assert_int_equal(lost + last.new_blocks, DISK_BLOCKS);
    assert_int_equal(count_blocks(&parts), DISK_BLOCKS);
}

/* The newest partial point is one that has less. */
static void test_a_night_that_came_less_far_hides_nothing(void **state)
{
    struct id sessions[8];
    PARTS;

    (void)state;
    parts.backup.put_aside = true;
    stop_backup(&parts, 98);
    uint64_t before = count_blocks(&parts);
    memset(parts.data, 0xee, 40 * MIB); /* the guest has written to it */
    for (uint64_t i = 0; i < 40 * 16; i++)
        *(uint64_t *)(void *)(parts.data + i * BLOCK) = DISK_BLOCKS + i + 1;
    stop_backup(&parts, 45);
    assert_int_equal(list_parts(&parts, sessions, 8), 2);
    uint64_t middle = count_blocks(&parts);
    assert_true(middle > before);
    struct backup_result last = backup_run(&parts.backup);
    assert_int_equal(last.new_blocks, DISK_BLOCKS + 40 * 16 - middle);
}

/* What an earlier night has come by costs nothing, or this one would come no further. */
static void test_what_was_passed_costs_nothing_of_a_limit(void **state)
{
    PARTS;

    (void)state;
    parts.backup.put_aside = true;
    struct backup_result first = stop_backup(&parts, 60);
    assert_int_equal(first.counted, 60 * MIB);
    struct backup_result second = stop_backup(&parts, 98);
    assert_in_range(second.counted, 38 * MIB, 48 * MIB);
    parts.data[BLOCK / 2] ^= 1; /* a chunk that is stored counts */
    struct backup_result third = backup_run(&parts.backup);
    assert_in_range(third.counted, 3 * MIB, 13 * MIB);
    /* With a base everything counts. */
    assert_int_equal(backup_run(&parts.backup).counted, DISK_MIB * MIB);
}

/* ---- many small nights ------------------------------------------------------------------------ */

/* Each night changes one block, and no chunk comes to have too many pieces. When there are more than 100
 * small packs, they become one. */
static void test_packs_of_many_small_nights_are_joined(void **state)
{
    const unsigned nights = 104, chunks = 18;
    struct backup_result result;
    uint64_t stored = 0, most = 0;
    CLEANUP_ERR struct err err = ERR_INIT;
    PARTS;

    (void)state;
    parts.disks[0].size = parts.disks[0].data_len = chunks * MIB;
    parts.backup.no_refresh = false;
    for (unsigned night = 0; night < nights; night++) {
        *(uint64_t *)(void *)(parts.data + night % chunks * MIB + night / chunks * BLOCK) +=
            DISK_BLOCKS;
        if (backup_try(&parts.backup, &result, &err) < 0)
            fail_msg("%s", err.text);
        CLEANUP(stored_point_freep)
        struct stored_point *point = backup_read(&parts.backup, &result.session);
        stored += result.new_blocks;
        most = point->packs.count > most ? point->packs.count : most;
        if (night + 1 == nights)
            assert_in_range(point->packs.count, 2, 4);
    }
    assert_int_equal(most, 1 + REFRESH_SMALL_PACKS + 1);
    assert_int_equal(stored, chunks * 16 + nights - 1 + REFRESH_SMALL_PACKS + 1);
    assert_int_equal(backup_run(&parts.backup).new_blocks, 0);
}

/* ---- points that go meanwhile ---------------------------------------------------------------- */

/* From then on nothing is taken from the base but what the part has of it. */
static void test_a_base_that_goes_is_left(void **state)
{
    struct id sessions[8];
    PARTS;

    (void)state;
    struct id first = backup_run(&parts.backup).session;
    /* The base is left when 33 MiB were read and stored; the source is a few MiB ahead by then. */
    for (uint64_t i = 2 * 16; i < 42 * 16; i++)
        *(uint64_t *)(void *)(parts.data + i * BLOCK) += DISK_BLOCKS;
    parts.backup.part_bytes = 1;
    parts.trash_at = 30;
    parts.trashed = (struct point_id){parts.backup.guest, first};
    struct backup_result result = backup_run(&parts.backup);
    assert_true(list_parts(&parts, sessions, 8) >= 1);
    assert_int_equal(result.images[0].known_blocks, 2 * 16);
    assert_int_equal(result.new_blocks, DISK_BLOCKS - 2 * 16);
    CLEANUP(stored_point_freep)
    struct stored_point *base = backup_read(&parts.backup, &first);
    CLEANUP(stored_point_freep)
    struct stored_point *part = backup_read(&parts.backup, &sessions[0]);
    CLEANUP(stored_point_freep)
    struct stored_point *point = backup_read(&parts.backup, &result.session);
    assert_true(part->info.has_base);
    assert_false(point->info.has_base);
    unsigned shared = 0;
    for (uint32_t i = 0; i < base->packs.count; i++) {
        shared += uses_pack(point, base, i);
        assert_true(!uses_pack(point, base, i) || uses_pack(part, base, i));
    }
    assert_int_equal(shared, 1);
}

/* Nor is any of it taken over unread: what was read ahead as if it could be is an error, and all else is
 * read. */
static void test_a_base_that_goes_is_left_by_an_increment(void **state)
{
    (void)state;
    for (uint64_t end = 36; end < DISK_MIB; end += DISK_MIB - 1 - 36) {
        CLEANUP_ERR struct err err = ERR_INIT;
        struct backup_result result;
        PARTS;
        CLEANUP_FREE uint8_t *former = mem_alloc(DISK_MIB * MIB);
        parts.backup.follow = true;
        struct id first = backup_run(&parts.backup).session;
        memcpy(former, parts.data, DISK_MIB * MIB);
        parts.disks[0].former = former;
        for (uint64_t i = 2 * 16; i < end * 16; i++)
            *(uint64_t *)(void *)(parts.data + i * BLOCK) += DISK_BLOCKS;
        parts.backup.part_bytes = 1;
        parts.trash_at = 30;
        parts.trashed = (struct point_id){parts.backup.guest, first};
        if (backup_try(&parts.backup, &result, &err) < 0) {
            assert_int_equal(err.kind, ERR_TRANSIENT);
            assert_int_equal(end, 36); /* the last chunk is not read so far ahead */
            continue;
        }
        backup_check(&parts.backup, &result.session);
        if (end != 36)
            assert_int_equal(result.blocks_read, DISK_BLOCKS - 2 * 16);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_a_long_backup_takes_several_sessions),
        cmocka_unit_test(test_all_images_may_be_cut),
        cmocka_unit_test(test_a_session_without_a_pack_does_not_end),
        cmocka_unit_test(test_nights_that_are_stopped_store_nothing_twice),
        cmocka_unit_test(test_nights_that_are_killed_lose_little),
        cmocka_unit_test(test_a_night_that_came_less_far_hides_nothing),
        cmocka_unit_test(test_what_was_passed_costs_nothing_of_a_limit),
        cmocka_unit_test(test_packs_of_many_small_nights_are_joined),
        cmocka_unit_test(test_a_base_that_goes_is_left),
        cmocka_unit_test(test_a_base_that_goes_is_left_by_an_increment),
    };

    return cmocka_run_group_tests_name("repository point parts", tests, NULL, NULL);
}
