/* SPDX-License-Identifier: LGPL-2.1-or-later
 *
 * The verbs that make a repository and decide what stays in it, as functions: see ops/verbs.h for
 * what they have in common. How points are named is in ops/keep/meant.h.
 */
#pragma once

#include <stdbool.h>
#include <stdint.h>

#include "base/err.h"
#include "ops/events/report.h"
#include "ops/keep/schedule.h"
#include "ops/verbs.h"
#include "repository/keep/retention.h"

struct prune_options {
    const char *repository;
    const struct parser *parser; /* as in struct points_place */
    const char *scope;           /* NULL: each in turn */
    struct retention_policy policy;
    const char *time_zone;     /* NULL: the host's */
    uint64_t newest_within_ms; /* guests without a complete point this young are left alone; 0: all
                                  are pruned */
    bool verified_only; /* points that no check has found good count for nothing, and are kept */
    bool dry_run;
    struct name_list domains; /* names or UUIDs; empty: all */
};

int keep_prune(const struct prune_options *options, const struct report *report,
               struct outcome *ret_outcome, struct err *err);

struct prune_simulation {
    struct retention_policy policy;
    const char *time_zone;
    struct schedule schedule;
    uint64_t for_ms;
    uint64_t stored; /* bytes of a first backup; 0: how much is stored is not told */
    unsigned
        change_per_10k; /* what differs from one backup to the next, in hundredths of a percent */
};

/* What would be there if backups were made from now on, and pruned after each. Usage: more of them
 * than PRUNE_SIMULATED_MAX. Opens no repository. */
#define PRUNE_SIMULATED_MAX 20000u
int keep_simulate(const struct prune_simulation *simulation, const struct report *report,
                  struct err *err);

struct collect_options {
    const char *repository;
    const struct parser *parser; /* as in struct points_place */
    const char *scope;           /* NULL: each in turn */
    uint64_t trash_age_ms;
    uint64_t silence_ms;
    bool wait;
    bool alone;
    bool nfs_ok;
    bool dry_run;
    uint64_t memory_limit; /* bytes; 0: none */
};

/* What collect_options have if nobody says otherwise. */
void keep_collect_defaults(struct collect_options *ret);
int keep_collect(const struct collect_options *options, const struct report *report,
                 struct outcome *ret_outcome, struct err *err);

struct create_options {
    const char *repository; /* a folder that is empty, or is made */
    const char *scope;      /* NULL: the usual one */
};

int keep_create(const struct create_options *options, const struct report *report, struct err *err);

/* What is done to points. */
enum mark_action {
    MARK_HOLD,
    MARK_RELEASE,
    MARK_TAG,
    MARK_REMOVE,
    MARK_UNDELETE,
    MARK_SET_ASIDE, /* of points that are damaged */
};

struct mark_options {
    enum mark_action action;
    const char *repository;
    const struct parser *parser; /* as in struct points_place */
    const char *scope;           /* NULL: all */
    struct name_list points;
    struct name_list add_tags; /* MARK_TAG */
    struct name_list remove_tags;
    const char *reason;      /* for people; NULL: none */
    remove_confirm *confirm; /* MARK_REMOVE: asked before each */
    void *opaque;
};

/* An event for each point and tag. */
int keep_mark(const struct mark_options *options, const struct report *report,
              struct outcome *ret_outcome, struct err *err);
