/* SPDX-License-Identifier: LGPL-2.1-or-later
 *
 * The intent journal: what a run is about to do to a guest, flushed to disk before it does it.
 * There is one small file per guest in the state directory, always replaced as a whole. The way
 * back is worked out from the journal and the guest's current state: by the run itself when it
 * fails, by the guardian when the run has died, by `recover` when both have. Every undo step may be
 * repeated.
 *
 * The file is one JSON object. The table in intent.c names its members; nothing else knows them.
 * Journals of version 1, which had no kind, of version 2, which knew one replaced file, of version
 * 3, which knew no checkpoints, and of version 4, which did not say that a guest had been started or
 * what its disks were like, are read too.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

#include "base/cleanup.h"
#include "base/err.h"
#include "base/file_id.h"
#include "base/place.h"
#include "base/strings.h"
#include "guest/guest_points.h"

enum intent_kind {
    INTENT_BACKUP,
    INTENT_RESTORE, /* either completed or undone */
};

/* A file that a restore made. Only a file with this id is removed. */
struct intent_file {
    char *path;
    struct file_id id; /* not known: of a private folder that may not exist yet, and of any file in
                        * a journal of version 1 */
    bool is_private;   /* a folder of the restore's own, removed with everything in it ... */
    struct file_id parent; /* ... and the folder that contains it */
};

/* A file in the place of which a restore puts its own. It is moved aside until everything is in
 * place. */
struct intent_former {
    char *path;        /* where it is meanwhile, in the same folder */
    char *from;        /* its own place; NULL: not known, in an old journal that only removes it */
    struct file_id id; /* not known in a journal of version 1 or 2 */
};

/* A disk image of a guest that is down for its backup. Nobody but that guest writes to it. */
struct intent_disk {
    char *path;
    uint64_t size;     /* bytes */
    uint64_t modified; /* nanoseconds since 1970 */
};

struct intent {
    enum intent_kind kind;
    uint64_t pid;         /* the run's process */
    uint64_t pid_started; /* its start time in clock ticks: pids are reused */
    char *since;          /* local time, for people */
    char *uri;            /* NULL: no guest is touched, only files */
    char *uuid;
    char *name;
    bool taken_over; /* the run was stopped while it held the guest, and the guardian has let the
                      * guest go */
    char *trouble;   /* why the guest could not be put back, as it was reported; NULL: not tried
                      * yet */

    bool was_running; /* not paused */

    /* for a backup */
    bool persistent;
    char *socket;   /* of a backup job; NULL: none was asked for */
    char **scratch; /* its scratch files */
    size_t scratch_count;
    bool frozen;  /* its file systems were asked to freeze */
    bool held;    /* its CPUs were asked to stop */
    bool saved;   /* virDomainSave was asked for: the guest may be down */
    bool started; /* somebody has started it since then: its memory is older than its disks, and
                       * is never restored any more */
    struct intent_disk *disks; /* as its memory fits them, once it is saved */
    size_t disk_count;         /* directly after its list, like scratch_count */
    char *memory;     /* memory image: to be removed, or to resume from if the guest is saved */
    char *live_xml;   /* the XML to resume it with, if the image's own cannot be read */
    char *archive;    /* folder that the backup goes to; NULL: none */
    char *checkpoint; /* of ours, made with the backup job; NULL: none was asked for */
    struct strings recorded;          /* the targets of the disks that it records ... */
    struct strings checkpoint_images; /* ... and the qcow2 images that have its bitmaps */
    bool committing; /* the backup may be committed. Then its checkpoint belongs to it, and whether
                      * it is, its place knows: the next backup that goes there settles that */

    /* for a restore */
    struct intent_file *files; /* and folders: removed in reverse order; a folder only if it is
                                * empty */
    size_t file_count;         /* directly after its list, like scratch_count */
    char *defined;             /* UUID of the guest that it defines; NULL: not that far yet */
    char *old_xml;             /* the definition that this one replaces; NULL: there was none */
    bool old_autostart;
    struct guest_points old_points; /* its snapshots and checkpoints */
    bool in_place;                  /* same name and UUID: one define replaces the other */
    struct intent_former *formers;  /* to be moved back, over what the restore made ... */
    size_t former_count;            /* directly after its list */
    bool outdated;                  /* ... or, once everything else is in place, to be removed */
    char *resumed; /* save image that the guest is started from, paused until the image is gone (see
                    * was_running); everything else is in place by then */

