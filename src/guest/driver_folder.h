/* SPDX-License-Identifier: LGPL-2.1-or-later
 *
 * Where libvirt's QEMU driver keeps its guests' definitions and what else belongs to them.
 */
#pragma once

/* /var/lib/libvirt/qemu, or the equivalent for a session's or an embedded driver. The caller
 * frees. */
char *driver_folder(const char *uri);
/* Makes what the driver has just written about a guest (its definition, its autostart link)
 * durable: libvirt flushes the file, but not the folder that contains it. */
void driver_flush_definitions(const char *uri);
