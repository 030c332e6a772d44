/* SPDX-License-Identifier: LGPL-2.1-or-later
 *
 * Jobs that are good: what their files, and options beside them, come to.
 */
#include "unit.h"

#include <time.h>

#include "base/buf.h"
#include "cli/job_plan.h"
#include "cli/job_words.h"
#include "cli/verb.h"

#define DB1_ID "00000001-0000-4000-8000-000000000000"
#define WEB_ID "00000002-0000-4000-8000-000000000000"

/* Three guests: db1 has disks vda and vdb, the others vda. */
static void make_guests(struct host_guests *ret)
{
    static const char *const names[] = {"a,b", "db1", "web"};

    *ret = (struct host_guests){.count = 3,
                                .tags = mem_array(3, sizeof(*ret->tags)),
                                .disks = mem_array(3, sizeof(*ret->disks))};
    for (size_t i = 0; i < 3; i++) {
        strings_add(&ret->names, names[i]);
        strings_take(&ret->uuids, mem_printf("0000000%zu-0000-4000-8000-000000000000", i));
        strings_take(&ret->titles, i == 2 ? mem_strdup("Shop") : NULL);
        strings_add(&ret->disks[i], "vda");
    }
    strings_add(&ret->disks[1], "vdb");
    strings_add(&ret->tags[1], "nightly");
}

static void parse(const char *text, bool old, struct job *ret)
{
    CLEANUP_ERR struct err err = ERR_INIT;

    *ret = (struct job){.name = mem_strdup("night"), .path = mem_strdup("/j/night.conf")};
    int status = (old ? job_file_parse_old : job_file_parse)(text, strlen(text), ret, &err);
    if (status < 0 || job_check(ret, &err) < 0)
        fail_msg("%s", err.text);
}

static void put_words(struct buf *text, const char *head, const struct strings *words)
{
    if (words->count == 0)
        return;
    buf_append_str(text, head);
    for (size_t i = 0; i < words->count; i++)
        buf_printf(text, " %s", words->items[i]);
    buf_append_str(text, "\n");
}

static void put_hooks(struct buf *text, const struct job_hooks *hooks)
{
    put_words(text, "before:", &hooks->before);
    put_words(text, "after:", &hooks->after);
    put_words(text, "failed:", &hooks->failed);
    if (hooks->limit_s)
        buf_printf(text, "limit: %u\n", hooks->limit_s);
}

static void note_event(void *opaque, const struct event *event)
{
    assert_int_equal(event->kind, EVENT_NO_MATCH);
    buf_printf(opaque, "%s: %s\n", event->no_match.option, event->no_match.name);
}

#define NOW_S INT64_C(1777600800) /* 2026-05-01 02:00:00 UTC */

/* The plan as text, a line for each command line; the caller frees. */
static char *plan_text(const struct job *job, struct err *err)
{
    CLEANUP_HOST_GUESTS struct host_guests guests = {0};
    CLEANUP_JOB_PLAN struct job_plan plan = {0};
    struct buf text = {0};
    const struct report report = {.opaque = &text, .event = note_event};
    struct outcome outcome = {0};

    make_guests(&guests);
    const struct job_planning planning = {job, &guests, NOW_S, &report, &outcome};
    if (job_plan_make(&planning, &plan, err) < 0) {
        buf_clear(&text);
        return NULL;
    }
    put_hooks(&text, &plan.hooks);
    for (size_t i = 0; i < plan.guest_count; i++) {
        assert_int_equal(strlen(plan.guests[i].uuid), 36);
        buf_printf(&text, "%s:\n", plan.guests[i].name);
        put_words(&text, "", &plan.guests[i].backup);
        put_words(&text, "", &plan.guests[i].prune);
        put_hooks(&text, &plan.guests[i].hooks);
    }
    put_words(&text, "then", &plan.verify);
    put_words(&text, "then", &plan.collect);
    if (plan.stagger_s || plan.wait_ms)
        buf_printf(&text, "stagger %u, wait %llu\n", plan.stagger_s,
                   (unsigned long long)plan.wait_ms);
    if (plan.parallel != 1)
        buf_printf(&text, "parallel %u\n", plan.parallel);
    if (plan.not_after_s != INT64_MAX)
        buf_printf(&text, "until +%lld\n", (long long)(plan.not_after_s - NOW_S));
    if (plan.no_sandbox)
        buf_append_str(&text, "looks without a sandbox\n");
    if (plan.metrics)
        buf_printf(&text, "metrics %s\n", plan.metrics);
    return buf_take_str(&text);
}

