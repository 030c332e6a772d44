/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "cli/job_plan.h"

#include <string.h>
#include <time.h>

#include "base/buf.h"
#include "cli/arguments.h"
#include "cli/job_table.h"
#include "cli/job_words.h"
#include "cli/lists.h"
#include "ops/points/points.h"

/* ---- which settings count ----------------------------------------------------------- */

static bool is_setting_meant(const struct job_setting *setting, const bool *in_section)
{
    enum job_place place = job_key_of(setting->row)->place;

    if (setting->section)
        return in_section && in_section[setting->section - 1];
    return place != JOB_EITHER || !in_section;
}

static void add_meant(const struct job_setting *setting, struct job_meant *meant)
{
    /* The command line replaces what a file lists. */
    bool replaces = !options_add_up(setting->row) ||
                    (meant->count && !setting->line && meant->settings[meant->count - 1]->line);

    if (replaces)
        meant->count = 0;
    if (setting->off)
        return;
    meant->settings = mem_resize(meant->settings, meant->count + 1, sizeof(struct job_setting *));
    meant->settings[meant->count++] = setting;
}

void job_meant(const struct job *job, const struct options_row *row, const bool *in_section,
               struct job_meant *ret)
{
    *ret = (struct job_meant){0};
    for (size_t i = 0; i < job->count; i++)
        if (job->settings[i].row == row && is_setting_meant(&job->settings[i], in_section))
            add_meant(&job->settings[i], ret);
}

void job_meant_clear(struct job_meant *meant)
{
    free(meant->settings);
    *meant = (struct job_meant){0};
}

bool *job_sections_of(const struct job *job, const struct host_guests *guests)
{
    bool *ret = mem_array(guests->count * job->section_count + 1, sizeof(*ret));
    CLEANUP_FREE bool *meant = mem_array(guests->count + 1, sizeof(*meant));

    for (size_t i = 0; i < job->section_count; i++) {
        memset(meant, 0, guests->count * sizeof(*meant));
        host_guests_mark(guests, job->sections[i].guests, meant);
        for (size_t j = 0; j < guests->count; j++)
            ret[j * job->section_count + i] = meant[j];
    }
    return ret;
}

/* ---- guests ----------------------------------------------------------------------------- */

static int list_names(const struct job *job, const char *key, struct strings *ret, struct err *err)
{
    CLEANUP_JOB_MEANT struct job_meant meant = {0};

    job_meant(job, options_find(&job_keys, key), NULL, &meant);
    for (size_t i = 0; i < meant.count; i++)
        if (lists_add_names(ret, meant.settings[i]->text, err) < 0)
            return err_prefix(err, "%s", key);
    return 0;
}

int job_choose(const struct job *job, const struct host_guests *guests, const struct report *report,
               struct outcome *outcome, bool *ret_chosen, struct err *err)
{
    CLEANUP_STRINGS struct strings names = {0};
    CLEANUP_STRINGS struct strings titles = {0};
    CLEANUP_STRINGS struct strings tags = {0};
    CLEANUP_STRINGS struct strings excluded = {0};

    if (list_names(job, "domain-names", &names, err) < 0 ||
        list_names(job, "domain-titles", &titles, err) < 0 ||
        list_names(job, "domain-tags", &tags, err) < 0 ||
        list_names(job, "exclude-domains", &excluded, err) < 0)
        return -1;
    const struct guest_choice choice = {
        .names = lists_borrow(&names),
        .titles = lists_borrow(&titles),
        .tags = lists_borrow(&tags),
        .excluded = lists_borrow(&excluded),
    };
    return host_guests_choose(guests, &choice, report, outcome, ret_chosen, err);
}

/* ---- command lines -------------------------------------------------------------------------- */

struct plan_making {
    const struct job *job;
    const struct host_guests *guests;
    const struct report *report;
    struct outcome *outcome;
    const bool *in_section; /* of the guest that is planned; NULL: of none */
    size_t guest;
    struct strings known_disks; /* words for disks that some guest has */
    struct strings other_disks; /* the others */
};

static void add_step_word(struct strings *words, const char *name, const char *text)
{
    if (text)
        strings_take(words, mem_printf("--%s=%s", name, text));
    else
        strings_take(words, mem_printf("--%s", name));
}

/* A name as a list takes it. The caller frees. */
static char *quote_listed_name(const char *name)
{
    struct buf text = {0};

    for (; *name; name++) {
        if (*name == ',' || *name == '\\')
            buf_put_u8(&text, '\\');
        buf_put_u8(&text, (uint8_t)*name);
    }
    return buf_take_str(&text);
}

