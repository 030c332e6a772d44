/* SPDX-License-Identifier: LGPL-2.1-or-later
 *
 * What a job comes to for the guests of this host: the command lines that its night consists of.
 * Whoever makes a plan knows files and options; whoever carries it out (ops/job/job.h) knows
 * neither. A plan owns all that is in it.
 *
 * A command line is the words that follow the program's name: "backup", "--repository=/backup",
 * "--domain-names=web". An option and its value are one word.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/strings.h"

/* Programs to be told, each an argument vector; count 0: no such program. */
struct job_hooks {
    struct strings before; /* if it fails, what it belongs to is not begun */
    struct strings after;
    struct strings failed;
    unsigned limit_s; /* for each of them; 0: the usual time */
};

struct job_guest {
    char *name;
    char *uuid;
    struct strings backup;
    struct strings prune; /* of this guest's points only; count 0: none of them is pruned */
    struct job_hooks hooks;
};

struct job_plan {
    char *name;        /* of the job */
    char *repository;  /* or NULL, and then: */
    char *destination; /* an archive folder */
    char *scope;       /* of the repository; NULL: the usual one */
    char *uri;         /* of the hypervisor; NULL: libvirt's default */
    bool no_sandbox;   /* of the processes that look at the store; steps have words for that */
    struct job_guest *guests;
    size_t guest_count;
    unsigned unmatched;     /* names in the job that mean no guest or disk; each is a failure */
    struct strings verify;  /* after all guests; count 0: not done */
    struct strings collect; /* after that; count 0: not done */
    struct job_hooks hooks; /* of the job as a whole */
    unsigned parallel;      /* guests at a time, from 1 */
    int64_t not_after_s;    /* Unix time at which nothing is begun any more; INT64_MAX: none */
    char *metrics;          /* a file; NULL: none is written */
    unsigned
        stagger_s; /* the start is put off by less than this, always by the same; 0: not at all */
    uint64_t wait_ms; /* while another run of this job goes on; LOCK_FILE_FOREVER */
};

/* Accepts what is half filled in. The plan is empty and can be used again. */
void job_plan_clear(struct job_plan *plan);
#define CLEANUP_JOB_PLAN CLEANUP(job_plan_clear)
