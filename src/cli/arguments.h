/* SPDX-License-Identifier: LGPL-2.1-or-later
 *
 * Everything that a command line can say. The table of each verb fills in its part; rows that several
 * tables have are in cli/rows.h. Texts are borrowed from the command line.
 */
#pragma once

#include <stdbool.h>
#include <stdint.h>

#include "cli/lists.h"
#include "cli/options.h"
#include "ops/keep/keep.h"
#include "ops/verbs.h"

/* What prune --simulate says. */
struct arguments_schedule {
    bool given;
    struct schedule schedule;
};

/* What verify --part and --share say. */
struct arguments_part {
    unsigned part;
    unsigned parts;
};

/* A time of day. */
struct arguments_clock {
    bool given;
    unsigned minutes; /* since midnight */
};

struct arguments {
    const char *source;
    const char *repository;
    const char *scope;
    struct strings words; /* points, or what the verb has instead */
    const char *destination;
    const char *point;
    const char *like;
    const char *uri;
    const char *new_name;
    const char *child_command;
    const char *metrics;
    struct strings metrics_jobs;
    const char *scratch_path;
    const char *staging_path;
    struct strings domains;
    struct strings domain_titles;
    struct strings domain_tags;
    struct strings exclude_domains;
    struct strings disks;
    struct strings dismiss;
    struct strings remove_guests;
    struct strings exclude_disks;
    struct strings tags;
    struct arguments_part part;
    struct arguments_part share;
    enum verify_level level;
    uint64_t max_age_ms;
    uint64_t max_time_ms;
    struct lists_maps maps;
    struct codec_spec codec;
    enum guest_memory guest_memory;
    struct children_options children;
    unsigned nice;
    uint64_t wait_ms;
    struct retention_policy policy; /* all but its tags */
    struct strings keep_tags;
    const char *time_zone;
    uint64_t newest_within_ms;
    bool verified_only;
    bool hold;
    struct arguments_schedule simulated;
    uint64_t simulated_ms;
    uint64_t stored;
    unsigned change_per_10k;
    struct collect_options collect;
    struct strings add_tags;
    struct strings remove_tags;
    const char *reason;
    bool set_aside;
    bool holds;
    bool partial;
    bool nagios;
    bool no_refresh;
    bool full_read;
    bool force;
    bool allow_autorun;
    bool decode;
    bool block_digests;
    bool dry_run;
    bool json;
    bool quiet;
    enum points_replace replace_backup;
    bool replace;
    bool trust_definition;
    bool keep_left_out;
    bool original_places;
    bool overwrite;
    bool verbose;
    bool yes;
    /* Of jobs: */
    struct options_given given;
    const char *before;
    const char *after;
    const char *failed;
    uint64_t hook_time_ms;
    uint64_t verify_time_ms;
    uint64_t stagger_ms;
    unsigned verify_share; /* 30: a thirtieth */
    unsigned parallel;
    struct arguments_clock not_after;
    bool no_collect;
};

/* The place of backups: the folder that the option of this name has given, or a repository. Its
 * parser is for the caller to set. Usage: neither or both are given. */
int arguments_place(const struct arguments *arguments, const char *folder, const char *option,
                    struct points_place *ret, struct err *err);

/* The guests of this host that are meant; borrowed. */
struct guest_choice arguments_choice(const struct arguments *arguments);

/* Parts of a repository that verify can be told to read. */
#define ARGUMENTS_PARTS_MAX 256

/* For OPTION_PARSED rows. */
int arguments_parse_scope(const char *text, void *ret_scope, struct err *err);
int arguments_parse_zone(const char *text, void *ret_zone, struct err *err);
int arguments_parse_children(const char *text, void *ret_children, struct err *err);
int arguments_parse_codec(const char *text, void *ret_codec, struct err *err);
int arguments_parse_time(const char *text, void *ret_ms, struct err *err);
/* Of OPTION_LIST rows; those of points are limited in number, too. */
int arguments_parse_tags(const char *text, void *list, struct err *err);
int arguments_parse_point_tags(const char *text, void *list, struct err *err);
int arguments_parse_wait(const char *text, void *ret_ms, struct err *err);
int arguments_parse_nice(const char *text, void *ret_nice, struct err *err);
int arguments_parse_replace(const char *text, void *ret_replace, struct err *err);
int arguments_parse_chunk_size(const char *text, void *ret_size, struct err *err);
int arguments_parse_guest_memory(const char *text, void *ret_memory, struct err *err);
int arguments_parse_within(const char *text, void *ret_ms, struct err *err);
int arguments_parse_clock(const char *text, void *ret_clock, struct err *err); /* "06:00" */
/* "50M,08:00-18:00=10M,22:00-06:00=none", of struct limit_rates */
int arguments_parse_rates(const char *text, void *ret_rates, struct err *err);
int arguments_parse_share(const char *text, void *ret_parts, struct err *err); /* "1/30" */
int arguments_parse_age(const char *text, void *ret_ms, struct err *err);      /* or 0 */