static void expect_job(const struct job *job, const char *expected)
{
    CLEANUP_ERR struct err err = ERR_INIT;
    CLEANUP_FREE char *text = plan_text(job, &err);

    assert_string_equal(text ? text : err.text, expected);
}

static void expect_plan(const char *file, const char *expected)
{
    CLEANUP_JOB struct job job = {0};

    parse(file, false, &job);
    expect_job(&job, expected);
}

static void a_short_job_saves_all_guests(void **state)
{
    (void)state;
    expect_plan("repository = /r\n", "a,b:\n backup --domain-names=a\\,b --repository=/r\n"
                                     "db1:\n backup --domain-names=db1 --repository=/r\n"
                                     "web:\n backup --domain-names=web --repository=/r\n");
    expect_plan("destination-path=/b\nreplace=yes\ndomain-names=web\n",
                "web:\n backup --domain-names=web --destination-path=/b --replace\n");
}

static void keys_reach_the_steps_that_have_them(void **state)
{
    (void)state;
    expect_plan(
        "repository = /r\nscope = s\nhypervisor-uri = qemu:///system\ndomain-titles = Sh*\n"
        "compression = zstd:9\nwait = 10m\nstagger = 1h\nmemory-limit = 1G\nkeep-daily = 7\n"
        "time-zone = UTC\ntrash-age = 3d\nverify-share = 1/30\nverify-time = 1h\n"
        "parallel = 2\nmetrics = /m.prom\nno-sandbox = yes\n",
        "web:\n"
        " backup --domain-names=web --repository=/r --scope=s "
        "--hypervisor-uri=qemu:///system --compression=zstd:9 --wait=10m --memory-limit=1G "
        "--no-sandbox\n"
        " prune --domain-names=" WEB_ID " --repository=/r --scope=s --no-sandbox --keep-daily=7 "
        "--time-zone=UTC\n"
        "then verify --repository=/r --scope=s --wait=10m --memory-limit=1G --no-sandbox "
        "--share=1/30 --max-time=1h\n"
        "then collect --repository=/r --scope=s --memory-limit=1G --no-sandbox "
        "--trash-age=3d\n"
        "stagger 3600, wait 600000\nparallel 2\nlooks without a sandbox\nmetrics /m.prom\n");
}

static void sections_change_keys_for_their_guests(void **state)
{
    (void)state;
    expect_plan("repository = /r\nexclude-domains = a\\,b\nkeep-daily = 7\ntag = x , y\n"
                "full-read = yes\n"
                "[guest *]\nkeep-daily = 8\nnice = 1\n"
                "[guest db*]\nkeep-daily = 30\nkeep-weekly = 4\ntag = z\nfull-read = no\n",
                "db1:\n"
                " backup --domain-names=db1 --repository=/r --tag=x,y --tag=z --nice=1\n"
                " prune --domain-names=" DB1_ID " --repository=/r --keep-daily=30 --keep-weekly=4 "
                "--scope=default\n"
                "web:\n"
                " backup --domain-names=web --repository=/r --tag=x,y --full-read --nice=1\n"
                " prune --domain-names=" WEB_ID " --repository=/r --keep-daily=8 --scope=default\n"
                "then collect --repository=/r\n");
}

static void a_guest_may_be_kept_without_the_others(void **state)
{
    (void)state;
    expect_plan("repository=/r\ndomain-names=db1,web\nno-collect=yes\n[guest db1]\nkeep-last=3\n",
                "db1:\n backup --domain-names=db1 --repository=/r\n"
                " prune --domain-names=" DB1_ID " --repository=/r --keep-last=3 --scope=default\n"
                "web:\n backup --domain-names=web --repository=/r\n");
}

