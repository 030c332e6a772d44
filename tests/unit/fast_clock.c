/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "fast_clock.h"

#include <assert.h>
#include <errno.h>
#include <poll.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

/* What a poll() really waits: others must be able to do something meanwhile. */
#define REAL_MS 2

static atomic_bool fast;
static int slice_ms;
static atomic_uint_fast64_t now_ms;
static atomic_int_fast64_t wall_ms; /* less now_ms; 0: the wall's clock is the real one */

int clock_gettime(clockid_t id, struct timespec *ret)
{
    uint64_t ms = now_ms + (id == CLOCK_REALTIME ? (uint64_t)wall_ms : 0);

    if (!fast || (id != CLOCK_MONOTONIC && (id != CLOCK_REALTIME || wall_ms == 0)))
        return (int)syscall(SYS_clock_gettime, id, ret);
    *ret = (struct timespec){(time_t)(ms / 1000), (long)(ms % 1000) * 1000000};
    return 0;
}

int poll(struct pollfd *fds, nfds_t count, int timeout_ms)
{
    bool hurried = fast && timeout_ms > 0 && (slice_ms == FAST_CLOCK_ALL || timeout_ms == slice_ms);
    int wait_ms = hurried ? REAL_MS : timeout_ms;
    struct timespec limit = {wait_ms / 1000, (wait_ms % 1000) * 1000000L};
    int ready = (int)syscall(SYS_ppoll, fds, count, wait_ms < 0 ? NULL : &limit, NULL, 0);

    if (fast && timeout_ms > 0 && ready == 0)
        now_ms += (uint64_t)timeout_ms;
    return ready;
}

/* What poll() becomes where the compiler checks the size of fds. */
int __poll_chk(struct pollfd *fds, nfds_t count, int timeout_ms, size_t size);
int __poll_chk(struct pollfd *fds, nfds_t count, int timeout_ms, size_t size)
{
    assert(size / sizeof(*fds) >= count);
    return poll(fds, count, timeout_ms);
}

void fast_clock_start(int poll_ms)
{
    struct timespec now;

    clock_gettime(CLOCK_MONOTONIC, &now);
    now_ms = (uint64_t)now.tv_sec * 1000 + (uint64_t)now.tv_nsec / 1000000;
    slice_ms = poll_ms;
    wall_ms = 0;
    fast = true;
}

void fast_clock_stop(void)
{
    fast = false;
}

void fast_clock_pass(uint64_t ms)
{
    now_ms += ms;
}

void fast_clock_set_wall(int64_t now_s)
{
    wall_ms = now_s * 1000 - (int64_t)now_ms;
}

int64_t fast_clock_wall_s(void)
{
    return (wall_ms + (int64_t)now_ms) / 1000;
}
