/* SPDX-License-Identifier: LGPL-2.1-or-later
 *
 * What a server says about holes, as a map: no socket, no server.
 */
#include <stdarg.h>
#include <setjmp.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include "disk/extent_map.h"

static void check_at(struct extent_map *map, uint64_t offset, uint64_t len,
                     enum disk_part_kind kind)
{
    struct disk_part found = {0};

    assert_true(extent_map_find(map, offset, &found));
    assert_int_equal(found.len, len);
    assert_int_equal(found.kind, kind);
}

static void check_nothing_at(struct extent_map *map, uint64_t offset)
{
    struct disk_part found;

    assert_false(extent_map_find(map, offset, &found));
}

static void a_map_knows_what_it_was_told(void **state)
{
    struct extent_map map = {0};

    (void)state;
    check_nothing_at(&map, 0);
    extent_map_begin(&map, 100, 1000);
    check_nothing_at(&map, 100);
    extent_map_add(&map, 50, DISK_ZERO);
    extent_map_add(&map, 50, DISK_DATA);
    check_at(&map, 100, 50, DISK_ZERO);
    check_at(&map, 199, 1, DISK_DATA);
    check_at(&map, 120, 30, DISK_ZERO); /* and back */
    check_nothing_at(&map, 99);
    check_nothing_at(&map, 200);
    extent_map_begin(&map, 0, 1000);
    check_nothing_at(&map, 100);
    extent_map_clear(&map);
}

static void adjacent_extents_of_one_kind_are_one(void **state)
{
    struct extent_map map = {0};

    (void)state;
    extent_map_begin(&map, 0, 1000);
    for (int i = 0; i < 10; i++)
        extent_map_add(&map, 10, DISK_ZERO);
    check_at(&map, 0, 100, DISK_ZERO);
    assert_int_equal(map.count, 1);
    extent_map_clear(&map);
}

static void nothing_lies_beyond_the_end(void **state)
{
    struct extent_map map = {0};

    (void)state;
    extent_map_begin(&map, 4096, 8192);
    extent_map_add(&map, UINT64_MAX, DISK_ZERO);
    check_at(&map, 4096, 4096, DISK_ZERO);
    check_nothing_at(&map, 8192);
    extent_map_clear(&map);
}

/* A server may send as many of these as it likes: they must not take memory, nor part what
 * belongs together. */
static void empty_extents_are_nothing(void **state)
{
    struct extent_map map = {0};

    (void)state;
    extent_map_begin(&map, 0, 1000);
    for (int i = 0; i < 10; i++)
        extent_map_add(&map, 0, i & 1 ? DISK_ZERO : DISK_DATA);
    extent_map_add(&map, 500, DISK_ZERO);
    extent_map_add(&map, 0, DISK_DATA);
    extent_map_add(&map, 600, DISK_ZERO);
    for (int i = 0; i < 10; i++)
        extent_map_add(&map, 10, i & 1 ? DISK_ZERO : DISK_DATA);
    assert_int_equal(map.count, 1);
    check_at(&map, 0, 1000, DISK_ZERO);
    extent_map_clear(&map);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_map_knows_what_it_was_told),
        cmocka_unit_test(adjacent_extents_of_one_kind_are_one),
        cmocka_unit_test(nothing_lies_beyond_the_end),
        cmocka_unit_test(empty_extents_are_nothing),
    };

    return cmocka_run_group_tests_name("extent_map", tests, NULL, NULL);
}
