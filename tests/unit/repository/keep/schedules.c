/* SPDX-License-Identifier: LGPL-2.1-or-later
 *
 * usage: schedules [--seed SEED] [--rule RULE] [--fixed] [--verbose] COUNT
 *
 * Runs so many storms (storm.h), of consecutive seeds. With a rule taken away: until something goes
 * wrong, and if nothing does, it fails. --fixed: instead of random ones all orders of few actors with
 * up to two preemptions.
 */
#include <getopt.h>
#include <sched.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "storm.h"

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

static bool run_one(struct storm *storm, const struct storm_case *run, struct totals *totals)
{
    unsigned steps = 0;
    const char *wrong = storm_run(storm, run, &steps);

    totals->runs++;
    totals->steps += steps;
    if (!wrong)
        return true;
    printf("%s: %s after %llu schedules: %s\n", altered_rule_name(run->rule),
           run->rule == RULE_NONE ? "not ok" : "found", (unsigned long long)totals->runs, wrong);
    if (run->fixed)
        printf("  variant %u, to actor %u at step %u, to actor %u at step %u\n", run->variant,
               run->to[0], run->at[0], run->to[1], run->at[1]);
    else
        printf("  again: schedules --seed %llu --rule %s --verbose 1\n",
               (unsigned long long)run->seed, altered_rule_name(run->rule));
    return false;
}

static bool run_fixed_variant(struct storm *storm, struct storm_case *run, struct totals *totals)
{
    unsigned steps = 0;

    run->at[0] = run->at[1] = 0;
    if (storm_run(storm, run, &steps))
        return run_one(storm, run, totals);
    for (run->at[0] = 1; run->at[0] <= steps; run->at[0]++)
        for (run->to[0] = 0; run->to[0] < STORM_FIXED_ACTORS; run->to[0]++)
            for (run->at[1] = run->at[0] + 1; run->at[1] <= steps; run->at[1]++)
                for (run->to[1] = 0; run->to[1] < STORM_FIXED_ACTORS; run->to[1]++)
                    if (!run_one(storm, run, totals))
                        return false;
    return true;
}

static bool run_all(struct storm *storm, struct storm_case *run, uint64_t count,
                    struct totals *totals)
{
    if (run->fixed) {
        for (run->variant = 0; run->variant < STORM_VARIANTS; run->variant++)
            if (!run_fixed_variant(storm, run, totals))
                return false;
        return true;
    }
    for (uint64_t i = 0; i < count; i++, run->seed++)
        if (!run_one(storm, run, totals))
            return false;
    return true;
}

static int usage(void)
{
    fprintf(stderr, "usage: schedules [--seed SEED] [--rule RULE] [--fixed] [--verbose] COUNT\n");
    return 2;
}

static int read_options(int argc, char **argv, struct storm_case *run, uint64_t *ret_count)
{
    static const struct option options[] = {
        {"seed", required_argument, NULL, 's'},
        {"rule", required_argument, NULL, 'r'},
        {"fixed", no_argument, NULL, 'f'},
        {"verbose", no_argument, NULL, 'v'},
        {NULL, 0, NULL, 0},
    };
    int option = 0;

    while ((option = getopt_long(argc, argv, "", options, NULL)) != -1) {
        if (option == 's')
            run->seed = strtoull(optarg, NULL, 10);
        else if (option == 'f')
            run->fixed = true;
        else if (option == 'v')
            run->verbose = true;
        else if (option != 'r' || (run->rule = altered_rule_find(optarg)) == RULES)
            return -1;
    }
    if (optind != argc - 1)
        return -1;
    *ret_count = strtoull(argv[optind], NULL, 10);
    return 0;
}

/* Actors take turns: on one processor that is faster by far. */
static void stay_on_one_processor(void)
{
    cpu_set_t set;

    CPU_ZERO(&set);
    CPU_SET(sched_getcpu(), &set);
    (void)sched_setaffinity(0, sizeof(set), &set);
}

int main(int argc, char **argv)
{
    struct storm_case run = {.seed = (uint64_t)time(NULL) * 1000003 + (uint64_t)getpid()};
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
    stay_on_one_processor();
    printf("seed %llu\n", (unsigned long long)run.seed);
    fflush(stdout);
    struct storm *storm = storm_new(folder);
    double begun = seconds();
    bool good = run_all(storm, &run, count, &totals);
    storm_free(storm);
    (void)rmdir(folder);
    free(folder);
    printf("%llu schedules, %llu steps, %.1f s\n", (unsigned long long)totals.runs,
           (unsigned long long)totals.steps, seconds() - begun);
    /* What is there for safety alone is no rule that must show. */
    return good == (run.rule == RULE_NONE || run.rule == RULE_NO_SECOND_LOOK) ? 0 : 1;
}
