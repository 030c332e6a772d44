/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "points_suite.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "points_fixture.h"
#include "points_suite_find.h"
#include "points_suite_memory.h"

/* ---- what comes back --------------------------------------------------------------------------- */

static void images_of_each_codec_come_back(void **state)
{
    static const struct codec_spec *const codecs[] = {&fixture_none, &fixture_lzma, &fixture_zstd};
    static const char *const targets[] = {"vda", "vdb", "vdc"};
    struct fixture *fixture = *state;
    CLEANUP(points_writer_closep) struct points_writer *writer = fixture_open_writer(fixture);
    CLEANUP(manifest_freep) struct manifest *manifest = sample_manifest("web", fixture_uuid("web"));
    struct points_set *set = fixture_begin_new(fixture, writer);

    for (unsigned i = 0; i < 3; i++)
        fixture_put_disk(fixture, set, manifest, targets[i], codecs[i], i + 1);
    CHECK(points_commit(set, manifest, &fixture->err), &fixture->err);

    CLEANUP(points_store_closep) struct points_store *store = fixture_open_store(fixture);
    CLEANUP(points_closep) struct point *point = fixture_open_point(fixture, store, "web");
    assert_int_equal(points_manifest(point)->disk_count, 3);
    for (unsigned i = 0; i < 3; i++) {
        const struct manifest_disk *disk = &points_manifest(point)->disks[i];
        CLEANUP_FREE uint8_t *data = fixture_content(IMAGE_SIZE, i + 1);
        assert_string_equal(disk->target, targets[i]);
        assert_int_equal(disk->stored.codec.type, codecs[i]->type);
        fixture_check_image(fixture, point, &disk->stored, data);
    }
}

static void a_disk_has_no_head(void **state)
{
    struct fixture *fixture = *state;

    fixture_write_point(fixture, "web", POINTS_KEEP, 1);
    CLEANUP(points_store_closep) struct points_store *store = fixture_open_store(fixture);
    CLEANUP(points_closep) struct point *point = fixture_open_point(fixture, store, "web");
    CLEANUP(points_close_imagep) struct points_image *image = NULL;
    CHECK(
        fixture_open_image(point, &points_manifest(point)->disks[0].stored, &image, &fixture->err),
        &fixture->err);
    assert_null(points_image_head(image));
}

static void guests_are_listed_in_order(void **state)
{
    struct fixture *fixture = *state;

    fixture_write_point(fixture, "web", POINTS_KEEP, 1);
    fixture_write_point(fixture, "a", POINTS_KEEP, 2);
    fixture_write_point(fixture, "web-db", POINTS_KEEP, 3);
    fixture_check_guests(fixture, "a web web-db");
    CLEANUP(points_store_closep) struct points_store *store = fixture_open_store(fixture);
    CLEANUP(points_closep) struct point *point = fixture_open_point(fixture, store, "web-db");
    assert_string_equal(points_manifest(point)->domain_name, "web-db");
    assert_string_equal(points_place(point), fixture->place);
    assert_string_equal(points_store_place(store), fixture->place);
    assert_non_null(strstr(points_store_title(store), fixture->place));
    fixture_check_point(fixture, point, 3);
}

static void a_point_is_found_by_its_id(void **state)
{
    struct fixture *fixture = *state;
    struct point *other = NULL;

    fixture_write_point(fixture, "web", POINTS_KEEP, 1);
    CLEANUP(points_store_closep) struct points_store *store = fixture_open_store(fixture);
    CLEANUP(points_closep) struct point *newest = fixture_open_point(fixture, store, "web");
    CLEANUP(points_closep) struct point *same = NULL;
    CHECK(points_open(store, "web", points_id(newest), &same, &fixture->err), &fixture->err);
    assert_string_equal(points_id(same), points_id(newest));
    CHECK_FAILS(points_open(store, "web", "no such id", &other, &fixture->err), &fixture->err,
                ERR_NOT_FOUND, fixture->place);
    CHECK_FAILS(points_open(store, "db", NULL, &other, &fixture->err), &fixture->err, ERR_NOT_FOUND,
                "");
}

/* ---- all or nothing ----------------------------------------------------------------------------- */