    /* The folders of the files above marked as counting. intent_write adds missing ones. */
    struct place *places;
    size_t place_count;
};

void intent_clear(struct intent *intent);
#define CLEANUP_INTENT CLEANUP(intent_clear)

/* Sets the kind, and sets pid, pid_started and since for this process and the current time. */
void intent_sign(struct intent *intent, enum intent_kind kind);
/* In place of what it was before. */
void intent_set_trouble(struct intent *intent, const char *text);
void intent_add_scratch(struct intent *intent, const char *path);
/* id NULL: not known. */
void intent_add_file(struct intent *intent, const char *path, const struct file_id *id);
/* Call this before the folder is made; the caller fills in its id afterwards. */
void intent_add_private_folder(struct intent *intent, const char *path,
                               const struct file_id *parent);

void intent_add_former(struct intent *intent, const char *path, const char *from,
                       const struct file_id *id);

/* Flushes a disk and notes it as it is now, unless it is no regular file: others do not tell when they
 * were written to. */
void intent_add_disk(struct intent *intent, const char *path);
/* Notes its disks anew, likewise: what has changed them since was not the guest. */
void intent_renew_disks(struct intent *intent);
/* Returns the path of a disk that has been written to since it was noted, or NULL. */
const char *intent_written_disk(const struct intent *intent);

/* There is no checkpoint any more that would have to be deleted. */
void intent_forget_checkpoint(struct intent *intent);

/* True if there is nothing left to undo. */
bool intent_is_empty(const struct intent *intent);

/* 1: something exists at `path`, which is one of the intent's; 0: certainly nothing does. -1:
 * unknown, because the folder it belongs in is missing or has been replaced by another; the error
 * says what to do. */
int intent_look(const struct intent *intent, const char *path, struct err *err);

/* Makes the file match the struct; returns when it is on disk. */
int intent_write(int state_fd, struct intent *intent, struct err *err);
int intent_read(int state_fd, const char *uuid, struct intent *ret, struct err *err);
/* The text that intent_write puts into the file; the caller frees. */
char *intent_format(const struct intent *intent);
/* Parses the text of the file as intent_read does; refused if it is not a complete journal
 * (corrupt), or one of a newer version (unsupported). */
int intent_parse(const char *text, size_t len, struct intent *ret, struct err *err);
/* True if the run may be holding the guest: it asked to stop its CPUs, freeze its file systems or
 * save its memory, or has a job on it. */
bool intent_holds_guest(const struct intent *intent);
/* Sets taken_over in the file, in place, so that it needs no room. *ret_fd holds a lock on the
 * journal until it is closed; intent_wait_taken waits for that lock. */
int intent_take_over(int state_fd, const char *uuid, int *ret_fd, struct err *err);
/* For the run: true if its journal says so, or is gone. */
bool intent_is_taken(int state_fd, const char *uuid);
/* Waits until whoever has taken it over is done with it, at most this long. */
void intent_wait_taken(int state_fd, const char *uuid, uint64_t timeout_ms);
/* True if the process is stopped, as by SIGSTOP. */
bool intent_process_is_stopped(pid_t pid);
/* False only if there is certainly no such file. */
bool intent_exists(int state_fd, const char *uuid);
/* Removes the journal: the guest is as it was before. */
int intent_remove(int state_fd, const char *uuid, struct err *err);
/* Appends the UUIDs of the guests that have a journal. A directory that cannot be read to its end
 * is an error: a missed journal may be a guest that is down. */
int intent_list(int state_fd, struct strings *uuids, struct err *err);
/* True if the process that wrote it still exists. */
bool intent_owner_lives(const struct intent *intent);