static void disks_are_left_out_where_they_are(void **state)
{
    (void)state;
    expect_plan("repository=/r\ndomain-names=db1,web\nexclude-disk=vdb\n",
                "db1:\n backup --domain-names=db1 --repository=/r --exclude-disk=vdb\n"
                "web:\n backup --domain-names=web --repository=/r\n");
    expect_plan("repository=/r\ndomain-names=db1,web\nexclude-disk=db*:vdb, w*:vda, web:vdx\n",
                "--exclude-disk: web:vdx\n"
                "db1:\n backup --domain-names=db1 --repository=/r --exclude-disk=vdb\n"
                "web:\n backup --domain-names=web --repository=/r --exclude-disk=vda\n");
}

static void hooks_are_of_the_job_or_of_guests(void **state)
{
    (void)state;
    expect_plan("repository=/r\nbefore = /bin/a \"b c\" 'd\\' \\\"\nfailed=/bin/f\nhook-time=2m\n"
                "domain-tags=nightly\n[guest *]\nbefore=/bin/g\n[guest db1]\nafter=/bin/h x\n",
                "before: /bin/a b c d\\ \"\nfailed: /bin/f\nlimit: 120\n"
                "db1:\n backup --domain-names=db1 --repository=/r\n"
                "before: /bin/g\nafter: /bin/h x\nlimit: 120\n");
    expect_plan("repository=/r\nbefore = /bin/a\ndomain-tags=nightly\n[guest db1]\nhook-time=30s\n",
                "before: /bin/a\n"
                "db1:\n backup --domain-names=db1 --repository=/r\nlimit: 30\n");
}

static void the_window_ends_at_the_next_such_time(void **state)
{
    (void)state;
    expect_plan("repository=/r\ndomain-names=web\nnot-after=06:00\n",
                "web:\n backup --domain-names=web --repository=/r\nuntil +14400\n");
    expect_plan("repository=/r\ndomain-names=web\nnot-after=02:00\n",
                "web:\n backup --domain-names=web --repository=/r\nuntil +86400\n");
    expect_plan("repository=/r\ndomain-names=web\nnot-after=01:59\n",
                "web:\n backup --domain-names=web --repository=/r\nuntil +86340\n");
}

static void what_means_no_guest_is_told(void **state)
{
    (void)state;
    expect_plan("repository=/r\ndomain-names=web,wbe\nexclude-domains=x*\n",
                "--domain-names: wbe\n--exclude-domains: x*\n"
                "web:\n backup --domain-names=web --repository=/r\n");
    expect_plan("repository=/r\ndomain-names=wbe\n",
                "job 'night': the hypervisor has no guest 'wbe'");
}

static void options_take_the_place_of_keys(void **state)
{
    static const char *const args[] = {"night",    "--domain-names",     "web",         "db1",
                                       "--nice=7", "--exclude-disk=vda", "--full-read", NULL};
    CLEANUP_JOB struct job job = {0};
    struct arguments arguments = {0};
    bool help = false;

    (void)state;
    parse("repository=/r\ndomain-names=a\\,b\nnice=1\nexclude-disk=vdb\n"
          "[guest db1]\nnice=2\nfull-read=no\n",
          false, &job);
    assert_int_equal(options_read(&run_verb.options, args, &arguments, &help, NULL), 0);
    assert_int_equal(arguments.words.count, 1);
    job_override(&job, &arguments.given);
    expect_job(&job, "db1:\n backup --domain-names=db1 --repository=/r --exclude-disk=vda "
                     "--full-read --nice=7\n"
                     "web:\n backup --domain-names=web --repository=/r --exclude-disk=vda "
                     "--full-read --nice=7\n");
    options_clear(&run_verb.options, &arguments);
}

static void environment_files_are_jobs(void **state)
{
    CLEANUP_JOB struct job job = {0};
    CLEANUP_JOB struct job folder = {0};

    (void)state;
    parse("# a comment\nREPOSITORY=/r\nOPTIONS=--compression zstd --domain-names web db1 --wait\n"
          "KEEP=\"--keep-daily 7 --newest-within 1d\"\nCOLLECT=--trash-age 7d\nMAILTO=root\n",
          true, &job);
    expect_job(&job, "db1:\n backup --domain-names=db1 --repository=/r --compression=zstd --wait\n"
                     " prune --domain-names=" DB1_ID " --repository=/r --keep-daily=7 "
                     "--newest-within=1d --scope=default\n"
                     "web:\n backup --domain-names=web --repository=/r --compression=zstd --wait\n"
                     " prune --domain-names=" WEB_ID " --repository=/r --keep-daily=7 "
                     "--newest-within=1d --scope=default\n"
                     "then collect --repository=/r --trash-age=7d\n"
                     "stagger 0, wait 18446744073709551615\n");
    parse("DESTINATION='/b c'\nOPTIONS=--replace --verbose --domain-names=web\n", true, &folder);
    expect_job(&folder, "web:\n backup --domain-names=web --destination-path=/b c --replace\n");
}

