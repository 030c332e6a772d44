/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "unit.h"

#include <locale.h>

#include "base/cleanup.h"
#include "base/json.h"
#include "base/log.h"
#include "base/terminal.h"
#include "base/units.h"
#include "cli/output.h"
#include "read_back.h"

/* ---- text that may be shown ------------------------------------------------- */

static void text_that_would_steer_a_terminal_is_made_harmless(void **state)
{
    static const struct {
        const char *text;
        const char *safe;
    } rows[] = {
        {"plain 100%", "plain 100%"},
        {"two\nlines", "two\nlines"},
        {"\033[2Jgone", "?[2Jgone"},
        {"a\rb\tc\x7f", "a?b?c?"},
        {"gr\xc3\xbc\xc3\x9f \xf0\x9f\x90\xa7", "gr\xc3\xbc\xc3\x9f \xf0\x9f\x90\xa7"},
        {"c1 \xc2\x9b", "c1 ?"},
        {"\xe2\x80\xae turned", "? turned"},
        {"\xff\xc3", "??"},
        {"\xc0\x9b", "??"},
        {"\xed\xa0\x80", "???"},
        {"\xf8\x90\x80\x80", "????"},
    };

    (void)state;
    for (size_t i = 0; i < sizeof(rows) / sizeof(*rows); i++) {
        CLEANUP_FREE char *safe = terminal_safe(rows[i].text);
        assert_string_equal(safe, rows[i].safe);
    }
}

static void a_line_is_cut_by_its_columns(void **state)
{
    char ascii[] = "0123456789";
    char umlauts[] = "\xc3\xbc\xc3\xbc\xc3\xbc\xc3\xbc";
    char wide[] = "\xe6\xbc\xa2\xe5\xad\x97x";
    char broken[] = "\xff\xff\xff\xff";

    (void)state;
    if (!setlocale(LC_CTYPE, "C.UTF-8"))
        skip();
    terminal_cut(ascii, 20);
    assert_string_equal(ascii, "0123456789");
    terminal_cut(ascii, 5);
    assert_string_equal(ascii, "0123");
    terminal_cut(umlauts, 4);
    assert_string_equal(umlauts, "\xc3\xbc\xc3\xbc\xc3\xbc");
    terminal_cut(wide, 5);
    assert_string_equal(wide, "\xe6\xbc\xa2\xe5\xad\x97");
    terminal_cut(broken, 3);
    assert_string_equal(broken, "\xff\xff");
}

/* ---- output -------------------------------------------------------------------- */

struct captured {
    char out[2048];
    char err[1024];
};

/* A run of one guest that is good and one that fails, with a warning. */
static void tell_story(struct output *output)
{
    const struct report report = output_report(output);
    struct outcome outcome = {.good = 1, .sizes = {3 * GIB, 3 * GIB, 9 * MIB}};
    CLEANUP_ERR struct err err = ERR_INIT;
    const struct event bottleneck = {.kind = EVENT_BOTTLENECK};
    const struct event removed = {EVENT_VANISHED, "web\033[2J"};

    report_warning(&report, "web", &(struct warning){WARNING_LEFT_BEHIND, .why = "slow disk"});
    report_event(&report, &removed);
    report_event(&report, &bottleneck);
    err_set(&err, ERR_NO_SPACE, "guest 'db': disk 'vda': full");
    report_failure(&report, &outcome, "db", &err);
    const struct output_summary summary = {.verb = "backup",
                                           .one = "guest",
                                           .done = "backed up",
                                           .relation = "stored in",
                                           .outcome = outcome,
                                           .status = 3,
                                           .elapsed_ms = 61000};
    output_finish(output, &summary);
}

static void capture(struct output *output, struct captured *ret)
{
    FILE *out = tmpfile();
    FILE *err = tmpfile();
    int saved_out = dup(STDOUT_FILENO);
    int saved_err = dup(STDERR_FILENO);

    fflush(NULL);
    dup2(fileno(out), STDOUT_FILENO);
    dup2(fileno(err), STDERR_FILENO);
    log_set_level(output->quiet ? LOG_QUIET : LOG_NORMAL);
    tell_story(output);
    log_set_level(LOG_NORMAL);
    fflush(NULL);
    dup2(saved_out, STDOUT_FILENO);
    dup2(saved_err, STDERR_FILENO);
    close(saved_out);
    close(saved_err);
    read_back(out, ret->out, sizeof(ret->out));
    read_back(err, ret->err, sizeof(ret->err));
}

static const char story_on_stderr[] = "virt-backup: warning: guest 'web': slow disk\n"
                                      "virt-backup: guest 'db': disk 'vda': full\n";

static void people_read_results_on_stdout_and_trouble_on_stderr(void **state)
{
    CLEANUP(output_clear) struct output output = {0};
    struct captured captured;

    (void)state;
    capture(&output, &captured);
    assert_string_equal(captured.out,
                        "guest 'web?[2J': its backup was removed while the archive was "
                        "being verified\n"
                        "1 guest backed up, 1 failed: 3 GiB stored in 9 MiB, 1:01\n");
    assert_string_equal(captured.err, story_on_stderr);
}

