/* SPDX-License-Identifier: LGPL-2.1-or-later
 *
 * The steps that follow the backups: prune, verify, collect.
 */
#pragma once

#include "ops/job/work.h"

/* Runs it, unless it has no words; a signal or the end of the window may leave it for another time,
 * which is told. guest NULL: it is of no single guest. What became of it is told, counted if it has
 * failed, and kept. */
void job_steps_run(struct job_work *work, const char *verb, const struct strings *words,
                   const struct job_guest *guest);
