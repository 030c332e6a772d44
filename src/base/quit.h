/* SPDX-License-Identifier: LGPL-2.1-or-later
 *
 * SIGINT, SIGTERM and SIGHUP ask the work to stop at its next safe point. The
 * first such signal is kept; the work looks at quit_requested, or polls quit_fd
 * beside what it waits for. A second one tells that whoever sends it does not want
 * to wait for the way back either. SIGPIPE and SIGXFSZ are ignored: a
 * write that fails is told.
 */
#pragma once

#include <stdbool.h>
#include <stdint.h>

#include "base/err.h"

/* Installs the handlers; once, by main. */
int quit_install(struct err *err);
/* The signal that asked us to stop, or 0. */
int quit_requested(void);
/* Whether a second signal has come. What must be undone goes on after the first one,
 * but does not wait for others after the second: the journal has it. */
bool quit_insisted(void);
/* Waits for so long, or until a second signal has come: then cancelled. */
int quit_sleep(uint64_t ms, struct err *err);
/* Readable (POLLIN) once a signal has come; never read from it. -1 before
 * quit_install. */
int quit_fd(void);
/* In a forked process to which those signals mean something else: none has come, and
 * quit_fd is -1. */
void quit_forget(void);
/* While `look` is set (NULL: no more), quit_check asks it, too, and fails as it does: of a
 * reason to stop that is no signal. From the thread that calls quit_check. */
void quit_set_look(int (*look)(void *opaque, struct err *err), void *opaque);
/* -1 and a "cancelled" error naming the signal if one has come, else 0. */
int quit_check(struct err *err);
