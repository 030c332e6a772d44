/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include <fcntl.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cmocka.h>

#include "base/io.h"
#include "ops/metrics.h"
#include "ops/status.h"

static char name[] = "we\"b\\\n\xff", uuid[] = "u-1", id[] = "0198";
static struct status_guest guests[] = {
    {.name = name,
     .uuid = uuid,
     .on_host = true,
     .point = id,
     .taken_ms = 1777604400250,
     .size = UINT64_C(9007199254740992),
     .stored = 7,
     .points = 2,
     .damaged = 1},
    {.name = id, .uuid = id},
};

static void every_metric_has_its_help_and_type_once(void **state)
{
    const struct run_result results[] = {
        {.job = "a", .guest = "web", .uuid = "u", .verb = "backup", .host = "h", .status = 9},
        {.job = "a", .verb = "run", .host = "h", .started_s = 10, .ended_s = 20, .status = 3},
        {.guest = "web", .uuid = "u", .verb = "backup", .host = "h", .status = 9},
        {.job = "a", .verb = "run", .host = "h", .started_s = 100, .ended_s = 160, .status = 0},
        {.job = "b", .verb = "run", .host = "h", .started_s = 100, .ended_s = 101, .status = 1},
    };
    const struct status status = {.guests = guests,
                                  .count = 2,
                                  .now_ms = 1777604401999,
                                  .results = {(struct run_result *)results, 5, {0}}};
    CLEANUP_BUF struct buf text = {0};

    (void)state;
    metrics_format(&status, &text);
    buf_put_u8(&text, '\0');
    const char *all = (const char *)text.data;
    const char *newest =
        "# HELP virt_backup_newest_point_timestamp_seconds When the newest good restore point of "
        "the guest was taken; 0 if there is no such point.\n"
        "# TYPE virt_backup_newest_point_timestamp_seconds gauge\n"
        "virt_backup_newest_point_timestamp_seconds{guest=\"we\\\"b\\\\\\n\xef\xbf\xbd\","
        "uuid=\"u-1\"} 1777604400.25\n"
        "virt_backup_newest_point_timestamp_seconds{guest=\"0198\",uuid=\"0198\"} 0\n";
    assert_int_equal(strncmp(all, newest, strlen(newest)), 0);
    assert_non_null(strstr(all, "} 9007199254740992\n"));
    assert_non_null(
        strstr(all, "virt_backup_job_last_run_duration_seconds{job=\"a\",verb=\"run\"} 60\n"
                    "virt_backup_job_last_run_duration_seconds{job=\"b\",verb=\"run\"} 1\n"));
    assert_null(strstr(all, "verb=\"backup\""));
    assert_null(strstr(all, "} 9\n"));
    assert_non_null(strstr(all, "\nvirt_backup_status_timestamp_seconds 1777604401\n"));
    for (const char *help = all; (help = strstr(help, "# HELP ")); help += 7) {
        CLEANUP_FREE char *metric = mem_strndup(help, strcspn(help + 7, " ") + 7);
        assert_null(strstr(help + 1, metric));
    }
}

/* Two files in one folder: nothing that is in both. */
static void of_one_job_are_its_results_and_its_time(void **state)
{
    const struct run_result results[] = {
        {.job = "a", .verb = "run", .host = "h", .started_s = 10, .ended_s = 20, .status = 3},
        {.job = "b", .verb = "run", .host = "h", .started_s = 100, .ended_s = 101, .status = 1},
    };
    const char *job = "b";
    const struct status status = {
        .now_ms = 1000, .results = {(struct run_result *)results, 2, {0}}, .jobs = {&job, 1}};
    CLEANUP_BUF struct buf text = {0};

    (void)state;
    metrics_format(&status, &text);
    buf_put_u8(&text, '\0');
    const char *all = (const char *)text.data;
    assert_non_null(strstr(all, "exit_status{job=\"b\",verb=\"run\"} 1\n"));
    assert_null(strstr(all, "job=\"a\""));
    assert_non_null(strstr(all, "\nvirt_backup_status_timestamp_seconds{job=\"b\"} 1\n"));
}

