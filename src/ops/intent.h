/* SPDX-License-Identifier: LGPL-2.1-or-later
 *
 * The intent journal: what a run is about to do to a guest, flushed to disk before
 * it does it, one small file a guest in the state directory, replaced as a whole.
 * From it, and from how the guest is found, the way back is worked out: by the run
 * itself when it fails, by the guardian when the run has died, by `recover` when
 * both have. Each undoing step may be repeated.
 *
 * The file is one JSON object. The table in intent.c names its members: that is the only
 * place that knows them. Journals of version 1, which had no kind, are read too.
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

enum intent_kind {
    INTENT_BACKUP,
    INTENT_RESTORE, /* which is all there or undone */
};

/* What a restore has made. Only what has this id is removed. */
struct intent_file {
    char *path;
    struct file_id id; /* not known: of a private folder that may not be made yet, and in
                            * journals of version 1, of anything */
    bool is_private;   /* a folder of the restore's own, which goes with all that is in it ... */
    struct file_id parent; /* ... and the folder around it */
};

struct intent {
    enum intent_kind kind;
    uint64_t pid;         /* the run's process */
    uint64_t pid_started; /* its start time in clock ticks: pids come again */
    char *since;          /* local time, for people */
    char *uri;            /* NULL: no guest is touched, only files */
    char *uuid;
    char *name;
    bool taken_over; /* its run was stopped while it held the guest: the guardian has let that go */
    char *trouble;   /* why it could not be put back, as somebody was told; NULL: not tried yet */

    bool was_running; /* not paused */

    /* of a backup */
    bool persistent;
    char *socket;   /* of a backup job; NULL: none was asked for */
    char **scratch; /* its scratch files */
    size_t scratch_count;
    bool frozen;    /* its file systems were asked to freeze */
    bool held;      /* its CPUs were asked to stop */
    bool saved;     /* virDomainSave was asked for: it may be down */
    char *memory;   /* memory image: to be removed, or resumed from when it is saved */
    char *live_xml; /* what it is resumed with */
    char *archive;  /* folder in which it makes a backup; NULL: none */

    /* of a restore */
    struct intent_file *files; /* folders too: removed again, the last one first; a folder only
                                * if it is empty */
    size_t file_count;         /* right behind its list, as scratch_count is */
    char *defined; /* UUID of the guest that it defines; NULL: it has not come to that */
    char *old_xml; /* the definition in whose place that comes; NULL: there was none */
    bool old_autostart;
    bool in_place;    /* it has the same name and UUID: one define takes the other's place */
    char *moved;      /* a file of the guest that --replace replaces, now under this path and ... */
    char *moved_from; /* ... to be moved back here, over what the restore has made */
    char *outdated;   /* the same file once all else is there: to be removed */
    char *resumed;    /* save image that it starts the guest from, paused until that is gone (see
                       * was_running); all else is there then */

    /* The folders of the files above that count. intent_write adds what is missing. */
    struct place *places;
    size_t place_count;
};

void intent_clear(struct intent *intent);
#define CLEANUP_INTENT CLEANUP(intent_clear)

/* Sets the kind, and pid, pid_started and since to this process, now. */
void intent_sign(struct intent *intent, enum intent_kind kind);
void intent_add_scratch(struct intent *intent, const char *path);
/* NULL: the id is not known. */
void intent_add_file(struct intent *intent, const char *path, const struct file_id *id);
/* Before it is made; the caller gives it its id afterwards. */
void intent_add_private_folder(struct intent *intent, const char *path,
                               const struct file_id *parent);

/* True if nothing is left to be undone. */
bool intent_is_empty(const struct intent *intent);

/* 1: there is something at `path`, one of the intent's; 0: there is nothing, for certain. -1: that
 * can't be told, because the folder that it is to be in is missing or another one by now; the
 * error says what to do. */
int intent_look(const struct intent *intent, const char *path, struct err *err);

/* Makes the file what the struct says; returns when it is on disk. */
int intent_write(int state_fd, struct intent *intent, struct err *err);
int intent_read(int state_fd, const char *uuid, struct intent *ret, struct err *err);
/* What intent_write puts into the file, for a look at it; the caller frees. */
char *intent_format(const struct intent *intent);
/* What intent_read makes of the file's text; refused (corrupt) if it is no whole journal. */
int intent_parse(const char *text, size_t len, struct intent *ret, struct err *err);
/* True if the run must give the guest up when it goes on: its CPUs, its memory, its file systems
 * or a job on it are in other hands than the guest's own. */
bool intent_holds_guest(const struct intent *intent);
/* Sets taken_over in the file, in place: needs no room. *ret_fd: holds a lock on the journal until
 * it is closed, for which intent_wait_taken waits. */
int intent_take_over(int state_fd, const char *uuid, int *ret_fd, struct err *err);
/* By the run: true if its journal says so, or is gone. */
bool intent_is_taken(int state_fd, const char *uuid);
/* Waits until whoever has taken it over is done with it; for that long at most. */
void intent_wait_taken(int state_fd, const char *uuid, uint64_t timeout_ms);
/* True if the process is stopped, as by SIGSTOP. */
bool intent_process_is_stopped(pid_t pid);
/* False only if there is no such file. */
bool intent_exists(int state_fd, const char *uuid);
/* The end of it: the guest is as it was. */
int intent_remove(int state_fd, const char *uuid, struct err *err);
/* Appends the UUIDs of the guests that have one. A directory that can't be read to its
 * end is an error: what is missed may be a guest that is down. */
int intent_list(int state_fd, struct strings *uuids, struct err *err);
/* True if the process that wrote it is still there. */
bool intent_owner_lives(const struct intent *intent);
