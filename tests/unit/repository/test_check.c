/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include <cmocka.h>

#include "base/array.h"
#include "base/units.h"
#include "object_file.h"
#include "repository/check.h"
#include "repository/check_records.h"
#include "repository/format/pack.h"

#define DISK ((uint64_t)5 * 1048576 + 4711)

static int decode_here(void *opaque, enum codec_type codec, const struct chunk_source *source,
                       const struct chunk_sink *sink, struct err *err)
{
    (void)opaque;
    assert_true(sink->block_digests);
    return small_backup_pool(source, sink, codec, err);
}

struct check_world {
    struct small_backup backup;
    uint8_t *data;
    struct point_id points[2]; /* the second has most blocks of the first */
    char *pack;                /* a pack that both need */
    unsigned packs_read;
    const char *host;
    bool removes; /* the first point, and its packs, while it is checked */
    int (*look_at_manifest)(const struct stored_point *point, const struct parser *parser,
                            struct err *err);
};

static void remove_the_first(const struct check_world *world);

static void count_packs(void *opaque, uint64_t bytes)
{
    struct check_world *world = opaque;

    assert_true(bytes > 0);
    world->packs_read++;
    if (world->removes)
        remove_the_first(world);
}

static void end_check_world(struct check_world *world)
{
    small_backup_end(&world->backup);
    free(world->data);
    free(world->pack);
}

static void begin_check_world(struct check_world *world)
{
    struct small_image image;

    *world = (struct check_world){.data = malloc(DISK), .host = "alpha"};
    small_backup_begin(&world->backup, "zstd:1");
    image = (struct small_image){0, world->data, DISK};
    small_backup_fill(world->data, DISK, 3);
    world->points[0] = small_backup_take(&world->backup, &image, 1);
    small_backup_fill(world->data, LIMITS_BLOCK, 99);
    world->points[1] = small_backup_take(&world->backup, &image, 1);
    world->pack = stored_point_pack_name(&world->backup.scope, &world->backup.packs[1].id);
}

#define CLEANUP_WORLD CLEANUP(end_check_world)

static struct points_check *open_check(struct check_world *world, enum small_level level)
{
    static const struct check_children children = {NULL, decode_here};
    const struct check_request request = {
        .scope = &world->backup.scope,
        .id_salt = world->backup.folder.repository->id_salt,
        .level = level,
        .children = &children,
        .host = world->host,
        .look_at_manifest = world->look_at_manifest,
        .progress = count_packs,
        .opaque = world,
    };
    CLEANUP_ERR struct err err = ERR_INIT;
    struct points_check *check = NULL;

    if (check_open(&request, &check, &err) < 0)
        fail_msg("%s", err.text);
    return check;
}

/* Checks the first point. text: what is found; NULL: nothing. */
static void finds(struct check_world *world, enum small_level level, const char *text)
{
    CLEANUP(check_closep) struct points_check *check = open_check(world, level);
    CLEANUP_CHECK_RESULT struct check_result result = {0};
    CLEANUP_ERR struct err err = ERR_INIT;

    if (check_point(check, &world->points[0], &result, &err) < 0)
        fail_msg("%s", err.text);
    assert_int_equal(result.good, text == NULL);
    assert_int_equal(result.unwritten.count, 0);
    assert_int_equal(result.findings.count, text ? 1 : 0);
    if (text && !strstr(result.findings.items[0], text))
        fail_msg("'%s' instead of '%s'", result.findings.items[0], text);
}

/* What is noted of the pack: -1 if nothing is. */
static int noted_defect(const struct check_world *world)
{
    CLEANUP_CHECK_BAD_PACKS struct check_bad_packs packs = {0};

    assert_int_equal(check_records_bad_packs(&world->backup.scope, &packs, NULL), 0);
    assert_true(packs.count <= 1);
    if (packs.count == 0)
        return -1;
    assert_int_equal(packs.packs[0].number, world->backup.packs[1].id.number);
    assert_int_equal(id_compare(&packs.packs[0].session, &world->backup.packs[1].id.session), 0);
    return (int)packs.packs[0].defect;
}

/* ---- what is good ----------------------------------------------------------------------------- */