/* Each guest has a command line of its own, and would complain of words for disks of others. */
static void add_step_disks(struct plan_making *making, const char *text, struct strings *words)
{
    CLEANUP_STRINGS struct strings disks = {0};

    lists_add_names(&disks, text, NULL);
    for (size_t i = 0; i < disks.count; i++) {
        const char *word = disks.items[i];
        bool has = host_guests_has_disk(making->guests, making->guest, word);
        struct strings *noted = has ? &making->known_disks : &making->other_disks;
        const char *colon = strrchr(word, ':');
        if (!strings_has(noted, word))
            strings_add(noted, word);
        if (has)
            add_step_word(words, "exclude-disk", colon ? colon + 1 : word);
    }
}

static void add_step_key(struct plan_making *making, const struct options_row *row,
                         enum job_step step, struct strings *words)
{
    const struct job_key *key = job_key_of(row);
    CLEANUP_JOB_MEANT struct job_meant meant = {0};

    if (!(key->steps & step))
        return;
    job_meant(making->job, row, making->in_section, &meant);
    for (size_t i = 0; i < meant.count; i++) {
        if (row == options_find(&job_keys, "exclude-disk"))
            add_step_disks(making, meant.settings[i]->text, words);
        else
            add_step_word(words, key->step_name ? key->step_name : row->name,
                          meant.settings[i]->text);
    }
}

/* guest: its name or UUID; NULL: of the whole job. */
static void add_step(struct plan_making *making, enum job_step step, const char *verb,
                     const char *guest, struct strings *ret)
{
    CLEANUP_FREE char *name = guest ? quote_listed_name(guest) : NULL;

    strings_add(ret, verb);
    if (name)
        add_step_word(ret, "domain-names", name);
    for (size_t i = 0; i < job_keys.count; i++)
        add_step_key(making, &job_keys.rows[i], step, ret);
}

static bool is_given(const struct plan_making *making, const struct options_row *row)
{
    CLEANUP_JOB_MEANT struct job_meant meant = {0};

    job_meant(making->job, row, making->in_section, &meant);
    return meant.count > 0;
}

/* Whether something is said about what is kept. */
static bool has_policy(const struct plan_making *making)
{
    for (size_t i = 0; i < job_keys.count; i++)
        if (strncmp(job_keys.rows[i].name, "keep-", strlen("keep-")) == 0 &&
            is_given(making, &job_keys.rows[i]))
            return true;
    return false;
}

/* ---- hooks -------------------------------------------------------------------------------------- */

static const char *text_of(const struct plan_making *making, const char *key)
{
    CLEANUP_JOB_MEANT struct job_meant meant = {0};

    job_meant(making->job, options_find(&job_keys, key), making->in_section, &meant);
    return meant.count ? meant.settings[meant.count - 1]->text : NULL;
}

/* 0: it is not given. A time was checked when it was read. */
static unsigned seconds_of(const struct plan_making *making, const char *key)
{
    const char *text = text_of(making, key);
    uint64_t ms = 0;

    if (text)
        arguments_parse_time(text, &ms, NULL);
    return ms / 1000 > UINT32_MAX ? UINT32_MAX : (unsigned)(ms / 1000);
}

static void plan_hook(const struct plan_making *making, const char *key, struct strings *ret)
{
    const char *text = text_of(making, key);

    if (text)
        job_words_split(text, ret, NULL); /* was checked when it was read */
}

static void plan_hooks(const struct plan_making *making, struct job_hooks *ret)
{
    plan_hook(making, "before", &ret->before);
    plan_hook(making, "after", &ret->after);
    plan_hook(making, "failed", &ret->failed);
    ret->limit_s = seconds_of(making, "hook-time");
}

/* ---- the plan ----------------------------------------------------------------------------------- */

/* The next time after now that a clock here shows this time of day. */
static int64_t next_time_of_day(unsigned minutes, int64_t now_s)
{
    time_t now = (time_t)now_s;
    struct tm day;

    localtime_r(&now, &day);
    for (int days = 0;; days++) {
        struct tm then = {.tm_year = day.tm_year,
                          .tm_mon = day.tm_mon,
                          .tm_mday = day.tm_mday + days,
                          .tm_hour = (int)(minutes / 60),
                          .tm_min = (int)(minutes % 60),
                          .tm_isdst = -1};
        int64_t time_s = mktime(&then);
        if (time_s > now_s)
            return time_s;
    }
}