static void what_is_said_of_guests_stays(void **state)
{
    const struct run_result failed = {.job = "b", .verb = "run", .host = "h", .status = 1};
    struct run_result good = failed;
    const char *job = "b";
    struct status status = {.guests = guests,
                            .count = 2,
                            .now_ms = 1000,
                            .results = {&good, 1, {0}},
                            .jobs = {&job, 1}};
    char folder[] = "/tmp/metrics-test.XXXXXX", text[8192] = "";
    CLEANUP_CLOSE int fd = -1;
    size_t len = 0;

    (void)state;
    good.status = 0;
    assert_non_null(mkdtemp(folder));
    CLEANUP_FREE char *path = mem_printf("%s/a.prom", folder);
    assert_int_equal(metrics_write(path, &status, NULL), 0);
    status.results.all = (struct run_result *)&failed;
    status.count = 0;
    assert_int_equal(metrics_write_jobs(path, &status, NULL), 0);
    fd = open(path, O_RDONLY);
    assert_int_equal(io_read_some(fd, text, sizeof(text) - 1, &len, NULL), 0);
    assert_non_null(strstr(text, "# TYPE virt_backup_guest_present gauge\n"
                                 "virt_backup_guest_present{guest=\"we\\\"b"));
    assert_non_null(strstr(text, "} 1777604400.25\n"));
    assert_non_null(strstr(text, "exit_status{job=\"b\",verb=\"run\"} 1\n"));
    assert_null(strstr(text, "exit_status{job=\"b\",verb=\"run\"} 0\n"));
    assert_null(strstr(text, "status_timestamp"));
    assert_int_equal(unlink(path), 0);
    assert_int_equal(rmdir(folder), 0);
}

static void without_guests_and_jobs_no_metric_is_empty(void **state)
{
    const struct status status = {.now_ms = 1000};
    CLEANUP_BUF struct buf text = {0};

    (void)state;
    metrics_format(&status, &text);
    buf_put_u8(&text, '\0');
    assert_string_equal(
        (const char *)text.data,
        "# HELP virt_backup_status_timestamp_seconds When these values were gathered.\n"
        "# TYPE virt_backup_status_timestamp_seconds gauge\n"
        "virt_backup_status_timestamp_seconds 1\n");
}

/* Whoever reads it never sees a part, nor one that is not for everybody. */
static void the_file_is_replaced_as_a_whole(void **state)
{
    const struct status status = {.now_ms = 1000};
    char folder[] = "/tmp/metrics-test.XXXXXX";
    CLEANUP_CLOSE int dir_fd = -1;
    struct stat st;

    (void)state;
    assert_non_null(mkdtemp(folder));
    assert_int_equal(io_open_dir(folder, &dir_fd, NULL), 0);
    CLEANUP_FREE char *path = mem_printf("%s/a.prom", folder);
    CLEANUP_FREE char *missing = mem_printf("%s/nowhere/a.prom", folder);
    CLEANUP_ERR struct err err = ERR_INIT;
    mode_t mask = umask(077);
    assert_int_equal(symlink("/dev/full", path), 0);
    assert_int_equal(metrics_write(path, &status, NULL), 0);
    umask(mask);
    assert_int_equal(lstat(path, &st), 0);
    assert_true(S_ISREG(st.st_mode));
    assert_int_equal(st.st_mode & 07777, 0644);
    assert_int_equal(metrics_write(missing, &status, &err), -1);
    assert_non_null(strstr(err.text, missing));
    assert_int_equal(unlink(path), 0);
    assert_int_equal(rmdir(folder), 0); /* nothing else is left in it */
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_metric_has_its_help_and_type_once),
        cmocka_unit_test(of_one_job_are_its_results_and_its_time),
        cmocka_unit_test(what_is_said_of_guests_stays),
        cmocka_unit_test(without_guests_and_jobs_no_metric_is_empty),
        cmocka_unit_test(the_file_is_replaced_as_a_whole),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
