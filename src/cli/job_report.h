/* SPDX-License-Identifier: LGPL-2.1-or-later
 *
 * What is told of jobs.
 */
#pragma once

#include "cli/job_file.h"
#include "ops/events/report.h"
#include "ops/guests/host_guests.h"

/* A job that could not be done at all: counts as failed. The error names it, or its file. */
void job_report_failed(const struct report *report, struct outcome *outcome, const char *name,
                       const struct err *err);
/* If its file is one of earlier versions. */
void job_report_old(const struct report *report, const struct job *job);
/* Sections that mean no guest. */
void job_report_unused(const struct report *report, const struct job *job,
                       const struct host_guests *guests);
/* The settings of the job as a whole. */
void job_report_settings(const struct report *report, const struct job *job);
/* What it comes to for each guest. Counts the job as good. */
int job_report_guests(const struct report *report, struct outcome *outcome, const struct job *job,
                      const struct host_guests *guests, struct err *err);
