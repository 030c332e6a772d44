/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "guest/guest.h"

#include <stdatomic.h>
#include <string.h>
#include <unistd.h>

#include "base/quit.h"
#include "base/units.h"
#include "base/shell.h"
#include "guest/connection.h"
#include "guest/event_loop.h"
#include "guest/job.h"
#include "guest/libvirt_error.h"
#include "guest/long_call.h"

/* Between two attempts to abort a save whose job has not begun yet. */
#define ABORT_RETRY_MS 100

/* ---- when it stopped: told by an event, which libvirt sends as it stops the guest ------------ */

/* Shared by the saving thread and the event loop's thread; the second one to leave frees it. */
struct stop_time {
    atomic_uint_fast64_t ms; /* 0: no event yet */
    atomic_int users;
};

static void leave_stop_time(void *opaque)
{
    struct stop_time *stop_time = opaque;

    if (atomic_fetch_sub(&stop_time->users, 1) == 1)
        free(stop_time);
}

static int on_lifecycle(virConnectPtr connection, virDomainPtr domain, int event, int detail,
                        void *opaque)
{
    struct stop_time *stop_time = opaque;
    uint_fast64_t none = 0;

    (void)connection;
    (void)domain;
    (void)detail;
    if (event == VIR_DOMAIN_EVENT_SUSPENDED || event == VIR_DOMAIN_EVENT_STOPPED)
        atomic_compare_exchange_strong(&stop_time->ms, &none, units_now_ms());
    return 0;
}

/* Returns libvirt's ID for the callback, -1 if there will be no events. */
static int watch_stop(virDomainPtr domain, struct stop_time *stop_time)
{
    atomic_fetch_add(&stop_time->users, 1);
    int id = virConnectDomainEventRegisterAny(
        virDomainGetConnect(domain), domain, VIR_DOMAIN_EVENT_ID_LIFECYCLE,
        EVENT_LOOP_HANDLER(on_lifecycle), stop_time, leave_stop_time);
    if (id < 0)
        leave_stop_time(stop_time);
    return id;
}

/* ---- saving -------------------------------------------------------------------------------------- */

struct save {
    virDomainPtr domain;
    const char *path;
    int result;
    struct err err;
};

static void save(void *opaque)
{
    struct save *call = opaque;

    call->result = virDomainSaveFlags(call->domain, call->path, NULL, 0);
    if (call->result < 0)
        libvirt_error(&call->err, "%s", call->path);
}

/* Never aborts somebody else's job. */
static bool abort_own_save(virDomainPtr domain, const char *path)
{
    struct job job;

    return job_is_own(domain, VIR_DOMAIN_JOB_OPERATION_SAVE, path, &job) &&
           virDomainAbortJob(domain) == 0;
}

/* Other jobs end by themselves. A backup job waits for whoever began it, and stays if that process
 * is gone. */
static int check_no_backup(virDomainPtr domain, struct err *err)
{
    struct job job;

    if (job_read(domain, &job, NULL) < 0 || job.operation != VIR_DOMAIN_JOB_OPERATION_BACKUP)
        return 0;
    CLEANUP_FREE char *line = shell_virsh("domjobabort", virDomainGetName(domain));
    return err_set(err, ERR_BUSY,
                   "the guest has an open backup job; try again when it has ended, or, if it was "
                   "left behind, end it: %s",
                   line);
}

/* Waits for the save to end. After a signal, aborts it as soon as its job exists; the first abort
 * that is accepted is the only one. */
static bool wait_for_save(struct long_call *call, virDomainPtr domain, const char *path)
{
    bool signal_came = false;
    bool aborted = false;

    for (;;) {
        int timeout_ms = signal_came && !aborted ? ABORT_RETRY_MS : -1;
        enum long_call_event event = long_call_wait(call, timeout_ms, !signal_came);
        if (event == LONG_CALL_ENDED)
            return aborted;
        signal_came = signal_came || event == LONG_CALL_SIGNAL;
        if (signal_came && !aborted)
            aborted = abort_own_save(domain, path);
    }
}

static int save_in_thread(virDomainPtr domain, const char *path, struct err *err)
{
    struct save save_call = {.domain = domain, .path = path};
    struct long_call *call = NULL;

    if (long_call_start(save, &save_call, &call, err) < 0)
        return -1;
    bool aborted = wait_for_save(call, domain, path);
    long_call_finish(call);
    if (save_call.result == 0)
        return 0;
    /* libvirt continues the save without us. */
    if (virConnectIsAlive(virDomainGetConnect(domain)) != 1) {
        err_clear(&save_call.err);
        return err_set(err, ERR_TRANSIENT,
                       "the connection to libvirt was lost in the middle of the save; the guest "
                       "may be saved in %s by now",
                       path);
    }
    if (aborted) {
        err_clear(&save_call.err);
        return quit_check(err);
    }
    return err_move(err, &save_call.err);
}

int guest_save(struct guest *guest, const char *path, uint64_t *ret_downtime_start_ms,
               struct err *err)
{
    uint64_t asked_ms = units_now_ms();
    virDomainPtr domain CLEANUP_DOMAIN = NULL;

    if (quit_check(err) < 0 || connection_domain(guest, &domain, err) < 0 ||
        check_no_backup(domain, err) < 0)
        return -1;
    if (access(path, F_OK) == 0)
        return err_set(err, ERR_EXISTS, "%s already exists", path);
    struct stop_time *stop_time = mem_alloc(sizeof(*stop_time));
    atomic_init(&stop_time->users, 1);
    int id = watch_stop(domain, stop_time);
    int result = save_in_thread(domain, path, err);
    uint64_t stopped_ms = atomic_load(&stop_time->ms);
    if (id >= 0)
        virConnectDomainEventDeregisterAny(virDomainGetConnect(domain), id);
    leave_stop_time(stop_time);
    if (result == 0)
        *ret_downtime_start_ms = stopped_ms ? stopped_ms : asked_ms;
    return result;
}

int guest_restore(struct hypervisor *hypervisor, const char *path, const char *xml, bool running,
                  struct err *err)
{
    unsigned flags = running ? VIR_DOMAIN_SAVE_RUNNING : VIR_DOMAIN_SAVE_PAUSED;
    virConnectPtr connection CLEANUP_CONNECTION = connection_of(hypervisor);
    int result = virDomainRestoreFlags(connection, path, xml, flags);

    /* Xen's driver resumes unless told to pause, and has no flag for that. */
    if (result < 0 && running && libvirt_error_code() == VIR_ERR_INVALID_ARG)
        result = virDomainRestoreFlags(connection, path, xml, 0);
    return result < 0 ? libvirt_error(err, "%s", path) : 0;
}
