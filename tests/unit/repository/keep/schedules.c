/* SPDX-License-Identifier: LGPL-2.1-or-later
 *
 * usage: schedules [--seed SEED] [--jobs N] [--rule RULE] [--verbose] COUNT | --changes N | --chain | --rules
 *
 * Runs so many crowds (crowd.h), of consecutive seeds. With a rule taken away: until something goes
 * wrong, and if nothing does, it fails. --changes: instead all orders of three actors in which up to
 * N times (1 or 2) another one goes on than the one at work. --chain: one order that chance hardly
 * finds (crowd.h). --jobs: so many processes, each with its part.
 */
#include <getopt.h>
#include <limits.h>
#include <malloc.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "crowd.h"

#define PROGRESS 10000

#define JOBS_MAX 256u

struct options {
    struct crowd_case run;
    uint64_t count;
    unsigned jobs;
    unsigned job;
};

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

static void tell_progress(const struct totals *totals, double begun)
{
    double passed = seconds() - begun;

    printf("%llu schedules so far, %.0f a second\n", (unsigned long long)totals->runs,
           (double)totals->runs / (passed > 0 ? passed : 1));
    fflush(stdout);
}

static bool run_all(struct crowd *crowd, const struct options *options, struct totals *totals)
{
    struct crowd_case own = options->run, *run = &own;
    struct crowd_result result = {0};
    double begun = seconds();

    for (run->variant = options->job; run->fixed && run->variant < CROWD_VARIANTS;
         run->variant += options->jobs)
        if (!run_changes(crowd, run, 0, totals))
            return false;
    for (uint64_t i = 0; !run->fixed && i < options->count; i++, run->seed++) {
        if (!run_one(crowd, run, &result, totals))
            return false;
        if (totals->runs % PROGRESS == 0)
            tell_progress(totals, begun);
    }
    return true;
}

static int usage(void)
{
    fprintf(stderr, "usage: schedules [--seed SEED] [--jobs N] [--rule RULE] [--verbose] COUNT "
                    "| --changes N | --chain | --rules\n");
    return 2;
}

static void list_rules(void)
{
    for (enum altered_rule rule = RULE_NONE; rule < RULES; rule++)
        printf("%s\n", altered_rule_name(rule));
    exit(0);
}

static int read_options(int argc, char **argv, struct options *ret)
{
    static const struct option options[] = {
        {"seed", required_argument, NULL, 's'}, {"jobs", required_argument, NULL, 'j'},
        {"rule", required_argument, NULL, 'r'}, {"changes", required_argument, NULL, 'c'},
        {"rules", no_argument, NULL, 'l'},      {"chain", no_argument, NULL, 'h'},
        {"verbose", no_argument, NULL, 'v'},    {NULL, 0, NULL, 0},
    };
    struct crowd_case *run = &ret->run;
    int option = 0;

    while ((option = getopt_long(argc, argv, "", options, NULL)) != -1) {
        if (option == 's')
            run->seed = strtoull(optarg, NULL, 10);
        else if (option == 'j')
            ret->jobs = (unsigned)strtoul(optarg, NULL, 10);
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
    if (optind != argc - counted || ret->jobs < 1 || ret->jobs > JOBS_MAX)
        return -1;
    ret->count = 1;
    if (counted)
        ret->count = strtoull(argv[optind], NULL, 10);
    return 0;
}

/* Its part of all. True if what must come out does. */
static bool do_job(const struct options *options)
{
    struct totals totals = {0};
    struct stat st;
    char *folder = NULL;

    folder = mem_printf("%s/schedules.XXXXXX", stat("/dev/shm", &st) == 0 ? "/dev/shm" : "/tmp");
    if (!mkdtemp(folder)) {
        perror("mkdtemp");
        free(folder);
        return false;
    }
    if (!options->run.fixed && !options->run.chain)
        printf("seed %llu\n", (unsigned long long)options->run.seed);
    fflush(stdout);
    struct crowd *crowd = crowd_new(folder);
    double begun = seconds();
    bool good = run_all(crowd, options, &totals);
    crowd_free(crowd);
    (void)rmdir(folder);
    free(folder);
    printf("%llu schedules, %llu steps, %.1f s\n", (unsigned long long)totals.runs,
           (unsigned long long)totals.steps, seconds() - begun);
    fflush(stdout);
    /* What is there for safety alone is no rule that must show. */
    return good == (options->run.rule == RULE_NONE || options->run.rule == RULE_NO_SECOND_LOOK);
}

/* Seeds are consecutive over all of them. */
static bool do_jobs(const struct options *options)
{
    struct options part = *options;
    uint64_t each = options->count / options->jobs;
    unsigned begun = 0;
    bool good = true;

    for (part.job = 0; part.job < options->jobs; part.job++) {
        part.count = each + (part.job < options->count % options->jobs);
        pid_t pid = fork();
        if (pid == 0)
            _exit(do_job(&part) ? 0 : 1);
        if (pid < 0) {
            perror("fork");
            good = false;
            break;
        }
        begun++;
        part.run.seed += part.count;
    }
    while (begun-- > 0) {
        int status = 0;
        if (wait(&status) < 0 || status != 0)
            good = false;
    }
    return good;
}

int main(int argc, char **argv)
{
    struct options options = {
        .run.seed = (uint64_t)time(NULL) * 1000003 + (uint64_t)getpid(),
        .jobs = 1,
    };

    if (read_options(argc, argv, &options) < 0)
        return usage();
    /* What a run gives back the next one needs again. */
    (void)mallopt(M_TRIM_THRESHOLD, INT_MAX);
    (void)mallopt(M_TOP_PAD, 16 << 20);
    (void)mallopt(M_MMAP_THRESHOLD, 4 << 20);
    return (options.jobs == 1 ? do_job(&options) : do_jobs(&options)) ? 0 : 1;
}
