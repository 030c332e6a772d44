/* SPDX-License-Identifier: LGPL-2.1-or-later
 *
 * The way back: whatever an intent says may have been done to a guest is undone,
 * so that the guest is as it was found. All NBD clients of the run must have
 * ended.
 *
 * Every step may be repeated: a run, its guardian or `recover` may die in the middle of
 * undoing, and the next one begins with the same journal.
 */
#pragma once

#include <stdbool.h>

#include "base/err.h"
#include "ops/intent.h"
#include "ops/undo_calls.h"

/* Whom the guests belong to, and how it is asked. */
struct undo_host {
    const struct undo_calls *calls;
    struct hypervisor *hypervisor; /* NULL: no guest was touched, only files */
    int state_fd;                  /* where the journal is */
};

/* A backup's. -1: the guest could not be put back, or not all of it; the error says how to do
 * it by hand, and the memory image that is needed for that is kept. May be called
 * again: what is undone is struck from the intent. *ret_note (NULL: not wanted; the caller
 * frees): what is to be told when it has come to an end in another way, a predicate of the guest;
 * else left alone. */
int undo_backup(const struct undo_host *host, struct intent *intent, char **ret_note,
                struct err *err);

/* Removes the memory image, which undo_backup leaves: on the way to a good backup
 * it is still to be stored. -1: whether it is there can't be told, see intent_look. */
int undo_memory(struct intent *intent, struct err *err);

/* Of a restore that did not come to its end: its files go, its guest is not
 * defined any more, and one that it replaced is back. */
int undo_restore(const struct undo_host *host, struct intent *intent, struct err *err);

/* Removes what a restore that has come to its end has replaced. -1 as undo_memory. */
int undo_outdated(struct intent *intent, struct err *err);

/* Finishes or undoes the commits of dead runs in that archive, if it is there, and removes their
 * temporary files. Where that can't be done now, the next backup there does it. */
void undo_tidy_archive(const char *path);

enum undo_result {
    UNDO_NOTHING,  /* there is no journal any more: somebody else has undone it */
    UNDO_DONE,     /* the guest is as it was found, or runs again, and the journal is gone */
    UNDO_STRANDED, /* not all could be put back; the error says how to go on. The journal stays,
                    * unless there is nothing left to go on from */
    UNDO_BUSY,     /* another run has the guest's lock and keeps it */
};

/* As recover does for each guest in the state directory: takes its lock, undoes, forgets the
 * intent. An error is set with STRANDED and BUSY, which
 * does not name the guest; *ret_note as of undo_backup. Needs no room in
 * the state directory. */
enum undo_result undo_recorded(int state_fd, const char *uuid, const struct undo_calls *calls,
                               char **ret_note, struct err *err);

/* Of a backup whose run is stopped and holds the guest's lock, with the journal taken over
 * (intent_take_over): the guest is let go, and all that may be repeated is left to the run. */
int undo_taken(int state_fd, const char *uuid, const struct undo_calls *calls, struct err *err);

/* Notes in the journal, if it is still there, that somebody was told why the guest could not be
 * put back: it is tried again after all others, and ends when the guest runs in whatever way. If
 * there is no room for the note, that is not known then. */
void undo_note_trouble(int state_fd, const char *uuid, const char *text);
