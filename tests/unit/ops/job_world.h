/* SPDX-License-Identifier: LGPL-2.1-or-later
 *
 * A job for the tests: its steps are a script that does what files in a folder say, and notes what it
 * was called for. Nothing outside that folder is touched.
 */
#pragma once

#include "../base/unit.h"

#include "ops/job/job.h"

struct job_world {
    struct scratch *scratch;
    struct job_plan plan;
    struct job_means means;
    struct report report;
    struct outcome outcome;
    struct err err;
};

#define GUEST_A (world->plan.guests[0])
#define GUEST_B (world->plan.guests[1])
#define GUEST_C (world->plan.guests[2])
/* For a script: text becomes a line of the log. */
#define NOTE(text) "echo " text " >> \"$JOB_WORLD/log\""

/* Guests "a", "b" and "c" of the job "nightly", each with words for backup and prune. */
int job_world_setup(void **state);
int job_world_teardown(void **state);

/* What the step of a verb does: "backup-a", "verify", as lines of a shell script. Without it, it does
 * well. */
void job_world_script(struct job_world *world, const char *step, const char *lines);
/* A hook that runs these lines of a shell script. */
void job_world_hook(struct strings *hook, const char *lines);
/* Sets outcome and err. */
int job_world_run(struct job_world *world);
/* The steps, hooks and events in the order in which they came: "backup a", "+a" for a good guest, "-b
 * REASON" for a failed one, ... The caller frees. */
char *job_world_log(const struct job_world *world);
/* Fails unless the log has these parts in this order. */
void job_world_expect(const struct job_world *world, const char *const *parts, size_t count);
#define expect_log(world, ...)                                                                     \
    job_world_expect(world, (const char *const[]){__VA_ARGS__},                                    \
                     sizeof((const char *const[]){__VA_ARGS__}) / sizeof(char *))
void job_world_expect_not(const struct job_world *world, const char *part);
