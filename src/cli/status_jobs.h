/* SPDX-License-Identifier: LGPL-2.1-or-later
 *
 * What jobs protect, for status: the guests that they choose, and the places that they write to.
 */
#pragma once

#include "cli/job_file.h"
#include "ops/events/report.h"
#include "ops/guests/host_guests.h"
#include "ops/points/points.h"

struct status_jobs {
    struct points_place *places; /* owned, without a parser; each once */
    size_t place_count;
    struct strings place_texts; /* what the places borrow */
    struct strings uris;        /* of hypervisors; NULL: libvirt's default; each once */
    struct strings guests;      /* UUIDs, each once */
    struct strings names;       /* of the jobs */
};

/* What to read. */
struct status_jobs_request {
    const struct job_places *places;
    const struct strings *words;       /* jobs, as for job_file_read; empty: all that there are */
    const struct options_given *given; /* takes the place of what is in the files */
    const struct report *report;
    struct outcome *outcome;
};

/* Reads the jobs and asks libvirt for their guests. Names of guests that are nowhere, and jobs that
 * choose no guest at all, are reported and counted in the outcome. Fails if a job is wrong, if libvirt
 * cannot be asked, if there is no job (usage), and if none of the jobs chooses a guest. */
int status_jobs_read(const struct status_jobs_request *request, struct status_jobs *ret,
                     struct err *err);
/* Adds what one job protects of these guests. Fails as job_choose. */
int status_jobs_add(const struct job *job, const struct host_guests *guests,
                    const struct status_jobs_request *request, struct status_jobs *jobs,
                    struct err *err);
void status_jobs_clear(struct status_jobs *jobs);
#define CLEANUP_STATUS_JOBS CLEANUP(status_jobs_clear)
