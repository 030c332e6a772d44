/* SPDX-License-Identifier: LGPL-2.1-or-later
 *
 * What a job can say. One table makes the keys of its file and the options of the verb run.
 */
#pragma once

#include "cli/options.h"

/* The command lines that a night consists of. */
enum job_step { JOB_BACKUP = 1, JOB_PRUNE = 2, JOB_VERIFY = 4, JOB_COLLECT = 8 };

enum job_place {
    JOB_WHOLE,  /* before the first section only */
    JOB_GUESTS, /* in sections, too */
    JOB_EITHER, /* of the job before the first section, in sections of the guests' own */
};

enum job_store { JOB_ANY_STORE, JOB_REPOSITORY, JOB_FOLDER };

struct job_key {
    enum job_place place;
    unsigned steps; /* whose command lines have it */
    enum job_store store;
    const char *step_name; /* its name there; NULL: its own */
};

/* The keys, then options that have no key because they are about one run and what it shows. */
#define JOB_KEY_COUNT 52
#define JOB_ROW_COUNT (JOB_KEY_COUNT + 3)
extern const struct options_row job_rows[JOB_ROW_COUNT];

/* The keys alone. */
extern const struct options_table job_keys;
/* Of a row of job_keys. */
const struct job_key *job_key_of(const struct options_row *row);