static void nothing_is_listed_before_the_commit(void **state)
{
    struct fixture *fixture = *state;
    CLEANUP(points_writer_closep) struct points_writer *writer = fixture_open_writer(fixture);
    CLEANUP(manifest_freep) struct manifest *manifest = sample_manifest("web", fixture_uuid("web"));
    struct points_set *set = fixture_begin_new(fixture, writer);

    fixture_put_disk(fixture, set, manifest, "vda", &fixture_none, 1);
    fixture_check_guests(fixture, "");
    CHECK(points_commit(set, manifest, &fixture->err), &fixture->err);
    fixture_check_guests(fixture, "web");
}

static void an_abort_leaves_nothing(void **state)
{
    struct fixture *fixture = *state;
    CLEANUP(points_writer_closep) struct points_writer *writer = fixture_open_writer(fixture);
    CLEANUP(manifest_freep)
    struct manifest *manifest = sample_manifest("web", fixture_uuid("web"));
    struct points_set *set = fixture_begin_new(fixture, writer);

    fixture_put_disk(fixture, set, manifest, "vda", &fixture_none, 1);
    fixture_put_nvram(fixture, set, manifest, 1);
    fixture_put_part(fixture, set, "vdb");
    points_abort(set); /* in the middle of an image */
    fixture_check_guests(fixture, "");
    assert_true(fixture->suite->is_clean(fixture->place));
    points_abort(NULL);
}

static void an_image_that_is_too_short_is_refused(void **state)
{
    struct fixture *fixture = *state;
    CLEANUP(points_writer_closep) struct points_writer *writer = fixture_open_writer(fixture);
    CLEANUP(points_abortp) struct points_set *set = fixture_begin_new(fixture, writer);
    struct manifest_stored stored = {0};
    uint64_t usage = 0;

    fixture_put_part(fixture, set, "vda");
    CHECK_FAILS(points_finish_image(set, &stored, &usage, &fixture->err), &fixture->err,
                ERR_INTERNAL, "");
}

/* The manifest names what was not stored, or does not name what was. */
static void a_manifest_of_other_items_is_not_committed(void **state)
{
    struct fixture *fixture = *state;
    CLEANUP(points_writer_closep) struct points_writer *writer = fixture_open_writer(fixture);

    for (int more = 0; more < 2; more++) {
        CLEANUP(manifest_freep)
        struct manifest *manifest = sample_manifest("web", fixture_uuid("web"));
        CLEANUP(manifest_freep)
        struct manifest *other = sample_manifest("web", fixture_uuid("web"));
        struct points_set *set = fixture_begin_new(fixture, writer);
        fixture_put_disk(fixture, set, manifest, "vda", &fixture_none, 1);
        fixture_put_disk(fixture, set, more ? manifest : other, "vdb", &fixture_none, 2);
        if (more)
            sample_add_disk(manifest, "vdc", "never stored", 12);
        CHECK_FAILS(points_commit(set, manifest, &fixture->err), &fixture->err, ERR_INTERNAL, "");
        fixture_check_guests(fixture, "");
        assert_true(fixture->suite->is_clean(fixture->place));
    }
}

static void what_cannot_be_stored_is_told_before(void **state)
{
    struct fixture *fixture = *state;
    CLEANUP(points_writer_closep) struct points_writer *writer = fixture_open_writer(fixture);
    CLEANUP(points_abortp) struct points_set *set = fixture_begin_new(fixture, writer);
    const struct points_item items[] = {{.kind = POINTS_DISK, .target = "vda"},
                                        {.kind = POINTS_SMALL, .extra = EXTRA_NVRAM},
                                        {.kind = POINTS_SMALL, .extra = EXTRA_TPM},
                                        {.kind = POINTS_MEMORY}};
    const struct points_item bad = {.kind = POINTS_DISK, .target = "a/b"};

    for (size_t i = 0; i < 4; i++)
        CHECK(points_expect(set, &items[i], CODEC_ZSTD, &fixture->err), &fixture->err);
    if (!fixture->suite->is_repository)
        CHECK_FAILS(points_expect(set, &bad, CODEC_ZSTD, &fixture->err), &fixture->err,
                    ERR_UNSUPPORTED, "");
    points_abort(TAKE_PTR(set));
    assert_true(fixture->suite->is_clean(fixture->place));
}

