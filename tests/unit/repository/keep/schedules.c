/* SPDX-License-Identifier: LGPL-2.1-or-later
 *
 * usage: schedules [--seed SEED] [--rule RULE] [--verbose] COUNT | --changes N | --chain | --rules
 *
 * Runs so many crowds (crowd.h), of consecutive seeds. With a rule taken away: until something goes
 * wrong, and if nothing does, it fails. --changes: instead all orders of three actors in which up to
 * N times (1 or 2) another one goes on than the one at work. --chain: one order that chance hardly
 * finds (crowd.h).
 */
#include <getopt.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "crowd.h"

#define PROGRESS 10000

struct totals {
    uint64_t runs;
    uint64_t steps;
};

static double seconds(void)
{
    struct timespec now;

    clock_gettime(CLOCK_MONOTONIC, &now);
    return (double)now.tv_sec + (double)now.tv_nsec / 1e9;
}

static bool run_one(struct crowd *crowd, const struct crowd_case *run, struct crowd_result *ret,
                    struct totals *totals)
{
    const char *wrong = crowd_run(crowd, run, ret);

    totals->runs++;
    totals->steps += ret->steps;
    if (!wrong)
        return true;
    printf("%s: %s after %llu schedules: %s\n", altered_rule_name(run->rule),
           run->rule == RULE_NONE ? "not ok" : "found", (unsigned long long)totals->runs, wrong);
    if (run->fixed)
        printf("  variant %u, to actor %u at step %u, to actor %u at step %u\n", run->variant,
               run->to[0], run->at[0], run->to[1], run->at[1]);
    else if (!run->chain)
        printf("  again: scripts/schedules --seed %llu --rule %s --verbose 1\n",
               (unsigned long long)run->seed, altered_rule_name(run->rule));
    return false;
}

/* All places for the change of this number, and for those after it. */
static bool run_changes(struct crowd *crowd, struct crowd_case *run, unsigned number,
                        struct totals *totals)
{
    struct crowd_result result = {0};

    run->at[number] = 0;
    if (!run_one(crowd, run, &result, totals))
        return false;
    if (result.changes < number || number == run->changes)
        return true;
    unsigned begin = number > 0 ? run->at[number - 1] + 1 : 1;
    for (unsigned at = begin; at <= result.steps; at++)
        for (unsigned to = 0; to < CROWD_FIXED_ACTORS; to++) {
            run->at[number] = at;
            run->to[number] = to;
            if (!run_changes(crowd, run, number + 1, totals))
                return false;
        }
    run->at[number] = 0;
    return true;
}

static bool run_all(struct crowd *crowd, struct crowd_case *run, uint64_t count,
                    struct totals *totals)
{
    struct crowd_result result = {0};

    for (run->variant = 0; run->fixed && run->variant < CROWD_VARIANTS; run->variant++)
        if (!run_changes(crowd, run, 0, totals))
            return false;
    for (uint64_t i = 0; !run->fixed && i < count; i++, run->seed++) {
        if (!run_one(crowd, run, &result, totals))
            return false;
        if (totals->runs % PROGRESS == 0) {
            printf("%llu schedules so far\n", (unsigned long long)totals->runs);
            fflush(stdout);
        }
    }
    return true;
}

static int usage(void)
{
    fprintf(stderr, "usage: schedules [--seed SEED] [--rule RULE] [--verbose] COUNT | --changes N "
                    "| --chain | --rules\n");
    return 2;
}

static void list_rules(void)
{
    for (enum altered_rule rule = RULE_NONE; rule < RULES; rule++)
        printf("%s\n", altered_rule_name(rule));
    exit(0);
}

static int read_options(int argc, char **argv, struct crowd_case *run, uint64_t *ret_count)
{
    static const struct option options[] = {
        {"seed", required_argument, NULL, 's'},
        {"rule", required_argument, NULL, 'r'},
        {"changes", required_argument, NULL, 'c'},
        {"rules", no_argument, NULL, 'l'},
        {"chain", no_argument, NULL, 'h'},
        {"verbose", no_argument, NULL, 'v'},
        {NULL, 0, NULL, 0},
    };
    int option = 0;

    while ((option = getopt_long(argc, argv, "", options, NULL)) != -1) {
        if (option == 's')
            run->seed = strtoull(optarg, NULL, 10);
        else if (option == 'c' && (optarg[0] == '1' || optarg[0] == '2')) {
            run->fixed = true;
            run->changes = (unsigned)(optarg[0] - '0');
        } else if (option == 'v')
            run->verbose = true;
        else if (option == 'h')
            run->chain = true;
        else if (option == 'l')
            list_rules();
        else if (option != 'r' || (run->rule = altered_rule_find(optarg)) == RULES)
            return -1;
    }
    bool counted = !run->fixed && !run->chain;
    if (optind != argc - counted)
        return -1;
    *ret_count = 1;
    if (counted)
        *ret_count = strtoull(argv[optind], NULL, 10);
    return 0;
}

int main(int argc, char **argv)
{
    struct crowd_case run = {.seed = (uint64_t)time(NULL) * 1000003 + (uint64_t)getpid()};
    struct totals totals = {0};
    uint64_t count = 0;
    struct stat st;
    char *folder = NULL;

    if (read_options(argc, argv, &run, &count) < 0)
        return usage();
    folder = mem_printf("%s/schedules.XXXXXX", stat("/dev/shm", &st) == 0 ? "/dev/shm" : "/tmp");
    if (!mkdtemp(folder)) {
        perror("mkdtemp");
        return 1;
    }
    printf("seed %llu\n", (unsigned long long)run.seed);
    fflush(stdout);
    struct crowd *crowd = crowd_new(folder);
    double begun = seconds();
    bool good = run_all(crowd, &run, count, &totals);
    crowd_free(crowd);
    (void)rmdir(folder);
    free(folder);
    printf("%llu schedules, %llu steps, %.1f s\n", (unsigned long long)totals.runs,
           (unsigned long long)totals.steps, seconds() - begun);
    /* What is there for safety alone is no rule that must show. */
    return good == (run.rule == RULE_NONE || run.rule == RULE_NO_SECOND_LOOK) ? 0 : 1;
}
