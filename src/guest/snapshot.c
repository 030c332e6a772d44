/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "guest/snapshot.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/statvfs.h>
#include <unistd.h>

#include "base/log.h"
#include "base/quit.h"
#include "base/units.h"
#include "base/xml.h"
#include "base/shell.h"
#include "guest/backup_job.h"
#include "guest/bounded.h"
#include "guest/connection.h"
#include "guest/definition/definition.h"
#include "guest/job.h"
#include "guest/libvirt_error.h"
#include "guest/long_call.h"
#include "guest/patience.h"

/* How often the copied data is written out, and after how many such rounds libvirt is asked about
 * the progress. */
#define SNAPSHOT_POLL_MS 25
#define ATTEND_ROUNDS 4
/* A guest that dirties its memory as fast as it is copied is stopped after this. */
#define MAX_PASSES 8
#define MAX_MEMORY_COPIED 2
/* Less free space than this, in addition to what is left to copy, may not be enough. */
#define ROOM_RESERVE (256 * MIB)
/* libvirt needs a moment to cancel what it was doing when it died. */
#define JOB_WAIT_MS 30000

/* ---- what libvirt is asked for --------------------------------------------------------------- */

static bool is_writable(const struct definition_disk *disk)
{
    return disk->path && !disk->readonly && strcmp(disk->device, "cdrom") != 0;
}

static bool any_writable(const struct definition_disks *disks)
{
    for (size_t i = 0; i < disks->count; i++)
        if (is_writable(&disks->disks[i]))
            return true;
    return false;
}

/* One "manual" disk makes libvirt leave the guest stopped, so that the owner of the disks can fix
 * them. A disk that is not listed would get an overlay. */
static char *snapshot_xml(const char *path, const struct definition_disks *disks)
{
    CLEANUP(xml_freep) struct xml_doc *doc = xml_new("domainsnapshot");
    CLEANUP_FREE char *name =
        mem_printf("virt-backup-%d-%llu", (int)getpid(), (unsigned long long)units_now_ms());
    bool all_manual = !any_writable(disks);

    xml_set_text(xml_add(xml_root(doc), NULL, NULL, "name"), name);
    struct xml_node *memory = xml_add(xml_root(doc), NULL, NULL, "memory");
    xml_set_attr(memory, "snapshot", "external");
    xml_set_attr(memory, "file", path);
    struct xml_node *list = xml_add(xml_root(doc), NULL, NULL, "disks");
    for (size_t i = 0; i < disks->count; i++) {
        struct xml_node *disk = xml_add(list, NULL, NULL, "disk");
        xml_set_attr(disk, "name", disks->disks[i].target);
        xml_set_attr(disk, "snapshot",
                     all_manual || is_writable(&disks->disks[i]) ? "manual" : "no");
    }
    return xml_format(doc);
}

/* ---- the call ------------------------------------------------------------------------------------ */

/* libvirt copies the memory within one call, which takes minutes. It is made in a thread of its own
 * (long_call.h); the thread that wants the copy looks at its job every few milliseconds and may
 *
 *   force it     stop the guest, because it writes faster than its memory is copied, or the image may
 *                not fit: with the guest stopped, the copy ends with what is left
 *   abort it     after a signal, or if it has stalled: nothing was copied for too long (patience.h).
 *                A live copy is forced first; cancel_copy says why
 *   abandon it   if it does not end in spite of that: it is stuck. From then on thread, copy and the
 *                guest's state are libvirt's: nothing is put back here, the journal says what to undo
 *
 * None of this before the guest's job is this copy's: until then another job has the guest, which is
 * nobody's to abort. After a failure, `forced` tells that the guest's pause is ours, to be ended. */
struct memory_copy {
    virDomainPtr domain; /* owned */
    char *xml;           /* owned */
    char *path;          /* owned */
    bool live;
    unsigned flags;
    bool aborted;
    bool forced;
    bool stalled;
    struct patience patience;
    int result;
    struct err err;
};

static void free_copy(void *opaque)
{
    struct memory_copy *call = opaque;

    virDomainFree(call->domain);
    free(call->xml);
    free(call->path);
    err_clear(&call->err);
    free(call);
}

