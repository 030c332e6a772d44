/* SPDX-License-Identifier: LGPL-2.1-or-later
 *
 * The job that keeps a guest busy. libvirt reports it at once and at any time.
 */
#pragma once

#include <stdbool.h>
#include <stdint.h>

#include <libvirt/libvirt.h>

#include "base/err.h"

struct job {
    int operation;        /* VIR_DOMAIN_JOB_OPERATION_...; _UNKNOWN: no job that has an operation */
    int type;             /* VIR_DOMAIN_JOB_...; _NONE: no job */
    bool no_data;         /* libvirt has a job but does not know which: it is just beginning, or was
                           * lost when libvirtd ended in the middle of it */
    uint64_t passes;      /* over the memory */
    uint64_t copied;      /* bytes of memory */
    uint64_t left;        /* bytes of memory not copied yet, or changed since */
    uint64_t memory_size; /* bytes; 0: not known */
};
/* Whether the current job is this operation, and was started by our call that writes to `path`,
 * where nothing was before. While such a call waits for its turn, the job is somebody else's:
 * libvirt makes the file only once the job is the call's own. A clock cannot tell this, because
 * libvirt takes its elapsed times from the wall clock. */
bool job_is_own(virDomainPtr domain, int operation, const char *path, struct job *ret);

/* Also gives no job if the guest is off, or if the driver has no jobs. */
int job_read(virDomainPtr domain, struct job *ret, struct err *err);
