/* SPDX-License-Identifier: LGPL-2.1-or-later
 *
 * The fields of events of a job, for ops/events/events.h.
 */
#pragma once

#include <stddef.h>
#include <stdint.h>

#include "ops/events/event_problem.h"

struct event_setting {
    const char *key;
    const char *value;   /* NULL: a flag */
    unsigned line;       /* 0: it was given on the command line */
    const char *section; /* NULL: of the whole job */
};

struct event_job {
    const char *name;
    const char *path;
    struct event_problem problem;         /* EVENT_JOB_FAILED; names the job, or its file */
    const struct event_setting *settings; /* EVENT_JOB_SHOWN, EVENT_JOB_GUEST */
    size_t setting_count;
    const char *section;  /* EVENT_JOB_UNUSED */
    unsigned line;        /* of the section */
    const char *left_out; /* EVENT_JOB_GUEST: by which keys; NULL: it is not */
};

/* The start of a job is put off. */
struct event_job_delayed {
    const char *job;
    const char *until;
};

enum event_job_trouble_what {
    JOB_TROUBLE_LOCK,    /* nothing keeps out other runs of it */
    JOB_TROUBLE_RESULT,  /* results cannot be kept */
    JOB_TROUBLE_METRICS, /* they cannot be written */
    JOB_TROUBLE_HOOK,    /* one that comes after the work has failed */
};

struct event_job_trouble {
    const char *job;
    enum event_job_trouble_what what;
    struct event_problem problem;
};

struct event_job_backed_up {
    uint64_t read;
    uint64_t stored; /* bytes that are new */
    uint64_t elapsed_ms;
};

/* Prune, verify or collect. */
struct event_job_step {
    const char *job;
    const char *verb;
    uint64_t elapsed_ms;          /* EVENT_JOB_STEP_DONE */
    struct event_problem problem; /* EVENT_JOB_STEP_FAILED, EVENT_JOB_STEP_TOLD_FAILED */
};

struct event_job_failure {
    const char *guest;
    const char *reason;
};

/* What became of the guests of a job. */
struct event_job_done {
    const char *job;
    size_t count;
    size_t good;
    size_t left;      /* not begun: the window closed */
    size_t not_tried; /* not begun: a signal came */
    const struct event_job_failure *failures;
    size_t failure_count;
    const char *const *failed_steps; /* "prune web", "collect" */
    size_t failed_step_count;
    uint64_t stored; /* bytes that are new */
    uint64_t elapsed_ms;
};
