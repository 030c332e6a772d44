/* SPDX-License-Identifier: LGPL-2.1-or-later
 *
 * What comes before a job's work: it has the job for itself, and waits for its time.
 */
#pragma once

#include "base/lock_file.h"
#include "ops/job/work.h"

/* Busy: another process has run this job for longer than the plan would wait. Without room, or without
 * a state directory, there is no lock (*ret NULL), which is told as a warning: two runs of one job get
 * in each other's way only at guests, of which each has a lock of its own. */
int job_start_lock(struct job_work *work, struct lock_file **ret, struct err *err);
/* Waits until this host's share of the stagger is over, or a signal comes. */
void job_start_stagger(struct job_work *work);
/* That share: the same each time for a job of a host, and of many hosts spread evenly. */
uint64_t job_start_delay_ms(const char *host, const char *job, unsigned stagger_s);
