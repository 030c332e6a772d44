/* SPDX-License-Identifier: LGPL-2.1-or-later
 *
 * What a verb tells while it works, as data: a kind and its fields. What people read of it, and what
 * programs do, is made in cli (cli/events.h). Everything here is borrowed while report_event runs.
 * Sizes are bytes, times RFC 3339.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/err.h"
#include "codec/codec.h"
#include "guest/definition/check.h"
#include "ops/capture_mode.h"
#include "ops/events/event_problem.h"
#include "ops/events/events_doctor.h"
#include "ops/events/events_job.h"
#include "ops/events/events_status.h"
#include "ops/events/warnings.h"
#include "ops/points/points.h"
#include "ops/sizes.h"
#include "record/manifest.h"
#include "repository/keep/retention.h"

enum event_kind {
    /* of several verbs */
    EVENT_WARNING,
    EVENT_GUEST_FAILED,
    EVENT_GUEST_NOT_TRIED, /* a signal stopped the run before it got to the guest */
    EVENT_NO_MATCH,
    EVENT_BOTTLENECK,
    /* backup */
    EVENT_LOCKS,
    EVENT_BACKUP_PLAN,
    EVENT_IMAGE_STORED,
    EVENT_BACKED_UP,
    /* copy */
    EVENT_COPIED_BEFORE, /* point_id: the copy that is there */
    /* restore */
    EVENT_RESTORE_PLAN,
    EVENT_DISK_RESTORED,
    EVENT_RESTORED,
    /* list */
    EVENT_LISTED,
    EVENT_LISTED_POINT, /* of a store that has many of a guest */
    /* status */
    EVENT_STATUS, /* of a guest */
    EVENT_STATUS_TOTAL,
    /* verify */
    EVENT_VERIFIED, /* and good */
    EVENT_DAMAGE,
    EVENT_DAMAGED_PACK, /* and which points need it */
    EVENT_ORPHAN,
    EVENT_VANISHED, /* the backup was removed before it was verified */
    /* remove */
    EVENT_REMOVED,
    /* recover */
    EVENT_RECOVERED,
    EVENT_DISMISSED,
    /* checkpoints */
    EVENT_CHECKPOINT,
    /* job, run */
    EVENT_JOB_FAILED, /* as a whole */
    EVENT_JOB_OLD,    /* its file is one of earlier versions */
    EVENT_JOB_UNUSED, /* a section matches no guest of this host */
    EVENT_JOB_LISTED,
    EVENT_JOB_GOOD, /* as far as its file alone can tell */
    EVENT_JOB_SHOWN,
    EVENT_JOB_GUEST, /* what it comes to for this guest */
    /* of several verbs, about one point of a repository */
    EVENT_POINT_FAILED,
    EVENT_POINT_HELD,
    EVENT_POINT_RELEASED,
    EVENT_POINT_TAGGED,
    EVENT_POINT_UNTAGGED,
    EVENT_POINT_UNDELETED,
    EVENT_POINT_SET_ASIDE,
    /* prune */
    EVENT_PRUNE_VERDICT, /* --dry-run and --simulate: what would happen to the point */
    EVENT_POINT_PRUNED,
    EVENT_POINT_DAMAGED, /* and therefore kept */
    EVENT_PRUNED,
    EVENT_PRUNE_SKIPPED, /* the guest has no new point */
    EVENT_SIMULATED,
    /* collect */
    EVENT_COLLECTION,   /* something about it as a whole */
    EVENT_POINT_SPARED, /* it stays in the trash */
    EVENT_POINT_TAKEN,
    EVENT_POINT_COLLECTED,
    EVENT_POINT_STUCK, /* it could not be removed */
    EVENT_SESSION_WAITED,
    EVENT_SESSION_FENCED,
    EVENT_COLLECTED,
    EVENT_SCOPE_FAILED,
    /* repository */
    EVENT_REPOSITORY_MADE,
    /* run */
    EVENT_JOB_DELAYED,
    EVENT_JOB_TROUBLE, /* that costs no guest its backup */
    EVENT_JOB_BACKED_UP,
    EVENT_JOB_TOLD_FAILED, /* as EVENT_GUEST_FAILED; the guest's step has shown it */
    EVENT_JOB_GUEST_LEFT,  /* the window closed before it was begun */
    EVENT_JOB_NOT_PRUNED,  /* the guest has no new point */
    EVENT_JOB_STEP_DONE,
    EVENT_JOB_STEP_FAILED,
    EVENT_JOB_STEP_TOLD_FAILED, /* the step has shown it */
    EVENT_JOB_STEP_LEFT,        /* a signal, or the end of the window, came before it */
    EVENT_JOB_DONE,
    /* doctor */
    EVENT_FINDING,
    EVENT_EXAMINED, /* the last one: how many there were */
    EVENT_KINDS
};

