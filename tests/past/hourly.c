/* SPDX-License-Identifier: LGPL-2.1-or-later
 *
 * Preloaded: whoever looks at the clock that runs on while the host sleeps finds it an hour later each
 * time, for what takes days.
 */
#include <stdatomic.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

#define HOUR_S 3600

int clock_gettime(clockid_t clock, struct timespec *ret)
{
    static _Atomic long looks;
    int result = (int)syscall(SYS_clock_gettime, clock, ret);

    if (clock == CLOCK_BOOTTIME)
        ret->tv_sec += HOUR_S * ++looks;
    return result;
}
