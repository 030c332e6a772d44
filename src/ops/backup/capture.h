/* SPDX-License-Identifier: LGPL-2.1-or-later
 *
 * Captures a guest's memory and disks at one instant, in one of the ways below, holds them while
 * they are read, and lets the guest go. On every way out the guest returns to the state it was in
 * before. Each effect is in the intent journal before it is made.
 */
#pragma once

#include <stdbool.h>
#include <stdint.h>

#include "disk/reader.h"
#include "guest/checkpoint.h"
#include "guest/guest.h"
#include "guest/live.h"
#include "ops/backup/capture_calls.h"
#include "ops/undo/guardian.h"
#include "ops/undo/intent.h"
#include "ops/backup/scratch_watch.h"
#include "ops/backup/source.h"
#include "ops/capture_mode.h"
#include "ops/staging.h"

/* Chooses from what the user asked for (ops/verbs.h) and what the guest allows. Unsupported, with
 * the reason, if the two do not meet. *ret_unsafe: this QEMU may copy wrong memory in that way. */
int capture_choose(struct guest *guest, const struct guest_status *status, enum guest_memory wanted,
                   enum capture_mode *ret, bool *ret_unsafe, struct err *err);
/* Busy: that was chosen for a guest that runs, and it has ended since, or the other way round. */
int capture_check_choice(enum capture_mode mode, const struct guest_status *now, struct err *err);
bool capture_has_memory(enum capture_mode mode);
/* True if disks are read from the running guest. */
bool capture_has_exports(enum capture_mode mode);

enum capture_record {
    CAPTURE_RECORDS,
    CAPTURE_NOT_LOCAL,
    CAPTURE_NOT_QCOW2,
    CAPTURE_OLD_QCOW2, /* of version 2 (compat=0.10), which has no bitmaps */
    CAPTURE_READ_ONLY, /* the guest cannot write to it, and QEMU can neither make nor delete its bitmaps */
    CAPTURE_SNAPSHOTS, /* its guest could not be reverted to its internal snapshots any more */
    CAPTURE_NO_BITMAP, /* its image could not be given one */
};

/* How a disk is followed from one backup to the next (guest/checkpoint.h). The caller sets the first
 * two; capture_begin takes back what is not possible, and says why. */
struct capture_track {
    bool record;       /* the new checkpoint records what is written to it */
    const char *since; /* the checkpoint since which only what was written is read: the rest of the
                        * disk is DISK_SAME; NULL: all is read */
    enum capture_record recordable;
    enum guest_checkpoint_state state; /* of `since`, if it was given */
};

struct capture_request {
    const struct capture_calls *calls; /* libvirt's */
    struct hypervisor *hypervisor;
    struct guest *guest;
    const char *uri;  /* of the hypervisor ... */
    const char *uuid; /* ... and of the guest: for the journal */
    const char *name;
    const struct source *source;
    const char *archive; /* the folder that the backup goes to: for the journal; NULL: to none */
    struct staging *staging; /* for the memory image; NULL: no memory is captured */
    const struct report *report;
    struct guardian *guardian; /* NULL: none */
    enum capture_mode mode;
    const char *scratch_path; /* --scratch-path; NULL: the guest's private folder */
    const char *owner;        /* of the guest's checkpoints (guest/checkpoint.h): a new one is made
                                   * at the instant of the backup; NULL: none */
    struct capture_track
        *tracks; /* of each disk of the source, in its order; NULL: none is followed */
    int state_fd;
    /* Called by capture_begin while the guest is in the state that is backed up: stopped, down or
     * frozen; without an agent it may be running. -1 ends the capture. When a transient guest is
     * saved, libvirt deletes what belongs to it, so for such a guest this is also called before the
     * save. */
    int (*at_instant)(void *opaque, struct err *err);
    void *opaque;
};

struct capture {
    struct capture_request request; /* what it points to is borrowed */
    struct intent intent;
    struct guest_watch *watch;
    struct scratch_watch *scratch;
    bool began;          /* there may be something to undo */
    bool read_failed;    /* set by the caller before capture_end: the end of the guest may be the
                          * reason */
    bool stranded;       /* the guest could not be put back */
    bool taken;          /* we were stopped, and the guardian has let the guest go */
    bool thaw_failed;    /* the agent was waited for long enough */
    bool frozen;         /* the disks were captured while frozen */
    uint64_t stopped_ms; /* save: monotonic clock */
    bool has_downtime;
    uint64_t downtime_ms; /* set by capture_end */
};

/* On success the memory image is complete and the disks can be read. On failure, and when a signal
 * comes, the guest is as it was before (or capture->stranded is set). */
int capture_begin(struct capture *capture, const struct capture_request *request, struct err *err);
/* The memory image, a save image made by libvirt; NULL: none was captured. */
const char *capture_memory(const struct capture *capture);

/* The disk, one of the source's, as it was at that instant. The caller gives it back with capture_close_disk; another
 * thread may cut it off before that. */
int capture_open_disk(struct capture *capture, const struct source_disk *disk,
                      struct disk_reader **ret, struct err *err);
void capture_close_disk(struct capture *capture, struct disk_reader *reader);

/* Puts the guest back, whether or not the copying succeeded; all disks must be closed. Also -1 if
 * what was read cannot be trusted because the guest started or ended, or its scratch space ran out,
 * in the meantime. */
int capture_end(struct capture *capture, struct err *err);
/* For a backup with an owner of checkpoints; otherwise these do nothing. Call the first
 * directly before the backup is committed, and the other directly afterwards. Until the first, the
 * checkpoint is deleted by whoever undoes; in between, if this process dies, it stays, committed or
 * not. In the end, if the backup is committed (or may be), it stays, and all others of the same owner
 * are deleted, also if there is no new one: no backup goes on from them any more; else capture_clear
 * deletes it. */
int capture_commit_begin(struct capture *capture, struct err *err);
void capture_commit_end(struct capture *capture, bool committed);

/* Undoes what is not undone yet; then calls remove_rest, which removes what the backup has left
 * elsewhere; then forgets the checkpoint of a backup that is not committed, the memory image, and the
 * intent. The guest comes first, so that it does not wait for files to be removed; the intent goes
 * last: until then it leads to all that is left. */
void capture_clear(struct capture *capture, void (*remove_rest)(void *opaque), void *opaque);