static void plan_guest(struct plan_making *making, struct job_guest *ret)
{
    const char *name = making->guests->names.items[making->guest];

    ret->name = mem_strdup(name);
    ret->uuid = mem_strdup(making->guests->uuids.items[making->guest]);
    add_step(making, JOB_BACKUP, "backup", name, &ret->backup);
    if (has_policy(making)) {
        add_step(making, JOB_PRUNE, "prune", ret->uuid, &ret->prune);
        /* Without --scope, prune covers every scope, and the others belong to other jobs. */
        if (!text_of(making, "scope"))
            add_step_word(&ret->prune, "scope", points_usual_scope);
    }
    plan_hooks(making, &ret->hooks);
}

static void plan_guests(struct plan_making *making, const bool *chosen, struct job_plan *plan)
{
    const size_t sections = making->job->section_count;
    CLEANUP_FREE bool *in_section = job_sections_of(making->job, making->guests);

    plan->guests = mem_array(making->guests->count, sizeof(*plan->guests));
    for (size_t i = 0; i < making->guests->count; i++) {
        if (!chosen[i])
            continue;
        making->guest = i;
        making->in_section = in_section + i * sections;
        plan_guest(making, &plan->guests[plan->guest_count++]);
    }
    making->in_section = NULL;
}

static void plan_whole(struct plan_making *making, int64_t now_s, struct job_plan *plan)
{
    struct arguments_clock clock = {0};
    const char *parallel = text_of(making, "parallel");
    const char *not_after = text_of(making, "not-after");
    bool pruned = false;

    plan->name = mem_strdup(making->job->name);
    plan->repository = mem_strdup(text_of(making, "repository"));
    plan->destination = mem_strdup(text_of(making, "destination-path"));
    plan->scope = mem_strdup(text_of(making, "scope"));
    plan->uri = mem_strdup(text_of(making, "hypervisor-uri"));
    plan->no_sandbox = is_given(making, options_find(&job_keys, "no-sandbox"));
    plan->metrics = mem_strdup(text_of(making, "metrics"));
    plan->parallel = parallel ? (unsigned)strtoul(parallel, NULL, 10) : 1;
    plan->stagger_s = seconds_of(making, "stagger");
    if (is_given(making, options_find(&job_keys, "wait")))
        arguments_parse_wait(text_of(making, "wait"), &plan->wait_ms, NULL);
    plan->not_after_s = INT64_MAX;
    if (not_after && arguments_parse_clock(not_after, &clock, NULL) == 0)
        plan->not_after_s = next_time_of_day(clock.minutes, now_s);
    plan_hooks(making, &plan->hooks);
    if (text_of(making, "verify-share") || text_of(making, "verify-time"))
        add_step(making, JOB_VERIFY, "verify", NULL, &plan->verify);
    for (size_t i = 0; i < plan->guest_count; i++)
        pruned |= plan->guests[i].prune.count > 0;
    if (pruned && !is_given(making, options_find(&job_keys, "no-collect")))
        add_step(making, JOB_COLLECT, "collect", NULL, &plan->collect);
}

/* As backup does for all guests together: a misspelt disk would be backed up. */
static void tell_unknown_disks(const struct plan_making *making)
{
    for (size_t i = 0; i < making->other_disks.count; i++) {
        const char *word = making->other_disks.items[i];
        const struct event_no_match no_match = {NO_MATCH_DISK, "--exclude-disk", word, NULL};
        if (!strings_has(&making->known_disks, word))
            report_no_match(making->report, making->outcome, &no_match);
    }
}

void job_plan_whole(const struct job_planning *planning, struct job_plan *ret)
{
    struct plan_making making = {.job = planning->job};

    *ret = (struct job_plan){0};
    plan_whole(&making, planning->now_s, ret);
}

int job_plan_make(const struct job_planning *planning, struct job_plan *ret, struct err *err)
{
    const struct host_guests *guests = planning->guests;
    CLEANUP_FREE bool *chosen = mem_array(guests->count + 1, sizeof(*chosen));
    struct plan_making making = {.job = planning->job,
                                 .guests = guests,
                                 .report = planning->report,
                                 .outcome = planning->outcome};

    if (job_choose(making.job, guests, making.report, making.outcome, chosen, err) < 0)
        return err_prefix(err, "job '%s'", making.job->name);
    *ret = (struct job_plan){0};
    plan_guests(&making, chosen, ret);
    plan_whole(&making, planning->now_s, ret);
    tell_unknown_disks(&making);
    ret->unmatched = planning->outcome->failed;
    strings_clear(&making.known_disks);
    strings_clear(&making.other_disks);
    return 0;
}
