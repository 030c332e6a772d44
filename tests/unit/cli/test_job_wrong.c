/* SPDX-License-Identifier: LGPL-2.1-or-later
 *
 * Job files with one mistake each, and what is said of them.
 */
#include "unit.h"

#include "base/cleanup.h"
#include "cli/job_file.h"

#define FILE_PATH "/jobs.d/night.conf"
#define TO "repository = /r\n"

static const struct {
    const char *text;
    const char *message; /* after the path */
} rows[] = {
    /* lines */
    {TO "compression", "line 2: 'compression' is neither a key with its value, KEY = VALUE, nor a "
                       "[section]"},
    {"= /r", "line 1: there is no key before the equals sign"},
    {TO "\n[guest web", "line 3: '[guest web' does not end with ']'"},
    {TO "[guest web] # the shop\n", "line 2: '[guest web] # the shop' does not end with ']'"},
    {TO "before = /x\x07", "line 2: it contains the control character U+0007; remove it"},
    {TO "like = B\xfc"
        "cher",
     "line 2: its text is not UTF-8; save the file in that encoding"},
    {"export REPOSITORY\n", "line 1: 'export REPOSITORY' is neither a key with its value, KEY = "
                            "VALUE, nor a [section]"},
    /* sections */
    {TO "[gest db*]\n", "line 2: unknown section [gest db*]; keys for some guests go below [guest "
                        "NAME], where NAME may be a pattern"},
    {TO "[guest]\n", "line 2: unknown section [guest]; keys for some guests go below [guest NAME], "
                     "where NAME may be a pattern"},
    {TO "[]\n", "line 2: unknown section []; keys for some guests go below [guest NAME], where "
                "NAME may be a pattern"},
    {"[job]\n" TO, "line 1: unknown section [job]; keys for some guests go below [guest NAME], "
                   "where NAME may be a pattern"},
    {TO "[guest a]\nnice=1\n[guest a]\n", "line 4: [guest a] is on line 2, too; merge the two"},
    /* keys */
    {TO "compresion = zstd", "line 2: unknown key 'compresion'; did you mean 'compression'?"},
    {TO "--compression = zstd", "line 2: unknown key '--compression'; did you mean 'compression'?"},
    {TO "Compression = zstd", "line 2: unknown key 'Compression'; did you mean 'compression'?"},
    {"repo = /r", "line 1: unknown key 'repo'; did you mean 'repository'?"},
    {TO "keep_daily = 7", "line 2: unknown key 'keep_daily'; did you mean 'keep-daily'?"},
    {TO "exclude-disks = vdb", "line 2: unknown key 'exclude-disks'; did you mean 'exclude-disk'?"},
    {TO "schedule = daily", "line 2: unknown key 'schedule'; virt-backup-job(5) lists the keys"},
    {TO "quiet = yes", "line 2: unknown key 'quiet'; virt-backup-job(5) lists the keys"},
    {TO "force = yes", "line 2: unknown key 'force'; virt-backup-job(5) lists the keys"},
    {TO "nice = 3\nnice = 4", "line 3: 'nice' is on line 2, too; remove one of them"},
    {TO "[guest a]\nlike = x\n\nlike = x", "line 5: 'like' is on line 3, too; remove one of them"},
    {TO "[guest a]\nscope = b",
     "line 3: 'scope' is for the whole job; move it before the first section"},
    {TO "[guest a]\ndomain-names = b",
     "line 3: 'domain-names' is for the whole job; move it before the first section"},
    {TO "[guest a]\nparallel = 2",
     "line 3: 'parallel' is for the whole job; move it before the first section"},
    /* values */
    {TO "compression =", "line 2: compression: its value is missing"},
    {TO "compression = zst", "line 2: compression: unknown compression 'zst'; choose none, "
                             "lzma[:0-9[e]] or zstd[:1-19]"},
    {TO "guest-memory = all", "line 2: guest-memory: unknown value 'all'; choose live, pause, save "
                              "or none"},
    {TO "keep-daily = 0", "line 2: keep-daily: '0' is not a number from 1 to 65536"},
    {TO "keep-daily = 7 # a week", "line 2: keep-daily: '7 # a week' is not a number from 1 to "
                                   "65536"},
    {TO "keep-within = month",
     "line 2: keep-within: 'month' is not a time; write it like 90s, 10m, 2h or 7d"},
    {TO "tag = before upgrade", "line 2: tag: 'before upgrade' cannot be a tag: 1 to 64 letters, "
                                "digits, '.', '_' and '-'"},
    {TO "[guest a]\nkeep-tag = no/slash", "line 3: keep-tag: 'no/slash' cannot be a tag: 1 to 64 "
                                          "letters, digits, '.', '_' and '-'"},
    {TO "no-sandbox = true", "line 2: no-sandbox: 'true' is neither yes nor no"},
    {TO "full-read = 1", "line 2: full-read: '1' is neither yes nor no"},
    {TO "not-after = 6:00", "line 2: not-after: '6:00' is not a time of day; write it like 06:00"},
    {TO "not-after = 24:00",
     "line 2: not-after: '24:00' is not a time of day; write it like 06:00"},
    {TO "parallel = many", "line 2: parallel: 'many' is not a number from 1 to 65536"},
    {TO "verify-share = 30", "line 2: verify-share: '30' is not a share; write it like 1/30, at "
                             "least 1/256"},
    {TO "verify-share = 1/1000", "line 2: verify-share: '1/1000' is not a share; write it like "
                                 "1/30, at least 1/256"},
    {TO "keep-daily = 7\ntime-zone = Europe/Berln",
     "line 3: time-zone: time zone 'Europe/Berln' not found in /usr/share/zoneinfo; the package "
     "tzdata has them"},
    {TO "scope = East",
     "line 2: scope: 'East' cannot be a scope: up to 32 of a to z, 0 to 9 and '-'"},
    {TO "children = 60000", "line 2: children: '60000' is not a number from 1 to 1024"},
    {TO "verify-share = 1/0", "line 2: verify-share: '1/0' is not a share; write it like 1/30, at "
                              "least 1/256"},
    {TO "verify-time = all night",
     "line 2: verify-time: 'all night' is not a time; write it like 90s, 10m, 2h or 7d"},
    {TO "wait = perhaps", "line 2: wait: 'perhaps' is not a time; write it like 90s, 10m, 2h or "
                          "7d"},
    {TO "memory-limit = 0", "line 2: memory-limit: must not be zero"},
    {TO "memory-limit = big", "line 2: memory-limit: 'big' is not a size; write it like 512K, "
                              "60MiB or 1.5G"},
    {TO "nice = 20", "line 2: nice: '20' is not a number from 0 to 19"},
    {TO "domain-names = web,, db", "line 2: domain-names: 'web,, db' contains an empty name (write "
                                   "a comma in a name as \\,)"},
    {"repository = guests",
     "line 1: repository: 'guests' is not an absolute path; begin it with '/'"},
    {TO "metrics = vb.prom",
     "line 2: metrics: 'vb.prom' is not an absolute path; begin it with '/'"},
    {TO "scratch-path = ~/scratch",
     "line 2: scratch-path: '~/scratch' is not an absolute path; begin it with '/'"},
    {TO "before = quiesce --fast",
     "line 2: before: 'quiesce' is not the absolute path of a program"},
    {TO "failed = /bin/mail -s \"a night", "line 2: failed: unclosed quote: \"a night"},
    {TO "after = /bin/x \\", "line 2: after: nothing follows the last backslash of '\\'"},
    {TO "hook-time = 0", "line 2: hook-time: '0' is not a time; write it like 90s, 10m, 2h or 7d"},
    /* the whole */
    {"", "it does not say where backups go; add a line: repository = /PATH"},
    {"compression = zstd\n", "it does not say where backups go; add a line: repository = /PATH"},
    {TO "destination-path = /b\n",
     "line 2: repository and destination-path exclude each other; keep one"},
    {"destination-path = /b\n" TO,
     "line 2: repository and destination-path exclude each other; keep one"},
    {"destination-path = /b\nreplace = yes\nkeep-daily = 7\n",
     "line 3: 'keep-daily' is for a repository; with destination-path there is one backup of each "
     "guest"},
    {"destination-path = /b\n[guest a]\ntag = x\n",
     "line 3: 'tag' is for a repository; with destination-path there is one backup of each guest"},
    {TO "replace = yes\n", "line 2: 'replace' does not go with a repository; remove it"},
    {TO "[guest a]\nchunk-size = 1M\n",
     "line 3: 'chunk-size' does not go with a repository; remove it"},
};

static void each_mistake_is_named_with_line_and_remedy(void **state)
{
    unsigned wrong = 0;

    (void)state;
    for (size_t i = 0; i < sizeof(rows) / sizeof(*rows); i++) {
        CLEANUP_JOB struct job job = {.name = mem_strdup("night"), .path = mem_strdup(FILE_PATH)};
        CLEANUP_ERR struct err err = ERR_INIT;
        CLEANUP_FREE char *expected = mem_printf(FILE_PATH ": %s", rows[i].message);
        if (job_file_parse(rows[i].text, strlen(rows[i].text), &job, &err) == 0)
            job_check(&job, &err);
        if (err.text && strcmp(err.text, expected) == 0)
            continue;
        wrong++;
        print_error("%s\n  expected: %s\n  said:     %s\n", rows[i].text, expected,
                    err.text ? err.text : "nothing");
    }
    assert_int_equal(wrong, 0);
    assert_true(sizeof(rows) / sizeof(*rows) >= 50);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(each_mistake_is_named_with_line_and_remedy),
    };

    return cmocka_run_group_tests_name("cli job wrong", tests, NULL, NULL);
}
