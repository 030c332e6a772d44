/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "ops/limit.h"

#include <errno.h>
#include <poll.h>
#include <time.h>

#include "base/quit.h"

#define SECOND_NS UINT64_C(1000000000)
#define BURST_NS (SECOND_NS / 10)
#define LONGEST_WAIT_MS 60000

static uint64_t now_ns(void)
{
    struct timespec now;

    clock_gettime(CLOCK_MONOTONIC, &now);
    return (uint64_t)now.tv_sec * SECOND_NS + (uint64_t)now.tv_nsec;
}

/* How long len bytes take, capped where no clock can hold it. */
static uint64_t time_for(uint64_t len, uint64_t rate)
{
    uint64_t seconds = len / rate;

    if (seconds > UINT32_MAX)
        seconds = UINT32_MAX;
    return seconds * SECOND_NS + (uint64_t)((unsigned __int128)(len % rate) * SECOND_NS / rate);
}

int limit_take(struct limit *limit, uint64_t len, struct err *err)
{
    uint64_t now;

    if (limit->rate == 0)
        return 0;
    while ((now = now_ns()) < limit->due_ns) {
        uint64_t wait_ms = (limit->due_ns - now) / 1000000 + 1;
        struct pollfd quit = {.fd = quit_fd(), .events = POLLIN};
        if (wait_ms > LONGEST_WAIT_MS)
            wait_ms = LONGEST_WAIT_MS;
        if (poll(&quit, 1, (int)wait_ms) < 0 && errno != EINTR)
            return err_set_errno(err, errno, "cannot wait");
        if (quit_check(err) < 0)
            return -1;
    }
    /* Idle time earns at most one burst. */
    if (limit->due_ns + BURST_NS < now)
        limit->due_ns = now - BURST_NS;
    limit->due_ns += time_for(len, limit->rate);
    return 0;
}
