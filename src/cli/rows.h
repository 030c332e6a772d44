/* SPDX-License-Identifier: LGPL-2.1-or-later
 *
 * Options of the verbs that a night consists of, as far as a job has them, too: a row for the table
 * of the verb and for that of the job (cli/job_table.c).
 */
#pragma once

#include "cli/arguments.h"

/* clang-format off */
#define ROW_DESTINATION                                                                            \
    {"destination-path", OPTION_TEXT, "PATH", "folder for the backups; created if it is missing",  \
     ARGUMENT(destination)}
#define ROW_EXCLUDE_DISK                                                                           \
    {"exclude-disk", OPTION_NAMES, "DISKS", "leave out these disks: vdb, or GUEST:vdb",            \
     ARGUMENT(exclude_disks)}
#define ROW_GUEST_MEMORY                                                                           \
    {"guest-memory", OPTION_PARSED, "HOW",                                                         \
     "how a running guest is captured: live, pause, save or none", ARGUMENT(guest_memory),         \
     .parse = arguments_parse_guest_memory}
#define ROW_SCRATCH                                                                                \
    {"scratch-path", OPTION_TEXT, "PATH",                                                          \
     "folder for what a running guest overwrites while its disks are read",                        \
     ARGUMENT(scratch_path)}
#define ROW_STAGING                                                                                \
    {"staging-path", OPTION_TEXT, "PATH",                                                          \
     "folder in which libvirt writes a guest's memory before it is stored",                        \
     ARGUMENT(staging_path)}
#define ROW_TAG                                                                                    \
    {"tag", OPTION_LIST, "TAGS", "of a repository: words for the points that are made",            \
     ARGUMENT(tags)}
#define ROW_LIKE                                                                                   \
    {"like", OPTION_TEXT, "GUEST", "of a repository: a guest that has much in common with these",  \
     ARGUMENT(like)}
#define ROW_NO_REFRESH                                                                             \
    {"no-refresh", OPTION_FLAG, NULL,                                                              \
     "of a repository: go on using packs of which little is used", ARGUMENT(no_refresh)}
#define ROW_FULL_READ                                                                              \
    {"full-read", OPTION_FLAG, NULL,                                                               \
     "of a repository: read disks whole, not only what has changed", ARGUMENT(full_read)}

#define ROW_KEEP(name, what, index)                                                                \
    {name, OPTION_NUMBER, "N", what, ARGUMENT(policy.keep[index])}
#define ROW_KEEP_LAST ROW_KEEP("keep-last", "the last N points of each guest", RETENTION_LAST)
#define ROW_KEEP_HOURLY                                                                            \
    ROW_KEEP("keep-hourly", "the newest of each hour, for N hours that have one", RETENTION_HOURLY)
#define ROW_KEEP_DAILY ROW_KEEP("keep-daily", "the same of days", RETENTION_DAILY)
#define ROW_KEEP_WEEKLY ROW_KEEP("keep-weekly", "the same of weeks", RETENTION_WEEKLY)
#define ROW_KEEP_MONTHLY ROW_KEEP("keep-monthly", "the same of months", RETENTION_MONTHLY)
#define ROW_KEEP_YEARLY ROW_KEEP("keep-yearly", "the same of years", RETENTION_YEARLY)
#define ROW_KEEP_WITHIN                                                                            \
    {"keep-within", OPTION_PARSED, "TIME", "those so much older than the newest, and younger",     \
     ARGUMENT(policy.within_ms), .parse = arguments_parse_within}
#define ROW_KEEP_TAG                                                                               \
    {"keep-tag", OPTION_LIST, "TAGS", "those that have one of these tags", ARGUMENT(keep_tags)}
#define ROW_TIME_ZONE                                                                              \
    {"time-zone", OPTION_TEXT, "ZONE",                                                             \
     "where days begin, such as UTC; default: this host's zone", ARGUMENT(time_zone)}
#define ROW_NEWEST_WITHIN                                                                          \
    {"newest-within", OPTION_PARSED, "TIME",                                                       \
     "only guests whose newest complete point is no older than this", ARGUMENT(newest_within_ms),  \
     .parse = arguments_parse_time}
#define ROW_VERIFIED_ONLY                                                                          \
    {"verified-only", OPTION_FLAG, NULL,                                                           \
     "points that verify has not found good count for nothing, and stay", ARGUMENT(verified_only)}

#define ROW_TRASH_AGE                                                                              \
    {"trash-age", OPTION_PARSED, "TIME",                                                           \
     "remove what has been in the trash for this long; default: 7d",                               \
     ARGUMENT(collect.trash_age_ms), .parse = arguments_parse_age}
#define ROW_SILENCE                                                                                \
    {"silence", OPTION_PARSED, "TIME",                                                             \
     "take sessions for dead that are silent for this long; default: 24h",                         \
     ARGUMENT(collect.silence_ms), .parse = arguments_parse_age}
#define ROW_ALONE                                                                                  \
    {"alone", OPTION_FLAG, NULL, "nobody else writes to the repository at the same time",          \
     ARGUMENT(collect.alone)}
#define ROW_NFS_OK                                                                                 \
    {"nfs-ok", OPTION_FLAG, NULL, "listings on this network file system are never old",            \
     ARGUMENT(collect.nfs_ok)}
/* clang-format on */
