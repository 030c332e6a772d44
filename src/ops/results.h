/* SPDX-License-Identifier: LGPL-2.1-or-later
 *
 * What has become of runs: the newest RESULTS_KEPT of each guest and of each job, as small files below
 * "results" in the state directory (ops/undo/state_dir.h). Those of guests are kept in a repository
 * beside the points, too, so that other hosts see them (repository/run_records.h).
 *
 * Several processes may add results at the same time. A file that is damaged is told as a warning and
 * set aside when the next result is added; it keeps nobody from anything.
 */
#pragma once

#include <stddef.h>
#include <stdint.h>

#include "base/cleanup.h"
#include "base/err.h"
#include "base/strings.h"

#define RESULTS_KEPT 30u

struct run_result {
    const char *job;   /* NULL: of no job */
    const char *guest; /* NULL: of the job as a whole */
    const char *uuid;  /* of the guest; exactly if it has a name */
    const char *verb;  /* "backup", "prune", ... */
    const char *host;
    int64_t started_s; /* since 1970 */
    int64_t ended_s;
    int status;         /* exit status */
    const char *point;  /* id of the point that was made; NULL */
    uint64_t read;      /* bytes */
    uint64_t stored;    /* bytes that were added to the repository or archive */
    const char *reason; /* the error, one line; NULL */
};

struct results {
    struct run_result *all; /* owned */
    size_t count;
    struct strings texts; /* to which their texts belong */
};

void results_clear(struct results *results);
#define CLEANUP_RESULTS CLEANUP(results_clear)

/* Appends it; its texts are those of results_keep, or outlive the results. */
void results_append(struct results *results, const struct run_result *result);
/* A copy of the text (NULL: NULL), which lives as long as the results. */
const char *results_keep(struct results *results, const char *text);
/* The newest, by its end, becomes the last. */
void results_sort(struct results *results);

/* A reason as it is shown where the guest's name stands already: without it. Part of the reason. */
const char *results_reason(const char *reason, const char *guest);

/* Keeps the result in the state directory: in the guest's file, or without a guest in the job's; and
 * that of a guest in this scope (NULL: "default") of a repository, unless that is NULL. The other place
 * gets it even if one fails. Texts may be of any length; what is too long is cut. Waits up to ten
 * seconds for others that add one to the same file. Usage: neither a guest nor a job is named. Any error
 * means only that the result is not kept: a warning for the caller. */
int results_add(const struct run_result *result, const char *repository_or_null, const char *scope,
                struct err *err);
/* Appends what this host has kept, of all guests and jobs; the newest, by its end, is the last. No
 * state directory: nothing. Files that cannot be read are told as warnings and passed over. */
int results_read(struct results *ret, struct err *err);