/* ---- two writers, two points ------------------------------------------------------------------ */

static void a_guest_has_one_writer(void **state)
{
    struct fixture *fixture = *state;
    CLEANUP(points_writer_closep) struct points_writer *writer = fixture_open_writer(fixture);
    CLEANUP(points_writer_closep) struct points_writer *second = fixture_open_writer(fixture);
    CLEANUP(points_abortp) struct points_set *set = fixture_begin_new(fixture, writer);
    CLEANUP(points_abortp) struct points_set *other = NULL;
    struct points_set *busy = NULL;

    assert_non_null(set);
    CHECK_FAILS(fixture_begin(second, "web", POINTS_KEEP, &busy, &fixture->err), &fixture->err,
                ERR_BUSY, "");
    CHECK(fixture_begin(second, "db", POINTS_KEEP, &other, &fixture->err), &fixture->err);
}

static void a_guest_has_many_writers(void **state)
{
    struct fixture *fixture = *state;
    CLEANUP(points_writer_closep) struct points_writer *writer = fixture_open_writer(fixture);
    CLEANUP(manifest_freep)
    struct manifest *manifest = sample_manifest("web", fixture_uuid("web"));
    struct points_set *slow = fixture_begin_new(fixture, writer);

    fixture_write_point(fixture, "web", POINTS_KEEP, 1);
    fixture_put_disk(fixture, slow, manifest, "vda", &fixture_zstd, 2);
    fixture_put_nvram(fixture, slow, manifest, 2);
    CHECK(points_commit(slow, manifest, &fixture->err), &fixture->err);
    CLEANUP(points_store_closep) struct points_store *store = fixture_open_store(fixture);
    CLEANUP_POINTS_LIST struct points_list list = {0};
    CHECK(points_list(store, "web", &list, &fixture->err), &fixture->err);
    assert_int_equal(list.count, 2);
    unsigned slow_ones = 0;
    for (unsigned i = 0; i < 2; i++) { /* if both began in one millisecond, either may be first */
        CLEANUP(points_closep) struct point *point = NULL;
        CHECK(points_open(store, "web", list.all[i].id, &point, &fixture->err), &fixture->err);
        bool is_slow = memcmp(points_manifest(point)->disks[0].stored.image.content,
                              manifest->disks[0].stored.image.content, DIGEST_SIZE) == 0;
        fixture_check_point(fixture, point, is_slow ? 2 : 1);
        slow_ones += is_slow;
    }
    assert_int_equal(slow_ones, 1);
}

static void a_second_point_takes_its_place(void **state)
{
    struct fixture *fixture = *state;
    struct points_set *set = NULL;

    fixture_write_point(fixture, "web", POINTS_KEEP, 1);
    CLEANUP(points_store_closep) struct points_store *store = fixture_open_store(fixture);
    CLEANUP(points_closep) struct point *first = fixture_open_point(fixture, store, "web");
    assert_true(points_is_current(first));
    {
        CLEANUP(points_writer_closep) struct points_writer *writer = fixture_open_writer(fixture);
        CHECK_FAILS(fixture_begin(writer, "web", POINTS_KEEP, &set, &fixture->err), &fixture->err,
                    ERR_EXISTS, fixture->place);
    }
    fixture_write_point(fixture, "web", POINTS_REPLACE, 2);
    assert_false(points_is_current(first));
    fixture_check_point(fixture, first, 1); /* it is open */
    CLEANUP(points_closep) struct point *second = fixture_open_point(fixture, store, "web");
    assert_string_not_equal(points_id(first), points_id(second));
    assert_true(points_is_current(second));
    fixture_check_point(fixture, second, 2);
    fixture_check_guests(fixture, "web");
}

