/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "ops/metrics.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/io.h"
#include "base/text.h"
#include "base/utf8.h"
#include "ops/status.h"

/* A value of a label: what is not UTF-8 would make the whole file unreadable. */
static void put_label(struct buf *text, const char *value)
{
    for (size_t step; *value; value += step) {
        step = utf8_decode(value, NULL);
        if (step == 0) {
            buf_append_str(text, "\xef\xbf\xbd");
            step = 1;
        } else if (*value == '\\' || *value == '"') {
            buf_printf(text, "\\%c", *value);
        } else if (*value == '\n') {
            buf_append_str(text, "\\n");
        } else {
            buf_append(text, value, step);
        }
    }
}

static void put_head(struct buf *text, const char *name, const char *help)
{
    buf_printf(text, "# HELP %s %s\n# TYPE %s gauge\n", name, help, name);
}

/* ---- guests ------------------------------------------------------------------------------------ */

static double point_time(const struct status_guest *guest)
{
    return guest->point ? (double)guest->taken_ms / 1000 : 0;
}

static double point_size(const struct status_guest *guest)
{
    return (double)guest->size;
}

static double point_stored(const struct status_guest *guest)
{
    return (double)guest->stored;
}

static double verified_time(const struct status_guest *guest)
{
    return (double)guest->verified_ms / 1000;
}

static double failure_time(const struct status_guest *guest)
{
    return guest->failure.verb ? (double)guest->failure.ended_s : 0;
}

static double is_failing(const struct status_guest *guest)
{
    return guest->failure.open;
}

static double point_count(const struct status_guest *guest)
{
    return (double)guest->points;
}

static double damaged_count(const struct status_guest *guest)
{
    return (double)guest->damaged;
}

static double is_on_host(const struct status_guest *guest)
{
    return guest->on_host;
}

static const struct {
    const char *name;
    const char *help;
    double (*value)(const struct status_guest *guest);
} guest_metrics[] = {
    {"virt_backup_newest_point_timestamp_seconds",
     "When the newest good restore point of the guest was taken; 0 if there is no such point.",
     point_time},
    {"virt_backup_newest_point_size_bytes", "Size of the images in that point.", point_size},
    {"virt_backup_newest_point_stored_bytes", "What the backup of that point has added.",
     point_stored},
    {"virt_backup_points", "Complete restore points of the guest.", point_count},
    {"virt_backup_damaged_points", "Those of them that are damaged or unreadable.", damaged_count},
    {"virt_backup_last_verified_timestamp_seconds",
     "When a point of the guest was last read and found good; 0 if never.", verified_time},
    {"virt_backup_last_failure_timestamp_seconds",
     "When a run about the guest last failed; 0 if none is known.", failure_time},
    {"virt_backup_failing", "1 if what failed last has not succeeded since.", is_failing},
    {"virt_backup_guest_present", "1 if the host has the guest.", is_on_host},
};

static void put_guest_metrics(const struct status *status, struct buf *text)
{
    for (size_t i = 0; i < sizeof(guest_metrics) / sizeof(*guest_metrics); i++) {
        if (status->count > 0)
            put_head(text, guest_metrics[i].name, guest_metrics[i].help);
        for (size_t j = 0; j < status->count; j++) {
            const struct status_guest *guest = &status->guests[j];
            buf_printf(text, "%s{guest=\"", guest_metrics[i].name);
            put_label(text, guest->name);
            buf_append_str(text, "\",uuid=\"");
            put_label(text, guest->uuid);
            buf_printf(text, "\"} %.16g\n", guest_metrics[i].value(guest));
        }
    }
}

/* ---- jobs -------------------------------------------------------------------------------------- */

static double job_ended(const struct run_result *result)
{
    return (double)result->ended_s;
}

static double job_duration(const struct run_result *result)
{
    return (double)(result->ended_s - result->started_s);
}

static double job_status(const struct run_result *result)
{
    return result->status;
}

static const struct {
    const char *name;
    const char *help;
    double (*value)(const struct run_result *result);
} job_metrics[] = {
    {"virt_backup_job_last_run_timestamp_seconds", "When the verb of the job last ended.",
     job_ended},
    {"virt_backup_job_last_run_duration_seconds", "How long it took.", job_duration},
    {"virt_backup_job_last_run_exit_status", "Its exit status.", job_status},
};

static bool is_of_job(const struct status *status, const struct run_result *result)
{
    bool wanted = status->jobs.count == 0;

    if (result->guest || !result->job)
        return false;
    for (size_t i = 0; i < status->jobs.count && !wanted; i++)
        wanted = strcmp(status->jobs.names[i], result->job) == 0;
    return wanted;
}

