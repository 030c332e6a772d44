/* SPDX-License-Identifier: LGPL-2.1-or-later
 *
 * The verbs, as functions. Each takes its options and a report, goes through the guests, and
 * returns an outcome. A return value of -1 is an error of the whole run (nothing, or nothing more,
 * was done). A guest's own error is reported as an event and counted in the outcome, and the run
 * goes on with the next guest. The options borrow their texts.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/err.h"
#include "mtcp/spawner.h"
#include "ops/events/report.h"
#include "ops/points/points.h"
#include "ops/transfer/limit.h"

struct guardian;

struct name_list {
    const char *const *names;
    size_t count;
};

/* Guests of this host: those that one of the first three lists means; if all are empty, all. See
 * ops/guests/select.h for what a word means. */
struct guest_choice {
    struct name_list names;
    struct name_list titles;
    struct name_list tags;
    struct name_list excluded;
};

/* Options for the child processes and their input. */
struct children_options {
    unsigned children;                  /* 0: as many as make it faster */
    uint64_t memory_limit;              /* bytes; 0: no limit */
    uint64_t compression_buffer;        /* bytes; 0: the level's own */
    uint64_t chunk_size;                /* bytes; 0: the codec's default */
    struct limit_rates bandwidth_limit; /* of what is read */
    bool foreign;                       /* --child-command was given: the children get C messages */
    bool no_sandbox; /* our own children run with the privileges of this process */
};

enum guest_memory {
    GUEST_MEMORY_AUTO,    /* live if that can be trusted, else pause, else save */
    GUEST_MEMORY_SPARING, /* none if the guest's agent can freeze its file systems, else as above */
    GUEST_MEMORY_LIVE,
    GUEST_MEMORY_PAUSE,
    GUEST_MEMORY_SAVE,
    GUEST_MEMORY_NONE,
};

struct backup_options {
    struct points_place destination;
    const char *uri; /* NULL: libvirt's default */
    struct guest_choice choice;
    struct name_list exclude_disks; /* "vdb" in every guest, or "GUEST:vdb" */
    struct codec_spec codec;
    enum guest_memory guest_memory;
    const char *scratch_path; /* NULL: the guest's private folder */
    const char *staging_path; /* NULL: the usual one, see ops/staging.h */
    struct children_options children;
    struct guardian *guardian; /* NULL: none */
    uint64_t wait_ms;          /* to wait for another run that has a guest; LOCK_FILE_FOREVER */
    enum points_replace replace;
    const char *like; /* as in struct points_request, like the next two */
    bool no_refresh;
    bool full_read; /* disks are read whole, even if it is known what was written to them */
    struct name_list tags;
    bool dry_run;
};

int backup_run(const struct backup_options *options, struct spawner *spawner,
               const struct report *report, struct outcome *ret_outcome, struct err *err);

struct disk_map {
    const char *guest;  /* NULL: the only one that is restored */
    const char *target; /* vda */
    const char *path;   /* an existing block device, or a file to make */
};

struct restore_options {
    struct points_place source;
    const char *point; /* of each guest that is named without one, see points_find; NULL: latest */
    const char *destination; /* NULL: original_places */
    const char *uri;
    struct name_list domains;
    struct name_list exclude_domains;
    struct name_list disks; /* empty: all, and the guest is defined */
    const struct disk_map *maps;
    size_t map_count;
    const char *new_name;     /* NULL: its own */
    const char *staging_path; /* NULL: the usual one, see ops/staging.h */
    struct children_options children;
    uint64_t wait_ms; /* as in backup_options */
    bool hold;        /* points of a repository, until they are restored */
    bool allow_autorun;
    bool replace;
    bool trust_definition;
    bool keep_left_out;   /* disks that are not in the backup stay in the definition */
    bool original_places; /* instead of a destination; not with a new name */
    bool overwrite;       /* files in those places are replaced */
    bool dry_run;
};

int restore_run(const struct restore_options *options, struct spawner *spawner,
                const struct report *report, struct outcome *ret_outcome, struct err *err);

