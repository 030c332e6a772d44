/* SPDX-License-Identifier: LGPL-2.1-or-later
 *
 * Where libvirt's QEMU driver keeps what belongs to its guests.
 */
#pragma once

/* /var/lib/libvirt/qemu, or its like for a session's or an embedded driver. The
 * caller frees. */
char *driver_folder(const char *uri);
