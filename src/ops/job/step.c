/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "ops/job/step.h"

#include <signal.h>
#include <string.h>
#include <sys/wait.h>

#include "base/quit.h"
#include "base/terminal.h"
#include "ops/job/child.h"

#define STATUS_SIGNAL_BASE 128
#define STATUS_NOT_STARTED 1

struct step_reading {
    const struct job_step *step;
    struct job_step_end *end;
    uint64_t garbled; /* lines that are no objects */
};

void job_step_end_clear(struct job_step_end *end)
{
    free(end->reason);
    free(end->point);
    *end = (struct job_step_end){0};
}

/* ---- its objects ------------------------------------------------------------------------- */

static enum err_kind step_kind_of(const char *name)
{
    for (int kind = ERR_USAGE; name && kind <= ERR_INTERNAL; kind++)
        if (strcmp(name, err_kind_name((enum err_kind)kind)) == 0)
            return (enum err_kind)kind;
    return ERR_IO;
}

/* The first one is the cause; "error", at the end, is of the whole step. */
static void step_read_error(struct step_reading *reading, const struct json *object)
{
    const char *error = json_get_str(object, "error");

    if (!error || reading->end->reason)
        return;
    reading->end->reason = terminal_safe_line(error);
    reading->end->kind = step_kind_of(json_get_str(object, "kind"));
    reading->end->told = true;
}

static void step_read_done(struct step_reading *reading, const struct json *object)
{
    struct job_step_end *end = reading->end;
    const char *point = json_get_str(object, "point");
    uint64_t stored = 0;

    end->done++;
    if (point) {
        free(end->point);
        end->point = terminal_safe_line(point);
    }
    if (json_get_u64(object, "disk-usage", &stored))
        end->stored += stored;
}

/* Of an archive the size of an image is what was read. */
static void step_read_image(struct step_reading *reading, const struct json *object)
{
    uint64_t read = 0;

    if (json_get_u64(object, "read-size", &read) || json_get_u64(object, "image-size", &read))
        reading->end->read += read;
}

static void step_read_progress(struct step_reading *reading, const struct json *object)
{
    struct progress progress = {
        .guest = json_get_str(object, "guest"),
        .what = json_get_str(object, "what"),
    };

    if (!reading->step->progress || !progress.guest || !progress.what)
        return;
    if (!json_get_u64(object, "guest-done", &progress.done) ||
        !json_get_u64(object, "guest-total", &progress.total)) {
        (void)json_get_u64(object, "done", &progress.done);
        (void)json_get_u64(object, "total", &progress.total);
    }
    (void)json_get_u64(object, "stored", &progress.stored);
    (void)json_get_u64(object, "elapsed-ms", &progress.elapsed_ms);
    reading->step->progress(reading->step->opaque, &progress);
}

static void step_read_object(struct step_reading *reading, const struct json *object)
{
    static const struct {
        const char *event;
        void (*read)(struct step_reading *reading, const struct json *object);
    } readers[] = {
        {"guest-done", step_read_done},    {"disk-done", step_read_image},
        {"progress", step_read_progress},  {"guest-failed", step_read_error},
        {"no-match", step_read_error},     {"damage", step_read_error},
        {"orphan", step_read_error},       {"point-failed", step_read_error},
        {"scope-failed", step_read_error}, {"error", step_read_error},
    };
    const char *event = json_get_str(object, "event");

    for (size_t i = 0; event && i < sizeof(readers) / sizeof(*readers); i++)
        if (strcmp(event, readers[i].event) == 0)
            readers[i].read(reading, object);
    if (event && reading->step->object)
        reading->step->object(reading->step->opaque, object);
}

static void step_read_line(void *opaque, const char *line, size_t len)
{
    struct step_reading *reading = opaque;
    CLEANUP(json_freep) struct json *object = json_parse(line, len, NULL);

    if (!object || !json_get_str(object, "event")) {
        reading->garbled++;
        return;
    }
    reading->end->objects++;
    step_read_object(reading, object);
}

/* ---- its end --------------------------------------------------------------------------------- */

static void step_set_reason(struct job_step_end *end, enum err_kind kind, char *reason)
{
    free(end->reason);
    end->reason = reason;
    end->kind = kind;
    end->told = false;
}

static void step_judge_killed(struct job_step_end *end, int number)
{
    bool ours = number == quit_requested();

    end->status = STATUS_SIGNAL_BASE + number;
    step_set_reason(end, ours ? ERR_CANCELLED : ERR_IO,
                    mem_printf("killed by signal %d (%s)", number, strsignal(number)));
}

static void step_judge(const struct step_reading *reading, int status)
{
    struct job_step_end *end = reading->end;

    if (WIFSIGNALED(status)) {
        step_judge_killed(end, WTERMSIG(status));
        return;
    }
    end->status = WEXITSTATUS(status);
    if (end->status && !end->reason)
        step_set_reason(end, ERR_IO, mem_printf("exit status %d", end->status));
    if (end->status)
        return;
    /* What is good has ended with a summary. */
    if (end->objects == 0) {
        end->status = STATUS_NOT_STARTED;
        step_set_reason(end, ERR_INTERNAL,
                        reading->garbled ? mem_strdup("its output is not JSON")
                                         : mem_strdup("it ended without saying what it had done"));
        return;
    }
    /* A point of another scope that could not be read, for example. */
    free(TAKE_PTR(end->reason));
    end->kind = ERR_NONE;
    end->told = false;
}

void job_step_run(const struct job_step *step, struct job_step_end *ret)
{
    CLEANUP_ERR struct err err = ERR_INIT;
    CLEANUP_STRINGS struct strings argv = {0};
    struct step_reading reading = {.step = step, .end = ret};
    struct job_child_end end = {0};

    *ret = (struct job_step_end){0};
    strings_add(&argv, "virt-backup");
    for (size_t i = 0; i < step->words->count; i++)
        strings_add(&argv, step->words->items[i]);
    strings_add(&argv, "--json");
    strings_take(&argv, NULL);
    const struct job_child child = {
        .path = step->program,
        .argv = (const char *const *)argv.items,
        .input_fd = -1,
        .silent = step->silent,
        .line = step_read_line,
        .opaque = &reading,
        .watch = step->watch,
    };
    if (job_child_run(&child, &end, &err) == 0) {
        step_judge(&reading, end.status);
        return;
    }
    ret->status =
        err.kind == ERR_CANCELLED ? STATUS_SIGNAL_BASE + quit_requested() : STATUS_NOT_STARTED;
    step_set_reason(ret, err.kind, mem_strdup(err.text));
}
