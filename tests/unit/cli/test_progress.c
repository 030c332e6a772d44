/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "unit.h"

#include <pty.h>
#include <stdlib.h>
#include <sys/stat.h>

#include "base/cleanup.h"
#include "base/log.h"
#include "base/units.h"
#include "cli/meter.h"
#include "cli/output.h"
#include "read_back.h"

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

/* ---- progress ------------------------------------------------------------------ */

/* Reports progress now, whenever it was shown last, and returns what was written to that descriptor,
 * which the caller frees. */
static char *show_progress(struct output *output, const struct progress *progress, int fd)
{
    const struct report report = output_report(output);
    FILE *file = tmpfile();
    char text[1024];
    int saved = dup(fd);

    fflush(NULL);
    dup2(fileno(file), fd);
    output->shown_ms = 1;
    report.progress(report.opaque, progress);
    dup2(saved, fd);
    close(saved);
    read_back(file, text, sizeof(text));
    return mem_strdup(text);
}

static void tell_position(struct output *output, const struct report_position *position,
                          uint64_t seconds_ago)
{
    const struct report report = output_report(output);

    report_position(&report, position);
    output->run_begun = units_now_ms() - seconds_ago * 1000;
}

static const struct report_position third = {
    .number = 3, .count = 12, .volume = 4 * GIB, .before = 9 * GIB, .total = 40 * GIB};

/* A second image of the third guest, as objects. */
static void progress_knows_where_the_run_is(void **state)
{
    CLEANUP(output_clear) struct output output = {.json = true};
    struct progress progress = {.guest = "web", .what = "vda", .done = GIB, .total = GIB};

    (void)state;
    tell_position(&output, &third, 100);
    CLEANUP_FREE char *first = show_progress(&output, &progress, STDOUT_FILENO);
    assert_text_has(first, "\"number\":3,\"count\":12,\"guest-done\":1073741824,"
                           "\"guest-total\":4294967296,\"run-done\":10737418240,"
                           "\"run-total\":42949672960,\"left-ms\":300");
    progress = (struct progress){.guest = "web", .what = "vdb", .done = GIB, .total = 3 * GIB};
    CLEANUP_FREE char *second = show_progress(&output, &progress, STDOUT_FILENO);
    assert_text_has(second, "\"what\":\"vdb\",\"done\":1073741824,");
    assert_text_has(second, "\"guest-done\":2147483648,\"guest-total\":4294967296,"
                            "\"run-done\":11811160064,\"run-total\":42949672960,\"left-ms\":145");
}

static void the_progress_line_knows_the_guest_and_the_rest(void **state)
{
    CLEANUP(output_clear) struct output output = {0};
    struct progress progress = {.guest = "web", .what = "vda", .done = GIB, .total = 2 * GIB};

    (void)state;
    tell_position(&output, &third, 100);
    CLEANUP_FREE char *line = show_progress(&output, &progress, STDERR_FILENO);
    assert_text_has(line, "virt-backup: guest 3 of 12: web vda: 50%  1 GiB of 2 GiB");
    assert_text_has(line, "; all 25% of 40 GiB, 50:0");
    assert_text_has(line, " left\n");
}

/* Two GiB were read in 100 seconds, though the guest that failed had four. */
static void the_rate_is_of_what_was_read(void **state)
{
    CLEANUP(output_clear) struct output output = {0};
    const struct report_position fourth = {
        .number = 4, .count = 12, .volume = 4 * GIB, .before = 13 * GIB, .total = 40 * GIB};
    struct progress progress = {.guest = "web", .what = "vda", .done = GIB, .total = 4 * GIB};

    (void)state;
    tell_position(&output, &third, 0);
    CLEANUP_FREE char *failed = show_progress(&output, &progress, STDERR_FILENO);
    assert_text_has(failed, "guest 3 of 12");
    tell_position(&output, &fourth, 100);
    progress.guest = "db";
    CLEANUP_FREE char *line = show_progress(&output, &progress, STDERR_FILENO);
    assert_text_has(line, "; all 35% of 40 GiB, 21:4");
}

static void no_time_left_is_told_before_it_means_something(void **state)
{
    static const struct progress begun = {.guest = "web", .what = "vda", .total = 2 * GIB};
    CLEANUP(output_clear) struct output output = {0};
    struct progress progress = begun;
    uint64_t seconds = 0;

    (void)state;
    tell_position(&output, &third, 100);
    CLEANUP_FREE char *nothing = show_progress(&output, &progress, STDERR_FILENO);
    assert_text_has(nothing, "0 B of 2 GiB; all 22% of 40 GiB\n");
    progress.done = GIB;
    progress.elapsed_ms = 100;
    tell_position(&output, &third, 0);
    CLEANUP_FREE char *soon = show_progress(&output, &progress, STDERR_FILENO);
    assert_text_has(soon, "; all 25% of 40 GiB\n");
    assert_null(strstr(soon, "left"));

    assert_false(meter_left(0, GIB, 10000, &seconds));
    assert_false(meter_left(GIB, GIB, 0, &seconds));
    assert_false(meter_left(1, UINT64_MAX, UINT64_MAX, &seconds));
    assert_true(meter_left(GIB, 0, 10000, &seconds));
    assert_int_equal(seconds, 0);
    assert_true(meter_left(GIB, 3 * GIB, 10000, &seconds));
    assert_int_equal(seconds, 30);
}

