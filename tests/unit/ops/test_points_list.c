/* SPDX-License-Identifier: LGPL-2.1-or-later
 *
 * How often `list` parses manifests: the linker lets calls of manifest_read go through here.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <string.h>

#include <cmocka.h>

#include "ops/verbs.h"
#include "points_fixture.h"

static unsigned parsed;

int __real_manifest_read(const struct xml_text *text, struct manifest **ret, struct err *err);
int __wrap_manifest_read(const struct xml_text *text, struct manifest **ret, struct err *err);

int __wrap_manifest_read(const struct xml_text *text, struct manifest **ret, struct err *err)
{
    parsed++;
    return __real_manifest_read(text, ret, err);
}

static char *make(void)
{
    return sample_folder();
}

static const struct points_suite suite = {.make = make, .remove = sample_remove_folder};

/* The guests that are listed, with a blank after each. */
static void on_event(void *opaque, const struct event *event)
{
    if (event->kind == EVENT_LISTED)
        buf_printf(opaque, "%s ", event->guest);
}

/* Lists the guests that the word names; NULL: all. */
static void expect_list(struct fixture *fixture, const char *word, const char *expected,
                        unsigned times)
{
    const struct list_options options = {
        .source = {.path = fixture->place},
        .domains = {&word, word ? 1 : 0},
    };
    struct buf listed = {0};
    const struct report report = {.opaque = &listed, .event = on_event};
    struct outcome outcome = {0};

    parsed = 0;
    CHECK(list_run(&options, &report, &outcome, &fixture->err), &fixture->err);
    CLEANUP_FREE char *text = buf_take_str(&listed);
    assert_string_equal(text, expected);
    assert_int_equal(outcome.failed, 0);
    assert_int_equal(parsed, times);
}

static void list_parses_each_manifest_once(void **state)
{
    struct fixture *fixture = *state;

    fixture_write_point(fixture, "db", POINTS_KEEP, 1);
    fixture_write_point(fixture, "web", POINTS_KEEP, 2);
    fixture_write_point(fixture, "web-2", POINTS_KEEP, 3);
    expect_list(fixture, NULL, "db web web-2 ", 3);
    expect_list(fixture, "web", "web ", 1);
    expect_list(fixture, "web*", "web web-2 ", 2);
}

/* Which guests have a UUID is in the manifests only. */
static void a_uuid_is_looked_up_in_all_of_them(void **state)
{
    struct fixture *fixture = *state;

    fixture_write_point(fixture, "db", POINTS_KEEP, 1);
    fixture_write_point(fixture, "web", POINTS_KEEP, 2);
    expect_list(fixture, fixture_uuid("db"), "db ", 3);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_prestate_setup_teardown(list_parses_each_manifest_once, fixture_setup,
                                                 fixture_teardown, (void *)&suite),
        cmocka_unit_test_prestate_setup_teardown(a_uuid_is_looked_up_in_all_of_them, fixture_setup,
                                                 fixture_teardown, (void *)&suite),
    };

    return cmocka_run_group_tests_name("ops points list", tests, fixture_start, fixture_end);
}
