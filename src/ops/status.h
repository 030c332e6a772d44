/* SPDX-License-Identifier: LGPL-2.1-or-later
 *
 * How the guests of this host, and those of some stores, are protected: of each its newest good point, when
 * one was last verified, and how its last runs have ended.
 *
 * A point is good if it is complete, can be read, is not in the trash, has not been found damaged, and is not
 * of the future, more than STATUS_AHEAD_MS after now: such a point, made while a clock was wrong, would hide
 * for years that there is no newer one. Which guests are one is told by their UUIDs.
 */
#pragma once

#include "ops/events/report.h"
#include "ops/points/points.h"
#include "ops/results.h"
#include "ops/verbs.h"

#define STATUS_AHEAD_MS (INT64_C(60) * 60 * 1000)

enum status_state {
    STATUS_STATE_OK,     /* has a good point that is young enough */
    STATUS_STATE_FAILED, /* the same, but the last run of a verb has failed */
    STATUS_STATE_STALE,  /* its newest good point is too old */
    STATUS_STATE_NEVER,  /* has no good point */
    STATUS_STATE_GONE,   /* this host does not have the guest: for information */
    STATUS_STATES
};

struct status_guest {
    char *name; /* owned, like all */
    char *uuid;
    bool on_host;
    enum status_state state;
    /* Its newest good point; NULL: it has none. */
    char *point;      /* id; "" in an archive */
    char *place;      /* of the store */
    char *scope;      /* of a repository; else NULL */
    int64_t taken_ms; /* since 1970 */
    uint64_t size;    /* bytes of its images */
    uint64_t stored;  /* that its backup has added */
    /* Of all its points: */
    size_t points;       /* that are complete and not in the trash, ... */
    size_t damaged;      /* ... and of these, were found damaged, or cannot be read */
    size_t ahead;        /* ... or are of the future */
    int64_t verified_ms; /* when one was last found good, its bytes having been read; 0: never */
    char *unreadable;    /* why its points cannot be listed; else NULL */
    /* The last run about it that has failed; verb NULL: none is known. */
    struct {
        char *verb, *job, *host, *reason; /* job and reason: or NULL */
        int64_t ended_s;
        int status;
        bool open; /* the verb has not succeeded since, and no backup has */
    } failure;
};

struct status {
    struct status_guest *guests; /* owned; by name, those that are gone last */
    size_t count;
    int64_t now_ms;
    int64_t max_age_ms;
    size_t states[STATUS_STATES]; /* how many guests are in each */
    size_t missing;               /* what was asked for and is nowhere */
    struct results results;       /* of all guests and jobs of this host, and of guests of others */
    struct name_list jobs;        /* borrowed; whose results the metrics have; empty: of all */
};

/* Accepts a zeroed one. */
void status_clear(struct status *status);
#define CLEANUP_STATUS CLEANUP(status_clear)

struct status_options {
    const struct points_place *places; /* a repository without a scope: all its scopes */
    size_t place_count;
    /* These are places of jobs: scopes and folders that the first backup makes need not be there. */
    bool new_ok;
    const char *const *uris; /* of the hypervisors; NULL: libvirt's default */
    size_t uri_count;
    struct name_list domains; /* only these guests; empty: all */
    struct name_list jobs;    /* only results of these are metrics; empty: of all */
    uint64_t max_age_ms;
};

/* Whether a guest of the host has no good point that is young enough. */
bool status_is_bad(const struct status *status);
/* Whether one has failed since, or something is missing. */
bool status_is_doubtful(const struct status *status);

/* Fails if libvirt or a place cannot be read: nothing is known then, which a plugin tells, too. Guests that
 * --domain-names names and that are nowhere are reported and counted in the outcome.
 *
 * Looks, tells EVENT_STATUS of each guest and EVENT_STATUS_TOTAL, and writes the metrics, if a file is
 * named. A monitoring plugin gets one EVENT_STATUS_TOTAL, which has everything. */
struct status_request {
    struct status_options options;
    const char *metrics; /* file; NULL: none */
    bool plugin;
};
int status_run(const struct status_request *request, const struct report *report,
               struct outcome *outcome, int *ret_exit_status, struct err *err);
/* Tells a monitoring system why nothing is known. Returns the exit status for it. */
int status_tell_unknown(const struct report *report, const struct err *why);
