/* SPDX-License-Identifier: LGPL-2.1-or-later
 *
 * The only way we start another program: by its argument vector, never through a
 * shell. The program
 *   - has the descriptors that it is given, and no others;
 *   - is in its own process group, and ignores terminal stops: Ctrl-C, Ctrl-Z and
 *     hang-ups of the terminal are for us, and we then end it in an orderly way;
 *   - has all other signals at their defaults, and none blocked;
 *   - gets SIGKILL when the thread that started it ends;
 *   - writes no core dump.
 * We wait for it through its pidfd.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <sys/types.h>

#include "base/err.h"

struct launch {
    const char *const *argv;     /* NULL-terminated */
    const char *path;            /* path of the program; NULL: argv[0], looked up in PATH */
    const char *const *settings; /* "NAME=value"..., NULL-terminated: they override our environment;
                                  * may be NULL */
    const int *fds;              /* descriptor n of the program is fds[n]; -1: /dev/null */
    size_t fd_count;             /* 3 to 7 */
    bool in_folder;              /* it starts in this folder: */
    int folder_fd;
    unsigned cpu_s; /* CPU time after which it is killed; 0: no limit */
    bool activated; /* 3 is a listening socket, as in sd_listen_fds(3) */
};

struct launched {
    pid_t pid; /* 0: reaped, or never started */
    int pidfd; /* owned */
};
#define LAUNCHED_INIT ((struct launched){.pid = 0, .pidfd = -1})

/* Returns when the program is running, or could not be run: the error is "ARGV[0]: cannot run it:
 * ...". A signal, or a stall as below, ends the wait for that. The descriptors stay the caller's. */
int launch_start(const struct launch *launch, struct launched *ret, struct err *err);

/* True if it ends within this many milliseconds, and was reaped (*ret_status as for waitpid). A
 * signal that asks us to stop does not end the wait. */
bool launch_wait(struct launched *launched, unsigned timeout_ms, int *ret_status);
/* Waits until it ends. It is killed if a signal asks us to stop (cancelled), or if it makes no
 * progress for too long (base/stall.h). */
int launch_wait_or_quit(struct launched *launched, int *ret_status, struct err *err);
/* The error of such a stall (I/O, ETIMEDOUT), for somebody who waits in another way: -1. */
int launch_stalled(struct err *err);
/* Sends SIGKILL and reaps it. False if it has not ended within five seconds: a process in
 * uninterruptible sleep on dead storage cannot be waited for. */
bool launch_kill(struct launched *launched);

/* For a forked child of ours that should end by itself: waits for timeout_ms, then kills it. This
 * also ends a stopped one. If not even SIGKILL ends it, it is left behind after the same time
 * again. */
void launch_end(pid_t pid, unsigned timeout_ms);
/* Kills and reaps it if it is still running, and closes the pidfd. */
void launch_clear(struct launched *launched);
#define CLEANUP_LAUNCHED __attribute__((cleanup(launch_clear)))
