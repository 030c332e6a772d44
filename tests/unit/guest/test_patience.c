/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "guest/patience.h"

#define BEGUN_MS 1000

static void progress_may_take_for_ever(void **state)
{
    struct patience patience = patience_begin(BEGUN_MS);
    uint64_t now_ms = BEGUN_MS;

    (void)state;
    for (uint64_t copied = 1; copied < 100; copied++) {
        now_ms += PATIENCE_STALL_MS - 1;
        assert_false(patience_is_stalled(&patience, copied, now_ms));
        assert_false(patience_is_over(&patience, false, now_ms));
    }
    assert_true(patience_is_stalled(&patience, 99, now_ms + PATIENCE_STALL_MS));
}

static void an_accepted_abort_is_waited_for_a_minute(void **state)
{
    struct patience patience = patience_begin(BEGUN_MS);

    (void)state;
    patience_want_end(&patience, BEGUN_MS + 1);
    patience_note_abort(&patience, BEGUN_MS + 2);
    patience_note_abort(&patience, BEGUN_MS + PATIENCE_ABORT_MS); /* not counted anew */
    assert_false(patience_is_over(&patience, false, BEGUN_MS + 1 + PATIENCE_ABORT_MS));
    assert_true(patience_is_over(&patience, false, BEGUN_MS + 2 + PATIENCE_ABORT_MS));
}

static void one_that_cannot_be_aborted_is_waited_for_longer(void **state)
{
    struct patience patience = patience_begin(BEGUN_MS);

    (void)state;
    patience_note_image(&patience, PATIENCE_HEAD_BYTES, BEGUN_MS);
    assert_true(patience_has_begun(&patience));
    patience_want_end(&patience, BEGUN_MS);
    assert_false(patience_is_over(&patience, false, BEGUN_MS + PATIENCE_STALL_MS - 1));
    assert_true(patience_is_over(&patience, false, BEGUN_MS + PATIENCE_STALL_MS));
}

static void one_that_has_not_begun_is_not_waited_for_longer(void **state)
{
    struct patience none = patience_begin(BEGUN_MS);
    struct patience head = patience_begin(BEGUN_MS);

    (void)state;
    patience_note_image(&none, 0, BEGUN_MS);
    patience_note_image(&head, PATIENCE_HEAD_BYTES - 1, BEGUN_MS);
    assert_false(patience_has_begun(&none));
    assert_false(patience_has_begun(&head));
    patience_want_end(&none, BEGUN_MS);
    patience_want_end(&head, BEGUN_MS);
    assert_false(patience_is_over(&none, false, BEGUN_MS + PATIENCE_ABORT_MS - 1));
    assert_true(patience_is_over(&none, false, BEGUN_MS + PATIENCE_ABORT_MS));
    assert_false(patience_is_over(&head, false, BEGUN_MS + PATIENCE_ABORT_MS - 1));
    assert_true(patience_is_over(&head, false, BEGUN_MS + PATIENCE_ABORT_MS));
}

static void an_image_that_grows_is_waited_for(void **state)
{
    struct patience patience = patience_begin(BEGUN_MS);
    uint64_t now_ms = BEGUN_MS;

    (void)state;
    patience_want_end(&patience, BEGUN_MS);
    for (uint64_t bytes = 1; bytes < 10; bytes++) {
        now_ms += PATIENCE_ABORT_MS - 1;
        patience_note_image(&patience, bytes, now_ms);
        assert_false(patience_is_over(&patience, false, now_ms));
    }
    patience_note_image(&patience, 9, now_ms + PATIENCE_ABORT_MS);
    assert_true(patience_is_over(&patience, false, now_ms + PATIENCE_ABORT_MS));
}

static void a_second_signal_shortens_the_wait(void **state)
{
    struct patience patience = patience_begin(BEGUN_MS);

    (void)state;
    patience_want_end(&patience, BEGUN_MS);
    patience_note_abort(&patience, BEGUN_MS);
    assert_false(patience_is_over(&patience, true, BEGUN_MS + PATIENCE_INSISTED_MS - 1));
    assert_true(patience_is_over(&patience, true, BEGUN_MS + PATIENCE_INSISTED_MS));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(progress_may_take_for_ever),
        cmocka_unit_test(an_accepted_abort_is_waited_for_a_minute),
        cmocka_unit_test(one_that_cannot_be_aborted_is_waited_for_longer),
        cmocka_unit_test(one_that_has_not_begun_is_not_waited_for_longer),
        cmocka_unit_test(an_image_that_grows_is_waited_for),
        cmocka_unit_test(a_second_signal_shortens_the_wait),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
