/* SPDX-License-Identifier: LGPL-2.1-or-later
 *
 * What is read of points for lists: of one, and of many together.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <string.h>

#include <cmocka.h>

#include "made_point.h"
#include "one_object.h"
#include "repository/stored_point.h"

#define SLOT_NAME "p/default/02020202020202020202020202020202/03030303030303030303030303030303"

static void a_summary_needs_head_and_facts_only(void **state)
{
    CLEANUP_MADE_POINT struct made_point made = made_point_usual();
    CLEANUP_BUF struct buf bytes = made_point_bytes(&made);
    struct one_object object = one_object_of(SLOT_NAME, bytes.data, bytes.len);
    const struct stored_scope scope = {&object.store, made.id.repository, "default"};
    const struct point_id id = {made.id.guest, made.id.session};
    CLEANUP_STORED_SUMMARY struct stored_summary summary = {0};
    CLEANUP_ERR struct err err = ERR_INIT;
    struct slot slot = {0};

    (void)state;
    bytes.data[bytes.len - 1] ^= 1; /* is not read */
    if (stored_point_summary(&scope, &id, &summary, &err) < 0)
        fail_msg("%s", err.text);
    assert_int_equal(summary.kind, SLOT_POINT);
    assert_string_equal(summary.info.name, "web");
    assert_int_equal(object.gets, 2);
    assert_int_equal(slot_parse_start(bytes.data, bytes.len, &made.id, &slot, NULL), 0);
    bytes.data[slot_find(&slot, SLOT_INFO, 0)->offset] ^= 1;
    slot_clear(&slot);
    stored_summary_clear(&summary);
    assert_int_equal(stored_point_summary(&scope, &id, &summary, &err), -1);
    assert_int_equal(err.kind, ERR_CORRUPT);

    object.len = SLOT_TOMBSTONE_SIZE;
    slot_format_tombstone(SLOT_REMOVED, &made.id, bytes.data);
    assert_int_equal(stored_point_summary(&scope, &id, &summary, NULL), 0);
    assert_int_equal(summary.kind, SLOT_REMOVED);
    assert_null(summary.info.name);
}

struct counting_parser {
    unsigned asked;
    unsigned alone;
};

static int count_and_parse(void *opaque, const struct parser_task *task, struct buf *ret,
                           struct err *err)
{
    struct counting_parser *counting = opaque;

    counting->asked++;
    counting->alone += task->alone;
    return task->function(task->data, task->len, ret, err);
}

#define MANY 300u

static void many_summaries_come_of_few_requests(void **state)
{
    CLEANUP_MADE_POINT struct made_point made = made_point_usual();
    CLEANUP_BUF struct buf bytes = made_point_bytes(&made);
    struct one_object object = one_object_of(SLOT_NAME, bytes.data, bytes.len);
    struct counting_parser counting = {0};
    const struct parser parser = {&counting, count_and_parse};
    const struct stored_scope scope = {&object.store, made.id.repository, "default", &parser};
    struct point_id ids[MANY];

    (void)state;
    for (size_t i = 0; i < MANY; i++)
        ids[i] = (struct point_id){made.id.guest, made.id.session};
    ids[7].session.bytes[0] ^= 1;
    struct stored_found *found = stored_point_summaries(&scope, ids, MANY);
    assert_int_equal(object.gets, 2 * MANY - 1);
    assert_in_range(counting.asked, 1, 5);
    assert_int_equal(counting.alone, counting.asked);
    for (size_t i = 0; i < MANY; i++) {
        assert_int_equal(found[i].err.kind, i == 7 ? ERR_NOT_FOUND : ERR_NONE);
        if (i != 7)
            assert_string_equal(found[i].summary.info.name, "web");
    }
    stored_found_free(found, MANY);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_summary_needs_head_and_facts_only),
        cmocka_unit_test(many_summaries_come_of_few_requests),
    };

    return cmocka_run_group_tests_name("repository stored_summary", tests, NULL, NULL);
}
