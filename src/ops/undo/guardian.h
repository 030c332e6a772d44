/* SPDX-License-Identifier: LGPL-2.1-or-later
 *
 * The guardian: a small process in its own session that outlives the run. It is forked before
 * libvirt is opened and waits for the run to end. If the run dies and leaves intents in the state
 * directory, the guardian undoes them over its own connection, and removes what the run left
 * unfinished in the archive. If the run is stopped while it holds a guest, the guardian lets that
 * guest go. It does nothing else.
 *
 * To let a guest go, everything of the run must be off its disks: QEMU hangs if a backup job ends
 * while one of its NBD clients does not close, and does not start with an image that somebody else
 * has locked. So the guardian makes the run's connections to QEMU, and is given a copy of every
 * other descriptor that counts.
 */
#pragma once

#include "base/cleanup.h"
#include "base/err.h"
#include "disk/reader.h"
#include "ops/undo/calls.h"

struct guardian;

struct guardian_settings {
    const struct undo_calls *calls; /* libvirt's */
    const char *archive;      /* the folder in which the run makes backups, which may not exist yet;
                               * NULL: none */
    const char *state_folder; /* NULL: the usual one */
    unsigned look_ms;         /* how often it looks whether the run is stopped; 0: once a second */
    unsigned undo_pause_ms;   /* between two tries to undo; 0: a second */
};

/* A run that is found stopped this many times in a row holds its guest no longer. */
#define GUARDIAN_LOOKS 4
/* The usual interval. */
#define GUARDIAN_LOOK_MS 1000

/* Forks it. main calls this before any thread exists. */
int guardian_start(const struct guardian_settings *settings, struct guardian **ret,
                   struct err *err);
/* Ends the guardian: the run is over, successful or not, and has undone what it had to. */
void guardian_free(struct guardian *guardian);
DEFINE_CLEANUP(struct guardian *, guardian_freep, guardian_free)

/* For the run, while it holds a guest. Any of them fails (cancelled) once the guardian has let the
 * guest go. A guardian that has ended, or that is stopped and so is ended here, does nothing any
 * more: then these do what is to be done themselves. NULL is accepted, and is such a guardian. */

/* Connects to the NBD server of QEMU, see disk_export_connect. */
int guardian_connect(struct guardian *guardian, const char *socket_path, int *ret_socket,
                     struct err *err);
/* Gives it copies of what the reader holds. */
int guardian_hold(struct guardian *guardian, const struct disk_reader *reader, struct err *err);
/* Call this after closing what was connected or held, and before undoing: the guardian forgets it
 * all. Returns when a guest that it is letting go has been let go. */
void guardian_drop(struct guardian *guardian);
