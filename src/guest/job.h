/* SPDX-License-Identifier: LGPL-2.1-or-later
 *
 * The job that keeps a guest busy, as libvirt tells of it at once and at any time.
 */
#pragma once

#include <stdbool.h>
#include <stdint.h>

#include <libvirt/libvirt.h>

#include "base/err.h"

struct job {
    int operation;        /* VIR_DOMAIN_JOB_OPERATION_...; _UNKNOWN: no job that has one */
    int type;             /* VIR_DOMAIN_JOB_...; _NONE: no job */
    bool no_data;         /* libvirt knows of a job, but not of which: it is just being begun, or
                             was lost when libvirtd ended in the middle of it */
    uint64_t passes;      /* over the memory */
    uint64_t copied;      /* bytes of memory */
    uint64_t left;        /* bytes of memory that are not copied, or have changed since */
    uint64_t memory_size; /* bytes; 0: not known */
};
/* Whether the job that is there is this operation, which was called to write to `path`, where
 * nothing was before: while such a call waits for its turn, the job is somebody else's. libvirt makes
 * the file once the job is the call's own. No clock tells that: libvirt's elapsed
 * times are of the wall clock. */
bool job_is_own(virDomainPtr domain, int operation, const char *path, struct job *ret);

/* No job too if the guest is off, or if the driver knows none. */
int job_read(virDomainPtr domain, struct job *ret, struct err *err);
