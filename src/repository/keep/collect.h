/* SPDX-License-Identifier: LGPL-2.1-or-later
 *
 * Collection: removes points that have been in the trash for long enough, and packs that no point
 * refers to. The only thing that deletes anything from a repository. Sessions may run meanwhile, on
 * any host, and so may other collections; there are no locks, and no clock decides. A collection
 * waits for the sessions that it finds under way, because they may refer to what it wants to remove;
 * one that is silent for long is fenced: it will find a tombstone in its slot, and fail. So it may
 * take days; it need not run that long, for it is kept in the state directory.
 *
 * It relies on this: who lists or reads sees what was completed before (not on NFS, therefore
 * nfs_ok); a name that exists is not created again (else: alone); nobody else deletes anything. If a
 * repository is set back to a snapshot while a collection removes points, points may lose packs.
 *
 * See COLLECTION in virt-backup-repository(5) and tests/model/collection.pml.
 */
#pragma once

#include "repository/keep/objects.h"
#include "repository/repository.h"

#define COLLECT_TRASH_AGE_MS (INT64_C(7) * 24 * 3600 * 1000)
#define COLLECT_SILENCE_MS (INT64_C(24) * 3600 * 1000)
#define COLLECT_LOOK_MS (UINT64_C(5) * 60 * 1000)

struct collect_settings {
    const char *scope;
    int state_fd;         /* the state directory, borrowed */
    const char *host;     /* for the token; information only */
    int64_t trash_age_ms; /* points must have been in the trash for so long */
    int64_t silence_ms;   /* after which a session is fenced, by the clock of this host */
    bool wait;            /* for sessions, rather than let a later run go on */
    uint64_t look_ms;     /* between looks at them */
    bool alone;  /* whoever runs this knows that nobody else writes, and no other collection runs */
    bool nfs_ok; /* the same: that listings are never old */
    bool dry_run;          /* changes nothing in the repository */
    uint64_t memory_limit; /* bytes that the process may take, more or less; 0: no limit */
};

enum collect_event_kind {
    COLLECT_RESUMED,  /* goes on with a collection begun at time_ms */
    COLLECT_ANEW,     /* an earlier one cannot go on; text says why */
    COLLECT_HELD,     /* the point is in the trash, but held */
    COLLECT_YOUNG,    /* the point is in the trash, since time_ms, which is not long enough */
    COLLECT_TAKEN,    /* the point is to be removed */
    COLLECT_WAITING,  /* for the session of this point, which was first seen at time_ms */
    COLLECT_FENCED,   /* that session was taken for dead */
    COLLECT_REMOVED,  /* the point */
    COLLECT_STAYS,    /* the point could not be removed; text says why */
    COLLECT_UNKNOWN,  /* text: an object's name that no repository has; it is passed over */
    COLLECT_RESERVED, /* the store is full: its reserve was given up */
};

/* Borrowed during the call. */
struct collect_event {
    enum collect_event_kind kind;
    struct point_id point;
    int64_t time_ms;
    const char *text;
};

struct collect_events {
    void (*call)(void *opaque, const struct collect_event *event);
    void *opaque;
};

enum collect_outcome {
    COLLECT_DONE,
    COLLECT_UNFINISHED, /* there are sessions to wait for: the next run goes on */
    COLLECT_STOPPED,    /* something else has removed points meanwhile: the next run begins anew */
};

/* With dry_run, what could be removed if no session were under way. */
struct collect_result {
    enum collect_outcome outcome;
    uint64_t points_seen;
    uint64_t points_removed;
    uint64_t packs_seen; /* 0 in a run that goes on with an earlier one */
    uint64_t packs_removed;
    uint64_t bytes_removed;
    uint64_t sessions_waited; /* still waited for */
    uint64_t sessions_fenced;
};

/* Corrupt: a point cannot be read, and nothing was deleted (marks_set_aside is for it). Busy: another
 * process on this host collects in this scope. Unsupported: the store needs alone or nfs_ok, it takes
 * more memory than memory_limit, of which nothing was changed, or there is a point of a newer version. */
int collect_run(const struct repository *repository, const struct collect_settings *settings,
                const struct collect_events *events, struct collect_result *ret, struct err *err);
