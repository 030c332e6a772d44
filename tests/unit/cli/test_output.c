/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "unit.h"

#include <locale.h>

#include "base/cleanup.h"
#include "base/json.h"
#include "base/log.h"
#include "base/terminal.h"
#include "base/units.h"
#include "cli/meter.h"
#include "cli/output.h"

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

/* ---- meter -------------------------------------------------------------------- */

static void the_meter_shows_rate_ratio_and_time_left(void **state)
{
    CLEANUP(meter_clear) struct meter meter = {0};
    struct progress progress = {.guest = "web", .what = "vda", .total = 2 * GIB};

    (void)state;
    meter_update(&meter, &progress);
    CLEANUP_FREE char *first = meter_line(&meter, &progress);
    assert_string_equal(first, "web vda: 0%  0 B of 2 GiB");

    progress.done = 512 * MIB;
    progress.stored = 128 * MIB;
    progress.elapsed_ms = 4000;
    meter_update(&meter, &progress);
    CLEANUP_FREE char *second = meter_line(&meter, &progress);
    assert_string_equal(second, "web vda: 25%  512 MiB of 2 GiB  128 MiB/s  ratio 0.25  0:12 left");

    progress.done = 2 * GIB;
    progress.elapsed_ms = 8000;
    meter_update(&meter, &progress);
    CLEANUP_FREE char *last = meter_line(&meter, &progress);
    assert_text_has(last, "web vda: 100%  2 GiB of 2 GiB");
    assert_null(strstr(last, "left"));
}

static void the_rate_follows_what_happens_now(void **state)
{
    CLEANUP(meter_clear) struct meter meter = {0};
    struct progress progress = {.guest = "g", .what = "vda", .total = 100 * GIB};

    (void)state;
    for (int i = 0; i < 100; i++) { /* 1 MiB/s, then 100 MiB/s */
        progress.elapsed_ms += 200;
        progress.done += i < 50 ? MIB / 5 : 20 * MIB;
        meter_update(&meter, &progress);
    }
    assert_true(meter.rate * 1000 > 90.0 * MIB);
    assert_true(meter.rate * 1000 < 101.0 * MIB);
}

static void the_meter_knows_that_bytes_come_a_chunk_at_a_time(void **state)
{
    CLEANUP(meter_clear) struct meter meter = {0};
    struct progress progress = {.guest = "web", .what = "vda", .total = 1024 * MIB};

    (void)state;
    for (unsigned tick = 1; tick <= 100; tick++) { /* 64 MiB every four seconds */
        progress.elapsed_ms = tick * 200;
        progress.done = tick / 20 * 64 * MIB;
        meter_update(&meter, &progress);
        if (progress.done > 0) {
            assert_true(meter.rate * 1000 > 15.9 * MIB);
            assert_true(meter.rate * 1000 < 16.1 * MIB);
        }
    }
}

static void the_meter_starts_anew_with_the_next_image(void **state)
{
    CLEANUP(meter_clear) struct meter meter = {0};
    struct progress progress = {
        .guest = "g", .what = "vda", .total = GIB, .done = GIB, .elapsed_ms = 1000};

    (void)state;
    meter_update(&meter, &progress);
    progress = (struct progress){.guest = "g", .what = "memory", .total = 0};
    meter_update(&meter, &progress);
    CLEANUP_FREE char *line = meter_line(&meter, &progress);
    assert_string_equal(line, "g memory: 100%  0 B of 0 B");

    /* one that is further than the last one was when it is first heard of */
    progress.done = progress.total = 2 * GIB;
    progress.elapsed_ms = 5000;
    progress.what = "vdb";
    meter_update(&meter, &progress);
    CLEANUP_FREE char *next = meter_line(&meter, &progress);
    assert_text_has(next, "g vdb: 100%");
}

/* ---- output -------------------------------------------------------------------- */

struct captured {
    char out[2048];
    char err[1024];
};

static void read_back(FILE *file, char *text, size_t size)
{
    rewind(file);
    text[fread(text, 1, size - 1, file)] = '\0';
    fclose(file);
}

