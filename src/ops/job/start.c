/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "ops/job/start.h"

#include <poll.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "base/buf.h"
#include "base/digest.h"
#include "base/quit.h"
#include "base/units.h"
#include "base/when.h"

#define SLICE_MS 200

/* In slices, because the service manager waits for signs of life. */
static int start_await_lock(struct job_work *work, int state_fd, struct lock_file **ret,
                            struct err *err)
{
    const struct job_plan *plan = work->plan;
    CLEANUP_FREE char *name = mem_printf("job-%s.lock", plan->name);
    uint64_t begun_ms = units_now_ms();

    for (;;) {
        CLEANUP_ERR struct err local = ERR_INIT;
        uint64_t waited_ms = units_now_ms() - begun_ms;
        uint64_t left_ms = plan->wait_ms > waited_ms ? plan->wait_ms - waited_ms : 0;
        if (lock_file_take(state_fd, name, left_ms < SLICE_MS ? left_ms : SLICE_MS, ret, &local) ==
            0)
            return 0;
        if (local.kind != ERR_BUSY || left_ms == 0)
            return err_move(err, &local);
        watch_beat(&work->watch);
    }
}

static int start_take_lock(struct job_work *work, struct lock_file **ret, struct err *err)
{
    CLEANUP_CLOSE int state_fd = -1;

    return work->means->open_state(&state_fd, err) < 0 ? -1
                                                       : start_await_lock(work, state_fd, ret, err);
}

int job_start_lock(struct job_work *work, struct lock_file **ret, struct err *err)
{
    CLEANUP_ERR struct err local = ERR_INIT;

    if (start_take_lock(work, ret, &local) == 0)
        return 0;
    if (local.kind == ERR_BUSY || local.kind == ERR_CANCELLED) {
        err_move(err, &local);
        return err_prefix(err, "job '%s'", work->plan->name);
    }
    job_work_trouble(work, JOB_TROUBLE_LOCK, NULL, &local);
    return 0;
}

uint64_t job_start_delay_ms(const char *host, const char *job, unsigned stagger_s)
{
    CLEANUP_FREE char *text = mem_printf("%s/%s", host, job);
    uint8_t digest[DIGEST_SIZE];

    digest_of(text, strlen(text), digest);
    return stagger_s ? get_be64(digest) % (stagger_s * UINT64_C(1000)) : 0;
}

void job_start_stagger(struct job_work *work)
{
    const struct job_plan *plan = work->plan;
    uint64_t delay_ms = job_start_delay_ms(work->host, plan->name, plan->stagger_s);
    uint64_t end_ms = units_now_ms() + delay_ms;
    char when[WHEN_TEXT_SIZE];

    if (delay_ms == 0)
        return;
    when_utc(((int64_t)time(NULL) + (int64_t)(delay_ms / 1000)) * 1000, when);
    job_work_tell(work, &(struct event){.kind = EVENT_JOB_DELAYED,
                                        .job_delayed = {.job = plan->name, .until = when}});
    while (units_now_ms() < end_ms && !quit_requested()) {
        uint64_t left_ms = end_ms - units_now_ms();
        struct pollfd fd = {.fd = quit_fd(), .events = POLLIN};
        (void)poll(&fd, 1, (int)(left_ms < SLICE_MS ? left_ms : SLICE_MS));
        watch_beat(&work->watch);
    }
}
