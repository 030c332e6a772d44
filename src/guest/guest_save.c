/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "guest/guest.h"

#include <stdatomic.h>
#include <string.h>
#include <unistd.h>

#include "base/quit.h"
#include "base/units.h"
#include "base/shell.h"
#include "guest/bounded.h"
#include "guest/connection.h"
#include "guest/event_loop.h"
#include "guest/job.h"
#include "guest/libvirt_error.h"
#include "guest/long_call.h"
#include "guest/patience.h"

/* Between two attempts to abort a save whose job has not begun yet. */
#define ABORT_RETRY_MS 100
#define SAVE_LOOK_MS 1000

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

static int on_save_lifecycle(virConnectPtr connection, virDomainPtr domain, int event, int detail,
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
    BOUNDED_CALLS(&bounded_usual);

    atomic_fetch_add(&stop_time->users, 1);
    int id = virConnectDomainEventRegisterAny(
        virDomainGetConnect(domain), domain, VIR_DOMAIN_EVENT_ID_LIFECYCLE,
        EVENT_LOOP_HANDLER(on_save_lifecycle), stop_time, leave_stop_time);
    if (id < 0)
        leave_stop_time(stop_time);
    return id;
}

static void unwatch_stop(virDomainPtr domain, int id, struct stop_time *stop_time)
{
    BOUNDED_CALLS(&bounded_usual);

    if (id >= 0)
        virConnectDomainEventDeregisterAny(virDomainGetConnect(domain), id);
    leave_stop_time(stop_time);
}

/* ---- saving -------------------------------------------------------------------------------------- */

/* Its thread outlives an abandoned call. */
struct save_call {
    virDomainPtr domain;
    char *path;
    int result;
    struct err err;
};

static void run_save(void *opaque)
{
    struct save_call *call = opaque;

    call->result = virDomainSaveFlags(call->domain, call->path, NULL, 0);
    if (call->result < 0)
        libvirt_error(&call->err, "%s", call->path);
}

static void free_save(void *opaque)
{
    struct save_call *call = opaque;

    virDomainFree(call->domain);
    free(call->path);
    err_clear(&call->err);
    free(call);
}

/* Never aborts somebody else's job. */
static bool abort_own_save(virDomainPtr domain, const char *path)
{
    const struct bounded_times times = bounded_file(path);
    BOUNDED_CALLS(&times);

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

/* SAVE_HUNG: nothing was copied. */
enum save_end { SAVE_ENDED, SAVE_CANCELLED, SAVE_STALLED, SAVE_STUCK, SAVE_HUNG };

static bool save_stalls(const struct save_call *call, struct patience *patience)
{
    struct job job = {.copied = 0};
    bool is_own = job_is_own(call->domain, VIR_DOMAIN_JOB_OPERATION_SAVE, call->path, &job);

    return (is_own || !patience_has_begun(patience)) &&
           patience_is_stalled(patience, job.copied, units_now_ms());
}

/* After a signal, or if it stalls, aborts it as soon as its job exists; the first abort that is
 * accepted is the only one. */
static enum save_end wait_for_save(struct long_call *thread, const struct save_call *call)
{
    struct patience patience = patience_begin(units_now_ms());
    bool signal_came = false;
    bool stalled = false;

    for (;;) {
        int timeout_ms = patience.wanted_ms ? ABORT_RETRY_MS : SAVE_LOOK_MS;
        enum long_call_event event = long_call_wait(thread, timeout_ms, !signal_came);
        if (event == LONG_CALL_ENDED && patience.aborted_ms)
            return stalled ? SAVE_STALLED : SAVE_CANCELLED;
        if (event == LONG_CALL_ENDED)
            return SAVE_ENDED;
        signal_came = signal_came || event == LONG_CALL_SIGNAL;
        patience_note_image(&patience, patience_image_bytes(call->path), units_now_ms());
        stalled = stalled || (!signal_came && save_stalls(call, &patience));
        if (signal_came || stalled)
            patience_want_end(&patience, units_now_ms());
        if (patience.wanted_ms && !patience.aborted_ms && abort_own_save(call->domain, call->path))
            patience_note_abort(&patience, units_now_ms());
        if (patience_is_over(&patience, quit_insisted(), units_now_ms()))
            return patience_has_begun(&patience) || patience.aborted_ms ? SAVE_STUCK : SAVE_HUNG;
    }
}

static int save_failed(struct save_call *call, enum save_end end, struct err *err)
{
    /* libvirt continues the save without us. */
    if (virConnectIsAlive(virDomainGetConnect(call->domain)) != 1)
        return err_set(err, ERR_TRANSIENT,
                       "the connection to libvirt was lost in the middle of the save; the guest "
                       "may be saved in %s by now",
                       call->path);
    if (end == SAVE_STALLED)
        return err_set(err, ERR_IO,
                       "%s: cancelled, because nothing was written to it for ten minutes; check "
                       "its storage",
                       call->path);
    return end == SAVE_CANCELLED ? quit_check(err) : err_move(err, &call->err);
}

static int save_in_thread(struct guest *guest, struct save_call *call, struct err *err)
{
    struct long_call *thread = NULL;

    if (long_call_start(run_save, call, &thread, err) < 0) {
        free_save(call);
        return -1;
    }
    enum save_end end = wait_for_save(thread, call);
    if (end == SAVE_STUCK || end == SAVE_HUNG) {
        guest->stuck = true;
        err_set(err, quit_requested() ? ERR_CANCELLED : ERR_IO,
                end == SAVE_STUCK
                    ? "%s: the save was cancelled, but libvirt does not end it; check its storage"
                    : "%s: no memory was written to it, and libvirt does not end the save; QEMU "
                      "hangs",
                call->path);
        long_call_abandon(thread, free_save);
        return -1;
    }
    long_call_finish(thread);
    int result = call->result == 0 ? 0 : save_failed(call, end, err);
    free_save(call);
    return result;
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
    struct save_call *call = mem_alloc(sizeof(*call));
    virDomainRef(domain);
    call->domain = domain;
    call->path = mem_strdup(path);
    int result = save_in_thread(guest, call, err);
    uint64_t stopped_ms = atomic_load(&stop_time->ms);
    unwatch_stop(domain, id, stop_time);
    if (result == 0)
        *ret_downtime_start_ms = stopped_ms ? stopped_ms : asked_ms;
    return result;
}

int guest_restore(struct hypervisor *hypervisor, const char *path, const char *xml, bool running,
                  struct err *err)
{
    const struct bounded_times times = bounded_file(path);
    unsigned flags = running ? VIR_DOMAIN_SAVE_RUNNING : VIR_DOMAIN_SAVE_PAUSED;
    BOUNDED_CALLS(&times);
    virConnectPtr connection CLEANUP_CONNECTION = connection_of(hypervisor);
    int result = virDomainRestoreFlags(connection, path, xml, flags);

    /* Xen's driver resumes unless told to pause, and has no flag for that. */
    if (result < 0 && running && libvirt_error_code() == VIR_ERR_INVALID_ARG)
        result = virDomainRestoreFlags(connection, path, xml, 0);
    return result < 0 ? libvirt_error(err, "%s", path) : 0;
}
