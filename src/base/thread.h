/* SPDX-License-Identifier: LGPL-2.1-or-later
 *
 * Threads of ours. They get no signals: those that ask us to stop are the main
 * thread's (base/quit.h).
 */
#pragma once

#include <pthread.h>

#include "base/err.h"

/* `purpose` is for the message: "cannot start a thread for PURPOSE". To be joined or detached
 * by the caller. */
int thread_start(pthread_t *ret, void *(*run)(void *opaque), void *opaque, const char *purpose,
                 struct err *err);