static void good_points_are_good_and_packs_are_read_once(void **state)
{
    (void)state;
    for (enum small_level level = LEVEL_OBJECTS; level <= LEVEL_DATA; level++) {
        CLEANUP_WORLD struct check_world world;
        begin_check_world(&world);
        CLEANUP(check_closep) struct points_check *check = open_check(&world, level);
        for (size_t i = 0; i < ARRAY_COUNT(world.points); i++) {
            CLEANUP_CHECK_RESULT struct check_result result = {0};
            CLEANUP_CHECK_RECORDS struct check_records records = {0};
            assert_int_equal(check_point(check, &world.points[i], &result, NULL), 0);
            assert_true(result.good);
            assert_true(result.packs >= 2);
            assert_int_equal(check_records_read(&world.backup.scope, NULL, &records, NULL), 0);
            assert_int_equal(records.count, i + 1);
            for (enum small_level other = LEVEL_OBJECTS; other <= LEVEL_DATA; other++)
                assert_int_equal(check_records_last_good(&records, &world.points[i], other) > 0,
                                 other <= level);
        }
        assert_int_equal(world.packs_read, level == LEVEL_OBJECTS ? 0 : world.backup.pack_count);
        assert_int_equal(noted_defect(&world), -1);
    }
}

static void a_check_takes_the_place_of_those_that_tell_less(void **state)
{
    static const enum small_level levels[] = {LEVEL_STORED, LEVEL_OBJECTS, LEVEL_DATA};
    static const size_t counts[] = {1, 2, 1};
    CLEANUP_WORLD struct check_world world;

    (void)state;
    begin_check_world(&world);
    for (size_t i = 0; i < ARRAY_COUNT(levels); i++) {
        CLEANUP_CHECK_RECORDS struct check_records records = {0};
        finds(&world, levels[i], NULL);
        assert_int_equal(check_records_read(&world.backup.scope, NULL, &records, NULL), 0);
        assert_int_equal(records.count, counts[i]);
    }
}

static void note_future(const struct check_world *world, enum small_level level,
                        enum small_result result)
{
    static char host[] = "alpha";
    const struct small_object verification = {
        .kind = SMALL_VERIFICATION,
        .host = host,
        .level = level,
        .result = result,
        .when_ms = (int64_t)time(NULL) * 1000 + 400 * DAY_MS,
    };

    assert_int_equal(
        check_records_note(&world->backup.scope, &world->points[0], &verification, NULL), 0);
}

static void a_check_of_the_future_tells_no_time(void **state)
{
    CLEANUP_WORLD struct check_world world;

    (void)state;
    begin_check_world(&world);
    for (unsigned round = 0; round < 2; round++) {
        CLEANUP_CHECK_RECORDS struct check_records before = {0}, after = {0};
        const struct point_id *point = &world.points[0];
        note_future(&world, LEVEL_STORED, round ? RESULT_BAD : RESULT_GOOD);
        assert_int_equal(check_records_read(&world.backup.scope, NULL, &before, NULL), 0);
        assert_int_equal(check_records_last_good(&before, point, LEVEL_OBJECTS), 0);
        assert_int_equal(check_records_last(&before, point, LEVEL_OBJECTS), 0);
        assert_false(check_records_is_good(&before, point));
        assert_int_equal(check_records_is_bad(&before, point), round);
        finds(&world, LEVEL_STORED, NULL);
        assert_int_equal(check_records_read(&world.backup.scope, NULL, &after, NULL), 0);
        assert_int_equal(after.count, 1);
        assert_true(check_records_is_good(&after, point));
        assert_true(check_records_last_good(&after, point, LEVEL_STORED) > 0);
    }
}

static void nothing_is_noted_without_a_host(void **state)
{
    CLEANUP_WORLD struct check_world world;
    CLEANUP_CHECK_RECORDS struct check_records records = {0};

    (void)state;
    begin_check_world(&world);
    world.host = NULL;
    CLEANUP_FREE char *path = small_backup_file(&world.backup, world.pack);
    assert_int_equal(unlink(path), 0);
    finds(&world, LEVEL_DATA, "is missing");
    assert_int_equal(check_records_read(&world.backup.scope, NULL, &records, NULL), 0);
    assert_int_equal(records.count, 0);
    assert_int_equal(noted_defect(&world), -1);
}

/* ---- damage ----------------------------------------------------------------------------------- */

static void pack_is_missing(const struct check_world *world, struct buf *bytes)
{
    (void)world;
    buf_clear(bytes);
}

static void pack_is_too_short(const struct check_world *world, struct buf *bytes)
{
    (void)world;
    bytes->len--;
}

static void pack_is_too_long(const struct check_world *world, struct buf *bytes)
{
    (void)world;
    buf_put_u8(bytes, 0);
}

static void pack_has_a_flipped_bit(const struct check_world *world, struct buf *bytes)
{
    (void)world;
    bytes->data[bytes->len / 2] ^= 16;
}

/* The SHA-256 at the end is right again. */
static void set_pack_sha256(struct buf *bytes)
{
    size_t len = bytes->len - DIGEST_SIZE;

    digest_of(bytes->data, len, bytes->data + len);
}

static void frame_has_a_flipped_bit(const struct check_world *world, struct buf *bytes)
{
    (void)world;
    bytes->data[PACK_HEAD_SIZE + 200] ^= 16;
    set_pack_sha256(bytes);
}

