/* SPDX-License-Identifier: LGPL-2.1-or-later
 *
 * The way back: undoes whatever an intent says may have been done to a guest, so that the guest is
 * as it was before. All NBD clients of the run must have ended.
 *
 * Every step may be repeated: a run, its guardian or `recover` may die in the middle of undoing,
 * and the next one begins with the same journal.
 */
#pragma once

#include <stdbool.h>

#include "base/err.h"
#include "ops/undo/intent.h"
#include "ops/undo/calls.h"

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
