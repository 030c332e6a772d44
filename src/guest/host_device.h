/* SPDX-License-Identifier: LGPL-2.1-or-later
 *
 * Whether this host has a device that a guest is given. Looks into /sys; needs no connection.
 */
#pragma once

enum host_device {
    HOST_DEVICE_UNKNOWN, /* of a kind that cannot be looked up */
    HOST_DEVICE_ABSENT,
    HOST_DEVICE_PRESENT, /* for all we know it is a different device under the same address */
};

/* sys: "/sys". name: as in REF_DEVICE, "pci 0000:01:00.0". */
enum host_device host_device_look(const char *sys, const char *name);
