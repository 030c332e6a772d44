/* SPDX-License-Identifier: LGPL-2.1-or-later
 *
 * Where libvirt's QEMU driver keeps what belongs to its guests, and their definitions.
 */
#pragma once

/* /var/lib/libvirt/qemu, or its like for a session's or an embedded driver. The
 * caller frees. */
char *driver_folder(const char *uri);
/* Makes what the driver has just written about a guest - its definition, its autostart link -
 * last: libvirt flushes the file, but not the folder that names it. */
void driver_flush_definitions(const char *uri);
