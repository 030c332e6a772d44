/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "event_rows.h"

#include "base/units.h"

#define TROUBLE(what_) .job_trouble = {"nightly", what_, {ERR_NO_SPACE, "/s: full"}}
#define STEP(verb_) .job_step = {"nightly", verb_, 61000, {ERR_IO, "killed"}}

static const struct event_job_failure failures[] = {
    {"db", "the disk is full"}, {"mail", "gone"}, {"www", "busy"}, {"x", "y"}};
static const char *const failed_steps[] = {"prune web", "collect"};

static const struct event_setting settings[] = {
    {"compression", "zstd", 4, NULL},
    {"full-read", NULL, 9, "db*"},
    {"nice", "7", 0, NULL},
};
#define JOB(...) .job = {.name = "nightly", .path = "/j/nightly.conf", __VA_ARGS__}

const struct event_row event_rows_job[] = {
    {{EVENT_JOB_FAILED, JOB(.problem = {ERR_USAGE, "/j: line 3: unknown key"})},
     "job-failed",
     EVENT_AS_ERROR,
     "/j: line 3: unknown key",
     "{\"job\":\"nightly\",\"kind\":\"usage\",\"error\":\"/j: line 3: unknown key\"}"},
    {{EVENT_JOB_OLD, JOB()},
     "job-old",
     EVENT_AS_WARNING,
     "job 'nightly': /j/nightly.conf is an environment file of earlier versions; to move it, see "
     "MOVING in virt-backup-job(5)",
     "{\"job\":\"nightly\",\"file\":\"/j/nightly.conf\"}"},
    {{EVENT_JOB_UNUSED, JOB(.section = "db*", .line = 9)},
     "job-section-unused",
     EVENT_AS_WARNING,
     "job 'nightly': line 9: [guest db*] matches no guest of this host",
     "{\"job\":\"nightly\",\"file\":\"/j/nightly.conf\",\"section\":\"db*\",\"line\":9}"},
    {{EVENT_JOB_LISTED, JOB()},
     "job",
     EVENT_AS_RESULT,
     "nightly              /j/nightly.conf",
     "{\"job\":\"nightly\",\"file\":\"/j/nightly.conf\"}"},
    {{EVENT_JOB_GOOD, JOB()},
     "job-good",
     EVENT_AS_RESULT,
     "job 'nightly': /j/nightly.conf is good",
     "{\"job\":\"nightly\",\"file\":\"/j/nightly.conf\"}"},
    {{EVENT_JOB_SHOWN, JOB(.settings = settings, .setting_count = 1)},
     "job-shown",
     EVENT_AS_RESULT,
     "job 'nightly': /j/nightly.conf\n"
     "  compression = zstd                         line 4",
     "{\"job\":\"nightly\",\"file\":\"/j/nightly.conf\",\"settings\":[{\"key\":\"compression\","
     "\"value\":\"zstd\",\"line\":4}]}"},
    {{EVENT_JOB_GUEST, "db1", JOB(.settings = settings, .setting_count = 3)},
     "job-guest",
     EVENT_AS_RESULT,
     "guest 'db1'\n"
     "  compression = zstd                         line 4\n"
     "  full-read = yes                            line 9, [guest db*]\n"
     "  nice = 7                                   command line",
     "{\"job\":\"nightly\",\"guest\":\"db1\",\"settings\":[{\"key\":\"compression\","
     "\"value\":\"zstd\",\"line\":4},{\"key\":\"full-read\",\"value\":\"yes\",\"line\":9,"
     "\"section\":\"db*\"},{\"key\":\"nice\",\"value\":\"7\"}]}"},
    {{EVENT_JOB_GUEST, "web", JOB(.left_out = "exclude-domains")},
     "job-guest",
     EVENT_AS_RESULT,
     "guest 'web': left out (exclude-domains)",
     "{\"job\":\"nightly\",\"guest\":\"web\",\"left-out\":\"exclude-domains\"}"},
    {{EVENT_JOB_DELAYED, .job_delayed = {"nightly", "2026-05-01T10:00:00Z"}},
     "job-delayed",
     EVENT_AS_RESULT,
     "job 'nightly': starts at 2026-05-01 10:00:00 +0000, put off by its stagger",
     "{\"job\":\"nightly\",\"until\":\"2026-05-01T10:00:00Z\"}"},
    {{EVENT_JOB_TROUBLE, TROUBLE(JOB_TROUBLE_LOCK)},
     "warning",
     EVENT_AS_WARNING,
     "job 'nightly': nothing keeps another run of the job from starting, too: /s: full",
     "{\"guest\":null,"
     "\"warning\":\"job 'nightly': nothing keeps another run of the job from starting, too: "
     "/s: full\"}"},
    {{EVENT_JOB_TROUBLE, TROUBLE(JOB_TROUBLE_RESULT)},
     "warning",
     EVENT_AS_WARNING,
     "job 'nightly': the backups go on, but virt-backup status will not know how they ended: /s: "
     "full",
     "{\"guest\":null,\"warning\":\"job 'nightly': the backups go on, but virt-backup status "
     "will not know how they ended: /s: full\"}"},
    {{EVENT_JOB_TROUBLE, TROUBLE(JOB_TROUBLE_METRICS)},
     "warning",
     EVENT_AS_WARNING,
     "job 'nightly': the metrics are not up to date: /s: full",
     "{\"guest\":null,\"warning\":\"job 'nightly': the metrics are not up to date: /s: "
     "full\"}"},
    {{EVENT_JOB_TROUBLE, "web", TROUBLE(JOB_TROUBLE_HOOK)},
     "warning",
     EVENT_AS_WARNING,
     "guest 'web': /s: full",
     "{\"guest\":\"web\",\"warning\":\"/s: full\"}"},
    {{EVENT_JOB_BACKED_UP, "web", "0198f3a2c4d51b7e00112233445566ff",
      .job_backed_up = {2 * GIB, 3 * MIB, 61000}},
     "guest-done",
     EVENT_AS_RESULT,
     "guest 'web': backed up as point 0198f3a2c4d51b7e: 2 GiB read, 3 MiB stored, 1:01",
     "{\"guest\":\"web\",\"point\":\"0198f3a2c4d51b7e00112233445566ff\",\"read-size\":2147483648,"
     "\"disk-usage\":3145728,\"elapsed-ms\":61000}"},
    {{EVENT_JOB_BACKED_UP, "web", .job_backed_up = {2 * GIB, 3 * MIB, 61000}},
     "guest-done",
     EVENT_AS_RESULT,
     "guest 'web': backed up: 2 GiB read, 3 MiB stored, 1:01",
     "{\"guest\":\"web\",\"read-size\":2147483648,\"disk-usage\":3145728,\"elapsed-ms\":61000}"},
    {{EVENT_JOB_TOLD_FAILED, "web", .problem = {ERR_NO_SPACE, "guest 'web': full"}},
     "guest-failed",
     EVENT_AS_DETAIL,
     "guest 'web': full",
     "{\"guest\":\"web\",\"kind\":\"no-space\",\"error\":\"guest 'web': full\"}"},
    {{EVENT_JOB_GUEST_LEFT, "web"},
     "guest-left",
     EVENT_AS_WARNING,
     "guest 'web': not begun, because the time of not-after has passed; the next run begins with "
     "it",
     "{\"guest\":\"web\"}"},
    {{EVENT_JOB_NOT_PRUNED, "web"},
     "guest-not-pruned",
     EVENT_AS_RESULT,
     "guest 'web': keeps all its points, because it has no new one",
     "{\"guest\":\"web\"}"},
    {{EVENT_JOB_STEP_DONE, STEP("collect")},
     "step-done",
     EVENT_AS_RESULT,
     "job 'nightly': collect done, 1:01",
     "{\"job\":\"nightly\",\"guest\":null,\"verb\":\"collect\",\"elapsed-ms\":61000}"},
    {{EVENT_JOB_STEP_FAILED, "web", STEP("prune")},
     "step-failed",
     EVENT_AS_ERROR,
     "guest 'web': prune: killed",
     "{\"job\":\"nightly\",\"guest\":\"web\",\"verb\":\"prune\",\"kind\":\"io\",\"error\":"
     "\"killed\"}"},
    {{EVENT_JOB_STEP_TOLD_FAILED, STEP("verify")},
     "step-failed",
     EVENT_AS_DETAIL,
     "job 'nightly': verify: killed",
     "{\"job\":\"nightly\",\"guest\":null,\"verb\":\"verify\",\"kind\":\"io\",\"error\":"
     "\"killed\"}"},
    {{EVENT_JOB_STEP_LEFT, STEP("verify")},
     "step-left",
     EVENT_AS_WARNING,
     "job 'nightly': verify is left for the next run",
     "{\"job\":\"nightly\",\"guest\":null,\"verb\":\"verify\"}"},
    {{EVENT_JOB_DONE, .job_done = {"nightly", 20, 19, 0, 0, failures, 1, NULL, 0, 3 * GIB, 760000}},
     "job-done",
     EVENT_AS_RESULT,
     "job 'nightly': 19 of 20 guests backed up, 1 failed (db: the disk is full), 3 GiB stored, "
     "12:40",
     "{\"job\":\"nightly\",\"guests\":20,\"good\":19,\"left\":0,\"not-tried\":0,"
     "\"failures\":[{\"guest\":\"db\",\"error\":\"the disk is full\"}],\"failed-steps\":[],"
     "\"disk-usage\":3221225472,\"elapsed-ms\":760000}"},
    {{EVENT_JOB_DONE, .job_done = {"nightly", 9, 2, 1, 2, failures, 4, failed_steps, 2, 0, 1000}},
     "job-done",
     EVENT_AS_RESULT,
     "job 'nightly': 2 of 9 guests backed up, 4 failed (db: the disk is full; and 3 others), 1 "
     "left "
     "for the next run, 2 not tried, prune web failed, collect failed, 0 B stored, 0:01",
     "{\"job\":\"nightly\",\"guests\":9,\"good\":2,\"left\":1,\"not-tried\":2,"
     "\"failures\":[{\"guest\":\"db\",\"error\":\"the disk is "
     "full\"},{\"guest\":\"mail\",\"error\":"
     "\"gone\"},{\"guest\":\"www\",\"error\":\"busy\"},{\"guest\":\"x\",\"error\":\"y\"}],"
     "\"failed-steps\":[\"prune web\",\"collect\"],\"disk-usage\":0,\"elapsed-ms\":1000}"},
    {{EVENT_JOB_DONE, .job_done = {"nightly", 1, 0, 0, 0, failures, 1, NULL, 0, 0, 1000}},
     "job-done",
     EVENT_AS_RESULT,
     "job 'nightly': 0 of 1 guest backed up, 1 failed (db: the disk is full), 0 B stored, 0:01",
     "{\"job\":\"nightly\",\"guests\":1,\"good\":0,\"left\":0,\"not-tried\":0,"
     "\"failures\":[{\"guest\":\"db\",\"error\":\"the disk is full\"}],\"failed-steps\":[],"
     "\"disk-usage\":0,\"elapsed-ms\":1000}"},
};
const size_t event_rows_job_count = sizeof(event_rows_job) / sizeof(*event_rows_job);
