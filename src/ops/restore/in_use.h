/* SPDX-License-Identifier: LGPL-2.1-or-later
 *
 * Whether what a restore is about to write to or to replace belongs to a guest or is open.
 */
#pragma once

#include <stdbool.h>

#include "base/err.h"
#include "guest/definition/definition.h"
#include "guest/hypervisor.h"
#include "ops/events/report.h"

struct in_use_place {
    const char *path;
    bool replaced;  /* a file that is moved aside and then removed; else a device or file that is
                     * written to or given to the guest */
    bool shareable; /* of a disk that guests may share */
};

struct in_use_query {
    struct hypervisor *hypervisor;
    const char *own_uuid; /* the guest to which the places may belong; NULL: no guest */
    const struct in_use_place *places;
    size_t count;
    const struct report *report; /* NULL: no warnings */
    const char *name;            /* of the guest, for warnings */
};

/* Where the disk is on this host, which the caller frees; NULL: nowhere, or libvirt does not say where. */
char *in_use_disk_path(struct hypervisor *hypervisor, const struct definition_disk *disk);

/* Refused (busy), naming the place and the guest: a disk or the NVRAM of another guest, running or
 * not, unless both share the disk and the other is shut off. For a file that is to be replaced
 * also: a backing file of another guest's disk (of the own guest's disk: a warning), and a file
 * that any program has open with QEMU's locks. A path at which nothing exists is free. */
int in_use_check(const struct in_use_query *query, struct err *err);