static void objects_steer_no_terminal_either(void **state)
{
    CLEANUP(output_clear) struct output output = {.json = true};
    const struct report report = output_report(&output);
    FILE *out = tmpfile();
    char text[256];
    int saved = dup(STDOUT_FILENO);

    (void)state;
    fflush(NULL);
    dup2(fileno(out), STDOUT_FILENO);
    report_event(&report, &(struct event){EVENT_GUEST_NOT_TRIED,
                                          "a\x7f\033[2J\xc2\x9b\xe2\x80\xae gr\xc3\xbc\xc3\x9f"});
    dup2(saved, STDOUT_FILENO);
    close(saved);
    read_back(out, text, sizeof(text));
    assert_string_equal(text, "{\"event\":\"guest-not-tried\",\"guest\":\"a\\u007f\\u001B["
                              "2J\\u009b\\u202e gr\xc3\xbc\xc3\x9f\"}\n");
}

static void objects_of_a_run_have_its_id_and_the_time(void **state)
{
    CLEANUP(output_clear) struct output output = {.json = true, .run_id = "0123456789abcdef"};
    struct captured captured;
    int used = 0;

    (void)state;
    capture(&output, &captured);
    sscanf(captured.out,
           "{\"event\":\"warning\",\"run\":\"0123456789abcdef\","
           "\"at\":\"%*4u-%*2u-%*2uT%*2u:%*2u:%*2u%*1[+-]%*2u:%*2u\",\"guest\":\"web\",%n",
           &used);
    assert_true(used > 0);
}

static void quiet_leaves_warnings_and_errors(void **state)
{
    CLEANUP(output_clear) struct output output = {.quiet = true};
    struct captured captured;

    (void)state;
    capture(&output, &captured);
    assert_string_equal(captured.out, "");
    assert_string_equal(captured.err, story_on_stderr);
}

static void warnings_without_a_report_are_objects_too(void **state)
{
    FILE *out = tmpfile();
    char text[512];
    int saved = dup(STDOUT_FILENO);

    (void)state;
    fflush(NULL);
    dup2(fileno(out), STDOUT_FILENO);
    {
        CLEANUP(output_clear) struct output output = {.json = true};
        (void)output_report(&output);
        log_warn_guest("web", "its agent is %s", "silent");
        log_warn("%s is full", "/backup");
    }
    log_warn("nobody listens any more");
    {
        CLEANUP(output_clear) struct output output = {.json = false};
        (void)output_report(&output);
        log_warn("for people");
    }
    dup2(saved, STDOUT_FILENO);
    close(saved);
    read_back(out, text, sizeof(text));
    assert_string_equal(
        text, "{\"event\":\"warning\",\"guest\":\"web\",\"warning\":\"its agent is silent\"}\n"
              "{\"event\":\"warning\",\"guest\":null,\"warning\":\"/backup is full\"}\n");
}

static void programs_read_one_object_a_line(void **state)
{
    static const char *const events[] = {"warning", "guest-removed", "bottleneck", "guest-failed",
                                         "summary"};
    CLEANUP(output_clear) struct output output = {.json = true};
    struct captured captured;
    size_t count = 0;

    (void)state;
    capture(&output, &captured);
    assert_string_equal(captured.err, story_on_stderr);
    assert_text_has(captured.out, "{\"event\":\"bottleneck\",\"bound-by\":\"children\",");
    assert_text_has(captured.out,
                    "{\"event\":\"guest-failed\",\"guest\":\"db\",\"kind\":\"no-space\","
                    "\"error\":\"guest 'db': disk 'vda': full\"}\n");
    assert_text_has(captured.out,
                    "{\"event\":\"summary\",\"verb\":\"backup\",\"good\":1,\"failed\":1,"
                    "\"damaged\":false,\"stranded\":false,\"signal\":0,\"status\":3,"
                    "\"image-size\":3221225472,\"stored-size\":3221225472,"
                    "\"disk-usage\":9437184,\"elapsed-ms\":61000}\n");
    for (char *line = captured.out; *line; count++) {
        char *end = strchr(line, '\n');
        assert_non_null(end);
        CLEANUP(json_freep) struct json *json = json_parse(line, (size_t)(end - line), NULL);
        assert_non_null(json);
        assert_true(count < 5);
        assert_string_equal(json_get_str(json, "event"), events[count]);
        line = end + 1;
    }
    assert_int_equal(count, 5);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(text_that_would_steer_a_terminal_is_made_harmless),
        cmocka_unit_test(a_line_is_cut_by_its_columns),
        cmocka_unit_test(people_read_results_on_stdout_and_trouble_on_stderr),
        cmocka_unit_test(objects_steer_no_terminal_either),
        cmocka_unit_test(objects_of_a_run_have_its_id_and_the_time),
        cmocka_unit_test(quiet_leaves_warnings_and_errors),
        cmocka_unit_test(warnings_without_a_report_are_objects_too),
        cmocka_unit_test(programs_read_one_object_a_line),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
