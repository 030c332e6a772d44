/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "fake_libvirt.h"

#include <dlfcn.h>
#include <poll.h>
#include <pthread.h>
#include <stdlib.h>
#include <string.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

#include <libvirt/libvirt-qemu.h>
#include <libvirt/virterror.h>

struct fake_libvirt fake_libvirt;

/* Not before main: libraries ask for the time while they are loaded. */
static bool has_begun(void)
{
    return fake_libvirt.now_ms != 0;
}

/* ---- clocks ---------------------------------------------------------------------------------- */

int clock_gettime(clockid_t id, struct timespec *ret)
{
    uint64_t ms = fake_libvirt.now_ms;

    if (!has_begun() || (id != CLOCK_MONOTONIC && id != CLOCK_REALTIME))
        return (int)syscall(SYS_clock_gettime, id, ret);
    if (id == CLOCK_REALTIME)
        ms += (uint64_t)fake_libvirt.wall_offset_ms;
    *ret = (struct timespec){(time_t)(ms / 1000), (long)(ms % 1000) * 1000000};
    return 0;
}

static void pass(uint64_t ms)
{
    __atomic_fetch_add(&fake_libvirt.now_ms, ms, __ATOMIC_SEQ_CST);
}

int poll(struct pollfd *fds, nfds_t count, int timeout_ms)
{
    if (has_begun() && count == 0) {
        pass((uint64_t)timeout_ms);
        return 0;
    }
    struct timespec limit = {timeout_ms / 1000, (timeout_ms % 1000) * 1000000L};
    return (int)syscall(SYS_ppoll, fds, count, timeout_ms < 0 ? NULL : &limit, NULL, 0);
}

int usleep(useconds_t us)
{
    pass(us / 1000);
    return 0;
}

/* ---- errors ------------------------------------------------------------------------------------ */

static virError fake_error;
static bool has_error;

int fake_libvirt_fail(int code, int domain, const char *message)
{
    fake_error.code = code;
    fake_error.domain = domain;
    fake_error.message = (char *)message;
    has_error = true;
    return -1;
}

virErrorPtr virGetLastError(void)
{
    virErrorPtr (*real)(void) = (virErrorPtr(*)(void))dlsym(RTLD_NEXT, "virGetLastError");

    return has_error ? &fake_error : real();
}

const char *virGetLastErrorMessage(void)
{
    virErrorPtr error = virGetLastError();

    return error && error->message ? error->message : "no error";
}

/* ---- what the tests answer --------------------------------------------------------------------- */

int virDomainGetJobStats(virDomainPtr domain, int *type, virTypedParameterPtr *params, int *count,
                         unsigned flags)
{
    int operation = VIR_DOMAIN_JOB_OPERATION_UNKNOWN;
    uint64_t elapsed_ms = 0;
    int max = 0;

    (void)domain;
    (void)flags;
    has_error = false;
    *type = VIR_DOMAIN_JOB_NONE;
    if (fake_libvirt.job_stats &&
        fake_libvirt.job_stats(fake_libvirt.job_stats_calls++, type, &operation, &elapsed_ms) < 0)
        return -1;
    *params = NULL;
    *count = 0;
    virTypedParamsAddInt(params, count, &max, VIR_DOMAIN_JOB_OPERATION, operation);
    virTypedParamsAddULLong(params, count, &max, VIR_DOMAIN_JOB_TIME_ELAPSED, elapsed_ms);
    return 0;
}

char *virDomainBackupGetXMLDesc(virDomainPtr domain, unsigned flags)
{
    const char *xml = NULL;

    (void)domain;
    (void)flags;
    has_error = false;
    if (fake_libvirt.backup_xml)
        xml = fake_libvirt.backup_xml(fake_libvirt.backup_xml_calls++);
    if (xml)
        return strdup(xml);
    fake_libvirt_fail(VIR_ERR_NO_DOMAIN_BACKUP, VIR_FROM_QEMU, "no domain backup job present");
    return NULL;
}

int virDomainAgentSetResponseTimeout(virDomainPtr domain, int timeout_s, unsigned flags)
{
    (void)domain;
    (void)timeout_s;
    (void)flags;
    return 0;
}

int virDomainGetTime(virDomainPtr domain, long long *seconds, unsigned *nanoseconds, unsigned flags)
{
    (void)domain;
    (void)seconds;
    (void)nanoseconds;
    (void)flags;
    has_error = false;
    return fake_libvirt.get_time ? fake_libvirt.get_time(fake_libvirt.get_time_calls++) : 0;
}

int virDomainFSFreeze(virDomainPtr domain, const char **points, unsigned count, unsigned flags)
{
    (void)domain;
    (void)points;
    (void)count;
    (void)flags;
    has_error = false;
    return fake_libvirt.freeze ? fake_libvirt.freeze(fake_libvirt.freeze_calls++) : 1;
}

int virDomainFSThaw(virDomainPtr domain, const char **points, unsigned count, unsigned flags)
{
    (void)domain;
    (void)points;
    (void)count;
    (void)flags;
    has_error = false;
    return fake_libvirt.thaw ? fake_libvirt.thaw(fake_libvirt.thaw_calls++) : 1;
}

int virDomainSaveFlags(virDomainPtr domain, const char *to, const char *xml, unsigned flags)
{
    (void)domain;
    (void)to;
    (void)xml;
    (void)flags;
    has_error = false;
    return fake_libvirt.save ? fake_libvirt.save(fake_libvirt.save_calls++) : 0;
}

int virDomainAbortJob(virDomainPtr domain)
{
    (void)domain;
    has_error = false;
    return fake_libvirt.abort_job ? fake_libvirt.abort_job(fake_libvirt.abort_job_calls++) : 0;
}

int virDomainBackupBegin(virDomainPtr domain, const char *xml, const char *checkpoint,
                         unsigned flags)
{
    (void)domain;
    (void)flags;
    has_error = false;
    return fake_libvirt.backup_begin
               ? fake_libvirt.backup_begin(fake_libvirt.backup_begin_calls++, xml, checkpoint)
               : 0;
}

int virDomainQemuMonitorCommand(virDomainPtr domain, const char *command, char **ret,
                                unsigned flags)
{
    const char *reply = NULL;

    (void)domain;
    (void)flags;
    has_error = false;
    if (fake_libvirt.monitor)
        reply = fake_libvirt.monitor(fake_libvirt.monitor_calls++, command);
    if (!reply)
        return fake_libvirt_fail(VIR_ERR_OPERATION_INVALID, VIR_FROM_QEMU, "no monitor");
    *ret = strdup(reply);
    return 0;
}
