/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include <fcntl.h>
#include <locale.h>
#include <stdio.h>
#include <string.h>
#include <sys/random.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "base/log.h"
#include "base/priority.h"
#include "base/process.h"
#include "base/quit.h"
#include "base/sandbox.h"
#include "base/stop.h"
#include "base/units.h"
#include "cli/help.h"
#include "cli/output.h"
#include "cli/exit_status.h"
#include "cli/suggest.h"
#include "cli/verb.h"
#include "mtcp/spawner.h"
#include "ops/transfer/children.h"
#include "ops/undo/guardian.h"

static const struct verb *const verbs[] = {
    &backup_verb, &restore_verb,    &list_verb,        &verify_verb,   &status_verb,
    &remove_verb, &recover_verb,    &repository_verb,  &prune_verb,    &collect_verb,
    &hold_verb,   &release_verb,    &tag_verb,         &undelete_verb, &repair_verb,
    &copy_verb,   &export_verb,     &checkpoints_verb, &job_verb,      &run_verb,
    &doctor_verb, &mtcp_child_verb,
};
#define VERB_COUNT (sizeof(verbs) / sizeof(*verbs))

/* If the caller has closed a standard descriptor, one of our files would get its number, and a
 * message would be written into that file. */
static void keep_standard_descriptors(void)
{
    int fd;

    do
        fd = open("/dev/null", O_RDWR);
    while (fd >= 0 && fd <= STDERR_FILENO);
    if (fd >= 0)
        close(fd);
}

static int find_verb(const char *name, const struct verb **ret, struct err *err)
{
    const char *names[VERB_COUNT];

    for (size_t i = 0; i < VERB_COUNT; i++) {
        names[i] = verbs[i]->name;
        if (strcmp(name, names[i]) == 0) {
            *ret = verbs[i];
            return 0;
        }
    }
    const char *nearest = suggest_nearest(name, names, VERB_COUNT);
    err_set(err, ERR_USAGE, "unknown verb '%s'", name);
    return nearest ? err_append(err, "did you mean '%s'?", nearest)
                   : err_append(err, "see virt-backup --help");
}

static void show_help(const struct verb *verb)
{
    CLEANUP_BUF struct buf text = {0};

    if (verb)
        help_verb(verb, &text);
    else
        help_general(verbs, VERB_COUNT, &text);
    buf_put_u8(&text, '\0');
    output_text((const char *)text.data);
}

/* Handles help and version in place of a verb. False: it is a verb. */
static bool show_information(const char *const *args, struct err *err)
{
    const struct verb *verb = NULL;

    if (strcmp(args[0], "--version") == 0) {
        output_text("virt-backup " VIRT_BACKUP_VERSION "\n");
        return true;
    }
    if (strcmp(args[0], "--help") != 0 && strcmp(args[0], "-h") != 0 &&
        strcmp(args[0], "help") != 0)
        return false;
    if (!args[1] || find_verb(args[1], &verb, err) == 0)
        show_help(verb);
    return true;
}

static int prove_sandbox(struct spawner *spawner, struct err *err)
{
    if (spawner_prove_sandbox(spawner, err) < 0)
        return -1;
    log_detail("child processes run in a sandbox: seccomp, Landlock version %d",
               sandbox_landlock_version());
    return 0;
}

#define RUN_ID_SIZE 17

/* Distinguishes the lines of one run from another's in a log. */
static void make_run_id(char text[static RUN_ID_SIZE])
{
    uint8_t random[8] = {0};

    if (getrandom(random, sizeof(random), GRND_NONBLOCK) != (ssize_t)sizeof(random))
        memcpy(random, &(uint64_t){units_now_ms() << 16 ^ (uint64_t)getpid()}, sizeof(random));
    for (size_t i = 0; i < sizeof(random); i++)
        snprintf(text + 2 * i, 3, "%02x", random[i]);
}

#define PLUGIN_UNKNOWN 3 /* of a monitoring system */

static int status_of_verb(const struct verb_run *run, const struct arguments *arguments,
                          const struct err *err)
{
    if (arguments->nagios && err->text)
        return PLUGIN_UNKNOWN;
    return run->has_exit_status && !err->text ? run->exit_status
                                              : exit_status_of_run(err, &run->outcome);
}

static void tell_status(int status)
{
    CLEANUP_FREE char *text = exit_status_text(status);
    CLEANUP_FREE char *line = mem_printf("exit status %d: %s", status, text);

    if (status != STATUS_GOOD)
        log_journal(line);
}

static const char *word_for_done(const struct verb *verb, const struct arguments *arguments)
{
    if (arguments->dry_run)
        return NULL;
    return arguments->dismiss.count ? "dismissed" : verb->done;
}

