/* SPDX-License-Identifier: LGPL-2.1-or-later
 *
 * libvirt's event loop in a thread of its own: keep-alive messages, lifecycle
 * events and the embedded QEMU driver live on it. libvirt has one such loop per
 * process; those who begin it share it, and it stops with the last of them.
 */
#pragma once

#include "base/err.h"

/* To be called before a connection is opened. The thread takes no signals. */
int event_loop_begin(struct err *err);
/* Once for each event_loop_begin, after the connection is closed. */
void event_loop_end(void);
