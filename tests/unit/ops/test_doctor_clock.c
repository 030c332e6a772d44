/* SPDX-License-Identifier: LGPL-2.1-or-later
 *
 * What doctor says of the clock. The time, and what the kernel thinks of it, are made here.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>
#include <sys/timex.h>
#include <time.h>

#include <cmocka.h>

#include "ops/doctor/doctor.h"

static time_t clock_time;
static int clock_state;

time_t __wrap_time(time_t *ret);
int __wrap_adjtimex(struct timex *state);

time_t __wrap_time(time_t *ret)
{
    if (ret)
        *ret = clock_time;
    return clock_time;
}

int __wrap_adjtimex(struct timex *state)
{
    assert_int_equal(state->modes, 0);
    return clock_state;
}

static void note_finding(void *opaque, const struct event *event)
{
    struct buf *text = opaque;

    assert_int_equal(event->kind, EVENT_FINDING);
    assert_string_equal(event->finding.area, "clock");
    buf_printf(text, "%u %s | %s\n", event->finding.severity, event->finding.text,
               event->finding.remedy ? event->finding.remedy : "-");
}

static void expect_clock(time_t now, int state, enum finding_severity severity, const char *words,
                         bool remedy)
{
    struct buf text = {0};
    const struct report report = {.event = note_finding, .opaque = &text};
    struct doctor doctor = {.report = &report};

    clock_time = now;
    clock_state = state;
    doctor_clock(&doctor);
    CLEANUP_FREE char *told = buf_take_str(&text);
    assert_int_equal(doctor.found[severity], 1);
    assert_int_equal(told[0], '0' + (int)severity);
    assert_non_null(strstr(told, words));
    assert_int_equal(strstr(told, "| timedatectl set-ntp true\n") != NULL, remedy);
}

static void each_state_of_the_clock_is_told(void **state)
{
    const time_t may_2026 = 1777600800;

    (void)state;
    expect_clock(may_2026, TIME_OK, FINDING_GOOD, "kept right", false);
    expect_clock(may_2026, TIME_INS, FINDING_GOOD, "kept right", false);
    expect_clock(may_2026, TIME_ERROR, FINDING_NOTE, "nothing keeps the clock", true);
    expect_clock(0, TIME_OK, FINDING_PROBLEM, "is not set", true);
    expect_clock(1388534400, TIME_ERROR, FINDING_PROBLEM, "is not set", true);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(each_state_of_the_clock_is_told),
    };

    return cmocka_run_group_tests_name("doctor clock", tests, NULL, NULL);
}
