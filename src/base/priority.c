/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "base/priority.h"

#include <errno.h>
#include <sys/resource.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <linux/ioprio.h>

int priority_lower(unsigned nice, struct err *err)
{
    errno = 0;
    int now = getpriority(PRIO_PROCESS, 0);

    if (now == -1 && errno != 0)
        return err_set_errno(err, errno, "cannot get the priority");
    if (now < (int)nice && setpriority(PRIO_PROCESS, 0, (int)nice) < 0)
        return err_set_errno(err, errno, "cannot lower the priority to nice %u", nice);
    /* The C library has no wrapper for this call, and there are no priorities within class idle. */
    if (nice == PRIORITY_NICE_MAX &&
        syscall(SYS_ioprio_set, IOPRIO_WHO_PROCESS, 0, IOPRIO_PRIO_VALUE(IOPRIO_CLASS_IDLE, 0)) < 0)
        return err_set_errno(err, errno, "cannot lower the I/O priority");
    return 0;
}