/* ---- parts of events -------------------------------------------------------------------- */

/* A disk, the memory, or a small file of a guest, and the file that stores it. Of a plan it is what
 * would be. */
struct event_item {
    const char *target;             /* of a disk */
    enum manifest_extra_kind extra; /* of a small file ... */
    const char *extra_name;         /* ... and the manifest's word for it */
    const char *path;               /* of a disk or small file in the guest's own place */
    const char *format;             /* of a disk */
    const char *file;
    char compression[CODEC_TEXT_SIZE];
    struct sizes sizes;
    bool shared;   /* restore: another guest's restore makes the disk */
    bool replaces; /* restore: a file that is at `path` */
};

struct event_items {
    const struct event_item *all;
    size_t count;
};

struct event_left_out {
    const char *target;
    const char *device; /* list */
    const char *path;   /* list: where it was; restore: where it is, NULL: left out */
    const char *reason; /* list, backup */
};

/* One item that a store lacks. */
struct event_lacking {
    const char *file;
    struct event_problem problem;
};

struct event_children {
    uint64_t child_memory;
    uint64_t allowed; /* by memory */
    unsigned used;
};

/* A guest that is done. */
struct event_done {
    size_t disks;
    bool memory;
    struct sizes sizes;
    uint64_t elapsed_ms;
};

struct event_downtime {
    bool known;
    uint64_t ms;
};

/* ---- the fields of each kind -------------------------------------------------------------- */

enum event_no_match_why {
    NO_MATCH_GUEST,          /* `where` has no such guest */
    NO_MATCH_TITLE,          /* `where` has no guest with such a title */
    NO_MATCH_TAG,            /* the same of tags */
    NO_MATCH_DISK,           /* no guest has such a disk */
    NO_MATCH_DISK_IN_BACKUP, /* that of the guest `where` */
    NO_MATCH_RESTORED,       /* no such guest is to be restored */
};

/* Nothing is what the user has named with an option. */
struct event_no_match {
    enum event_no_match_why why;
    const char *option;
    const char *name;
    const char *where;
};

enum event_bound { BOUND_CHILDREN, BOUND_READING, BOUND_WRITING };

struct event_bottleneck {
    enum event_bound bound;
    uint64_t reading; /* these three are percent of the time that was waited */
    uint64_t children;
    uint64_t writing;
    uint64_t children_cpu_ms;
    uint64_t efficiency; /* percent */
};

/* Other hosts may not see this host's locks. */
struct event_locks {
    const char *place;
    const char *file_system;
};

struct event_backup_plan {
    const char *destination;
    const char *state;
    enum capture_mode mode;
    bool has_live; /* the guest runs, or ran when libvirt saved its memory */
    uint64_t image_size;
    struct event_items disks;
    struct event_items extras;
    const struct event_item *memory; /* NULL: none */
    bool memory_at_most;             /* its size is only the most that it can be */
    bool memory_only_here;           /* the host's libvirt cannot restore it */
    const struct event_left_out *left_out;
    size_t left_out_count;
    char compression[CODEC_TEXT_SIZE];
    uint64_t chunk_size;
    struct event_children children;
};

/* A disk, or the memory. */
struct event_image_stored {
    const char *what; /* its target, or "memory" */
    const char *file;
    struct sizes sizes;
    uint64_t read;  /* bytes of it that were read */
    bool increment; /* only what was written since the newest point was to be read */
};