/* Runs the verb; its arguments are already read. Returns the exit status. */
static int carry_out_verb(const struct verb *verb, struct arguments *arguments)
{
    char run_id[RUN_ID_SIZE];
    uint64_t started_ms = units_now_ms();
    make_run_id(run_id);
    CLEANUP(output_clear)
    struct output output = {
        .json = arguments->json,
        /* --dry-run is run for its text */
        .quiet = arguments->quiet && !arguments->dry_run,
        .run_id = run_id,
    };
    CLEANUP(guardian_freep) struct guardian *guardian = NULL;
    CLEANUP(spawner_freep) struct spawner *spawner = NULL;
    CLEANUP_ERR struct err err = ERR_INIT;
    struct verb_run run = {.report = output_report(&output)};
    struct parser parser;
    const struct guardian_settings guarded = {
        .calls = &undo_calls_libvirt,
        .archive = verb->makes_archive ? arguments->destination : NULL,
    };

    /* 1. From here on signals are noted, and stop the work at a safe point. */
    int status = verb->is_child ? 0 : quit_install(&err);
    if (!verb->is_child)
        stop_install();
    /* 2. Guardian and spawner are forked before libvirt, libnbd or any thread exists. The guardian
     * has guests to put back, so it is forked before our priority is lowered. */
    if (status == 0 && verb->has_guardian && !arguments->dry_run)
        status = guardian_start(&guarded, &guardian, &err);
    if (status == 0 && arguments->nice > 0)
        status = priority_lower(arguments->nice, &err);
    if (status == 0 && (verb->has_children || verb->has_parser))
        status = (spawner = spawner_start(arguments->child_command, &err)) ? 0 : -1;
    /* A parser alone is started, and its sandbox tested, when it is needed. */
    if (status == 0 && verb->has_children && !arguments->children.no_sandbox && !arguments->dry_run)
        status = prove_sandbox(spawner, &err);
    if (status == 0 && verb->has_parser)
        children_warn(&arguments->children, &run.report);
    /* 3. The work. */
    run.spawner = spawner;
    if (spawner) {
        parser = spawner_parser(spawner, arguments->children.no_sandbox);
        run.parser = &parser;
    }
    run.guardian = guardian;
    if (status == 0)
        status = verb->run(arguments, &run, &err);
    if (status < 0)
        output_error(&output, &err);
    /* The sandbox forbids what libraries do at exit. */
    if (verb->is_child)
        _exit(exit_status_of_run(&err, &run.outcome));
    /* 4. The result. */
    const struct output_summary summary = {
        .verb = verb->name,
        .one = verb->of_points && arguments->repository ? "point" : "guest",
        .done = word_for_done(verb, arguments),
        .relation = verb->relation,
        .outcome = run.outcome,
        .status = status_of_verb(&run, arguments, &err),
        .elapsed_ms = units_now_ms() - started_ms,
    };
    output_finish(&output, &summary);
    if (!run.has_exit_status)
        tell_status(summary.status);
    return summary.status;
}

static int read_arguments(const struct verb *verb, const char *const *args,
                          struct arguments *arguments, bool *ret_help, struct err *err)
{
    if (verb->prepare && verb->prepare(arguments, err) < 0)
        return -1;
    if (options_read(&verb->options, args, arguments, ret_help, err) < 0)
        return err_prefix(err, "%s", verb->name);
    if (arguments->quiet && arguments->verbose)
        return err_set(err, ERR_USAGE, "%s: --quiet and --verbose cannot be combined", verb->name);
    arguments->children.foreign = arguments->child_command != NULL;
    log_set_level(arguments->quiet ? LOG_QUIET : arguments->verbose ? LOG_VERBOSE : LOG_NORMAL);
    return 0;
}

/* Returns the exit status, or -1 with a usage error. */
static int run_command_line(const char *const *args, struct err *err)
{
    const struct verb *verb = NULL;
    struct arguments arguments = {0};
    bool help = false;
    int status = -1;

    if (!args[0])
        return err_set(err, ERR_USAGE, "no verb given; see virt-backup --help");
    if (show_information(args, err))
        return err->text ? -1 : STATUS_GOOD;
    if (find_verb(args[0], &verb, err) < 0)
        return -1;
    if (read_arguments(verb, args + 1, &arguments, &help, err) == 0) {
        if (help)
            show_help(verb);
        status = help ? STATUS_GOOD : carry_out_verb(verb, &arguments);
    }
    options_clear(&verb->options, &arguments);
    return status;
}

/* The mistake may stand before --json, so options were not all read. */
static bool asks_for_json(const char *const *args)
{
    for (; *args && strcmp(*args, "--") != 0; args++)
        if (strcmp(*args, "--json") == 0)
            return true;
    return false;
}

static void refuse_command_line(const char *const *args, const struct err *err)
{
    char run_id[RUN_ID_SIZE];

    make_run_id(run_id);
    output_error(&(struct output){.json = asks_for_json(args), .run_id = run_id}, err);
}

int main(int argc, char **argv)
{
    CLEANUP_ERR struct err err = ERR_INIT;
    const char *const *args = (const char *const *)argv + (argc > 0);

    /* 1. Backups hold what guests hold, and so does our memory: nobody else may read either. */
    umask(077);
    process_hide();
    keep_standard_descriptors();
    /* 2. Only for the width of characters: numbers and messages are not localised. */
    setlocale(LC_CTYPE, "");
    /* 3. Read the command line, run the verb. */
    int status = run_command_line(args, &err);
    if (status < 0) {
        refuse_command_line(args, &err);
        return STATUS_USAGE;
    }
    /* 4. A result that could not be written is a failure. */
    if (output_flush(&err) < 0) {
        log_error(err.text);
        return status ? status : STATUS_FAILED;
    }
    return status;
}
