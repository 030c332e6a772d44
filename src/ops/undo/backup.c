/* SPDX-License-Identifier: LGPL-2.1-or-later
 *
 * Undoes a backup, in this order: backup job, thaw, resume or restore, files. The job comes first
 * because libvirt allows no other change to a guest that has one. The thaw comes before the resume,
 * and is tried whatever else failed. Files come last, because QEMU may use them until then.
 */
#include "ops/undo/undo.h"

#include <errno.h>
#include <fcntl.h>
#include <sys/stat.h>

#include "base/log.h"
#include "base/quit.h"
#include "base/shell.h"
#include "ops/staging.h"
#include "ops/undo/private.h"
#include "record/sav.h"

/* ---- its memory ------------------------------------------------------------------------- */

enum image {
    IMAGE_NONE,       /* no file, or an empty one: nothing was written */
    IMAGE_INCOMPLETE, /* libvirt did not finish it, or the mark that says so was lost; it may be all
                       * that is left of the guest's memory */
    IMAGE_WHOLE,
    IMAGE_UNKNOWN, /* it could not be examined */
};

/* Sets err unless the image is whole. */
static enum image image_look(const struct intent *intent, struct err *err)
{
    const char *path = intent->memory;
    CLEANUP_CLOSE int fd = open(path, O_RDONLY | O_CLOEXEC);
    CLEANUP_ERR struct err sav_err = ERR_INIT;
    CLEANUP_SAV struct sav sav = {0};
    struct stat st;

    if (fd < 0 || fstat(fd, &st) < 0) {
        int failed = errno;
        if (failed == ENOENT && intent_look(intent, path, err) < 0) {
            err_prefix(err, "its memory image");
            return IMAGE_UNKNOWN;
        }
        err_set_errno(err, failed, "cannot open its memory image %s", path);
        return failed == ENOENT ? IMAGE_NONE : IMAGE_UNKNOWN;
    }
    if (st.st_size == 0) {
        err_set(err, ERR_CORRUPT, "its memory image %s is empty", path);
        return IMAGE_NONE;
    }
    if (sav_read(fd, (uint64_t)st.st_size, &sav, &sav_err) == 0 || sav_err.kind == ERR_UNSUPPORTED)
        return IMAGE_WHOLE;
    enum image image = sav_err.kind == ERR_CORRUPT ? IMAGE_INCOMPLETE : IMAGE_UNKNOWN;
    err_move(err, &sav_err);
    err_prefix(err, "its memory image %s", path);
    return image;
}

/* Its memory and its journal stay where they are until it runs again. */
static int tell_stranded(const struct intent *intent, enum image image, struct err *err)
{
    CLEANUP_FREE char *resume = shell_virsh("restore", intent->memory);
    CLEANUP_FREE char *start = shell_virsh("start", intent->name);

    err_prefix(err, "the guest could not be put back into its former state");
    if (image == IMAGE_WHOLE)
        return err_append(err, "its memory is kept; to resume the guest from it, run: %s", resume);
    return err_append(err, "what there is of its memory is kept; to boot the guest, run: %s",
                      start);
}

/* ---- a guest that was saved ---------------------------------------------------------------- */

/* If libvirtd died in the middle of the save, it may find the guest stopped when it comes back, and
 * not know that the save stopped it. */
static int go_on(const struct intent *intent, const struct undo_guest *guest, struct err *err)
{
    if (!intent->was_running || guest->status.state != GUEST_PAUSED)
        return 0;
    if (guest->calls->resume(guest->guest, err) == 0)
        return 0;
    CLEANUP_FREE char *resume = shell_virsh("resume", intent->name);
    err_prefix(err, "the guest could not be put back into its former state: it is paused");
    return err_append(err, "to resume it, run: %s", resume);
}

/* The user was told of an earlier failure. The guest's saved memory now belongs to the user. */
static void give_memory_away(struct intent *intent, bool runs, char **ret_note)
{
    CLEANUP_FREE char *kept = staging_keep(intent->memory, intent->name);

    free(TAKE_PTR(intent->memory));
    intent->saved = false;
    if (ret_note)
        *ret_note =
            mem_printf("%s; its saved memory is kept in '%s'; remove that file when you no "
                       "longer need it",
                       runs ? "runs again" : "stays shut off, as somebody has left it", kept);
}

static void tell_started(const struct intent *intent, const struct undo_guest *guest,
                         struct err *err)
{
    bool active = undo_guest_is_active(guest);
    const char *written = active ? NULL : intent_written_disk(intent);