/* libvirt, or QEMU when asked to begin, says that a device cannot be saved. What QEMU refuses is an
 * internal error to libvirt, like so much else: only the text names the command. */
static bool is_refusal(const virError *error)
{
    return error && (error->code == VIR_ERR_OPERATION_INVALID ||
                     (error->message && strstr(error->message, "QEMU command 'migrate'")));
}

/* One of QEMU's reasons, which have no code. */
static bool has_stayed_paused(const virError *error)
{
    return error->message && strstr(error->message, "paused due to previous migration");
}

static void snapshot_memory(void *opaque)
{
    struct memory_copy *call = opaque;
    virDomainSnapshotPtr made = virDomainSnapshotCreateXML(call->domain, call->xml, call->flags);

    call->result = made ? 0 : -1;
    if (made) {
        virDomainSnapshotFree(made);
        return;
    }
    bool refused = is_refusal(virGetLastError());
    bool paused = refused && has_stayed_paused(virGetLastError());
    libvirt_error(&call->err, "%s", call->path);
    if (!refused)
        return;
    call->err.kind = ERR_UNSUPPORTED;
    if (paused)
        err_append(&call->err, "it has been paused since its memory was last captured; once it has "
                               "run, it can be captured again");
}

/* While our call waits for its turn, the current job is somebody else's: do not abort it or stop
 * its guest. */
static bool own_copy_job(const struct memory_copy *call, struct job *ret)
{
    return job_is_own(call->domain, VIR_DOMAIN_JOB_OPERATION_SNAPSHOT, call->path, ret);
}

static bool converges(const struct job *job)
{
    return job->passes <= MAX_PASSES &&
           (job->memory_size == 0 || job->copied <= MAX_MEMORY_COPIED * job->memory_size);
}

static bool room_is_short(const char *path, const struct job *job)
{
    struct statvfs fs;

    return statvfs(path, &fs) == 0 &&
           (uint64_t)fs.f_bavail * fs.f_frsize < job->left + ROOM_RESERVE;
}

static bool stop_guest(struct memory_copy *call, const char *why)
{
    const struct bounded_times times = bounded_file(call->path);
    BOUNDED_CALLS(&times);

    if (!call->forced)
        log_detail("stopping the guest to finish copying its memory: %s", why);
    call->forced = call->forced || virDomainSuspend(call->domain) == 0;
    return call->forced;
}

/* A copy must not be cancelled after QEMU itself has stopped the guest to end it: QEMU before 8.1
 * would then continue the guest with disks that it has already given away, and die. So stop the
 * guest ourselves first. If there is still memory left to copy after that, it was us who stopped
 * it; if not, the copy ends at once. */
static void cancel_copy(struct memory_copy *call)
{
    const struct bounded_times times = bounded_file(call->path);
    BOUNDED_CALLS(&times);

    bool live = call->flags & VIR_DOMAIN_SNAPSHOT_CREATE_LIVE;
    struct job job;

    if (live &&
        (!stop_guest(call, "the copy is cancelled") || !own_copy_job(call, &job) || job.left == 0))
        return;
    call->aborted = virDomainAbortJob(call->domain) == 0;
}

/* Stops the guest if it changes its memory too fast, or if the image may not fit; cancels after a
 * signal, or if nothing is copied any more. Does so only once the job is ours. */
static void attend_copy(struct memory_copy *call, bool signal_came)
{
    struct job job = {.copied = 0};

    if (call->aborted)
        return;
    bool is_own = own_copy_job(call, &job);
    if (!signal_came && (is_own || !patience_has_begun(&call->patience)))
        call->stalled =
            call->stalled || patience_is_stalled(&call->patience, job.copied, units_now_ms());
    if (!is_own)
        return;
    if (signal_came || call->stalled)
        cancel_copy(call);
    else if (!(call->flags & VIR_DOMAIN_SNAPSHOT_CREATE_LIVE))
        return;
    else if (!converges(&job))
        stop_guest(call, "its memory changes too fast");
    else if (room_is_short(call->path, &job))
        stop_guest(call, "the image may run out of room");
}

