/* SPDX-License-Identifier: LGPL-2.1-or-later
 *
 * The way back: undoes whatever an intent says may have been done to a guest, so that the guest is
 * as it was before. All NBD clients of the run must have ended.
 *
 * What an entry of the journal means. A run writes an entry, and waits until it is on the disk,
 * before it has the effect; it deletes the entry once the effect is gone, or is meant to stay. So
 * an entry says "this may have been done, wholly, partly or not at all", and an effect without an
 * entry does not exist. Each step here therefore looks at the guest first, and accepts that it
 * finds nothing to do.
 *
 *   of a backup       means                               undone by
 *   socket            a backup job may be running         ending it
 *   frozen            the file systems may be frozen      a thaw
 *   held              it may be paused, by us             resuming it, if it was running
 *   saved             it may be down, or about to be      restoring it from `memory`
 *   started, disks    somebody has started it since,  keeping `memory` for the user
 *                     or changed one of these disks
 *   memory, scratch   these files may exist               removing them
 *   of a restore
 *   files, defined    the new guest may exist             removing it
 *   old_xml, formers  what it replaces may be gone, or    putting that back
 *                     moved aside
 *   outdated          everything new is in place          removing `formers`
 *   resumed           it may run, from this image         removing the image, then resuming it
 *
 * A backup can be undone at any time, since it takes nothing from the guest. A restore is undone
 * until one write deletes files and defined and sets `outdated`, or removes a journal in which
 * nothing else is left: that is its commit, and from then on the way back is the way forward.
 *
 * Who undoes. The run itself when it fails; its guardian when the run has died; `recover`, and the
 * beginning of the next backup or restore, when both have. The guest's lock lets only one of them
 * do so. Each may die in any step, so every step may be repeated, and the next one begins with the
 * same journal. The journal goes last: while it exists, no other run touches the guest. If
 * something cannot be put back, the journal stays and so does everything it needs: the user is told
 * how to do it by hand, `recover` tries again.
 *
 * Why in this order, for a backup: undo/backup.c; for a restore: undo/restore.c.
 */
#pragma once

#include <stdbool.h>

#include "base/err.h"
#include "ops/undo/intent.h"
#include "ops/undo/calls.h"

/* How long to wait for a thaw: a freeze that timed out may still happen. */
#define UNDO_THAW_LIMIT_S 90

/* The hypervisor that the guests belong to, and how to ask it. */
struct undo_host {
    const struct undo_calls *calls;
    struct hypervisor *hypervisor; /* NULL: no guest was touched, only files */
    int state_fd;                  /* the directory of the journal */
};

/* Undoes a backup. -1: the guest could not be put back, or not completely; the error says how to do
 * it by hand, and the memory image needed for that is kept. May be called again: what is undone is
 * removed from the intent. *ret_note (NULL: not wanted; the caller frees): set if the guest ended
 * up in a different state, to a text that continues "the guest ..."; else not changed. */
int undo_backup(const struct undo_host *host, struct intent *intent, char **ret_note,
                struct err *err);

/* Removes the memory image, which undo_backup leaves alone: in a successful backup it is still to
 * be stored. -1: it is unknown whether the image exists, see intent_look. */
int undo_memory(struct intent *intent, struct err *err);

/* Deletes the checkpoint of a backup that is not committed, with its bitmaps, which undo_backup leaves
 * alone: a successful backup is committed only after it has let the guest go. One that may be committed
 * stays. May be repeated. -1: the intent still says what is left; the error says what to do. */
int undo_checkpoint(const struct undo_host *host, struct intent *intent, struct err *err);

/* Undoes an unfinished restore: its files are removed, its guest is undefined, and a guest that it
 * replaced is back. */
int undo_restore(const struct undo_host *host, struct intent *intent, struct err *err);

/* Removes the files that a finished restore has replaced. -1 as for undo_memory. */
int undo_outdated(struct intent *intent, struct err *err);

/* Finishes or undoes the commits of dead runs in that archive, if it exists, and removes their
 * temporary files. If that cannot be done now, the next backup there does it. */
void undo_tidy_archive(const char *path);

enum undo_result {
    UNDO_NOTHING,  /* there is no journal any more: somebody else has undone it */
    UNDO_DONE,     /* the guest is as it was before, or running again, and the journal is gone */
    UNDO_STRANDED, /* not everything could be put back; the error says how to go on. The journal
                    * stays, unless there is nothing left to continue from */
    UNDO_BUSY,     /* another run has the guest's lock and keeps it */
};

/* What recover does for each guest in the state directory: takes its lock, undoes, forgets the
 * intent. With STRANDED and BUSY an error is set, which does not name the guest; *ret_note as for
 * undo_backup. Needs no room in the state directory. */
enum undo_result undo_recorded(int state_fd, const char *uuid, const struct undo_calls *calls,
                               char **ret_note, struct err *err);

/* For a backup whose run is stopped while it holds the guest's lock, and whose journal was taken
 * over (intent_take_over): lets the guest go, and leaves everything that may be repeated to the
 * run. */
int undo_taken(int state_fd, const char *uuid, const struct undo_calls *calls, struct err *err);

/* Notes in the journal, if it still exists, that it was reported why the guest could not be put
 * back. From then on it is tried after all others, and counts as done when the guest runs, however
 * it was started. If there is no room for the note, this is forgotten. */
void undo_note_trouble(int state_fd, const char *uuid, const char *text);
