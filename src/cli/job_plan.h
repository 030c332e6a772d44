/* SPDX-License-Identifier: LGPL-2.1-or-later
 *
 * What the settings of a job come to for the guests of this host (ops/job/plan.h).
 */
#pragma once

#include <stdint.h>

#include "cli/job_file.h"
#include "ops/events/report.h"
#include "ops/guests/host_guests.h"
#include "ops/job/plan.h"

/* The settings of one key that count: one, or several if they add up. */
struct job_meant {
    const struct job_setting **settings; /* owned; borrowed from the job */
    size_t count;
};

/* in_section: for a guest, by section of the job (from 0), whether the guest is meant; NULL: for the
 * job as a whole. */
void job_meant(const struct job *job, const struct options_row *row, const bool *in_section,
               struct job_meant *ret);
void job_meant_clear(struct job_meant *meant);
#define CLEANUP_JOB_MEANT CLEANUP(job_meant_clear)

/* Which guests of this host are in which section: owned, guest by guest. */
bool *job_sections_of(const struct job *job, const struct host_guests *guests);

/* The guests that the job chooses. Reports names that mean none, and fails, as select_names. */
int job_choose(const struct job *job, const struct host_guests *guests, const struct report *report,
               struct outcome *outcome, bool *ret_chosen, struct err *err);

struct job_planning {
    const struct job *job; /* has passed job_check */
    const struct host_guests *guests;
    int64_t now_s;               /* Unix time at which it begins */
    const struct report *report; /* gets what means nothing here: guests, disks that are left out */
    struct outcome *outcome;     /* its failures are the unmatched names of the plan */
};

/* What it says beside its guests, which may be NULL. */
void job_plan_whole(const struct job_planning *planning, struct job_plan *ret);
int job_plan_make(const struct job_planning *planning, struct job_plan *ret, struct err *err);
