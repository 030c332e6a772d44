/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "cli/job_table.h"

#include "cli/arguments.h"
#include "cli/job_words.h"
#include "cli/rows.h"

#define ALL_STEPS (JOB_BACKUP | JOB_PRUNE | JOB_VERIFY | JOB_COLLECT)
#define READERS (JOB_BACKUP | JOB_VERIFY)

/* clang-format off */
#define ROW_PARALLEL                                                                               \
    {"parallel", OPTION_NUMBER, "N", "guests that are backed up at the same time; default: 1",     \
     ARGUMENT(parallel)}
#define ROW_NOT_AFTER                                                                              \
    {"not-after", OPTION_PARSED, "HH:MM", "time of day after which nothing is begun any more",     \
     ARGUMENT(not_after), .parse = arguments_parse_clock}
#define ROW_VERIFY_SHARE                                                                           \
    {"verify-share", OPTION_PARSED, "1/N", "verify this part of the repository each time",         \
     ARGUMENT(verify_share), .parse = arguments_parse_share}
#define ROW_VERIFY_TIME                                                                            \
    {"verify-time", OPTION_PARSED, "TIME", "verify for so long each time",                         \
     ARGUMENT(verify_time_ms), .parse = arguments_parse_time}
#define ROW_NO_COLLECT                                                                             \
    {"no-collect", OPTION_FLAG, NULL, "leave it to others to remove what no point needs",          \
     ARGUMENT(no_collect)}
#define ROW_STAGGER                                                                                \
    {"stagger", OPTION_PARSED, "TIME",                                                             \
     "begin up to so much later, each host at its own time", ARGUMENT(stagger_ms),                 \
     .parse = arguments_parse_time}
#define ROW_METRICS                                                                                \
    {"metrics", OPTION_TEXT, "FILE", "write the state of the guests there, for Prometheus",        \
     ARGUMENT(metrics)}
#define ROW_HOOK(name, what, field)                                                                \
    {name, OPTION_PARSED, "COMMAND", what, ARGUMENT(field), .parse = job_words_check}
#define ROW_BEFORE ROW_HOOK("before", "program that is run first; if it fails, nothing is done", before)
#define ROW_AFTER ROW_HOOK("after", "program that is run last, however it ended", after)
#define ROW_FAILED ROW_HOOK("failed", "program that is run if it has failed", failed)
#define ROW_HOOK_TIME                                                                              \
    {"hook-time", OPTION_PARSED, "TIME", "end such a program after this time",                     \
     ARGUMENT(hook_time_ms), .parse = arguments_parse_time}

