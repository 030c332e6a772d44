/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "ops/undo.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/stat.h>

#include "record/sav.h"
#include "base/io.h"
#include "archive/writer.h"
#include "base/log.h"
#include "guest/guest.h"
#include "guest/live.h"
#include "ops/guest_lock.h"
#include "ops/state_dir.h"

/* A save or snapshot that its client has left still runs to its end. */
#define JOB_WAIT_MS (UINT64_C(10) * 60 * 1000)
/* The guardian may be at it, or another recover. */
#define LOCK_WAIT_MS (UINT64_C(60) * 1000)
/* libvirtd may be on its way back. */
#define RECONNECT_MS (UINT64_C(60) * 1000)
#define UNDO_TRIES 5
/* A freeze that timed out may still come. */
#define THAW_LIMIT_S 90

/* ---- files ------------------------------------------------------------------------------ */

static void remove_file(char **path)
{
    if (*path)
        (void)unlink(*path);
    free(*path);
    *path = NULL;
}

/* What a restore has made: a file, or a folder, which stays if something else is in it. */
static void remove_made(char **path)
{
    if (unlink(*path) < 0 && errno == EISDIR)
        (void)rmdir(*path);
    free(*path);
    *path = NULL;
}

static void remove_scratch(struct intent *intent)
{
    for (size_t i = 0; i < intent->scratch_count; i++)
        (void)unlink(intent->scratch[i]);
}

/* Only an image that libvirt has finished resumes the guest. *ret_useless: it never
 * was, and will not be. */
static bool image_is_whole(const char *path, bool *ret_useless, struct err *err)
{
    CLEANUP_CLOSE int fd = open(path, O_RDONLY | O_CLOEXEC);
    CLEANUP_ERR struct err sav_err = ERR_INIT;
    CLEANUP_SAV struct sav sav = {0};
    struct stat st;

    *ret_useless = fd < 0 && errno == ENOENT;
    if (fd < 0 || fstat(fd, &st) < 0) {
        err_set_errno(err, errno, "its memory image %s cannot be opened", path);
        return false;
    }
    if (sav_read(fd, (uint64_t)st.st_size, &sav, &sav_err) == 0 || sav_err.kind == ERR_UNSUPPORTED)
        return true;
    *ret_useless = sav_err.kind == ERR_CORRUPT;
    err_move(err, &sav_err);
    err_prefix(err, "its memory image %s", path);
    return false;
}

/* The image under a name that no clean-up takes for a left-over. */
static char *keep_image(const struct intent *intent)
{
    const char *slash = strrchr(intent->memory, '/');
    int folder = (int)(slash ? slash - intent->memory : 0);

    for (unsigned n = 1; n < 1000; n++) {
        CLEANUP_FREE char *suffix = n > 1 ? mem_printf(".%u", n) : mem_strdup("");
        CLEANUP_FREE char *kept =
            mem_printf("%.*s/%s.rescue%s.sav", folder, intent->memory, intent->name, suffix);
        if (io_rename(AT_FDCWD, intent->memory, kept, false, NULL) == 0)
            return TAKE_PTR(kept);
        if (errno != EEXIST)
            break;
    }
    return mem_strdup(intent->memory);
}

static int strand(struct intent *intent, struct err *err)
{
    CLEANUP_FREE char *kept = keep_image(intent);

    /* What is kept now is the user's: no later undo may touch it. */
    free(intent->memory);
    intent->memory = NULL;
    intent->saved = false;
    err_prefix(err, "could not be put back into its former state");
    return err_append(err, "its memory is kept in '%s': `virsh restore` of it resumes the guest",
                      kept);
}

/* ---- a guest that was saved ---------------------------------------------------------------- */

/* A libvirtd that died in the middle of the save may find the guest stopped when it is
 * back, and not know that this was for the save. */
static int go_on(const struct intent *intent, struct guest *guest,
                 const struct guest_status *status, struct err *err)
{
    if (!intent->was_running || status->state != GUEST_PAUSED)
        return 0;
    if (guest_resume(guest, err) == 0)
        return 0;
    err_prefix(err, "could not be put back into its former state: it is paused");
    return err_append(err, "`virsh resume` lets it go on");
}