struct event_backed_up {
    struct event_done done;
    enum manifest_consistency consistency;
    struct event_downtime downtime; /* not known of a copy */
    bool copied;                    /* from another store */
};

struct event_restore_plan {
    const char *backup_of;
    bool renamed;
    const char *source;
    const char *destination; /* NULL: the original places */
    bool defined;            /* the guest, not only its disks */
    struct sizes sizes;
    struct event_items disks;
    struct event_items extras;
    const struct event_item *memory; /* NULL: none */
    const struct event_left_out *left_out;
    size_t left_out_count;
    const struct definition_findings *findings;
    struct event_children children;
};

struct event_restored {
    struct event_done done;
    const char *state; /* the one it has now; NULL: no guest is defined */
    bool started;      /* by us */
    const char
        *start_with; /* shell line that puts it into the state it was in; NULL: it is in it */
};

struct event_listed {
    const char *scope; /* of the repository that it is in; NULL: it is in an archive */
    const char *uuid;
    const char *type;
    const char *time;
    const char *host;
    const char *host_uuid; /* NULL: not recorded */
    const char *uri;
    const char *state;
    bool persistent;
    bool autostart;
    enum manifest_consistency consistency;
    const char *consistency_name; /* the manifest's word */
    enum manifest_sandbox sandbox;
    const char *sandbox_name; /* the manifest's word */
    enum seal_state seal;
    const char *seal_name;
    unsigned format;
    struct event_downtime downtime;
    struct sizes sizes;
    struct event_items disks;
    struct event_items extras;
    const struct event_item *memory; /* NULL: none */
    const struct event_left_out *left_out;
    size_t left_out_count;
    const struct definition_findings *findings;
    const struct event_lacking *lacking;
    size_t lacking_count;
};

/* One of the points of a guest, without what only its manifest says. */
struct event_listed_point {
    const struct points_entry *entry;
    bool first;        /* of the list: the head of a table goes before it */
    bool with_hold;    /* who holds it, and why, is of interest */
    const char *scope; /* of the repository that it is in */
    bool with_scope;   /* points of other scopes are listed, too */
};

struct event_damaged_pack {
    const char *scope;
    const char *pack;             /* its name in the repository */
    const struct strings *guests; /* of each point that needs it, the guest, ... */
    const struct strings *points; /* ... and the id */
};

struct event_orphan {
    const char *place;
    const char *file;
};

struct event_removed {
    const char *time;
    const char *host;
};

struct event_recovered {
    const char *since;
    const char *note; /* how it was put back, if that is of interest; NULL: it is not */
};

struct event_dismissed {
    const char *const *left; /* files that are the user's from now on */
    size_t left_count;
    const char *checkpoint; /* that the run may have made; NULL: none */
};

struct event_checkpoint {
    const char *name;
    bool removed;
};

/* A point of a repository. */
struct event_point {
    const char *scope;
    const char *id;
    const char *time; /* when its data was taken; NULL: not known */
    const char *tag;  /* that was put on it, or taken from it */
    const char *copy; /* of a point that is set aside: its name in the repository */
    bool was_so;      /* nothing had to be done */
};

struct event_point_failed {
    const char *word; /* what the user called the point */
    struct event_problem problem;
};

struct event_prune_verdict {
    struct event_point point; /* of a simulation it has a time and nothing else */
    bool keeps;
    enum retention_reason reason;
    const char *option; /* "keep-daily"; NULL: it is not by an option */
    const char *period; /* "2026-05"; NULL: the option has none */
};

/* What became of the points of one guest. */
struct event_pruned {
    const char *scope;
    size_t kept;
    size_t dropped;
    bool dry_run;
};

struct event_prune_skipped {
    const char *scope;
    const char *newest; /* time of its newest complete point; NULL: it has none */
};

struct event_simulated {
    size_t backups;
    size_t kept; /* points at the end */
    size_t most; /* at any time */
    bool sized;
    uint64_t stored;  /* at the end */
    uint64_t written; /* by all backups */
};