/* KEY(where it may stand, whose command lines have it, in which store, its name there, its row) */
#define KEYS(KEY)                                                                                  \
    KEY(JOB_WHOLE, ALL_STEPS, JOB_REPOSITORY, NULL, ROW_IN_REPOSITORY)                             \
    KEY(JOB_WHOLE, ALL_STEPS, JOB_REPOSITORY, NULL, ROW_IN_SCOPE)                                  \
    KEY(JOB_WHOLE, JOB_BACKUP, JOB_FOLDER, NULL, ROW_DESTINATION)                                  \
    KEY(JOB_WHOLE, JOB_BACKUP, JOB_ANY_STORE, NULL, ROW_URI)                                       \
    KEY(JOB_WHOLE, 0, JOB_ANY_STORE, NULL, ROW_DOMAINS)                                            \
    KEY(JOB_WHOLE, 0, JOB_ANY_STORE, NULL, ROW_DOMAIN_TITLES)                                      \
    KEY(JOB_WHOLE, 0, JOB_ANY_STORE, NULL, ROW_DOMAIN_TAGS)                                        \
    KEY(JOB_WHOLE, 0, JOB_ANY_STORE, NULL, ROW_EXCLUDE_DOMAINS)                                    \
    KEY(JOB_GUESTS, JOB_BACKUP, JOB_ANY_STORE, NULL, ROW_EXCLUDE_DISK)                             \
    KEY(JOB_GUESTS, JOB_BACKUP, JOB_ANY_STORE, NULL, ROW_COMPRESSION)                              \
    KEY(JOB_GUESTS, JOB_BACKUP, JOB_ANY_STORE, NULL, ROW_GUEST_MEMORY)                             \
    KEY(JOB_GUESTS, JOB_BACKUP, JOB_ANY_STORE, NULL, ROW_SCRATCH)                                  \
    KEY(JOB_GUESTS, JOB_BACKUP, JOB_ANY_STORE, NULL, ROW_STAGING)                                  \
    KEY(JOB_GUESTS, JOB_BACKUP, JOB_FOLDER, NULL, ROW_REPLACE_BACKUP)                              \
    KEY(JOB_GUESTS, JOB_BACKUP, JOB_REPOSITORY, NULL, ROW_TAG)                                     \
    KEY(JOB_GUESTS, JOB_BACKUP, JOB_REPOSITORY, NULL, ROW_LIKE)                                    \
    KEY(JOB_GUESTS, JOB_BACKUP, JOB_REPOSITORY, NULL, ROW_NO_REFRESH)                              \
    KEY(JOB_GUESTS, JOB_BACKUP, JOB_REPOSITORY, NULL, ROW_FULL_READ)                               \
    KEY(JOB_GUESTS, READERS, JOB_ANY_STORE, NULL, ROW_WAIT)                                        \
    KEY(JOB_GUESTS, READERS, JOB_ANY_STORE, NULL, ROW_CHILDREN)                                    \
    KEY(JOB_GUESTS, READERS | JOB_COLLECT, JOB_ANY_STORE, NULL, ROW_MEMORY_LIMIT)                  \
    KEY(JOB_GUESTS, READERS, JOB_ANY_STORE, NULL, ROW_BANDWIDTH_LIMIT)                             \
    KEY(JOB_GUESTS, READERS, JOB_ANY_STORE, NULL, ROW_NICE)                                        \
    KEY(JOB_GUESTS, JOB_BACKUP, JOB_ANY_STORE, NULL, ROW_COMPRESSION_BUFFER)                       \
    KEY(JOB_GUESTS, JOB_BACKUP, JOB_FOLDER, NULL, ROW_CHUNK_SIZE)                                  \
    KEY(JOB_GUESTS, READERS, JOB_ANY_STORE, NULL, ROW_CHILD_COMMAND)                               \
    KEY(JOB_GUESTS, ALL_STEPS, JOB_ANY_STORE, NULL, ROW_NO_SANDBOX)                                \
    KEY(JOB_GUESTS, JOB_PRUNE, JOB_REPOSITORY, NULL, ROW_KEEP_LAST)                                \
    KEY(JOB_GUESTS, JOB_PRUNE, JOB_REPOSITORY, NULL, ROW_KEEP_HOURLY)                              \
    KEY(JOB_GUESTS, JOB_PRUNE, JOB_REPOSITORY, NULL, ROW_KEEP_DAILY)                               \
    KEY(JOB_GUESTS, JOB_PRUNE, JOB_REPOSITORY, NULL, ROW_KEEP_WEEKLY)                              \
    KEY(JOB_GUESTS, JOB_PRUNE, JOB_REPOSITORY, NULL, ROW_KEEP_MONTHLY)                             \
    KEY(JOB_GUESTS, JOB_PRUNE, JOB_REPOSITORY, NULL, ROW_KEEP_YEARLY)                              \
    KEY(JOB_GUESTS, JOB_PRUNE, JOB_REPOSITORY, NULL, ROW_KEEP_WITHIN)                              \
    KEY(JOB_GUESTS, JOB_PRUNE, JOB_REPOSITORY, NULL, ROW_KEEP_TAG)                                 \
    KEY(JOB_GUESTS, JOB_PRUNE, JOB_REPOSITORY, NULL, ROW_TIME_ZONE)                                \
    KEY(JOB_GUESTS, JOB_PRUNE, JOB_REPOSITORY, NULL, ROW_NEWEST_WITHIN)                            \
    KEY(JOB_GUESTS, JOB_PRUNE, JOB_REPOSITORY, NULL, ROW_VERIFIED_ONLY)                            \
    KEY(JOB_WHOLE, JOB_COLLECT, JOB_REPOSITORY, NULL, ROW_TRASH_AGE)                               \
    KEY(JOB_WHOLE, JOB_COLLECT, JOB_REPOSITORY, NULL, ROW_SILENCE)                                 \
    KEY(JOB_WHOLE, JOB_COLLECT, JOB_REPOSITORY, NULL, ROW_ALONE)                                   \
    KEY(JOB_WHOLE, JOB_COLLECT, JOB_REPOSITORY, NULL, ROW_NFS_OK)                                  \
    KEY(JOB_WHOLE, 0, JOB_REPOSITORY, NULL, ROW_NO_COLLECT)                                        \
    KEY(JOB_WHOLE, JOB_VERIFY, JOB_REPOSITORY, "share", ROW_VERIFY_SHARE)                          \
    KEY(JOB_WHOLE, JOB_VERIFY, JOB_REPOSITORY, "max-time", ROW_VERIFY_TIME)                        \
    KEY(JOB_WHOLE, 0, JOB_ANY_STORE, NULL, ROW_PARALLEL)                                           \
    KEY(JOB_WHOLE, 0, JOB_ANY_STORE, NULL, ROW_NOT_AFTER)                                          \
    KEY(JOB_WHOLE, 0, JOB_ANY_STORE, NULL, ROW_STAGGER)                                            \
    KEY(JOB_WHOLE, 0, JOB_ANY_STORE, NULL, ROW_METRICS)                                            \
    KEY(JOB_EITHER, 0, JOB_ANY_STORE, NULL, ROW_BEFORE)                                            \
    KEY(JOB_EITHER, 0, JOB_ANY_STORE, NULL, ROW_AFTER)                                             \
    KEY(JOB_EITHER, 0, JOB_ANY_STORE, NULL, ROW_FAILED)                                            \
    KEY(JOB_GUESTS, 0, JOB_ANY_STORE, NULL, ROW_HOOK_TIME)

#define ITS_ROW(place, steps, store, step_name, ...) __VA_ARGS__,
#define ITS_FACTS(place, steps, store, step_name, ...) {place, steps, store, step_name},
/* clang-format on */

const struct options_row job_rows[JOB_ROW_COUNT] = {KEYS(ITS_ROW) ROW_QUIET, ROW_VERBOSE, ROW_JSON};
static const struct job_key facts[] = {KEYS(ITS_FACTS)};
_Static_assert(sizeof(facts) / sizeof(*facts) == JOB_KEY_COUNT, "JOB_KEY_COUNT is out of date");

const struct options_table job_keys = {.rows = job_rows, .count = JOB_KEY_COUNT};

const struct job_key *job_key_of(const struct options_row *row)
{
    return &facts[row - job_rows];
}
