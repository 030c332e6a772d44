/* SPDX-License-Identifier: LGPL-2.1-or-later
 *
 * What the connection has to do for the watches on it.
 */
#pragma once

#include <libvirt/libvirt.h>

struct hypervisor;

/* The connection is lost. */
void watch_note_loss(struct hypervisor *hypervisor);
/* The hypervisor has this connection now: all watches go on there. */
void watch_move_all(struct hypervisor *hypervisor, virConnectPtr connection);