static void a_second_point_lies_beside_the_first(void **state)
{
    struct fixture *fixture = *state;

    fixture_write_point(fixture, "web", POINTS_KEEP, 1);
    CLEANUP(points_store_closep) struct points_store *store = fixture_open_store(fixture);
    CLEANUP(points_closep) struct point *first = fixture_open_point(fixture, store, "web");
    CLEANUP(points_closep) struct point *again = NULL;
    fixture_write_point(fixture, "web", POINTS_KEEP, 2);
    assert_true(points_is_current(first));
    CHECK(points_open(store, "web", points_id(first), &again, &fixture->err), &fixture->err);
    fixture_check_point(fixture, again, 1);
    CLEANUP(points_closep) struct point *newest = fixture_open_point(fixture, store, "web");
    fixture_check_point(fixture, newest, 2);
    fixture_check_guests(fixture, "web");
}

static void what_fails_leaves_the_earlier_point(void **state)
{
    struct fixture *fixture = *state;
    CLEANUP(points_writer_closep) struct points_writer *writer = NULL;
    CLEANUP(manifest_freep) struct manifest *manifest = sample_manifest("web", fixture_uuid("web"));
    struct points_set *set = NULL;

    fixture_write_point(fixture, "web", POINTS_KEEP, 1);
    writer = fixture_open_writer(fixture);
    CHECK(fixture_begin(writer, "web", POINTS_REPLACE, &set, &fixture->err), &fixture->err);
    fixture_put_disk(fixture, set, manifest, "vda", &fixture_zstd, 2);
    sample_add_disk(manifest, "vdb", "never stored", 12);
    CHECK_FAILS(points_commit(set, manifest, &fixture->err), &fixture->err, ERR_INTERNAL, "");
    CLEANUP(points_store_closep) struct points_store *store = fixture_open_store(fixture);
    CLEANUP(points_closep) struct point *point = fixture_open_point(fixture, store, "web");
    fixture_check_point(fixture, point, 1);
}

static void a_point_is_removed_whole(void **state)
{
    struct fixture *fixture = *state;

    fixture_write_point(fixture, "web", POINTS_KEEP, 1);
    fixture_write_point(fixture, "db", POINTS_KEEP, 2);
    CLEANUP(points_writer_closep) struct points_writer *writer = fixture_open_writer(fixture);
    CLEANUP(points_store_closep) struct points_store *store = fixture_open_store(fixture);
    CLEANUP(points_closep) struct point *point = fixture_open_point(fixture, store, "web");
    CHECK(points_remove(writer, point, 0, &fixture->err), &fixture->err);
    assert_false(points_is_current(point));
    fixture_check_guests(fixture, "db");
    CHECK_FAILS(points_remove(writer, point, 0, &fixture->err), &fixture->err, ERR_BUSY, "");
    CLEANUP(points_closep) struct point *other = fixture_open_point(fixture, store, "db");
    CHECK(points_remove(writer, other, 0, &fixture->err), &fixture->err);
    assert_true(fixture->suite->is_clean(fixture->place));
}

/* ---- damage -------------------------------------------------------------------------------------- */

static void a_missing_image_is_told(void **state)
{
    struct fixture *fixture = *state;

    fixture_write_point(fixture, "web", POINTS_KEEP, 1);
    CLEANUP(points_store_closep) struct points_store *store = fixture_open_store(fixture);
    {
        CLEANUP(points_closep) struct point *whole = fixture_open_point(fixture, store, "web");
        fixture->suite->lose(fixture->place, &points_manifest(whole)->disks[0].stored);
    }
    CLEANUP(points_closep) struct point *point = fixture_open_point(fixture, store, "web");
    const struct manifest_stored *stored = &points_manifest(point)->disks[0].stored;
    CLEANUP_FREE char *where = points_item_text(point, stored);
    struct points_image *image = NULL;
    uint64_t usage = 0;
    CHECK_FAILS(points_item_usage(point, stored, &usage, &fixture->err), &fixture->err,
                ERR_NOT_FOUND, where);
    CHECK_FAILS(fixture_open_image(point, stored, &image, &fixture->err), &fixture->err,
                ERR_NOT_FOUND, where);
}

