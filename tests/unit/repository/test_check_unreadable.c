/* SPDX-License-Identifier: LGPL-2.1-or-later
 *
 * A check of what cannot be read, and one that cannot be made.
 */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <string.h>

#include <cmocka.h>

#include "base/array.h"
#include "object_file.h"
#include "repository/check.h"
#include "repository/check_records.h"
#include "small_backup.h"
#include "store/store_impl.h"

#define DISK ((uint64_t)5 * 1048576 + 4711)

/* ---- a store on a bad disk -------------------------------------------------------------------- */

static const struct store_ops *good_ops;
static const char *bad_name; /* of what is below it nothing can be read */

static int bad_get(struct store *store, const struct store_range *range, size_t *ret_len,
                   struct err *err)
{
    return bad_name && strncmp(range->name, bad_name, strlen(bad_name)) == 0
               ? err_set_errno(err, EIO, "%s: cannot read", range->name)
               : good_ops->get(store, range, ret_len, err);
}

struct bad_world {
    struct small_backup backup;
    struct point_id points[2]; /* with the same packs, and one more for the second */
    struct store_ops ops;
};

static void begin_bad_world(struct bad_world *world)
{
    CLEANUP_FREE uint8_t *data = malloc(DISK);
    const struct small_image image = {0, data, DISK};

    *world = (struct bad_world){.points[0].session.bytes[0] = 0};
    small_backup_begin(&world->backup, "zstd:1");
    small_backup_fill(data, DISK, 3);
    world->points[0] = small_backup_take(&world->backup, &image, 1);
    small_backup_fill(data, LIMITS_BLOCK, 99);
    world->points[1] = small_backup_take(&world->backup, &image, 1);
    struct store *store = world->backup.scope.store;
    good_ops = store->ops;
    world->ops = *good_ops;
    world->ops.get = bad_get;
    store->ops = &world->ops;
    bad_name = NULL;
}

static void end_bad_world(struct bad_world *world)
{
    world->backup.scope.store->ops = good_ops;
    small_backup_end(&world->backup);
}

#define CLEANUP_BAD_WORLD CLEANUP(end_bad_world)

static int decode_well(void *opaque, enum codec_type codec, const struct chunk_source *source,
                       const struct chunk_sink *sink, struct err *err)
{
    (void)opaque;
    return small_backup_pool(source, sink, codec, err);
}

static struct points_check *open_bad_check(const struct bad_world *world,
                                           const struct check_children *children)
{
    const struct check_request request = {
        .scope = &world->backup.scope,
        .id_salt = world->backup.folder.repository->id_salt,
        .level = LEVEL_DATA,
        .children = children,
        .host = "alpha",
    };
    struct points_check *check = NULL;

    assert_int_equal(check_open(&request, &check, NULL), 0);
    return check;
}

static size_t count_records(const struct bad_world *world)
{
    CLEANUP_CHECK_RECORDS struct check_records records = {0};

    assert_int_equal(check_records_read(&world->backup.scope, NULL, &records, NULL), 0);
    return records.count;
}

static size_t count_bad_packs(const struct bad_world *world)
{
    CLEANUP_CHECK_BAD_PACKS struct check_bad_packs packs = {0};

    assert_int_equal(check_records_bad_packs(&world->backup.scope, &packs, NULL), 0);
    for (size_t i = 0; i < packs.count; i++)
        assert_int_equal(packs.packs[i].defect, DEFECT_DATA);
    return packs.count;
}

/* ---- what cannot be read ---------------------------------------------------------------------- */

static void a_slot_that_cannot_be_read_costs_no_other_point(void **state)
{
    static const struct check_children children = {NULL, decode_well};
    CLEANUP_BAD_WORLD struct bad_world world;

    (void)state;
    begin_bad_world(&world);
    CLEANUP(check_closep) struct points_check *check = open_bad_check(&world, &children);
    CLEANUP_FREE char *name = objects_name(&world.backup.scope, NAME_SLOT, &world.points[0], 0);
    bad_name = name;
    for (size_t i = 0; i < ARRAY_COUNT(world.points); i++) {
        CLEANUP_CHECK_RESULT struct check_result result = {0};
        assert_int_equal(check_point(check, &world.points[i], &result, NULL), 0);
        assert_int_equal(result.good, i == 1);
        assert_false(result.gone);
        if (i == 0)
            assert_non_null(strstr(result.findings.items[0], name));
    }
    assert_int_equal(count_records(&world), 2);
}

static void a_record_that_cannot_be_read_is_passed_over(void **state)
{
    static const struct check_children children = {NULL, decode_well};
    CLEANUP_BAD_WORLD struct bad_world world;
    CLEANUP_CHECK_RESULT struct check_result result = {0};

    (void)state;
    begin_bad_world(&world);
    CLEANUP(check_closep) struct points_check *check = open_bad_check(&world, &children);
    assert_int_equal(check_point(check, &world.points[0], &result, NULL), 0);
    assert_int_equal(check_records_note_bad(&world.backup.scope, &world.backup.packs[0].id,
                                            DEFECT_LENGTH, "alpha", NULL),
                     0);
    assert_int_equal(count_records(&world), 1);
    bad_name = "v/";
    assert_int_equal(count_records(&world), 0);
    assert_int_equal(count_bad_packs(&world), 1); /* that it is there is enough */
}

/* ---- what cannot be done ---------------------------------------------------------------------- */

struct no_children {
    enum err_kind kind;
    unsigned asked;
};

static int decode_nothing(void *opaque, enum codec_type codec, const struct chunk_source *source,
                          const struct chunk_sink *sink, struct err *err)
{
    struct no_children *none = opaque;

    (void)codec;
    (void)source;
    (void)sink;
    none->asked++;
    return err_set(err, none->kind, "there are no children");
}

/* More often than the point has packs. */
#define TIMES 20u

/* Whatever the reason, it is an error, and a pack that was not decoded is not taken for good afterwards. */
static void without_children_nothing_is_found(void **state)
{
    static const enum err_kind kinds[] = {ERR_NOT_FOUND, ERR_TRANSIENT, ERR_NO_SPACE, ERR_USAGE};

    (void)state;
    for (size_t k = 0; k < ARRAY_COUNT(kinds); k++) {
        struct no_children none = {.kind = kinds[k]};
        const struct check_children children = {&none, decode_nothing};
        CLEANUP_BAD_WORLD struct bad_world world;
        begin_bad_world(&world);
        CLEANUP(check_closep) struct points_check *check = open_bad_check(&world, &children);
        for (size_t i = 0; i < TIMES; i++) {
            CLEANUP_CHECK_RESULT struct check_result result = {0};
            CLEANUP_ERR struct err err = ERR_INIT;
            assert_int_equal(check_point(check, &world.points[0], &result, &err), -1);
            assert_int_equal(err.kind, kinds[k]);
        }
        assert_int_equal(none.asked, TIMES);
        assert_int_equal(count_records(&world) + count_bad_packs(&world), 0);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_slot_that_cannot_be_read_costs_no_other_point),
        cmocka_unit_test(a_record_that_cannot_be_read_is_passed_over),
        cmocka_unit_test(without_children_nothing_is_found),
    };

    return cmocka_run_group_tests_name("repository check unreadable", tests, NULL, NULL);
}