/* A run of one guest that is good and one that fails, with a warning. */
static void tell_story(struct output *output)
{
    const struct report report = output_report(output);
    struct outcome outcome = {.good = 1, .sizes = {3 * GIB, 3 * GIB, 9 * MIB}};
    CLEANUP_ERR struct err err = ERR_INIT;
    struct json *fields = json_new_object();

    report_warning(&report, "web", "slow disk");
    json_set_str(fields, "guest", "web");
    report_event(&report, "guest-done", fields, "guest 'web': backed up\033[2J");
    report_event(&report, "silent", NULL, "%s", "said");
    err_set(&err, ERR_NO_SPACE, "guest 'db': disk 'vda': full");
    report_failure(&report, &outcome, "db", &err);
    const struct output_summary summary = {.verb = "backup",
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
    assert_string_equal(captured.out, "guest 'web': backed up?[2J\nsaid\n"
                                      "1 guest backed up, 1 failed: 3 GiB stored in 9 MiB, 1:01\n");
    assert_string_equal(captured.err, story_on_stderr);
}

static void objects_steer_no_terminal_either(void **state)
{
    CLEANUP(output_clear) struct output output = {.json = true};
    const struct report report = output_report(&output);
    struct json *fields = json_new_object();
    FILE *out = tmpfile();
    char text[256];
    int saved = dup(STDOUT_FILENO);

    (void)state;
    json_set_str(fields, "guest", "a\x7f\033[2J\xc2\x9b\xe2\x80\xae gr\xc3\xbc\xc3\x9f");
    fflush(NULL);
    dup2(fileno(out), STDOUT_FILENO);
    report_event(&report, "e", fields, "%s", "");
    dup2(saved, STDOUT_FILENO);
    close(saved);
    read_back(out, text, sizeof(text));
    assert_string_equal(
        text,
        "{\"event\":\"e\",\"guest\":\"a\\u007f\\u001B[2J\\u009b\\u202e gr\xc3\xbc\xc3\x9f\"}\n");
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

/* The progress of a second image of the third guest, as objects. */
static void progress_knows_where_the_run_is(void **state)
{
    CLEANUP(output_clear) struct output output = {.json = true, .shown_ms = 1};
    const struct report report = output_report(&output);
    const struct report_position position = {.number = 3, .count = 12, .volume = 3 * GIB};
    struct progress progress = {.guest = "web", .what = "vda", .done = GIB, .total = GIB};
    FILE *out = tmpfile();
    char text[1024];
    int saved = dup(STDOUT_FILENO);

    (void)state;
    fflush(NULL);
    dup2(fileno(out), STDOUT_FILENO);
    report_position(&report, &position);
    report.progress(report.opaque, &progress);
    progress =
        (struct progress){.guest = "web", .what = "vdb", .done = 512 * MIB, .total = 2 * GIB};
    output.shown_ms = 1;
    report.progress(report.opaque, &progress);
    dup2(saved, STDOUT_FILENO);
    close(saved);
    read_back(out, text, sizeof(text));
    assert_text_has(text, "\"number\":3,\"count\":12,\"guest-done\":1073741824,"
                          "\"guest-total\":3221225472}\n");
    assert_text_has(text, "\"what\":\"vdb\",\"done\":536870912,");
    assert_text_has(text, "\"guest-done\":1610612736,\"guest-total\":3221225472}\n");
}

static void the_progress_line_knows_the_guest_and_the_rest(void **state)
{
    CLEANUP(output_clear) struct output output = {0};
    const struct report report = output_report(&output);
    const struct report_position position = {.number = 3, .count = 12, .volume = 4 * GIB};
    struct progress progress = {.guest = "web", .what = "vda", .done = GIB, .total = 2 * GIB};
    FILE *err = tmpfile();
    char text[1024];
    int saved = dup(STDERR_FILENO);

    (void)state;
    fflush(NULL);
    dup2(fileno(err), STDERR_FILENO);
    report_position(&report, &position);
    output.shown_ms = 1;
    report.progress(report.opaque, &progress);
    dup2(saved, STDERR_FILENO);
    close(saved);
    read_back(err, text, sizeof(text));
    assert_text_has(text, "virt-backup: guest 3 of 12: web vda: 50%  1 GiB of 2 GiB");
    assert_text_has(text, "; all 25%, 0:00 left\n");
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

static void programs_read_one_object_a_line(void **state)
{
    static const char *const events[] = {"warning", "guest-done", "silent", "guest-failed",
                                         "summary"};
    CLEANUP(output_clear) struct output output = {.json = true};
    struct captured captured;
    size_t count = 0;

    (void)state;
    capture(&output, &captured);
    assert_string_equal(captured.err, story_on_stderr);
    assert_text_has(captured.out, "{\"event\":\"silent\"}\n");
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
        cmocka_unit_test(the_meter_shows_rate_ratio_and_time_left),
        cmocka_unit_test(the_rate_follows_what_happens_now),
        cmocka_unit_test(the_meter_knows_that_bytes_come_a_chunk_at_a_time),
        cmocka_unit_test(the_meter_starts_anew_with_the_next_image),
        cmocka_unit_test(people_read_results_on_stdout_and_trouble_on_stderr),
        cmocka_unit_test(objects_steer_no_terminal_either),
        cmocka_unit_test(objects_of_a_run_have_its_id_and_the_time),
        cmocka_unit_test(progress_knows_where_the_run_is),
        cmocka_unit_test(the_progress_line_knows_the_guest_and_the_rest),
        cmocka_unit_test(quiet_leaves_warnings_and_errors),
        cmocka_unit_test(programs_read_one_object_a_line),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
