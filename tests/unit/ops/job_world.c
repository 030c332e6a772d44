/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "job_world.h"

#include <errno.h>
#include <stdarg.h>

#include "base/cleanup.h"

#define LOG "log"
#define GUESTS 3

/* The world of the test that runs. */
static struct job_world *current;

static const char program[] =
    "#!/bin/sh\n"
    "verb=$1 guest=\n"
    "for word; do case $word in --domain-names=*) guest=${word#*=};; esac; done\n"
    "step=$verb${guest:+-$guest}\n"
    "echo \"$verb${guest:+ $guest}\" >> \"$JOB_WORLD/log\"\n"
    "test -e \"$JOB_WORLD/$step\" && . \"$JOB_WORLD/$step\"\n"
    "test $verb = backup && echo '{\"event\":\"disk-done\",\"disk\":\"vda\",\"image-size\":4096,"
    "\"read-size\":300}' && echo \"{\\\"event\\\":\\\"guest-done\\\",\\\"guest\\\":\\\"$guest\\\","
    "\\\"point\\\":\\\"point-of-$guest\\\",\\\"disk-usage\\\":20}\"\n"
    "echo '{\"event\":\"summary\"}'\n";

static void __attribute__((format(printf, 1, 2))) job_world_note(const char *format, ...)
{
    va_list args;
    int fd = openat(current->scratch->fd, LOG, O_WRONLY | O_CREAT | O_APPEND, 0600);

    va_start(args, format);
    CLEANUP_FREE char *line = mem_vprintf(format, args);
    va_end(args);
    if (write(fd, line, strlen(line)) < 0)
        abort();
    close(fd);
}

/* ---- what the job gets --------------------------------------------------------------------- */

static void job_world_event(void *opaque, const struct event *event)
{
    (void)opaque;
    switch (event->kind) {
    case EVENT_JOB_BACKED_UP:
        job_world_note("+%s %s %d %d\n", event->guest, event->point_id,
                       (int)event->job_backed_up.read, (int)event->job_backed_up.stored);
        break;
    case EVENT_GUEST_FAILED:
        job_world_note("-%s\n", event->problem.error);
        break;
    case EVENT_JOB_TOLD_FAILED:
        job_world_note("(told) -%s\n", event->problem.error);
        break;
    case EVENT_GUEST_NOT_TRIED:
        job_world_note("not tried %s\n", event->guest);
        break;
    case EVENT_JOB_GUEST_LEFT:
        job_world_note("left %s\n", event->guest);
        break;
    case EVENT_JOB_NOT_PRUNED:
        job_world_note("not pruned %s\n", event->guest);
        break;
    case EVENT_JOB_TROUBLE:
        job_world_note("trouble %d %s: %s\n", (int)event->job_trouble.what,
                       event->guest ? event->guest : "", event->job_trouble.problem.error);
        break;
    case EVENT_JOB_STEP_FAILED:
    case EVENT_JOB_STEP_TOLD_FAILED:
        job_world_note("%s failed: %s\n", event->job_step.verb, event->job_step.problem.error);
        break;
    case EVENT_JOB_STEP_LEFT:
        job_world_note("%s left\n", event->job_step.verb);
        break;
    case EVENT_JOB_DELAYED:
        job_world_note("delayed\n");
        break;
    case EVENT_JOB_DONE:
        job_world_note("done %zu of %zu, %zu failed, %zu left, %zu not tried, %d stored\n",
                       event->job_done.good, event->job_done.count, event->job_done.failure_count,
                       event->job_done.left, event->job_done.not_tried,
                       (int)event->job_done.stored);
        break;
    default:
        break;
    }
}

static int job_world_open_state(int *ret_fd, struct err *err)
{
    *ret_fd = dup(current->scratch->fd);
    return *ret_fd < 0 ? err_set_errno(err, errno, "dup") : 0;
}

static int job_world_read_results(struct results *ret, struct err *err)
{
    (void)err;
    *ret = (struct results){0};
    return 0;
}

