/* SPDX-License-Identifier: LGPL-2.1-or-later
 *
 * Runs a call that may block for long in its own thread, so that the caller can react to signals
 * meanwhile. The thread takes no signals.
 */
#pragma once

#include <stdbool.h>

#include "base/err.h"

struct long_call;

/* Runs work(opaque) in a thread. */
int long_call_start(void (*work)(void *opaque), void *opaque, struct long_call **ret,
                    struct err *err);

enum long_call_event { LONG_CALL_ENDED, LONG_CALL_SIGNAL, LONG_CALL_TIMEOUT };
/* Waits until the work has ended, for at most timeout_ms (-1: forever; a timeout may come early),
 * and if heed_signals is set, until a signal has asked us to stop. */
enum long_call_event long_call_wait(struct long_call *call, int timeout_ms, bool heed_signals);

/* Waits for the work to end and frees the call. */
void long_call_finish(struct long_call *call);
/* Abandons the work: when it ends, clean(opaque) is run in its thread. */
void long_call_abandon(struct long_call *call, void (*clean)(void *opaque));
