/* SPDX-License-Identifier: LGPL-2.1-or-later
 *
 * A verb as the command line knows it. Each verb has its own file.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>

#include "base/err.h"
#include "cli/arguments.h"
#include "cli/options.h"
#include "ops/events/report.h"
#include "ops/verbs.h"

/* What a verb receives and returns besides its arguments. */
struct verb_run {
    struct spawner *spawner;     /* NULL if the verb has no children */
    const struct parser *parser; /* of what is in a repository or an archive */
    struct guardian *guardian;   /* NULL if it has none */
    struct report report;
    struct outcome outcome;
    bool
        has_exit_status; /* the verb has exit statuses of its own; it counts if the verb succeeds */
    int exit_status;
};

struct verb {
    const char *name;
    const char *summary;     /* one line */
    const char *description; /* a few lines */
    const char *done;        /* "backed up", for the last line; NULL: there is no last line */
    const char *relation;    /* there, of the images' size to the files': "stored in" */
    bool of_points; /* in a repository it is points that are done, of which a guest has many */
    struct options_table options;
    bool has_children;  /* needs the spawner */
    bool has_parser;    /* needs it only to parse what is there */
    bool has_guardian;  /* stops guests, so something must undo that if the verb dies */
    bool makes_archive; /* in the folder of --destination-path */
    bool is_child;      /* stdout carries the protocol; signals end it as they end any filter */
    /* Sets defaults that the options may change; NULL: none. */
    int (*prepare)(struct arguments *arguments, struct err *err);
    int (*run)(const struct arguments *arguments, struct verb_run *run, struct err *err);
};

extern const struct verb backup_verb;
extern const struct verb restore_verb;
extern const struct verb list_verb;
extern const struct verb status_verb;
extern const struct verb verify_verb;
extern const struct verb recover_verb;
extern const struct verb remove_verb;
extern const struct verb checkpoints_verb;
extern const struct verb repository_verb;
extern const struct verb prune_verb;
extern const struct verb collect_verb;
extern const struct verb hold_verb;
extern const struct verb release_verb;
extern const struct verb tag_verb;
extern const struct verb undelete_verb;
extern const struct verb repair_verb;
extern const struct verb copy_verb;
extern const struct verb export_verb;
extern const struct verb job_verb;
extern const struct verb run_verb;
extern const struct verb doctor_verb;
extern const struct verb mtcp_child_verb;
