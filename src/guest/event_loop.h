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

/*
 * A handler of a domain's events as libvirt registers it, whatever the type of the event. libvirt's own
 * VIR_DOMAIN_EVENT_CALLBACK casts in one step, which compilers warn of.
 */
#define EVENT_LOOP_HANDLER(function) VIR_DOMAIN_EVENT_CALLBACK((void (*)(void))(function))