    if (written)
        err_set(
            err, ERR_BUSY,
            "somebody has started it, or changed its disk '%s', since its memory was saved (it is "
            "shut off), so that memory was not restored over its disks",
            written);
    else
        err_set(err, ERR_BUSY,
                "somebody has started it (it is %s), so its saved memory was not restored over it",
                active ? guest->status.state_text : "shut off again");
    err_prefix(err, "the guest could not be put back into its former state");
    err_append(err, "the memory is kept in '%s'", intent->memory);
}

/* Its disks are newer than its memory, and stay so when it has ended again. */
static int settle_started(const struct undo_host *host, struct intent *intent,
                          const struct undo_guest *guest, char **ret_note, struct err *err)
{
    bool active = undo_guest_is_active(guest);
    CLEANUP_ERR struct err note_err = ERR_INIT;

    intent->started = true;
    if (intent->trouble) {
        give_memory_away(intent, active, ret_note);
        return 0;
    }
    if (intent_write(host->state_fd, intent, &note_err) < 0)
        log_warn_guest(intent->name, "%s", note_err.text);
    tell_started(intent, guest, err);
    if (active)
        return -1;
    CLEANUP_FREE char *start = shell_virsh("start", intent->name);
    return err_append(err, "to boot the guest, run: %s", start);
}

/* If the guest does not certainly go on from its saved memory, somebody else may have started it, and
 * whole memory is kept. An image that libvirt did not finish is of use to nobody unless it is all that
 * is left. */
static bool may_be_started(const struct intent *intent, const struct guest_status *status,
                           enum image image)
{
    return intent->started || (image == IMAGE_WHOLE ? !status->resumed : status->booted);
}

static int settle_active(const struct undo_host *host, struct intent *intent,
                         const struct undo_guest *guest, char **ret_note, struct err *err)
{
    CLEANUP_ERR struct err image_err = ERR_INIT;
    enum image image = image_look(intent, &image_err);

    if (image == IMAGE_NONE && intent->trouble && ret_note)
        *ret_note = mem_strdup("runs again");
    if (image == IMAGE_NONE || image == IMAGE_UNKNOWN)
        return go_on(intent, guest, err); /* the save was refused or given up */
    if (!may_be_started(intent, &guest->status, image))
        return go_on(intent, guest, err);
    return settle_started(host, intent, guest, ret_note, err);
}

/* The image's own XML has the disks that the guest had when it was saved; what the run has noted before
 * may be older. */
static char *xml_to_resume_with(const struct intent *intent)
{
    CLEANUP_CLOSE int fd = open(intent->memory, O_RDONLY | O_CLOEXEC);
    CLEANUP_SAV struct sav sav = {0};
    struct stat st;

    if (fd < 0 || fstat(fd, &st) < 0 || sav_read(fd, (uint64_t)st.st_size, &sav, NULL) < 0)
        return mem_strdup(intent->live_xml);
    return TAKE_PTR(sav.xml);
}

/* Once the guest runs, its disks are newer than the image. After a power failure nobody could tell,
 * and it would be resumed from memory that does not match them. So it comes back paused; then the
 * journal notes that it must not be resumed from the image any more; then it goes on. It goes on
 * even if there is no room for that note. */
static int resume_from_image(const struct undo_host *host, struct intent *intent, struct err *err)
{
    CLEANUP_UNDO_GUEST struct undo_guest guest = {0};
    CLEANUP_ERR struct err note_err = ERR_INIT;
    CLEANUP_FREE char *xml = xml_to_resume_with(intent);

    if (host->calls->restore(host->hypervisor, intent->memory, xml, false, err) < 0) {
        intent_renew_disks(intent); /* QEMU may have marked bitmaps in them as in use */
        (void)intent_write(host->state_fd, intent, NULL);
        return host->calls->alive(host->hypervisor) ? tell_stranded(intent, IMAGE_WHOLE, err) : -1;
    }
    intent->saved = false;
    intent->held = true;
    if (intent_write(host->state_fd, intent, &note_err) < 0)
        log_warn_guest(intent->name, "%s", note_err.text);
    return undo_guest_find(host, intent->uuid, &guest, err) < 0 ? -1 : go_on(intent, &guest, err);
}