/* From one store to another. */
struct carry_options {
    struct points_place source;
    struct points_place destination;
    const char *point; /* of a repository: as in restore_options; or, if no guest is named, an id */
    struct name_list domains;
    struct name_list exclude_domains;
    struct codec_spec codec;
    const char *staging_path; /* where an image is while it is carried; NULL: the destination */
    struct children_options children;
    uint64_t wait_ms;            /* as in backup_options */
    enum points_replace replace; /* of an archive */
    struct name_list tags;       /* of a repository */
};

/* Makes a point of each point that is meant, in another store. libvirt is not used. */
int carry_run(const struct carry_options *options, struct spawner *spawner,
              const struct report *report, struct outcome *ret_outcome, struct err *err);

enum verify_level {
    VERIFY_DATA,    /* everything is decoded */
    VERIFY_STORED,  /* everything is read */
    VERIFY_OBJECTS, /* everything is there */
};

struct verify_options {
    struct points_place source;
    struct name_list domains;
    struct name_list exclude_domains;
    struct children_options children;
    uint64_t wait_ms; /* for a backup that is replaced again and again */
    /* Of a repository: */
    enum verify_level level;
    unsigned part; /* from 1: of so many parts of the points, only this; 0: all of them */
    unsigned parts;
    unsigned
        share; /* of so many shares of the bytes, this many, of what was verified longest ago; 0: all */
    unsigned shares;
    uint64_t max_age_ms;  /* only points that were not found good in this time; 0: all */
    uint64_t max_time_ms; /* no point is begun after this time; 0: no limit */
};

int verify_run(const struct verify_options *options, struct spawner *spawner,
               const struct report *report, struct outcome *ret_outcome, struct err *err);

struct recover_options {
    struct name_list dismiss; /* names or UUIDs of guests; empty: none */
    uint64_t wait_ms;         /* to wait for another process that has a guest; 0: a minute */
};

/* Of guests, made by backups into a repository (guest/checkpoint.h). */
struct checkpoints_options {
    const char *uri;
    struct name_list domains; /* empty: all */
    uint64_t wait_ms;         /* as in backup_options */
    bool remove;              /* else they are listed */
};

/* EVENT_CHECKPOINT for each that there is, or was removed. */
int checkpoints_run(const struct checkpoints_options *options, const struct report *report,
                    struct outcome *ret_outcome, struct err *err);

struct doctor_options {
    const char *uri;
    struct name_list domains;  /* empty: all */
    struct points_place place; /* its path is NULL: none */
    const char *scratch_path;  /* as in backup_options, like the next */
    const char *staging_path;
};

/* EVENT_FINDING for each thing that is found good, worth a note, or wrong, and one EVENT_EXAMINED. What is
 * wrong counts as failed. Changes nothing. Forks, so call it before anything has threads. */
int doctor_run(const struct doctor_options *options, const struct report *report,
               struct outcome *ret_outcome, struct err *err);

struct list_options {
    struct points_place source;
    struct name_list domains;
    bool holds;   /* of a repository: only points that are held */
    bool partial; /* of a repository: also those of backups that were not completed */
};

/* Event "backup" for each guest, with a text of several lines. Of a store that has many points of a
 * guest it is so for those that are named; of guests that are named without one, or not at all, there
 * is an event "point" for each of their points. With `holds` there is one for each that is held. */
int list_run(const struct list_options *options, const struct report *report,
             struct outcome *ret_outcome, struct err *err);

/* A backup that is about to be removed. */
struct remove_candidate {
    const char *guest;
    const char *time; /* of the backup */
    const char *host; /* that made it */
    const char *path; /* of the store */
    const char *id;   /* of the point, if the store may have several; else NULL */
};

/* Whether it is to be removed. */
typedef bool remove_confirm(void *opaque, const struct remove_candidate *candidate);

struct remove_options {
    const char *archive;         /* for a repository there is keep_mark */
    const struct parser *parser; /* as in struct points_place */
    struct name_list domains;
    uint64_t wait_ms; /* as in backup_options */
    remove_confirm *confirm;
    void *opaque;
};

/* Event "backup-removed" for each. */
int remove_run(const struct remove_options *options, const struct report *report,
               struct outcome *ret_outcome, struct err *err);