static bool is_copy_stuck(struct memory_copy *call, bool signal_came)
{
    uint64_t now_ms = units_now_ms();

    patience_note_image(&call->patience, patience_image_bytes(call->path), now_ms);
    if (signal_came || call->stalled)
        patience_want_end(&call->patience, now_ms);
    if (call->aborted)
        patience_note_abort(&call->patience, now_ms);
    return patience_is_over(&call->patience, quit_insisted(), now_ms);
}

/* At the end, with the guest stopped, libvirt waits until the whole image is on disk. What is
 * written out early does not have to be waited for then. */
static void write_image_out(const char *path, int *fd)
{
    if (*fd < 0)
        *fd = open(path, O_RDONLY | O_CLOEXEC);
    if (*fd >= 0)
        (void)sync_file_range(*fd, 0, 0, SYNC_FILE_RANGE_WRITE);
}

static int result_of(struct memory_copy *call, struct err *err)
{
    if (call->result == 0)
        return quit_check(err); /* a signal that came too late to cancel it */
    if (call->aborted && call->stalled)
        return err_set(err, ERR_IO,
                       "%s: cancelled, because nothing was written to it for ten minutes; check "
                       "its storage",
                       call->path);
    return call->aborted ? quit_check(err) : err_move(err, &call->err);
}

/* *stuck is set if libvirt does not end it: then the call is no longer ours. */
static int run_copy(struct memory_copy *call, bool *stuck, struct err *err)
{
    struct long_call *thread = NULL;
    CLEANUP_CLOSE int image_fd = -1;
    bool signal_came = false;

    if (long_call_start(snapshot_memory, call, &thread, err) < 0)
        return -1;
    call->patience = patience_begin(units_now_ms());
    for (unsigned round = 1;; round++) {
        enum long_call_event event = long_call_wait(thread, SNAPSHOT_POLL_MS, !signal_came);
        if (event == LONG_CALL_ENDED)
            break;
        signal_came = signal_came || event == LONG_CALL_SIGNAL;
        if (round % ATTEND_ROUNDS == 0)
            attend_copy(call, signal_came);
        *stuck = is_copy_stuck(call, signal_came);
        if (*stuck) {
            bool hung = !call->aborted && !patience_has_begun(&call->patience);
            err_set(err, quit_requested() ? ERR_CANCELLED : ERR_IO,
                    hung ? "%s: no memory was written to it, and libvirt does not end the copy; "
                           "QEMU hangs"
                         : "%s: the copy was cancelled, but libvirt does not end it; check its "
                           "storage",
                    call->path);
            long_call_abandon(thread, free_copy);
            return -1;
        }
        write_image_out(call->path, &image_fd);
    }
    long_call_finish(thread);
    return result_of(call, err);
}

/* ---- before and after ---------------------------------------------------------------------------- */

struct run_state {
    int state;
    int reason;
};

static int get_state(virDomainPtr domain, struct run_state *ret, struct err *err)
{
    BOUNDED_CALLS(&bounded_usual);

    if (virDomainGetState(domain, &ret->state, &ret->reason, 0) < 0)
        return libvirt_error(err, "cannot get the guest's state");
    return 0;
}

/* A pause by the user, or because of an I/O error, is not ours. */
static bool stopped_by_us(const struct run_state *now, bool suspended)
{
    if (now->state != VIR_DOMAIN_PAUSED || now->reason == VIR_DOMAIN_PAUSED_IOERROR)
        return false;
    return suspended || now->reason != VIR_DOMAIN_PAUSED_USER;
}

/* Call after a failure. libvirt has usually undone everything itself. */
static int put_guest_back(struct guest *guest, const char *path, bool was_running, bool suspended,
                          struct err *err)
{
    virDomainPtr domain CLEANUP_DOMAIN = NULL;
    struct run_state now;

    if (connection_revive(guest->hypervisor, err) < 0 || connection_domain(guest, &domain, err) < 0)
        return -1;
    if (unlink(path) < 0 && errno != ENOENT)
        log_warn("%s: cannot remove the unfinished memory image: %s", path, strerror(errno));
    if (!was_running)
        return 0;
    /* If libvirt was lost, its own recovery may still be at work. */
    if (guest_wait_for_job(guest, JOB_WAIT_MS, err) < 0 || get_state(domain, &now, err) < 0)
        return -1;
    return stopped_by_us(&now, suspended) ? guest_resume(guest, err) : 0;
}