static int bring_back(const struct undo_host *host, struct intent *intent,
                      const struct undo_guest *guest, char **ret_note, struct err *err)
{
    if (undo_guest_is_active(guest))
        return settle_active(host, intent, guest, ret_note, err);
    CLEANUP_ERR struct err image_err = ERR_INIT;
    enum image image = image_look(intent, &image_err);
    if (image == IMAGE_NONE && intent->trouble) {
        if (ret_note)
            *ret_note = mem_printf("stays shut off: its memory image '%s' is gone", intent->memory);
        intent->saved = false;
        return 0;
    }
    if (image == IMAGE_NONE) {
        /* It ended before its memory was saved: nothing can be undone any more. */
        CLEANUP_FREE char *start = shell_virsh("start", intent->name);
        (void)undo_memory(intent, NULL);
        intent->saved = false;
        err_move(err, &image_err);
        err_prefix(err, "the guest could not be put back into its former state: it has ended");
        return err_append(err, "to boot it, run: %s", start);
    }
    if (intent->started || intent_written_disk(intent))
        return settle_started(host, intent, guest, ret_note, err);
    if (image != IMAGE_WHOLE)
        err_move(err, &image_err);
    if (image == IMAGE_UNKNOWN)
        return err_prefix(err,
                          "the guest could not be put back into its former state: it has ended");
    if (image == IMAGE_INCOMPLETE)
        return tell_stranded(intent, image, err);
    return resume_from_image(host, intent, err);
}

/* ---- all of it, once --------------------------------------------------------------------------- */

static int try_undo(const struct undo_host *host, struct intent *intent, char **ret_note,
                    struct err *err)
{
    CLEANUP_UNDO_GUEST struct undo_guest guest = {0};
    CLEANUP_ERR struct err first = ERR_INIT;
    int result = 0;

    if (undo_guest_find(host, intent->uuid, &guest, err) < 0)
        return -1;
    if (undo_guest_is_active(&guest)) {
        if (guest.calls->wait_for_job(guest.guest, UNDO_JOB_WAIT_MS, err) < 0)
            return -1;
        if (intent->socket && guest.calls->backup_end(guest.guest, intent->socket, &first) < 0)
            result = -1;
        if (intent->frozen &&
            guest.calls->thaw(guest.guest, UNDO_THAW_LIMIT_S, result < 0 ? NULL : &first) < 0)
            result = -1;
        if (first.errnum == ETIMEDOUT)
            return err_move(err, &first);
        if (undo_guest_look(&guest, err) < 0)
            return -1;
    }
    /* Paused by us, or because our scratch files were full. If the user paused it, that was before us
     * (then it was not running) or after we let it go. */
    bool paused_by_us = intent->held || (intent->socket && guest.status.io_error);
    struct err *later = result < 0 ? NULL : &first;
    if (intent->saved)
        result |= bring_back(host, intent, &guest, ret_note, later);
    else if (guest.guest && paused_by_us)
        result |= go_on(intent, &guest, later);
    for (size_t i = 0; i < intent->scratch_count; i++)
        (void)unlink(intent->scratch[i]);
    if (intent->socket)
        (void)unlink(intent->socket);
    if (result < 0)
        return err_move(err, &first);
    intent->saved = intent->held = intent->frozen = false;
    free(TAKE_PTR(intent->socket));
    return 0;
}

int undo_backup(const struct undo_host *host, struct intent *intent, char **ret_note,
                struct err *err)
{
    int result = -1;
    QUIT_DEFERRED();

    /* libvirtd may go away in the middle; each step may be repeated. */
    for (unsigned i = 0; result < 0 && i < UNDO_TRIES; i++) {
        CLEANUP_ERR struct err undo_err = ERR_INIT;
        /* If it is not back by then, it is not waited for again. */
        if (undo_connect(host, err) < 0)
            return -1;
        result = try_undo(host, intent, ret_note, &undo_err);
        /* What libvirt did not answer once it will not answer soon. */
        if (result < 0 && (i + 1 == UNDO_TRIES || undo_err.errnum == ETIMEDOUT ||
                           host->calls->alive(host->hypervisor)))
            return err_move(err, &undo_err);
    }
    return result;
}

int undo_memory(struct intent *intent, struct err *err)
{
    QUIT_DEFERRED();
    int there = intent->memory ? intent_look(intent, intent->memory, err) : 0;

    if (there < 0)
        return err_prefix(err, "cannot remove its memory image");
    if (intent->memory && staging_remove(intent->memory, err) < 0)
        return err_prefix(err, "its memory image");
    free(TAKE_PTR(intent->memory));
    return 0;
}