/* What prune and collect are given says nothing about which guests are backed up. */
static void options_of_prune_and_collect_choose_no_guests(void **state)
{
    CLEANUP_JOB struct job job = {0};

    (void)state;
    parse("REPOSITORY=/r\nKEEP=--keep-daily 7 --force --domain-names web --scope x\n"
          "COLLECT=--wait --memory-limit 1G\nOPTIONS=--domain-names=db1\n",
          true, &job);
    assert_non_null(job.unusable);
    expect_job(&job, "db1:\n backup --domain-names=db1 --repository=/r\n"
                     " prune --domain-names=" DB1_ID " --repository=/r --keep-daily=7 "
                     "--scope=default\nthen collect --repository=/r\n");
}

static void wrong_environment_files_are_refused(void **state)
{
    static const struct {
        const char *text;
        const char *message;
    } rows[] = {
        {"REPOSITORY=/r\nOPTIONS=--compresion zstd",
         "/j: line 2: OPTIONS: unknown option '--compresion'; did you mean '--compression'?"},
        {"KEEP=--keep-daily 7 --force\nREPOSITORY=/r",
         "/j: line 1: KEEP: a job cannot have the option '--force'; remove it"},
        {"REPOSITORY=/r\nCOLLECT=--wait",
         "/j: line 2: COLLECT: a job cannot have the option '--wait'; remove it"},
        {"REPOSITORY=/r\nKEEP=--domain-names a\nOPTIONS=--domain-names b",
         "/j: line 2: a job has one value for all that it does, and OPTIONS does not have "
         "'--domain-names'; remove it"},
        {"REPOSITORY=/r\nKEEP=--scope x\nCOLLECT=--scope x\nOPTIONS=--scope x", "nothing"},
        {"DESTINATION=/a b", "/j: line 1: DESTINATION must be one path; write \"...\" around it"},
        {"OPTIONS=\"--replace", "/j: line 1: OPTIONS: unclosed quote: \"--replace"},
        {"[guest a]", "/j: line 1: an environment file has no sections; a job file would be in the "
                      "folder jobs.d"},
        {"OPTIONS=--replace",
         "/j: it does not say where backups go; add a line: repository = /PATH"},
    };

    (void)state;
    for (size_t i = 0; i < sizeof(rows) / sizeof(*rows); i++) {
        CLEANUP_JOB struct job job = {.path = mem_strdup("/j"), .old = true};
        CLEANUP_ERR struct err err = ERR_INIT;
        if (job_file_parse_old(rows[i].text, strlen(rows[i].text), &job, &err) == 0 &&
            job_check(&job, &err) == 0)
            job_check_usable(&job, &err);
        assert_string_equal(err.text ? err.text : "nothing", rows[i].message);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_short_job_saves_all_guests),
        cmocka_unit_test(keys_reach_the_steps_that_have_them),
        cmocka_unit_test(sections_change_keys_for_their_guests),
        cmocka_unit_test(a_guest_may_be_kept_without_the_others),
        cmocka_unit_test(disks_are_left_out_where_they_are),
        cmocka_unit_test(hooks_are_of_the_job_or_of_guests),
        cmocka_unit_test(the_window_ends_at_the_next_such_time),
        cmocka_unit_test(what_means_no_guest_is_told),
        cmocka_unit_test(options_take_the_place_of_keys),
        cmocka_unit_test(environment_files_are_jobs),
        cmocka_unit_test(options_of_prune_and_collect_choose_no_guests),
        cmocka_unit_test(wrong_environment_files_are_refused),
    };

    setenv("TZ", "UTC", 1);
    return cmocka_run_group_tests_name("cli job plan", tests, NULL, NULL);
}
