/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "ops/job/hook.h"

#include <errno.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/io.h"
#include "base/quit.h"
#include "base/terminal.h"
#include "base/utf8.h"
#include "ops/job/child.h"

#define SETTING_MAX 4096 /* the rest of a reason is in the object */

/* ---- what it is told ----------------------------------------------------------------------- */

static struct json *hook_object(const struct hook_event *event)
{
    const struct job_plan *plan = event->plan;
    struct json *object = json_new_object();

    json_set_str(object, "event", event->event);
    json_set_str(object, "job", plan->name);
    json_set_str(object, "repository", plan->repository);
    json_set_str(object, "scope", plan->scope);
    json_set_str(object, "destination-path", plan->destination);
    json_set_str(object, "guest", event->guest ? event->guest->name : NULL);
    json_set_str(object, "uuid", event->guest ? event->guest->uuid : NULL);
    if (strcmp(event->event, "before") != 0) {
        json_set_u64(object, "status", (uint64_t)event->status);
        json_set_str(object, "reason", event->reason);
        json_set_str(object, "point", event->point);
        json_set_u64(object, "read-size", event->read);
        json_set_u64(object, "new-size", event->stored);
    }
    if (event->more)
        json_set(object, "guests", event->more);
    return object;
}

/* A file in memory: nobody has to wait until a hook reads it. */
static int hook_input(const struct hook_event *event, int *ret_fd, struct err *err)
{
    CLEANUP(json_freep) struct json *object = hook_object(event);
    CLEANUP_FREE char *line = json_format(object);
    CLEANUP_CLOSE int fd = memfd_create("virt-backup-event", MFD_CLOEXEC);

    if (fd < 0)
        return err_set_errno(err, errno, "memfd_create");
    if (io_write(fd, line, strlen(line), err) < 0 || io_write(fd, "\n", 1, err) < 0)
        return -1;
    if (lseek(fd, 0, SEEK_SET) < 0)
        return err_set_errno(err, errno, "lseek");
    *ret_fd = TAKE_FD(fd);
    return 0;
}

static void hook_add_setting(struct strings *settings, const char *name, const char *value)
{
    CLEANUP_FREE char *safe = terminal_safe_line(value ? value : "");

    safe[utf8_cut(safe, SETTING_MAX)] = '\0';
    strings_take(settings, mem_printf("VIRT_BACKUP_%s=%s", name, safe));
}

static void hook_settings(const struct hook_event *event, struct strings *ret)
{
    CLEANUP_FREE char *status = mem_printf("%d", event->status);
    bool begins = strcmp(event->event, "before") == 0;

    hook_add_setting(ret, "EVENT", event->event);
    hook_add_setting(ret, "JOB", event->plan->name);
    hook_add_setting(ret, "GUEST", event->guest ? event->guest->name : NULL);
    hook_add_setting(ret, "UUID", event->guest ? event->guest->uuid : NULL);
    hook_add_setting(ret, "POINT", event->point);
    hook_add_setting(ret, "STATUS", begins ? NULL : status);
    hook_add_setting(ret, "REASON", event->reason);
    strings_take(ret, NULL);
}

/* ---- its end ------------------------------------------------------------------------------------ */

static int hook_judge(const struct hook *hook, const struct job_child_end *end, struct err *err)
{
    int status = end->status;

    if (end->timed_out)
        return err_set(err, ERR_IO, "stopped, because it took more than %u s",
                       hook->limit_s ? hook->limit_s : HOOK_LIMIT_S);
    if (WIFEXITED(status) && WEXITSTATUS(status) == 0)
        return 0;
    /* What it did about the signal does not matter. */
    if (!hook->undoing && quit_check(err) < 0)
        return -1;
    if (WIFSIGNALED(status))
        return err_set(err, ERR_IO, "killed by signal %d (%s)", WTERMSIG(status),
                       strsignal(WTERMSIG(status)));
    return err_set(err, ERR_IO, "exit status %d", WEXITSTATUS(status));
}

static int hook_run_program(const struct hook *hook, const struct hook_event *event, int input_fd,
                            struct err *err)
{
    CLEANUP_STRINGS struct strings argv = {0};
    CLEANUP_STRINGS struct strings settings = {0};
    struct job_child_end end = {0};

    for (size_t i = 0; i < hook->argv->count; i++)
        strings_add(&argv, hook->argv->items[i]);
    strings_take(&argv, NULL);
    hook_settings(event, &settings);
    const struct job_child child = {
        .argv = (const char *const *)argv.items,
        .settings = (const char *const *)settings.items,
        .input_fd = input_fd,
        .limit_ms = (hook->limit_s ? hook->limit_s : HOOK_LIMIT_S) * UINT64_C(1000),
        .grace_ms = hook->grace_ms ? hook->grace_ms : HOOK_GRACE_MS,
        .undoing = hook->undoing,
        .watch = hook->watch,
    };
    if (job_child_run(&child, &end, err) < 0)
        return -1;
    if (hook_judge(hook, &end, err) < 0)
        return err_prefix(err, "%s", hook->argv->items[0]);
    return 0;
}

int hook_run(const struct hook *hook, const struct hook_event *event, struct err *err)
{
    CLEANUP_CLOSE int input_fd = -1;

    if (hook->argv->count == 0) {
        json_free(event->more);
        return 0;
    }
    if (hook_input(event, &input_fd, err) < 0 || hook_run_program(hook, event, input_fd, err) < 0)
        return err_prefix(err, "hook '%s'", event->event);
    return 0;
}