static void frame_has_no_digest(const struct check_world *world, struct buf *bytes)
{
    (void)world;
    memset(bytes->data + PACK_HEAD_SIZE, 0, DIGEST_SIZE);
    set_pack_sha256(bytes);
}

static void id_is_another(const struct check_world *world, struct buf *bytes)
{
    (void)world;
    bytes->data[bytes->len - PACK_TAIL_SIZE - 1] ^= 1; /* the last id of the index */
    set_pack_sha256(bytes);
}

static void another_pack_is_in_its_place(const struct check_world *world, struct buf *bytes)
{
    (void)world;
    bytes->data[40 + 3] ^= 1; /* number */
    set_pack_sha256(bytes);
}

static void pack_is_of_a_later_version(const struct check_world *world, struct buf *bytes)
{
    (void)world;
    bytes->data[44] = 0x80; /* flags */
    set_pack_sha256(bytes);
}

static const struct damage {
    void (*change)(const struct check_world *world, struct buf *bytes);
    enum small_level level;   /* the first that sees it */
    enum small_defect defect; /* that is noted */
    const char *text;
} damages[] = {
    {pack_is_missing, LEVEL_OBJECTS, DEFECT_MISSING, "is missing"},
    {pack_is_too_short, LEVEL_OBJECTS, DEFECT_LENGTH, "is too short"},
    {pack_is_too_long, LEVEL_OBJECTS, DEFECT_LENGTH, "is too long"},
    {pack_has_a_flipped_bit, LEVEL_STORED, DEFECT_STORED, "its SHA-256 differs"},
    {another_pack_is_in_its_place, LEVEL_STORED, DEFECT_STORED, "another"},
    {pack_is_of_a_later_version, LEVEL_STORED, DEFECT_STORED, "has unknown flags"},
    {id_is_another, LEVEL_STORED, DEFECT_STORED, "not the pack that the point was made with"},
    {frame_has_a_flipped_bit, LEVEL_DATA, DEFECT_DATA, ""},
    {frame_has_no_digest, LEVEL_DATA, DEFECT_DATA, "not as frames are written"},
};

static void damage_is_found_noted_and_forgotten(void **state)
{
    CLEANUP_WORLD struct check_world world;

    (void)state;
    begin_check_world(&world);
    CLEANUP_FREE char *path = small_backup_file(&world.backup, world.pack);
    CLEANUP_BUF struct buf good = object_file_get(&world.backup, world.pack);
    for (size_t i = 0; i < ARRAY_COUNT(damages); i++) {
        const struct damage *damage = &damages[i];
        CLEANUP_BUF struct buf bytes = {0};
        buf_append(&bytes, good.data, good.len);
        damage->change(&world, &bytes);
        assert_int_equal(unlink(path), 0);
        if (bytes.data)
            object_file_put(&world.backup, world.pack, bytes.data, bytes.len);
        for (enum small_level level = LEVEL_OBJECTS; level <= LEVEL_DATA; level++) {
            /* What the lower level cannot see is neither found nor forgotten. The ids of an index are
             * compared with those of the blocks before that with what the point says. */
            bool ids = level == LEVEL_DATA && damage->change == id_is_another;
            finds(&world, level,
                  level < damage->level ? NULL
                  : ids                 ? "does not have its id"
                                        : damage->text);
            assert_int_equal(noted_defect(&world), level < damage->level ? -1
                                                   : ids                 ? DEFECT_DATA
                                                                         : (int)damage->defect);
        }
        object_file_put(&world.backup, world.pack, good.data, good.len);
        for (enum small_level level = LEVEL_OBJECTS; level < damage->level; level++) {
            finds(&world, level, NULL);
            assert_int_not_equal(noted_defect(&world), -1);
        }
        finds(&world, LEVEL_DATA, NULL);
        assert_int_equal(noted_defect(&world), -1);
    }
}

static void every_byte_of_a_pack_counts(void **state)
{
    CLEANUP_WORLD struct check_world world;
    struct small_image image;

    (void)state;
    begin_check_world(&world);
    world.host = NULL;
    memset(world.data, 'x', LIMITS_BLOCK);
    image = (struct small_image){0, world.data, LIMITS_BLOCK};
    world.points[0] = small_backup_take(&world.backup, &image, 1);
    const struct pack_id *id = &world.backup.packs[world.backup.pack_count - 1].id;
    CLEANUP_FREE char *name = stored_point_pack_name(&world.backup.scope, id);
    CLEANUP_BUF struct buf bytes = object_file_get(&world.backup, name);
    finds(&world, LEVEL_STORED, NULL);
    for (size_t i = 0; i < bytes.len; i++) {
        bytes.data[i] ^= (uint8_t)(1u << i % 8);
        object_file_put(&world.backup, name, bytes.data, bytes.len);
        finds(&world, LEVEL_STORED, name);
        bytes.data[i] ^= (uint8_t)(1u << i % 8);
    }
}

