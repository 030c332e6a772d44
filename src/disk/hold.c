/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "disk/hold.h"

#include <errno.h>
#include <poll.h>
#include <signal.h>
#include <stdbool.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "base/units.h"
#include "disk/qemu_lock.h"

#define END_LIMIT_MS 5000

static bool hold_wait(int fd, uint64_t deadline_ms)
{
    struct pollfd pollfd = {.fd = fd, .events = POLLIN};
    uint64_t now_ms = units_now_ms();

    return now_ms < deadline_ms && poll(&pollfd, 1, (int)(deadline_ms - now_ms)) != 0;
}

/* The server may be blocked in an answer that nobody reads: it sees the end of the connection only
 * when it has sent that. So its answers are read, and thrown away. */
static void end_connection(int fd)
{
    uint64_t deadline_ms = units_now_ms() + END_LIMIT_MS;
    char rest[65536];
    ssize_t len = 1;

    (void)shutdown(fd, SHUT_WR);
    while (len != 0 && hold_wait(fd, deadline_ms)) {
        len = recv(fd, rest, sizeof(rest), MSG_DONTWAIT);
        if (len < 0 && errno != EAGAIN && errno != EINTR)
            break;
    }
    (void)shutdown(fd, SHUT_RDWR);
}

static void end_process(int pidfd)
{
    (void)syscall(SYS_pidfd_send_signal, pidfd, SIGKILL, NULL, 0);
    /* It closes its files before it counts as ended. */
    (void)hold_wait(pidfd, units_now_ms() + END_LIMIT_MS);
}

void disk_hold_end(const struct disk_hold *hold)
{
    switch (hold->kind) {
    case DISK_HOLD_CONNECTION:
        end_connection(hold->fd);
        break;
    case DISK_HOLD_LOCK:
        qemu_lock_release(hold->fd);
        break;
    case DISK_HOLD_PROCESS:
        end_process(hold->fd);
        break;
    }
}