static int bring_back(struct hypervisor *hypervisor, struct intent *intent, struct guest *guest,
                      const struct guest_status *status, struct err *err)
{
    bool useless = false;

    if (guest && status->state != GUEST_SHUT_OFF) {
        CLEANUP_ERR struct err image_err = ERR_INIT;
        if (!image_is_whole(intent->memory, &useless, &image_err))
            return go_on(intent, guest, status, err); /* the save was refused or given up */
        /* It is resumed already; one that was booted while a whole image is there is
         * somebody else's doing. */
        if (!status->booted)
            return 0;
        err_set(err, ERR_BUSY,
                "somebody has started it (it is %s), so its saved memory was not restored over it",
                status->state_text);
        return strand(intent, err);
    }
    if (!image_is_whole(intent->memory, &useless, err)) {
        err_prefix(err, "could not be put back into its former state: it has ended");
        if (!useless)
            return -1;
        /* It ended before its memory was saved: nothing can be undone any more. */
        remove_file(&intent->memory);
        intent->saved = false;
        return err_append(err, "start it anew with `virsh start`");
    }
    if (guest_restore(hypervisor, intent->memory, intent->live_xml, intent->was_running, err) < 0)
        return hypervisor_alive(hypervisor) ? strand(intent, err) : -1;
    return 0;
}

/* ---- a guest that was held ------------------------------------------------------------------- */

/* Paused by us, or because our scratch files were full. A user's own pause has come
 * before us (then it was not running) or after we let it go. */
static int let_go(const struct intent *intent, struct guest *guest,
                  const struct guest_status *status, struct err *err)
{
    bool ours = intent->held || (intent->socket && status->io_error);

    return ours ? go_on(intent, guest, status, err) : 0;
}

/* ---- all ----------------------------------------------------------------------------------------- */

static int find(struct hypervisor *hypervisor, const char *uuid, struct guest **ret,
                struct err *err)
{
    CLEANUP_ERR struct err find_err = ERR_INIT;

    if (guest_find_uuid(hypervisor, uuid, ret, &find_err) == 0 || find_err.kind == ERR_NOT_FOUND)
        return 0;
    return err_move(err, &find_err);
}

static int end_job_and_thaw(const struct intent *intent, struct guest *guest, struct err *err)
{
    int result = 0;

    if (intent->socket && guest_backup_end(guest, intent->socket, err) < 0)
        result = err_prefix(err, "its backup job could not be ended");
    if (intent->frozen && guest_thaw(guest, THAW_LIMIT_S, result < 0 ? NULL : err) < 0)
        result = result < 0 ? result : err_prefix(err, "its file systems could not be thawed");
    return result;
}

static int try_undo(struct hypervisor *hypervisor, struct intent *intent, struct err *err)
{
    CLEANUP(guest_freep) struct guest *guest = NULL;
    CLEANUP_ERR struct err first = ERR_INIT;
    struct guest_status status = {.state = GUEST_SHUT_OFF};
    int result = 0;

    if (find(hypervisor, intent->uuid, &guest, err) < 0)
        return -1;
    if (guest && guest_get_status(guest, &status, err) < 0)
        return -1;
    if (guest && status.state != GUEST_SHUT_OFF) {
        if (guest_wait_for_job(guest, JOB_WAIT_MS, err) < 0)
            return -1;
        result = end_job_and_thaw(intent, guest, &first);
        if (guest_get_status(guest, &status, err) < 0)
            return -1;
    }
    struct err *later = result < 0 ? NULL : &first;
    if (intent->saved)
        result |= bring_back(hypervisor, intent, guest, &status, later);
    else if (guest)
        result |= let_go(intent, guest, &status, later);
    remove_scratch(intent);
    if (intent->socket)
        (void)unlink(intent->socket);
    if (result < 0)
        return err_move(err, &first);
    intent->saved = intent->held = intent->frozen = false;
    free(intent->socket);
    intent->socket = NULL;
    return 0;
}

int undo_guest(struct hypervisor *hypervisor, struct intent *intent, struct err *err)
{
    int result = -1;

    /* libvirtd may go away in the middle; each step may be repeated. */
    for (unsigned i = 0; result < 0 && i < UNDO_TRIES; i++) {
        CLEANUP_ERR struct err undo_err = ERR_INIT;
        /* One that is not back by then is not waited for once more. */
        if (!hypervisor_alive(hypervisor) &&
            hypervisor_reconnect(hypervisor, RECONNECT_MS, err) < 0)
            return -1;
        result = try_undo(hypervisor, intent, &undo_err);
        if (result < 0 && (i + 1 == UNDO_TRIES || hypervisor_alive(hypervisor)))
            return err_move(err, &undo_err);
    }
    return result;
}

void undo_memory(struct intent *intent)
{
    remove_file(&intent->memory);
}

/* ---- a restore -------------------------------------------------------------------------------- */

static int remove_defined(struct hypervisor *hypervisor, const struct intent *intent,
                          struct err *err)
{
    CLEANUP(guest_freep) struct guest *guest = NULL;

    if (find(hypervisor, intent->defined, &guest, err) < 0)
        return -1;
    /* What is there in place may be the old one still. */
    return guest && !intent->in_place ? guest_undefine(guest, err) : 0;
}

static int bring_old_back(struct hypervisor *hypervisor, const struct intent *intent,
                          struct err *err)
{
    CLEANUP(guest_freep) struct guest *old = NULL;