/* Results are in the order of time. */
static bool is_last_of_job(const struct status *status, size_t place)
{
    const struct results *results = &status->results;
    const struct run_result *result = &results->all[place];

    if (!is_of_job(status, result))
        return false;
    for (size_t i = place + 1; i < results->count; i++)
        if (is_of_job(status, &results->all[i]) && strcmp(results->all[i].job, result->job) == 0 &&
            strcmp(results->all[i].verb, result->verb) == 0)
            return false;
    return true;
}

static void put_job_metrics(const struct status *status, struct buf *text)
{
    const struct results *results = &status->results;

    for (size_t i = 0; i < sizeof(job_metrics) / sizeof(*job_metrics); i++) {
        bool first = true;
        for (size_t j = 0; j < results->count; j++) {
            if (!is_last_of_job(status, j))
                continue;
            if (first)
                put_head(text, job_metrics[i].name, job_metrics[i].help);
            first = false;
            buf_printf(text, "%s{job=\"", job_metrics[i].name);
            put_label(text, results->all[j].job);
            buf_append_str(text, "\",verb=\"");
            put_label(text, results->all[j].verb);
            buf_printf(text, "\"} %.16g\n", job_metrics[i].value(&results->all[j]));
        }
    }
}

/* ---- the file ---------------------------------------------------------------------------------- */

/* Those of one job say of which: a collector refuses all its files if a series is in two of them. */
static void put_status_time(const struct status *status, struct buf *text)
{
    put_head(text, "virt_backup_status_timestamp_seconds", "When these values were gathered.");
    buf_append_str(text, "virt_backup_status_timestamp_seconds");
    if (status->jobs.count == 1) {
        buf_append_str(text, "{job=\"");
        put_label(text, status->jobs.names[0]);
        buf_append_str(text, "\"}");
    }
    buf_printf(text, " %" PRId64 "\n", status->now_ms / 1000);
}

void metrics_format(const struct status *status, struct buf *ret)
{
    put_guest_metrics(status, ret);
    put_job_metrics(status, ret);
    put_status_time(status, ret);
}

/* What others must be able to read, whatever our umask. */
static int write_metrics_file(int dir_fd, const char *name, const struct buf *text, struct err *err)
{
    CLEANUP_CLOSE int fd = -1;

    (void)unlinkat(dir_fd, name, 0); /* left by a dead process that had our pid */
    if (io_open_in(dir_fd, name, O_WRONLY | O_CREAT | O_EXCL, 0600, &fd, err) < 0 ||
        io_write(fd, text->data, text->len, err) < 0)
        return -1;
    if (fchmod(fd, 0644) < 0)
        return err_set_errno(err, errno, "cannot let others read it");
    return io_sync(fd, err);
}

static int replace_metrics_file(const char *path, const struct buf *text, struct err *err)
{
    const char *slash = strrchr(path, '/'), *name = slash ? slash + 1 : path;
    CLEANUP_FREE char *folder =
        slash ? mem_strndup(path, slash == path ? 1 : (size_t)(slash - path)) : mem_strdup(".");
    CLEANUP_FREE char *temporary = mem_printf(".%.200s.%ld.new", name, (long)getpid());
    CLEANUP_CLOSE int dir_fd = -1;

    if (io_open_dir(folder, &dir_fd, err) < 0)
        return err_prefix(err, "%s: cannot write the metrics: %s", path, folder);
    if (write_metrics_file(dir_fd, temporary, text, err) < 0 ||
        io_rename(dir_fd, temporary, name, true, err) < 0) {
        (void)unlinkat(dir_fd, temporary, 0);
        return err_prefix(err, "%s: cannot write the metrics", path);
    }
    return io_sync_dir(dir_fd, err);
}

int metrics_write(const char *path, const struct status *status, struct err *err)
{
    CLEANUP_BUF struct buf text = {0};

    metrics_format(status, &text);
    return replace_metrics_file(path, &text, err);
}

/* Whether the line, or what it is a comment on, is about a guest. */
static bool is_guest_line(const char *line)
{
    const char *help = text_after(line, "# HELP "), *type = text_after(line, "# TYPE ");
    const char *name = help ? help : type ? type : line;

    for (size_t i = 0; i < sizeof(guest_metrics) / sizeof(*guest_metrics); i++) {
        const char *rest = text_after(name, guest_metrics[i].name);
        if (rest && (*rest == '{' || *rest == ' '))
            return true;
    }
    return false;
}

/* A file that is missing or cannot be read says nothing. */
static void keep_guest_lines(const char *path, struct buf *text)
{
    CLEANUP_FCLOSE FILE *file = fopen(path, "re");
    CLEANUP_FREE char *line = NULL;
    size_t size = 0;

    while (file && getline(&line, &size, file) > 0)
        if (is_guest_line(line))
            buf_append_str(text, line);
}

int metrics_write_jobs(const char *path, const struct status *status, struct err *err)
{
    CLEANUP_BUF struct buf text = {0};

    keep_guest_lines(path, &text);
    put_job_metrics(status, &text);
    return replace_metrics_file(path, &text, err);
}
