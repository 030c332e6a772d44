/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "guest/thaw.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

#define NOW 1000000
#define LONG_AFTER (NOW + 60000)

static void a_freeze_that_was_never_sent_needs_no_thaw(void **state)
{
    struct thaw thaw = thaw_begin(FREEZE_NOT_SENT, NOW, NOW);

    (void)state;
    assert_true(thaw_is_over(&thaw, THAW_SILENT, NOW));
}

static void an_answered_freeze_is_over_with_the_first_answered_thaw(void **state)
{
    struct thaw thaw = thaw_begin(FREEZE_DONE, NOW, NOW);

    (void)state;
    assert_false(thaw_is_over(&thaw, THAW_SILENT, NOW));
    assert_false(thaw_is_over(&thaw, THAW_FAILED, LONG_AFTER));
    assert_true(thaw_is_over(&thaw, THAW_THAWED, NOW));
    thaw = thaw_begin(FREEZE_DONE, NOW, NOW);
    assert_true(thaw_is_over(&thaw, THAW_NOTHING, NOW));
}

static void a_refused_freeze_is_over_with_any_answer(void **state)
{
    struct thaw thaw = thaw_begin(FREEZE_REFUSED, NOW, NOW);

    (void)state;
    assert_false(thaw_is_over(&thaw, THAW_SILENT, LONG_AFTER));
    assert_true(thaw_is_over(&thaw, THAW_FAILED, NOW));
}

static void a_late_freeze_is_waited_for_beyond_its_limit(void **state)
{
    struct thaw thaw = thaw_begin(FREEZE_LATE, NOW - 100, NOW);

    (void)state;
    for (int i = 0; i < 10; i++)
        assert_false(thaw_is_over(&thaw, THAW_NOTHING, NOW + 1000));
    assert_true(thaw_is_over(&thaw, THAW_NOTHING, NOW + 2000));
}

static void one_answer_that_nothing_is_frozen_is_not_enough(void **state)
{
    struct thaw thaw = thaw_begin(FREEZE_LATE, NOW, NOW);

    (void)state;
    assert_false(thaw_is_over(&thaw, THAW_NOTHING, LONG_AFTER));
    assert_true(thaw_is_over(&thaw, THAW_NOTHING, LONG_AFTER));
}

static void silence_and_errors_begin_the_count_anew(void **state)
{
    static const enum thaw_answer answers[] = {THAW_SILENT, THAW_FAILED};

    (void)state;
    for (size_t i = 0; i < sizeof(answers) / sizeof(*answers); i++) {
        struct thaw thaw = thaw_begin(FREEZE_LATE, NOW, NOW);
        assert_false(thaw_is_over(&thaw, THAW_NOTHING, LONG_AFTER));
        assert_false(thaw_is_over(&thaw, answers[i], LONG_AFTER));
        assert_false(thaw_is_over(&thaw, THAW_NOTHING, LONG_AFTER));
        assert_true(thaw_is_over(&thaw, THAW_NOTHING, LONG_AFTER));
    }
}

static void a_late_freeze_that_came_and_was_thawed_needs_one_more_look(void **state)
{
    struct thaw thaw = thaw_begin(FREEZE_LATE, NOW, NOW);

    (void)state;
    assert_false(thaw_is_over(&thaw, THAW_SILENT, LONG_AFTER));
    assert_false(thaw_is_over(&thaw, THAW_THAWED, LONG_AFTER));
    assert_true(thaw_is_over(&thaw, THAW_NOTHING, LONG_AFTER));
}

static void an_agent_that_is_thawed_again_and_again_is_believed_for_some_times_only(void **state)
{
    struct thaw thaw = thaw_begin(FREEZE_LATE, NOW, NOW);

    (void)state;
    for (int i = 0; i < 10; i++)
        assert_false(thaw_is_over(&thaw, THAW_THAWED, NOW));
    thaw = thaw_begin(FREEZE_LATE, NOW, NOW);
    for (int i = 0; i < 3; i++)
        assert_false(thaw_is_over(&thaw, THAW_THAWED, LONG_AFTER));
    assert_true(thaw_is_over(&thaw, THAW_THAWED, LONG_AFTER));
}

static void the_freeze_of_another_process_may_come_until_some_time_from_now(void **state)
{
    struct thaw thaw = thaw_begin(FREEZE_UNKNOWN, 0, NOW);

    (void)state;
    assert_false(thaw_is_over(&thaw, THAW_NOTHING, NOW));
    assert_false(thaw_is_over(&thaw, THAW_NOTHING, NOW + 1));
    assert_true(thaw_is_over(&thaw, THAW_NOTHING, NOW + 2000));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_freeze_that_was_never_sent_needs_no_thaw),
        cmocka_unit_test(an_answered_freeze_is_over_with_the_first_answered_thaw),
        cmocka_unit_test(a_refused_freeze_is_over_with_any_answer),
        cmocka_unit_test(a_late_freeze_is_waited_for_beyond_its_limit),
        cmocka_unit_test(one_answer_that_nothing_is_frozen_is_not_enough),
        cmocka_unit_test(silence_and_errors_begin_the_count_anew),
        cmocka_unit_test(a_late_freeze_that_came_and_was_thawed_needs_one_more_look),
        cmocka_unit_test(an_agent_that_is_thawed_again_and_again_is_believed_for_some_times_only),
        cmocka_unit_test(the_freeze_of_another_process_may_come_until_some_time_from_now),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
