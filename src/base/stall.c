/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "base/stall.h"

#include <time.h>

#include "base/units.h"

/* 0 if it has ended: whoever waits for it will know. */
static uint64_t stall_cpu_ns(pid_t pid)
{
    struct timespec time;
    clockid_t clock;

    if (clock_getcpuclockid(pid, &clock) != 0 || clock_gettime(clock, &time) < 0)
        return 0;
    return (uint64_t)time.tv_sec * UINT64_C(1000000000) + (uint64_t)time.tv_nsec;
}

struct stall stall_begin(pid_t pid)
{
    return (struct stall){.pid = pid, .cpu_ns = stall_cpu_ns(pid), .looked_ms = units_now_ms()};
}

void stall_note(struct stall *stall)
{
    stall->idle_ms = 0;
    stall->looked_ms = units_now_ms();
}

bool stall_look(struct stall *stall)
{
    uint64_t now_ms = units_now_ms();
    uint64_t since_ms = now_ms - stall->looked_ms;
    uint64_t cpu_ns = stall_cpu_ns(stall->pid);

    stall->idle_ms += since_ms < 2 * STALL_LOOK_MS ? since_ms : 2 * STALL_LOOK_MS;
    if (cpu_ns != stall->cpu_ns)
        stall->idle_ms = 0;
    stall->cpu_ns = cpu_ns;
    stall->looked_ms = now_ms;
    return stall->idle_ms >= STALL_LIMIT_MS;
}
