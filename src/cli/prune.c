/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "cli/verb.h"

#include <stdio.h>
#include <string.h>

#include "cli/rows.h"

#define PERCENT_MAX 10000 /* hundredths of a percent */

/* "1%", "0.25%" */
static int parse_change(const char *text, void *ret_per_10k, struct err *err)
{
    size_t len = strlen(text);
    unsigned whole = 0, hundredths = 0;
    int used = 0;

    if (len > 1 && text[len - 1] == '%' && strspn(text, "0123456789.") == len - 1 &&
        ((sscanf(text, "%3u%%%n", &whole, &used) == 1 && used == (int)len) ||
         (sscanf(text, "%3u.%2u%%%n", &whole, &hundredths, &used) == 2 && used == (int)len))) {
        const char *point = strchr(text, '.');
        unsigned change = whole * 100 + (point && point[2] == '%' ? hundredths * 10 : hundredths);
        if (change <= PERCENT_MAX) {
            *(unsigned *)ret_per_10k = change;
            return 0;
        }
    }
    return err_set(err, ERR_USAGE, "'%s' is not a percentage; write it like 1%% or 0.25%%", text);
}

static int parse_schedule(const char *text, void *ret_simulated, struct err *err)
{
    struct arguments_schedule *simulated = ret_simulated;

    simulated->given = true;
    return schedule_parse(text, &simulated->schedule, err);
}

static const struct options_row prune_rows[] = {
    {"repository", OPTION_TEXT, "URL", "the repository: a folder; not with --simulate",
     ARGUMENT(repository)},
    ROW_SCOPE("only this scope of it; default: each in turn"),
    ROW_DOMAINS,
    ROW_KEEP_LAST,
    ROW_KEEP_HOURLY,
    ROW_KEEP_DAILY,
    ROW_KEEP_WEEKLY,
    ROW_KEEP_MONTHLY,
    ROW_KEEP_YEARLY,
    ROW_KEEP_WITHIN,
    ROW_KEEP_TAG,
    ROW_TIME_ZONE,
    ROW_NEWEST_WITHIN,
    ROW_VERIFIED_ONLY,
    {"force", OPTION_FLAG, NULL, "drop more than half of a guest's points, or despite odd clocks",
     ARGUMENT(force)},
    {"simulate", OPTION_PARSED, "SCHEDULE",
     "show what would be there after backups like \"daily 22:00\"", ARGUMENT(simulated),
     .parse = parse_schedule},
    {"for", OPTION_PARSED, "TIME", "with --simulate: for so long, such as 2y",
     ARGUMENT(simulated_ms), .parse = arguments_parse_time},
    {"stored", OPTION_SIZE, "SIZE", "with --simulate: what the first backup stores",
     ARGUMENT(stored)},
    {"change", OPTION_PARSED, "PERCENT", "with --simulate: what changes between two backups",
     ARGUMENT(change_per_10k), .parse = parse_change},
    ROW_DRY_RUN("show which points would be kept, and why, but drop none"),
    ROW_NO_SANDBOX,
    ROW_QUIET,
    ROW_VERBOSE,
    ROW_JSON,
};

static int check_simulation(const struct arguments *arguments, struct err *err)
{
    bool sized = arguments->stored || arguments->change_per_10k;

    if (!arguments->simulated.given) {
        if (arguments->simulated_ms || sized)
            return err_set(err, ERR_USAGE, "--for, --stored and --change apply to --simulate only");
        if (!arguments->repository)
            return err_set(err, ERR_USAGE, "--repository URL is required");
        return 0;
    }
    if (arguments->repository || arguments->scope || arguments->domains.count)
        return err_set(err, ERR_USAGE, "--simulate looks at no repository");
    if (arguments->verified_only)
        return err_set(err, ERR_USAGE, "--verified-only does not apply to --simulate");
    if (!arguments->simulated_ms)
        return err_set(err, ERR_USAGE, "--simulate needs --for TIME, such as --for 2y");
    if (sized && (!arguments->stored || !arguments->change_per_10k))
        return err_set(err, ERR_USAGE, "--stored and --change are given together or not at all");
    return 0;
}

static int run_simulation(const struct arguments *arguments, const struct retention_policy *policy,
                          struct verb_run *run, struct err *err)
{
    const struct prune_simulation simulation = {
        .policy = *policy,
        .time_zone = arguments->time_zone,
        .schedule = arguments->simulated.schedule,
        .for_ms = arguments->simulated_ms,
        .stored = arguments->stored,
        .change_per_10k = arguments->change_per_10k,
    };

    return keep_simulate(&simulation, &run->report, err);
}

static int run_prune(const struct arguments *arguments, struct verb_run *run, struct err *err)
{
    struct retention_policy policy = arguments->policy;

    policy.tags = (struct retention_tags){(const char *const *)arguments->keep_tags.items,
                                          arguments->keep_tags.count};
    policy.force = arguments->force;
    if (check_simulation(arguments, err) < 0)
        return -1;
    if (arguments->simulated.given)
        return run_simulation(arguments, &policy, run, err);
    const struct prune_options options = {
        .repository = arguments->repository,
        .scope = arguments->scope,
        .parser = run->parser,
        .policy = policy,
        .time_zone = arguments->time_zone,
        .newest_within_ms = arguments->newest_within_ms,
        .verified_only = arguments->verified_only,
        .dry_run = arguments->dry_run,
        .domains = lists_borrow(&arguments->domains),
    };
    return keep_prune(&options, &run->report, &run->outcome, err);
}

const struct verb prune_verb = {
    .name = "prune",
    .summary = "put points that no option keeps into the trash",
    .description =
        "Goes through the points of each guest and puts those that no --keep option keeps into\n"
        "the trash, from where collect removes them. At least one such option is needed.",
    .done = "pruned",
    .options = {.rows = prune_rows, .count = sizeof(prune_rows) / sizeof(*prune_rows)},
    .has_parser = true,
    .run = run_prune,
};