/* The image is useless unless the guest is still stopped and has the same disks as before. */
static int check_after(virDomainPtr domain, const struct definition_disks *before, struct err *err)
{
    CLEANUP_DEFINITION_DISKS struct definition_disks after = {0};
    struct run_state now;

    if (get_state(domain, &now, err) < 0 || connection_read_disks(domain, &after, err) < 0)
        return -1;
    if (now.state != VIR_DOMAIN_PAUSED)
        return err_set(err, ERR_BUSY, "the guest was resumed as soon as its memory was copied");
    if (!definition_same_disks(before, &after)) {
        CLEANUP_FREE char *line = shell_virsh("domblklist", virDomainGetName(domain));
        return err_set(err, ERR_BUSY,
                       "the guest's disks were changed while its memory was copied, and a disk may "
                       "have a new overlay; to list them, run: %s",
                       line);
    }
    return 0;
}

static int capture_guest_memory(struct guest *guest, struct memory_copy *call, bool running,
                                struct err *err)
{
    CLEANUP_DEFINITION_DISKS struct definition_disks disks = {0};

    if (connection_read_disks(call->domain, &disks, err) < 0)
        return -1;
    /* Without disks, nothing makes libvirt leave the guest stopped. */
    bool stop_first = running && disks.count == 0;
    if (stop_first && guest_suspend(guest, err) < 0)
        return -1;
    call->xml = snapshot_xml(call->path, &disks);
    call->flags = VIR_DOMAIN_SNAPSHOT_CREATE_NO_METADATA;
    if (running && !stop_first && call->live)
        call->flags |= VIR_DOMAIN_SNAPSHOT_CREATE_LIVE;
    int result = run_copy(call, &guest->stuck, err);
    if (guest->stuck)
        return -1;
    call->forced |= stop_first;
    return result < 0 ? -1 : check_after(call->domain, &disks, err);
}

static unsigned installed_major(virDomainPtr domain)
{
    BOUNDED_CALLS(&bounded_slow);

    unsigned long version = 0;

    return virConnectGetVersion(virDomainGetConnect(domain), &version) < 0
               ? 0
               : (unsigned)(version / 1000000);
}

static struct memory_copy *new_copy(virDomainPtr domain, const struct guest_snapshot *snapshot)
{
    struct memory_copy *call = mem_alloc(sizeof(*call));

    virDomainRef(domain);
    call->domain = domain;
    call->path = mem_strdup(snapshot->path);
    call->live = snapshot->live;
    return call;
}

int guest_snapshot_memory(struct guest *guest, const struct guest_snapshot *snapshot,
                          bool *ret_forced, struct err *err)
{
    virDomainPtr domain CLEANUP_DOMAIN = NULL;
    CLEANUP_ERR struct err second = ERR_INIT;
    struct run_state before;

    if (quit_check(err) < 0 || connection_domain(guest, &domain, err) < 0 ||
        get_state(domain, &before, err) < 0)
        return -1;
    if (before.state != VIR_DOMAIN_RUNNING && before.state != VIR_DOMAIN_PAUSED)
        return err_set(err, ERR_UNSUPPORTED,
                       "only the memory of a running or paused guest can be "
                       "captured");
    if (connection_check_path(snapshot->path, err) < 0)
        return -1;
    if (access(snapshot->path, F_OK) == 0)
        return err_set(err, ERR_EXISTS, "%s already exists", snapshot->path);
    struct memory_copy *call = new_copy(domain, snapshot);
    bool running = before.state == VIR_DOMAIN_RUNNING;
    guest->qemu_major = installed_major(domain); /* asked before the guest is stopped */
    int result = capture_guest_memory(guest, call, running, err);
    if (guest->stuck) /* it and the guest's state are libvirt's matter now */
        return -1;
    bool forced = call->forced;
    free_copy(call);
    if (result == 0) {
        guest->handed_over = true;
        *ret_forced = forced && snapshot->live;
        return 0;
    }
    if (put_guest_back(guest, snapshot->path, running, forced, &second) < 0)
        err_append(err, "the guest may not be in its former state: %s", second.text);
    return -1;
}
