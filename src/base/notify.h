/* SPDX-License-Identifier: LGPL-2.1-or-later
 *
 * Tells the service manager how the work goes, as sd_notify(3) has it: a datagram to the socket that
 * $NOTIFY_SOCKET names, by its path or, after '@', by its abstract name. Without that variable nothing
 * is told. Nothing waits here: what the manager does not take at once is lost. May be called from any
 * thread.
 */
#pragma once

#include <stdbool.h>
#include <stdint.h>

/* "READY=1". Several assignments are separated by newlines. True if it was sent. */
bool notify_send(const char *assignments);
/* STATUS, in which what could end the line or control a terminal is replaced. */
bool notify_status(const char *text);
/* WATCHDOG=1 has to be told more often than this; 0: nobody waits for it. */
uint64_t notify_watchdog_ms(void);
