/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "guest/job.h"

#include <stddef.h>
#include <unistd.h>

#include <libvirt/virterror.h>

#include "guest/bounded.h"
#include "guest/libvirt_error.h"

static uint64_t number_param(virTypedParameterPtr params, int count, const char *name)
{
    unsigned long long value = 0;

    virTypedParamsGetULLong(params, count, name, &value);
    return value;
}

/* A lost connection may be an internal error, too. */
static bool is_of_connection(void)
{
    const virError *error = virGetLastError();

    return error && error->domain == VIR_FROM_RPC;
}

static int read_job(virDomainPtr domain, struct job *ret, struct err *err)
{
    struct job job = {.type = VIR_DOMAIN_JOB_NONE, .operation = VIR_DOMAIN_JOB_OPERATION_UNKNOWN};
    virTypedParameterPtr params = NULL;
    int count = 0;

    if (virDomainGetJobStats(domain, &job.type, &params, &count, 0) < 0) {
        int code = libvirt_error_code();
        /* libvirt reports a backup job without data as an internal error. */
        if (code == VIR_ERR_INTERNAL_ERROR && !is_of_connection()) {
            job.type = VIR_DOMAIN_JOB_UNBOUNDED;
            job.no_data = true;
            *ret = job;
            return 0;
        }
        if (code != VIR_ERR_OPERATION_INVALID && code != VIR_ERR_NO_SUPPORT)
            return libvirt_error(err, "cannot tell which job is running on the guest");
        *ret = job;
        return 0;
    }
    virTypedParamsGetInt(params, count, VIR_DOMAIN_JOB_OPERATION, &job.operation);
    job.passes = number_param(params, count, VIR_DOMAIN_JOB_MEMORY_ITERATION);
    job.copied = number_param(params, count, VIR_DOMAIN_JOB_MEMORY_PROCESSED);
    job.left = number_param(params, count, VIR_DOMAIN_JOB_MEMORY_REMAINING);
    job.memory_size = number_param(params, count, VIR_DOMAIN_JOB_MEMORY_TOTAL);
    virTypedParamsFree(params, count);
    *ret = job;
    return 0;
}

int job_read(virDomainPtr domain, struct job *ret, struct err *err)
{
    BOUNDED_CALLS(&bounded_usual);

    return read_job(domain, ret, err);
}

bool job_is_own(virDomainPtr domain, int operation, const char *path, struct job *ret)
{
    const struct bounded_times times = bounded_file(path);
    BOUNDED_CALLS(&times);

    return access(path, F_OK) == 0 && read_job(domain, ret, NULL) == 0 &&
           ret->operation == operation;
}