    if (guest_define(hypervisor, intent->old_xml, &old, err) < 0)
        return -1;
    return guest_set_autostart(old, intent->old_autostart, err);
}

/* The image is of no use, and a danger, once the guest runs on from it. */
static int settle_resumed(struct hypervisor *hypervisor, struct intent *intent, struct err *err)
{
    CLEANUP(guest_freep) struct guest *guest = NULL;
    struct guest_status status = {.state = GUEST_SHUT_OFF};

    if (find(hypervisor, intent->uuid, &guest, err) < 0 ||
        (guest && guest_get_status(guest, &status, err) < 0))
        return -1;
    /* libvirt may be at it still; it must not lose the image before the end. */
    if (status.state != GUEST_SHUT_OFF && (guest_wait_for_job(guest, JOB_WAIT_MS, err) < 0 ||
                                           guest_get_status(guest, &status, err) < 0))
        return -1;
    if (status.state != GUEST_SHUT_OFF)
        (void)unlink(intent->resumed);
    free(intent->resumed);
    intent->resumed = NULL;
    return 0;
}

/* If it is not there, it has not been moved yet, or is back already. */
static int move_back(struct intent *intent, struct err *err)
{
    if (!intent->moved)
        return 0;
    if (rename(intent->moved, intent->moved_from) < 0 && errno != ENOENT)
        return err_set_errno(err, errno, "%s: cannot be moved back to %s", intent->moved,
                             intent->moved_from);
    free(intent->moved);
    free(intent->moved_from);
    intent->moved = intent->moved_from = NULL;
    return 0;
}

void undo_outdated(struct intent *intent)
{
    remove_file(&intent->outdated);
}

int undo_restore(struct hypervisor *hypervisor, struct intent *intent, struct err *err)
{
    undo_outdated(intent);
    if (hypervisor && !hypervisor_alive(hypervisor) &&
        hypervisor_reconnect(hypervisor, RECONNECT_MS, err) < 0)
        return -1;
    if (intent->resumed)
        return settle_resumed(hypervisor, intent, err);
    if (intent->defined && remove_defined(hypervisor, intent, err) < 0)
        return err_prefix(err, "its new definition could not be removed again");
    if (intent->defined && intent->old_xml && bring_old_back(hypervisor, intent, err) < 0)
        return err_prefix(err, "its former definition could not be brought back");
    if (move_back(intent, err) < 0)
        return -1;
    while (intent->file_count)
        remove_made(&intent->files[--intent->file_count]);
    free(intent->defined);
    intent->defined = NULL;
    return 0;
}

/* ---- what the journal says ---------------------------------------------------------------------- */

static bool is_restore(const struct intent *intent)
{
    return intent->file_count || intent->defined || intent->moved || intent->outdated ||
           intent->resumed;
}

/* Opening it for writing finishes or undoes the dead run's commit and removes its
 * temporary files. Where that can't be done now, the next backup there does it. */
static void tidy_archive(const char *path)
{
    CLEANUP_ERR struct err err = ERR_INIT;
    struct archive_writer *archive = NULL;
    struct stat st;

    if (stat(path, &st) < 0 || !S_ISDIR(st.st_mode))
        return;
    if (archive_writer_open(path, &archive, &err) < 0)
        log_detail("the archive is not tidied yet: %s", err.text);
    archive_writer_close(archive);
}

int undo_recorded(int state_fd, const char *uuid, struct hypervisor *hypervisor, bool *ret_busy,
                  struct err *err)
{
    CLEANUP(lock_file_releasep) struct lock_file *lock = NULL;
    CLEANUP(hypervisor_closep) struct hypervisor *own = NULL;
    CLEANUP_INTENT struct intent intent = {0};
    CLEANUP_ERR struct err read_err = ERR_INIT;

    *ret_busy = guest_lock_take(state_fd, uuid, LOCK_WAIT_MS, &lock, err) < 0;
    if (*ret_busy)
        return err_prefix(err, "guest %s", uuid);
    if (intent_read(state_fd, uuid, &intent, &read_err) < 0)
        return read_err.kind == ERR_NOT_FOUND ? 0 : err_move(err, &read_err);
    if (!hypervisor && intent.uri && hypervisor_open(intent.uri, &own, err) < 0)
        return err_prefix(err, "guest '%s'", intent.name);
    if (!hypervisor)
        hypervisor = own;
    int undone = is_restore(&intent) ? undo_restore(hypervisor, &intent, err)
                                     : undo_guest(hypervisor, &intent, err);
    if (undone < 0) {
        err_prefix(err, "guest '%s'", intent.name);
        if (intent_is_empty(&intent))
            (void)intent_remove(state_fd, uuid, NULL);
        return -1;
    }
    undo_memory(&intent);
    if (intent.archive)
        tidy_archive(intent.archive);
    return intent_remove(state_fd, uuid, err);
}
