/* SPDX-License-Identifier: LGPL-2.1-or-later
 *
 * Job files: the first byte says whether it is one of earlier versions, the rest is its text. The
 * plan of a job that is accepted has command lines that the verbs accept.
 */
#include "fuzz.h"

#include "cli/job_plan.h"
#include "cli/job_table.h"
#include "cli/verb.h"

static void ignore_event(void *opaque, const struct event *event)
{
    (void)opaque;
    (void)event;
}

static void check_settings(const struct job *job)
{
    for (size_t i = 0; i < job->count; i++) {
        const struct job_setting *setting = &job->settings[i];
        FUZZ_CHECK(setting->row >= job_keys.rows && setting->row < job_keys.rows + job_keys.count);
        FUZZ_CHECK(setting->line > 0 && setting->section <= job->section_count);
        FUZZ_CHECK(setting->section == 0 || job_key_of(setting->row)->place != JOB_WHOLE);
    }
}

static void check_words(const struct verb *verb, const struct strings *words)
{
    CLEANUP_FREE const char **args = mem_array(words->count + 1, sizeof(*args));
    struct arguments arguments = {0};
    bool help = false;

    for (size_t i = 1; i < words->count; i++)
        args[i - 1] = words->items[i];
    FUZZ_CHECK(words->count == 0 ||
               options_read(&verb->options, args, &arguments, &help, NULL) == 0);
    options_clear(&verb->options, &arguments);
}

static void check_plan(const struct job *job)
{
    static char web[] = "web", comma[] = "a,b", uuid[] = "00000000-0000-4000-8000-000000000000";
    static char vda[] = "vda", vdb[] = "vdb";
    char *names[] = {comma, web}, *uuids[] = {uuid, uuid}, *titles[] = {NULL, web};
    char *targets[] = {vda, vdb};
    struct strings tags[] = {{NULL, 0}, {names, 2}}, disks[] = {{targets, 1}, {targets, 2}};
    const struct host_guests guests = {2, {names, 2}, {uuids, 2}, {titles, 2}, tags, disks};
    const struct report report = {.event = ignore_event};
    struct outcome outcome = {0};
    const struct job_planning planning = {job, &guests, 1777600800, &report, &outcome};
    CLEANUP_JOB_PLAN struct job_plan plan = {0};

    if (job_plan_make(&planning, &plan, NULL) < 0)
        return;
    FUZZ_CHECK(plan.guest_count <= 2 && plan.parallel > 0 && plan.not_after_s > planning.now_s);
    FUZZ_CHECK(!plan.repository != !plan.destination);
    for (size_t i = 0; i < plan.guest_count; i++)
        check_words(&backup_verb, &plan.guests[i].backup);
    check_words(&collect_verb, &plan.collect);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    CLEANUP_ERR struct err err = ERR_INIT;
    CLEANUP_JOB struct job job = {.name = mem_strdup("night"), .path = mem_strdup("/j")};
    struct fuzz_input input = {data, size};

    job.old = fuzz_u8(&input) & 1;
    const char *text = (const char *)input.p;
    if ((job.old ? job_file_parse_old : job_file_parse)(text, input.left, &job, &err) < 0 ||
        job_check(&job, &err) < 0) {
        FUZZ_CHECK(err.text && err.kind == ERR_USAGE);
        return 0;
    }
    check_settings(&job);
    check_plan(&job);
    return 0;
}