struct event_point_damaged {
    struct event_point point;
    const char *why;
};

/* A point in the trash, or a session. */
struct event_collect_point {
    struct event_point point;
    const char *guest_uuid;
    const char *since; /* it is in the trash, or was first seen; NULL: of no interest */
    bool held;         /* EVENT_POINT_SPARED: else it has not been in the trash for long enough */
    const char *why;   /* EVENT_POINT_STUCK */
};

enum event_collection_what {
    COLLECTION_RESUMED,
    COLLECTION_ANEW,
    COLLECTION_RESERVE_USED, /* because the store is full */
};

struct event_collection {
    const char *scope;
    enum event_collection_what what;
    const char *since; /* COLLECTION_RESUMED */
    const char *why;   /* COLLECTION_ANEW */
};

enum event_collect_end { COLLECT_END_DONE, COLLECT_END_UNFINISHED, COLLECT_END_STOPPED };

struct event_collected {
    const char *scope;
    enum event_collect_end end;
    bool dry_run;
    uint64_t points; /* there were; 0: not counted */
    uint64_t points_removed;
    uint64_t packs; /* there were; 0: not counted */
    uint64_t packs_removed;
    uint64_t bytes_removed;
    uint64_t waiting; /* sessions */
    uint64_t fenced;
};

struct event_scope_failed {
    const char *scope;
    struct event_problem problem;
};

struct event_repository_made {
    const char *url;
    const char *id;
    const char *lagging; /* the type of a file system whose listings may be old; else NULL */
    bool creates_once;   /* false: collections must have it for themselves */
};

/* The member is that of the kind; EVENT_GUEST_NOT_TRIED, EVENT_COPIED_BEFORE, EVENT_VANISHED,
 * EVENT_JOB_GUEST_LEFT and EVENT_JOB_NOT_PRUNED have none. */
struct event {
    enum event_kind kind;
    const char *guest;    /* NULL: it is about no single guest */
    const char *point_id; /* of its point; NULL: the store has one of it, or no point is meant */
    union {
        struct warning warning;
        struct event_problem problem; /* EVENT_GUEST_FAILED, EVENT_DAMAGE, EVENT_JOB_TOLD_FAILED */
        struct event_no_match no_match;
        struct event_bottleneck bottleneck;
        struct event_locks locks;
        struct event_backup_plan backup_plan;
        struct event_image_stored image_stored;
        struct event_backed_up backed_up;
        struct event_restore_plan restore_plan;
        struct event_item disk_restored;
        struct event_restored restored;
        struct event_listed listed;
        struct event_listed_point listed_point;
        struct event_status status;
        struct event_status_total status_total;
        struct event_done verified;
        struct event_damaged_pack damaged_pack;
        struct event_orphan orphan;
        struct event_removed removed;
        struct event_recovered recovered;
        struct event_dismissed dismissed;
        struct event_checkpoint checkpoint;
        struct event_job job; /* EVENT_JOB_FAILED to EVENT_JOB_GUEST */
        struct event_point_failed point_failed;
        struct event_point
            point; /* EVENT_POINT_HELD to EVENT_POINT_SET_ASIDE, EVENT_POINT_PRUNED */
        struct event_prune_verdict verdict;
        struct event_point_damaged point_damaged;
        struct event_pruned pruned;
        struct event_prune_skipped prune_skipped;
        struct event_simulated simulated;
        struct event_collection collection;
        struct event_collect_point collect_point; /* EVENT_POINT_SPARED to EVENT_SESSION_FENCED */
        struct event_collected collected;
        struct event_scope_failed scope_failed;
        struct event_repository_made repository_made;
        struct event_job_delayed job_delayed;
        struct event_job_trouble job_trouble;
        struct event_job_backed_up job_backed_up;
        struct event_job_step job_step; /* EVENT_JOB_STEP_DONE to EVENT_JOB_STEP_LEFT */
        struct event_job_done job_done;
        struct event_finding finding;
        struct event_examined examined;
    };
};