/* Wherever: in the first bytes, in the middle, in the last. */
static void a_damaged_image_is_told(void **state)
{
    struct fixture *fixture = *state;

    fixture_write_point(fixture, "web", POINTS_KEEP, 1);
    CLEANUP(points_store_closep) struct points_store *store = fixture_open_store(fixture);
    CLEANUP(points_closep) struct point *point = fixture_open_point(fixture, store, "web");
    const struct manifest_stored *stored = &points_manifest(point)->disks[0].stored;
    CLEANUP_FREE char *where = points_item_text(point, stored);
    CHECK(fixture_read_image(point, stored, &fixture->err), &fixture->err);
    for (unsigned i = 0; i < SUITE_DAMAGES; i++) {
        fixture->suite->damage(fixture->place, stored, i);
        CHECK_FAILS(fixture_read_image(point, stored, &fixture->err), &fixture->err, ERR_CORRUPT,
                    where);
        fixture->suite->damage(fixture->place, stored, i); /* and back */
    }
    CHECK(fixture_read_image(point, stored, &fixture->err), &fixture->err);
}

/* In a repository it is part of the point, which then cannot be opened. */
static void a_damaged_small_item_is_told(void **state)
{
    struct fixture *fixture = *state;
    uint8_t *data = NULL;

    fixture_write_point(fixture, "web", POINTS_KEEP, 1);
    CLEANUP(points_store_closep) struct points_store *store = fixture_open_store(fixture);
    CLEANUP(points_closep) struct point *point = fixture_open_point(fixture, store, "web");
    const struct manifest_stored *stored = &points_manifest(point)->extras[0].stored;
    fixture->suite->damage(fixture->place, stored, SUITE_DAMAGES - 1);
    if (fixture->suite->is_repository) {
        struct point *again = NULL;
        CHECK_FAILS(points_open(store, "web", points_id(point), &again, &fixture->err),
                    &fixture->err, ERR_CORRUPT, points_id(point));
    } else {
        CHECK_FAILS(points_read_small(point, stored, &data, &fixture->err), &fixture->err,
                    ERR_CORRUPT, "");
    }
    fixture->suite->damage(fixture->place, stored, SUITE_DAMAGES - 1);
    fixture_check_point(fixture, point, 1);
}

#define POINTS_TEST(function)                                                                      \
    cmocka_unit_test_prestate_setup_teardown(function, fixture_setup, fixture_teardown,            \
                                             (void *)(uintptr_t)suite)

int points_suite_run(const struct points_suite *suite)
{
    const struct CMUnitTest writer = POINTS_TEST(a_guest_has_one_writer);
    const struct CMUnitTest writers = POINTS_TEST(a_guest_has_many_writers);
    const struct CMUnitTest one = POINTS_TEST(a_second_point_takes_its_place);
    const struct CMUnitTest many = POINTS_TEST(a_second_point_lies_beside_the_first);
    const struct CMUnitTest tests[] = {
        POINTS_TEST(images_of_each_codec_come_back),
        POINTS_TEST(memory_comes_back_with_its_head),
        POINTS_TEST(what_was_looked_at_is_restored_with_memory),
        POINTS_TEST(a_head_that_the_manifest_was_not_written_for_is_corrupt),
        POINTS_TEST(memory_of_unknown_layout_comes_back_whole),
        POINTS_TEST(a_disk_has_no_head),
        POINTS_TEST(guests_are_listed_in_order),
        POINTS_TEST(a_point_is_found_by_its_id),
        POINTS_TEST(points_are_listed_and_found),
        POINTS_TEST(what_means_no_point_is_told),
        POINTS_TEST(a_point_is_held_while_it_is_restored),
        POINTS_TEST(nothing_is_listed_before_the_commit),
        POINTS_TEST(an_abort_leaves_nothing),
        POINTS_TEST(an_image_that_is_too_short_is_refused),
        POINTS_TEST(a_manifest_of_other_items_is_not_committed),
        POINTS_TEST(what_cannot_be_stored_is_told_before),
        suite->is_repository ? writers : writer,
        suite->is_repository ? many : one,
        POINTS_TEST(what_fails_leaves_the_earlier_point),
        POINTS_TEST(a_point_is_removed_whole),
        POINTS_TEST(a_missing_image_is_told),
        POINTS_TEST(a_damaged_image_is_told),
        POINTS_TEST(a_damaged_small_item_is_told),
    };

    return cmocka_run_group_tests_name(suite->name, tests, fixture_start, fixture_end);
}