static void an_unreadable_point_is_bad(void **state)
{
    CLEANUP_WORLD struct check_world world;

    (void)state;
    begin_check_world(&world);
    CLEANUP_FREE char *name = objects_name(&world.backup.scope, NAME_SLOT, &world.points[0], 0);
    CLEANUP_BUF struct buf bytes = object_file_get(&world.backup, name);
    bytes.data[bytes.len - 1] ^= 1;
    object_file_put(&world.backup, name, bytes.data, bytes.len);
    finds(&world, LEVEL_OBJECTS, "is unreadable");
}

static void a_point_of_a_later_version_is_bad(void **state)
{
    CLEANUP_WORLD struct check_world world;

    (void)state;
    begin_check_world(&world);
    CLEANUP_FREE char *name = objects_name(&world.backup.scope, NAME_SLOT, &world.points[0], 0);
    CLEANUP_BUF struct buf bytes = object_file_get(&world.backup, name);
    bytes.data[12] = 0x80; /* flags */
    set_pack_sha256(&bytes);
    object_file_put(&world.backup, name, bytes.data, bytes.len);
    finds(&world, LEVEL_OBJECTS, "has unknown flags");
    CLEANUP_CHECK_RECORDS struct check_records records = {0};
    assert_int_equal(check_records_read(&world.backup.scope, NULL, &records, NULL), 0);
    assert_int_equal(records.count, 0); /* it may be good */
}

static int refuse_manifest(const struct stored_point *point, const struct parser *parser,
                           struct err *err)
{
    (void)parser;
    assert_true(point->manifest.len > 0);
    return err_set(err, ERR_UNSUPPORTED, "its manifest: is of no use");
}

static int accept_manifest(const struct stored_point *point, const struct parser *parser,
                           struct err *err)
{
    (void)parser;
    (void)point;
    (void)err;
    return 0;
}

static void a_point_with_a_bad_manifest_is_bad(void **state)
{
    CLEANUP_WORLD struct check_world world;

    (void)state;
    begin_check_world(&world);
    for (enum small_level level = LEVEL_OBJECTS; level <= LEVEL_DATA; level++) {
        world.look_at_manifest = refuse_manifest;
        finds(&world, level, "its manifest: is of no use");
        assert_int_equal(noted_defect(&world), -1);
        world.look_at_manifest = accept_manifest;
        finds(&world, level, NULL);
    }
}

static void remove_the_first(const struct check_world *world)
{
    const struct slot_id slot = {world->backup.scope.repository, world->points[0].session,
                                 world->points[0].guest};
    CLEANUP_FREE char *name = objects_name(&world->backup.scope, NAME_SLOT, &world->points[0], 0);
    CLEANUP_FREE char *pack = small_backup_file(&world->backup, world->pack);
    uint8_t tombstone[SLOT_TOMBSTONE_SIZE];

    slot_format_tombstone(SLOT_REMOVED, &slot, tombstone);
    object_file_put(&world->backup, name, tombstone, sizeof(tombstone));
    (void)unlink(pack);
}

static void a_removed_point_is_not_damaged(void **state)
{
    (void)state;
    for (unsigned early = 0; early < 2; early++) {
        CLEANUP_WORLD struct check_world world;
        CLEANUP_CHECK_RESULT struct check_result result = {0};
        begin_check_world(&world);
        CLEANUP(check_closep) struct points_check *check = open_check(&world, LEVEL_STORED);
        if (early)
            remove_the_first(&world);
        world.removes = !early;
        assert_int_equal(check_point(check, &world.points[0], &result, NULL), 0);
        assert_true(result.gone && !result.good);
        assert_int_equal(noted_defect(&world), -1);
        assert_int_equal(world.packs_read, !early);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(good_points_are_good_and_packs_are_read_once),
        cmocka_unit_test(a_check_takes_the_place_of_those_that_tell_less),
        cmocka_unit_test(a_check_of_the_future_tells_no_time),
        cmocka_unit_test(nothing_is_noted_without_a_host),
        cmocka_unit_test(damage_is_found_noted_and_forgotten),
        cmocka_unit_test(every_byte_of_a_pack_counts),
        cmocka_unit_test(an_unreadable_point_is_bad),
        cmocka_unit_test(a_point_of_a_later_version_is_bad),
        cmocka_unit_test(a_point_with_a_bad_manifest_is_bad),
        cmocka_unit_test(a_removed_point_is_not_damaged),
    };

    return cmocka_run_group_tests_name("repository check", tests, NULL, NULL);
}
