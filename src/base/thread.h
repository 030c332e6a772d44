/* SPDX-License-Identifier: LGPL-2.1-or-later
 *
 * Starts threads. They receive no signals: signals that ask us to stop go to the main thread
 * (base/quit.h).
 */
#pragma once

#include <pthread.h>

#include "base/err.h"

/* `purpose` is for the message: "cannot start a thread for PURPOSE". The caller joins or detaches
 * the thread. */
int thread_start(pthread_t *ret, void *(*run)(void *opaque), void *opaque, const char *purpose,
                 struct err *err);
