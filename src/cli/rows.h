/* SPDX-License-Identifier: LGPL-2.1-or-later
 *
 * Options that more than one table has: those of several verbs, and those that a job has as keys
 * (cli/job_table.c), too. A row that one table alone has is in that table.
 */
#pragma once

#include "cli/arguments.h"

#define ARGUMENT(member) .offset = offsetof(struct arguments, member)

/* clang-format off */

/* ---- of several verbs --------------------------------------------------------------------- */

#define ROW_SOURCE                                                                                 \
    {"source-path", OPTION_TEXT, "PATH", "folder that holds the backups", ARGUMENT(source)}
#define ROW_REPOSITORY                                                                             \
    {"repository", OPTION_TEXT, "URL", "the repository: a folder", ARGUMENT(repository),           \
     .required = true}
#define ROW_SCOPE(what)                                                                            \
    {"scope", OPTION_PARSED, "SCOPE", what, ARGUMENT(scope), .parse = arguments_parse_scope}
#define ROW_IN_REPOSITORY                                                                          \
    {"repository", OPTION_TEXT, "URL", "a repository, in place of a folder of backups",            \
     ARGUMENT(repository)}
#define ROW_IN_SCOPE                                                                               \
    ROW_SCOPE("the part of the repository; default: default")
#define ROW_URI                                                                                    \
    {"hypervisor-uri", OPTION_TEXT, "URI", "libvirt connection; default: libvirt's default",   \
     ARGUMENT(uri)}
#define ROW_DOMAINS                                                                                \
    {"domain-names", OPTION_NAMES, "NAMES", "only these guests, comma-separated; default: all",    \
     ARGUMENT(domains)}
#define ROW_DOMAIN_TITLES                                                                          \
    {"domain-titles", OPTION_NAMES, "TITLES", "guests with these titles, or patterns of titles",   \
     ARGUMENT(domain_titles)}
#define ROW_DOMAIN_TAGS                                                                            \
    {"domain-tags", OPTION_NAMES, "TAGS", "guests that have one of these tags in their metadata",  \
     ARGUMENT(domain_tags)}
#define ROW_EXCLUDE_DOMAINS                                                                        \
    {"exclude-domains", OPTION_NAMES, "NAMES", "not these guests", ARGUMENT(exclude_domains)}
#define ROW_CHILDREN                                                                               \
    {"children", OPTION_PARSED, "N", "child processes; default: as many as make it faster",        \
     ARGUMENT(children.children), .parse = arguments_parse_children}
#define ROW_MEMORY_LIMIT                                                                           \
    {"memory-limit", OPTION_SIZE, "SIZE", "use no more memory than this, such as 2G",              \
     ARGUMENT(children.memory_limit)}
#define ROW_BANDWIDTH_LIMIT                                                                        \
    {"bandwidth-limit", OPTION_PARSED, "RATES",                                                    \
     "read no more than this per second: 50M, or 50M,08:00-18:00=10M",                             \
     ARGUMENT(children.bandwidth_limit), .parse = arguments_parse_rates}
#define ROW_NICE                                                                                   \
    {"nice", OPTION_PARSED, "N", "give way to others: nice value from 0 to 19 (lowest)",           \
     ARGUMENT(nice), .parse = arguments_parse_nice}
#define ROW_CHUNK_SIZE                                                                             \
    {"chunk-size", OPTION_PARSED, "SIZE", "size of a chunk: a power of two from 64K to 512M",      \
     ARGUMENT(children.chunk_size), .parse = arguments_parse_chunk_size}
#define ROW_COMPRESSION                                                                            \
    {"compression", OPTION_PARSED, "TYPE", "none (the default), lzma[:0-9[e]] or zstd[:1-19]",     \
     ARGUMENT(codec), .parse = arguments_parse_codec}
#define ROW_COMPRESSION_BUFFER                                                                     \
    {"compression-buffer", OPTION_SIZE, "SIZE",                                                    \
     "memory for each child, instead of what the level needs",                                     \
     ARGUMENT(children.compression_buffer)}
#define ROW_CARRY_STAGING                                                                          \
    {"staging-path", OPTION_TEXT, "PATH",                                                          \
     "folder with room for an image while it is copied; default: the destination",                \
     ARGUMENT(staging_path)}
#define ROW_REPLACE_BACKUP                                                                         \
    {                                                                                              \
        "replace", OPTION_PARSED, "any-host",                                                      \
            "replace an existing backup of the guest; with any-host another host's too",           \
            ARGUMENT(replace_backup), .parse = arguments_parse_replace, .optional = true           \
    }
#define ROW_CHILD_COMMAND                                                                          \
    {"child-command", OPTION_TEXT, "PROGRAM", "run this MTCP child instead of the built-in one",   \
     ARGUMENT(child_command)}
#define ROW_NO_SANDBOX                                                                             \
    {"no-sandbox", OPTION_FLAG, NULL, "let child processes run with full privileges",              \
     ARGUMENT(children.no_sandbox)}
#define ROW_WAIT                                                                                   \
    {                                                                                              \
        "wait", OPTION_PARSED, "TIME",                                                             \
            "wait while another run uses the guest; without TIME, forever", ARGUMENT(wait_ms),     \
            .parse = arguments_parse_wait, .optional = true                                        \
    }
#define ROW_DRY_RUN(what) {"dry-run", OPTION_FLAG, NULL, what, ARGUMENT(dry_run)}
#define ROW_QUIET {"quiet", OPTION_FLAG, NULL, "show warnings and errors only", ARGUMENT(quiet)}
#define ROW_VERBOSE {"verbose", OPTION_FLAG, NULL, "show details", ARGUMENT(verbose)}
#define ROW_JSON                                                                                   \
    {"json", OPTION_FLAG, NULL, "write one JSON object per line to standard output",               \
     ARGUMENT(json)}

/* ---- of the verbs that a night consists of, and of jobs -------------------------------------- */

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
     ARGUMENT(tags), .parse = arguments_parse_point_tags}
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
    {"keep-tag", OPTION_LIST, "TAGS", "those that have one of these tags", ARGUMENT(keep_tags),    \
     .parse = arguments_parse_tags}
#define ROW_TIME_ZONE                                                                              \
    {"time-zone", OPTION_PARSED, "ZONE",                                                           \
     "where days begin, such as UTC; default: this host's zone", ARGUMENT(time_zone),              \
     .parse = arguments_parse_zone}
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
