/* SPDX-License-Identifier: LGPL-2.1-or-later
 *
 * Jobs as they are written down, see virt-backup-job(5): settings of the whole job, then of guests.
 * What has been read is good as far as a file alone can tell: each key is one of cli/job_table.h,
 * where it may stand, with a value that the option of its name takes.
 *
 * All errors name the file, and the line if one is wrong.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>

#include "base/err.h"
#include "base/strings.h"
#include "cli/options.h"

#define JOB_FILE_MAX ((size_t)1 << 20)

struct job_section {
    char *guests; /* "db*" */
    unsigned line;
};

struct job_setting {
    const struct options_row *row; /* of job_keys */
    char *text;                    /* NULL: a flag, or a value that is left out */
    bool off;                      /* a flag or value that is "no" */
    unsigned line;                 /* 0: it was given on the command line */
    size_t section;                /* from 1; 0: it is the whole job's */
};

struct job {
    char *name;
    char *path;
    bool old;                     /* an environment file of earlier versions */
    char *unusable;               /* why run cannot carry it out; NULL: it can */
    struct job_setting *settings; /* in the order in which they were given */
    size_t count;
    struct job_section *sections;
    size_t section_count;
};

/* Where jobs are looked for. */
struct job_places {
    char *folder;     /* /etc/virt-backup/jobs.d */
    char *old_folder; /* of environment files, /etc/virt-backup; NULL: none */
};

/* Of root, or of this user, who has them below $XDG_CONFIG_HOME. */
void job_places_usual(struct job_places *ret);
void job_places_clear(struct job_places *places);
#define CLEANUP_JOB_PLACES CLEANUP(job_places_clear)

/* word: a name, or, if it has a slash, the path of a file. Refused: a file, or a folder in which it
 * is, that others than root and this user can change (denied). */
int job_file_read(const struct job_places *places, const char *word, struct job *ret,
                  struct err *err);
/* The text of a job that has its name and path. */
int job_file_parse(const char *text, size_t len, struct job *job, struct err *err);
/* The text of an environment file: REPOSITORY or DESTINATION, OPTIONS, KEEP, COLLECT. The services that
 * read it may give prune and collect options that a job cannot have: the job is unusable then, but
 * which guests are backed up, and where to, is known. */
int job_file_parse_old(const char *text, size_t len, struct job *job, struct err *err);
/* Reads a job, adds what a command line gave, and checks all of it. */
int job_file_load(const struct job_places *places, const char *word,
                  const struct options_given *given, struct job *ret, struct err *err);
/* Names of all jobs, sorted; those with an old file only, too. A folder that is missing has none. */
int job_file_names(const struct job_places *places, struct strings *ret, struct err *err);

/* Where the file of this job is; the caller frees. */
char *job_file_path(const struct job_places *places, const char *name);

/* Adds what a command line gave. */
void job_override(struct job *job, const struct options_given *given);
/* What settings say of each other: there is one place for the backups, and each goes with it. */
int job_check(const struct job *job, struct err *err);

/* Usage: the job is unusable. */
int job_check_usable(const struct job *job, struct err *err);

/* The last of the settings of the whole job with this key; NULL: it is not set, or is no. */
const struct job_setting *job_find(const struct job *job, const char *key);
void job_add(struct job *job, const struct job_setting *setting); /* takes the text */
void job_clear(struct job *job);
#define CLEANUP_JOB CLEANUP(job_clear)
