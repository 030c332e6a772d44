/* SPDX-License-Identifier: LGPL-2.1-or-later
 *
 * Programs that serve vhost-user devices, as libvirt finds them. QEMU's docs/interop/vhost-user.json
 * has the format: their packages, and administrators, describe each in a file of JSON. Of files with
 * one name the last folder's counts; an empty one hides the others.
 */
#pragma once

#include <stddef.h>

enum back_end {
    BACK_END_UNKNOWN, /* a folder or a file cannot be read */
    BACK_END_ABSENT,
    BACK_END_PRESENT,
};

/* Whether the first of this type ("fs"), by the name of its file, can be run. Folders that libvirt
 * of the system looks into, in its order: "/usr/share/qemu/vhost-user", "/etc/qemu/vhost-user". */
enum back_end back_end_look(const char *const *folders, size_t count, const char *type);
