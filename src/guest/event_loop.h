/* SPDX-License-Identifier: LGPL-2.1-or-later
 *
 * Runs libvirt's event loop in its own thread: keep-alive messages, lifecycle events and the
 * embedded QEMU driver depend on it. libvirt has one such loop per process; all users share it, and
 * it stops when the last one leaves.
 */
#pragma once

#include <libvirt/libvirt.h>

#include "base/err.h"

/* Call this before opening a connection. The thread takes no signals. */
int event_loop_begin(struct err *err);
/* Call this once for each event_loop_begin: closes the connection (NULL: none was opened). If it is the
 * last one, the loop stands still by then: libvirt 9's client loses memory if a connection is closed at
 * the moment when the loop learns that libvirtd has hung up. */
void event_loop_close(virConnectPtr connection);

/* A handler of a domain's events as libvirt registers it, whatever the type of the event. libvirt's
 * own VIR_DOMAIN_EVENT_CALLBACK casts in one step, and compilers warn about that. */
#define EVENT_LOOP_HANDLER(function) VIR_DOMAIN_EVENT_CALLBACK((void (*)(void))(function))
