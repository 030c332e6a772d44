/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "ops/transfer/limit.h"

#include <errno.h>
#include <poll.h>
#include <stdbool.h>
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

/* ---- the time of day ---------------------------------------------------------------------- */

static bool is_in_window(const struct limit_window *window, unsigned minute)
{
    return window->begin < window->end ? minute >= window->begin && minute < window->end
                                       : minute >= window->begin || minute < window->end;
}

uint64_t limit_rate_at(const struct limit_rates *rates, int64_t now_s)
{
    time_t now = (time_t)now_s;
    uint64_t rate = rates->rate;
    struct tm day;

    localtime_r(&now, &day);
    unsigned minute = (unsigned)day.tm_hour * 60 + (unsigned)day.tm_min;
    for (size_t i = 0; i < rates->count; i++)
        if (is_in_window(&rates->windows[i], minute))
            rate = rates->windows[i].rate;
    return rate;
}

/* The bytes that are still waited for are those that they were. */
static void change_rate(struct limit *limit, uint64_t rate, uint64_t now)
{
    if (rate == limit->rate)
        return;
    if (limit->due_ns > now && rate == 0)
        limit->due_ns = now;
    else if (limit->due_ns > now && limit->rate > 0) {
        unsigned __int128 wait = (unsigned __int128)(limit->due_ns - now) * limit->rate / rate;
        uint64_t most = (uint64_t)UINT32_MAX * SECOND_NS;
        limit->due_ns = now + (wait > most ? most : (uint64_t)wait);
    }
    limit->rate = rate;
}

/* Returns how long the rate is good for. Clocks show another minute when one has gone by since 1970,
 * in summer and in winter. */
static uint64_t look_at_rate(struct limit *limit, uint64_t now)
{
    struct timespec wall = {0};

    if (limit->rates.count == 0) {
        change_rate(limit, limit->rates.rate, now);
        return LONGEST_WAIT_MS;
    }
    clock_gettime(CLOCK_REALTIME, &wall);
    if (wall.tv_sec / 60 != limit->minute) {
        limit->minute = wall.tv_sec / 60;
        change_rate(limit, limit_rate_at(&limit->rates, wall.tv_sec), now);
    }
    return (uint64_t)(60 - wall.tv_sec % 60) * 1000 - (uint64_t)wall.tv_nsec / 1000000;
}

/* ---- reading ------------------------------------------------------------------------------ */

int limit_take(struct limit *limit, uint64_t len, struct err *err)
{
    uint64_t now = now_ns();
    uint64_t longest_ms = look_at_rate(limit, now);

    while (limit->rate > 0 && now < limit->due_ns) {
        uint64_t wait_ms = (limit->due_ns - now) / 1000000 + 1;
        struct pollfd quit = {.fd = quit_fd(), .events = POLLIN};
        if (wait_ms > longest_ms)
            wait_ms = longest_ms;
        if (poll(&quit, 1, (int)wait_ms) < 0 && errno != EINTR)
            return err_set_errno(err, errno, "cannot wait");
        if (quit_check(err) < 0)
            return -1;
        now = now_ns();
        longest_ms = look_at_rate(limit, now);
    }
    if (limit->rate == 0)
        return 0;
    /* Idle time earns at most one burst. */
    if (limit->due_ns + BURST_NS < now)
        limit->due_ns = now - BURST_NS;
    limit->due_ns += time_for(len, limit->rate);
    return 0;
}
