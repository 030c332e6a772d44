/* SPDX-License-Identifier: LGPL-2.1-or-later
 *
 * SIGINT, SIGTERM and SIGHUP ask the work to stop at its next safe point. The first such signal is
 * recorded; the work checks quit_requested, or polls quit_fd together with what it waits for. A
 * second one means that the sender does not want to wait for the undoing either. SIGPIPE and
 * SIGXFSZ are ignored, so that a failing write returns an error.
 *
 * What undoes the work is not ended by the signal that made it necessary. It stands in a scope with
 * QUIT_DEFERRED, in which quit_check and quit_fd, and so every wait for a program or a process, take
 * notice only of a second signal, and of that after QUIT_GRACE_MS: a program that has just been
 * started to undo something gets to its end, and one that hangs is not waited for.
 */
#pragma once

#include <stdbool.h>
#include <stdint.h>

#include "base/err.h"

#define QUIT_GRACE_MS 5000

/* From here to the end of the scope, for this thread. Scopes may be nested. */
#define QUIT_DEFERRED()                                                                            \
    int quit_scope __attribute__((cleanup(quit_defer_end), unused)) = quit_defer_begin()

int quit_defer_begin(void);
void quit_defer_end(const int *scope);
/* Whether this thread is in such a scope. */
bool quit_is_deferred(void);

/* Installs the handlers. Called once, by main. */
int quit_install(struct err *err);
/* The signal that asked us to stop, or 0. */
int quit_requested(void);
/* Whether a second signal has come. What must be undone continues after the first one, but waits
 * for nobody after the second: it is in the journal. */
bool quit_insisted(void);
/* Waits this long, or until a second signal has come: then cancelled. */
int quit_sleep(uint64_t ms, struct err *err);
/* Readable (POLLIN) once a signal has come for which quit_check fails; never read from it, and ask
 * for it anew for each wait. -1 before quit_install. */
int quit_fd(void);
/* The same for the first signal, in such a scope too: for what is not part of the undoing. */
int quit_signal_fd(void);
/* For a forked process in which those signals mean something else: no signal counts as received,
 * and both descriptors are -1. */
void quit_forget(void);
/* While `look` is set (NULL: not any more), quit_check also calls it and fails if it does: for a
 * reason to stop that is not a signal, and does not stop the undoing either. Call this from the thread that calls quit_check. */
void quit_set_look(int (*look)(void *opaque, struct err *err), void *opaque);
/* -1 and a "cancelled" error naming the signal if one has come, else 0. */
int quit_check(struct err *err);
