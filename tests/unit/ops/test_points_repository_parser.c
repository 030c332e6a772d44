/* SPDX-License-Identifier: LGPL-2.1-or-later
 *
 * A point of a repository, read with a process that parses it.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <string.h>

#include <cmocka.h>

#include "../repository/made_point.h"
#include "../repository/one_object.h"
#include "mtcp/spawner.h"
#include "repository/stored_point.h"

#define SLOT_NAME "p/default/02020202020202020202020202020202/03030303030303030303030303030303"

static void a_point_is_the_same_with_and_without_a_process(void **state)
{
    CLEANUP(spawner_freep) struct spawner *spawner = spawner_start(NULL, NULL);
    const struct parser parser = spawner_parser(spawner, false);
    CLEANUP_MADE_POINT struct made_point made = made_point_usual();
    CLEANUP_BUF struct buf bytes = made_point_bytes(&made);
    struct one_object object = one_object_of(SLOT_NAME, bytes.data, bytes.len);
    const struct point_id id = {made.id.guest, made.id.session};
    struct stored_scope scope = {&object.store, made.id.repository, "default", NULL};
    CLEANUP(stored_point_freep) struct stored_point *here = NULL, *there = NULL;
    CLEANUP_STORED_SUMMARY struct stored_summary summary = {0};
    CLEANUP_ERR struct err err = ERR_INIT, without = ERR_INIT;

    (void)state;
    assert_non_null(spawner);
    assert_int_equal(stored_point_read(&scope, &id, &here, NULL), 0);
    scope.parser = &parser;
    if (stored_point_read(&scope, &id, &there, &err) < 0)
        fail_msg("%s", err.text);
    assert_int_equal(there->unpacked.len, here->unpacked.len);
    assert_memory_equal(there->unpacked.data, here->unpacked.data, here->unpacked.len);
    if (stored_point_summary(&scope, &id, &summary, &err) < 0)
        fail_msg("%s", err.text);
    assert_string_equal(summary.info.name, "web");

    bytes.data[bytes.len / 2] ^= 1;
    stored_point_free(TAKE_PTR(there));
    assert_int_equal(stored_point_read(&scope, &id, &there, &err), -1);
    scope.parser = NULL;
    assert_int_equal(stored_point_read(&scope, &id, &there, &without), -1);
    assert_string_equal(err.text, without.text);
    assert_int_equal(err.kind, ERR_CORRUPT);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_point_is_the_same_with_and_without_a_process),
    };

    return cmocka_run_group_tests_name("ops points_repository_parser", tests, NULL, NULL);
}