static int job_world_keep_result(const struct run_result *result, const struct job_plan *plan,
                                 struct err *err)
{
    (void)plan;
    (void)err;
    job_world_note("kept %s %s %d %s\n", result->verb, result->guest ? result->guest : "-",
                   result->status, result->reason ? result->reason : "good");
    return 0;
}

/* ---- the world ----------------------------------------------------------------------------- */

static void job_world_guest(struct job_guest *guest, const char *name)
{
    guest->name = mem_strdup(name);
    guest->uuid = mem_printf("uuid-of-%s", name);
    strings_add(&guest->backup, "backup");
    strings_add(&guest->backup, "--repository=/r");
    strings_take(&guest->backup, mem_printf("--domain-names=%s", name));
    strings_add(&guest->prune, "prune");
    strings_take(&guest->prune, mem_printf("--domain-names=%s", name));
}

int job_world_setup(void **state)
{
    static const char *const names[GUESTS] = {"a", "b", "c"};
    struct job_world *world = mem_alloc(sizeof(*world));
    void *scratch = NULL;

    if (scratch_setup(&scratch) < 0)
        return -1;
    world->scratch = scratch;
    setenv("JOB_WORLD", world->scratch->path, 1);
    scratch_write(world->scratch, "program", program);
    scratch_write(world->scratch, LOG, "");
    if (fchmodat(world->scratch->fd, "program", 0700, 0) < 0)
        return -1;
    world->plan = (struct job_plan){.name = mem_strdup("nightly"),
                                    .repository = mem_strdup("/r"),
                                    .guests = mem_array(GUESTS, sizeof(struct job_guest)),
                                    .guest_count = GUESTS,
                                    .parallel = 1,
                                    .not_after_s = INT64_MAX};
    for (size_t i = 0; i < GUESTS; i++)
        job_world_guest(&world->plan.guests[i], names[i]);
    strings_add(&world->plan.verify, "verify");
    strings_add(&world->plan.collect, "collect");
    world->means = (struct job_means){.program = mem_printf("%s/program", world->scratch->path),
                                      .hook_grace_ms = 200,
                                      .open_state = job_world_open_state,
                                      .read_results = job_world_read_results,
                                      .keep_result = job_world_keep_result};
    world->report = (struct report){.event = job_world_event};
    *state = current = world;
    return 0;
}

int job_world_teardown(void **state)
{
    struct job_world *world = *state;
    void *scratch = world->scratch;

    free((void *)(uintptr_t)world->means.program);
    job_plan_clear(&world->plan);
    err_clear(&world->err);
    free(world);
    return scratch_teardown(&scratch);
}

void job_world_script(struct job_world *world, const char *step, const char *lines)
{
    scratch_write(world->scratch, step, lines);
}

void job_world_hook(struct strings *hook, const char *lines)
{
    strings_add(hook, "sh");
    strings_add(hook, "-c");
    strings_add(hook, lines);
}

int job_world_run(struct job_world *world)
{
    err_clear(&world->err);
    return job_run_with(&world->plan, &world->means, &world->report, &world->outcome, &world->err);
}

char *job_world_log(const struct job_world *world)
{
    CLEANUP_FREE char *path = mem_printf("%s/%s", world->scratch->path, LOG);
    CLEANUP_FCLOSE FILE *file = fopen(path, "r");
    char *text = mem_alloc(1 << 16);

    if (file)
        (void)!fread(text, 1, (1 << 16) - 1, file);
    return text;
}

void job_world_expect(const struct job_world *world, const char *const *parts, size_t count)
{
    CLEANUP_FREE char *log = job_world_log(world);
    const char *at = log;

    for (size_t i = 0; i < count; i++) {
        const char *found = strstr(at, parts[i]);
        if (!found)
            fail_msg("'%s' is not, or not in this place, in:\n%s", parts[i], log);
        at = found + strlen(parts[i]);
    }
}

void job_world_expect_not(const struct job_world *world, const char *part)
{
    CLEANUP_FREE char *log = job_world_log(world);

    if (strstr(log, part))
        fail_msg("'%s' is in:\n%s", part, log);
}
