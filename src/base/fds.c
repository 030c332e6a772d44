/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "base/fds.h"

#include <fcntl.h>
#include <linux/close_range.h>
#include <sys/resource.h>
#include <unistd.h>

int fds_place(const int fds[], size_t count)
{
    int moved[FDS_PLACE_MAX];

    for (size_t i = 0; i < count; i++) {
        moved[i] = fds[i] < 0 ? -1 : fcntl(fds[i], F_DUPFD_CLOEXEC, FDS_PLACE_MAX);
        if (fds[i] >= 0 && moved[i] < 0)
            return -1;
    }
    for (size_t i = 0; i < count; i++) {
        if (moved[i] < 0)
            continue;
        if (dup2(moved[i], (int)i) < 0)
            return -1;
        close(moved[i]);
    }
    return 0;
}

/* For kernels, or container filters, that do not allow close_range. */
static int fds_limit(void)
{
    struct rlimit limit = {.rlim_cur = 1024};

    getrlimit(RLIMIT_NOFILE, &limit);
    return limit.rlim_cur < 65536 ? (int)limit.rlim_cur : 65536;
}

void fds_close_from(int first)
{
    if (close_range((unsigned)first, ~0U, 0) == 0)
        return;
    for (int fd = first; fd < fds_limit(); fd++)
        close(fd);
}

void fds_cloexec_from(int first)
{
    if (close_range((unsigned)first, ~0U, CLOSE_RANGE_CLOEXEC) == 0)
        return;
    for (int fd = first; fd < fds_limit(); fd++)
        (void)fcntl(fd, F_SETFD, FD_CLOEXEC);
}