/* A single image is all there is: it is not told twice. */
static void one_image_is_the_whole_run(void **state)
{
    CLEANUP(output_clear) struct output output = {0};
    const struct report_position only = {
        .number = 1, .count = 1, .volume = 2 * GIB, .total = 2 * GIB};
    struct progress progress = {.guest = "web", .what = "vda", .done = GIB, .total = 2 * GIB};

    (void)state;
    tell_position(&output, &only, 100);
    CLEANUP_FREE char *line = show_progress(&output, &progress, STDERR_FILENO);
    assert_string_equal(line, "virt-backup: web vda: 50%  1 GiB of 2 GiB  ratio 0.00\n");
}

/* What a terminal of so many columns shows; the caller frees. */
static char *show_on_terminal(unsigned short columns)
{
    CLEANUP(output_clear) struct output output = {0};
    const struct winsize size = {.ws_row = 24, .ws_col = columns};
    struct progress progress = {.guest = "web", .what = "vda", .total = 2 * GIB};
    int master = -1;
    int slave = -1;
    int saved = dup(STDERR_FILENO);
    char text[1024];

    assert_int_equal(openpty(&master, &slave, NULL, NULL, &size), 0);
    tell_position(&output, &third, 100);
    fflush(NULL);
    dup2(slave, STDERR_FILENO);
    const struct report report = output_report(&output);
    report.progress(report.opaque, &progress);
    progress.done = GIB;
    progress.stored = GIB / 2;
    progress.elapsed_ms = 10000;
    ssize_t first = read(master, text, sizeof(text));
    report.progress(report.opaque, &progress);
    ssize_t len = read(master, text, sizeof(text) - 1);
    log_progress("");
    dup2(saved, STDERR_FILENO);
    close(saved);
    close(slave);
    close(master);
    assert_true(first > 0 && len > 0);
    text[len] = '\0';
    const char *clear = "\r\033[K";
    assert_int_equal(strncmp(text, clear, strlen(clear)), 0);
    return mem_strdup(text + strlen(clear));
}

static void the_progress_line_fits_the_terminal(void **state)
{
    (void)state;
    CLEANUP_FREE char *wide = show_on_terminal(120);
    assert_text_has(wide, "guest 3 of 12: web vda: 50%  1 GiB of 2 GiB  102.4 MiB/s  ratio 0.50  "
                          "0:10 left; all 25% of 40 GiB, 50:0");
    CLEANUP_FREE char *usual = show_on_terminal(80);
    assert_text_has(usual, "guest 3 of 12: web vda: 50%  102.4 MiB/s; all 25% of 40 GiB, 50:0");
    assert_text_has(usual, " left");
    assert_true(strlen(usual) < 80);
    CLEANUP_FREE char *narrow = show_on_terminal(30);
    assert_string_equal(narrow, "guest 3 of 12: web vda: 50%  ");
}

/* It keeps what it gets. */
static void the_journal_gets_no_progress_in_any_form(void **state)
{
    static const int fds[] = {STDERR_FILENO, STDOUT_FILENO};
    struct progress progress = {.guest = "web", .what = "vda", .done = GIB, .total = 2 * GIB};

    (void)state;
    for (unsigned journal = 0; journal < 2; journal++)
        for (unsigned json = 0; json < 2; json++) {
            CLEANUP(output_clear) struct output output = {.json = json};
            FILE *file = tmpfile();
            char stream[64];
            char text[1024];
            struct stat st;
            int saved = dup(fds[json]);
            assert_int_equal(fstat(fileno(file), &st), 0);
            snprintf(stream, sizeof(stream), "%llu:%llu", (unsigned long long)st.st_dev,
                     (unsigned long long)st.st_ino);
            if (journal)
                setenv("JOURNAL_STREAM", stream, 1);
            fflush(NULL);
            dup2(fileno(file), fds[json]);
            const struct report report = output_report(&output);
            output.shown_ms = 1;
            report.progress(report.opaque, &progress);
            dup2(saved, fds[json]);
            close(saved);
            unsetenv("JOURNAL_STREAM");
            read_back(file, text, sizeof(text));
            assert_int_equal(strlen(text) > 0, !journal);
            assert_int_equal(report.shows_progress, !journal);
        }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_meter_shows_rate_ratio_and_time_left),
        cmocka_unit_test(the_rate_follows_what_happens_now),
        cmocka_unit_test(the_meter_knows_that_bytes_come_a_chunk_at_a_time),
        cmocka_unit_test(the_meter_starts_anew_with_the_next_image),
        cmocka_unit_test(progress_knows_where_the_run_is),
        cmocka_unit_test(the_progress_line_knows_the_guest_and_the_rest),
        cmocka_unit_test(the_rate_is_of_what_was_read),
        cmocka_unit_test(no_time_left_is_told_before_it_means_something),
        cmocka_unit_test(one_image_is_the_whole_run),
        cmocka_unit_test(the_progress_line_fits_the_terminal),
        cmocka_unit_test(the_journal_gets_no_progress_in_any_form),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
