/* SPDX-License-Identifier: LGPL-2.1-or-later
 *
 * The one way another program is started: by its argument vector, never through a
 * shell. It
 *   - has the descriptors that it is given, and no others;
 *   - is in a process group of its own, and terminal stops are ignored in it: Ctrl-C,
 *     Ctrl-Z and hang-ups of the terminal are for us, who then end it in good order;
 *   - has all other signals at their defaults, and none blocked;
 *   - gets SIGKILL when the thread that started it ends;
 *   - writes no core dump.
 * It is waited for by its pidfd.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <sys/types.h>

#include "base/err.h"

struct launch {
    const char *const *argv;     /* NULL-terminated */
    const char *path;            /* of the program; NULL: argv[0], looked up in PATH */
    const char *const *settings; /* "NAME=value"..., NULL: they replace ours; may be NULL */
    const int *fds;              /* descriptor n of the program is fds[n], -1: /dev/null */
    size_t fd_count;             /* 3 to 7 */
    bool in_folder;              /* it begins in this folder: */
    int folder_fd;
    bool activated; /* 3 is a listening socket, as sd_listen_fds(3) has it */
};

struct launched {
    pid_t pid; /* 0: reaped, or never started */
    int pidfd; /* owned */
};
#define LAUNCHED_INIT ((struct launched){.pid = 0, .pidfd = -1})

/* Returns when the program runs, or could not be run: the error is "ARGV[0]: cannot
 * run it: ...". The descriptors stay the caller's. */
int launch_start(const struct launch *launch, struct launched *ret, struct err *err);

/* True if it has ended (*ret_status as of waitpid), and was reaped, within so many
 * milliseconds. A signal that asks us to stop does not end the wait. */
bool launch_wait(struct launched *launched, unsigned timeout_ms, int *ret_status);
/* Waits without limit, until a signal asks us to stop: then it is killed, and the
 * error is "cancelled". */
int launch_wait_or_quit(struct launched *launched, int *ret_status, struct err *err);
/* Sends SIGKILL and reaps it. False if it has not ended within five seconds: a process
 * in uninterruptible sleep on dead storage can't be waited for. */
bool launch_kill(struct launched *launched);

/* The end of a child of ours that was forked and is to end by itself: waits for timeout_ms, then
 * it is killed. One that is stopped ends so too; one that not even SIGKILL ends is left behind
 * after as long again. */
void launch_end(pid_t pid, unsigned timeout_ms);
/* Kills and reaps what still runs, and closes the pidfd. */
void launch_clear(struct launched *launched);
#define CLEANUP_LAUNCHED __attribute__((cleanup(launch_clear)))
