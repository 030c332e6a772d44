/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include <unistd.h>

#include "base/when.h"
#include "cli/ask.h"
#include "cli/rows.h"
#include "cli/verb.h"

static const struct options_row remove_rows[] = {
    ROW_SOURCE,
    ROW_IN_REPOSITORY,
    ROW_SCOPE("only points of this scope of the repository"),
    {"domain-names", OPTION_NAMES, "NAMES", "the guests whose backups to remove, comma-separated",
     ARGUMENT(domains)},
    {"yes", OPTION_FLAG, NULL, "do not ask", ARGUMENT(yes)},
    ROW_WAIT,
    ROW_NO_SANDBOX,
    ROW_QUIET,
    ROW_VERBOSE,
    ROW_JSON,
};

static const struct options_row remove_words = {
    NULL, OPTION_LIST, "[POINT...]",
    "of a repository: 8 or more digits of an id, or GUEST@latest, GUEST@ID, GUEST@TIME",
    ARGUMENT(words)};

static bool confirm_always(void *opaque, const struct remove_candidate *candidate)
{
    (void)opaque;
    (void)candidate;
    return true;
}

static bool confirm_on_terminal(void *opaque, const struct remove_candidate *candidate)
{
    char when[WHEN_TEXT_SIZE];
    CLEANUP_FREE char *question = mem_printf(
        "Remove the backup of guest '%s'%s%.16s, made %s on %s, from %s?", candidate->guest,
        candidate->id ? ", point " : "", candidate->id ? candidate->id : "",
        when_local(candidate->time, when), candidate->host, candidate->path);

    (void)opaque;
    return ask_yes(question);
}

/* Points are named by arguments, or, like guests, with --domain-names. */
static int remove_of_repository(const struct arguments *arguments, remove_confirm *confirm,
                                struct verb_run *run, struct err *err)
{
    CLEANUP_STRINGS struct strings points = {0};

    for (size_t i = 0; i < arguments->words.count; i++)
        strings_add(&points, arguments->words.items[i]);
    for (size_t i = 0; i < arguments->domains.count; i++)
        strings_add(&points, arguments->domains.items[i]);
    if (points.count == 0)
        return err_set(err, ERR_USAGE,
                       "say which points to remove: GUEST@POINT or the digits of "
                       "an id; virt-backup list shows them");
    const struct mark_options options = {
        .action = MARK_REMOVE,
        .repository = arguments->repository,
        .scope = arguments->scope,
        .parser = run->parser,
        .points = lists_borrow(&points),
        .confirm = confirm,
    };
    return keep_mark(&options, &run->report, &run->outcome, err);
}

static int remove_of_archive(const struct arguments *arguments, remove_confirm *confirm,
                             struct verb_run *run, struct err *err)
{
    const struct remove_options options = {
        .archive = arguments->source,
        .parser = run->parser,
        .domains = lists_borrow(&arguments->domains),
        .wait_ms = arguments->wait_ms,
        .confirm = confirm,
    };

    if (arguments->words.count > 0)
        return err_set(err, ERR_USAGE, "unexpected argument '%s'; see --help",
                       arguments->words.items[0]);
    if (arguments->domains.count == 0)
        return err_set(err, ERR_USAGE, "--domain-names NAMES is required");
    return remove_run(&options, &run->report, &run->outcome, err);
}

static int run_remove(const struct arguments *arguments, struct verb_run *run, struct err *err)
{
    remove_confirm *confirm = arguments->yes ? confirm_always : confirm_on_terminal;
    struct points_place place;

    if (!arguments->yes && !isatty(STDIN_FILENO))
        return err_set(err, ERR_USAGE,
                       "remove asks before it removes a backup, but standard input is not a "
                       "terminal; use --yes to remove without being asked");
    if (arguments_place(arguments, arguments->source, "source-path", &place, err) < 0)
        return -1;
    return (place.is_repository ? remove_of_repository : remove_of_archive)(arguments, confirm, run,
                                                                            err);
}

const struct verb remove_verb = {
    .name = "remove",
    .summary = "remove backups from a folder, or points from a repository",
    .description =
        "Removes the backups of guests from a folder: the manifest first, then the files that\n"
        "it names. Points of a repository are put into the trash. Asks before each.",
    .done = "removed",
    .of_points = true,
    .options = {.rows = remove_rows,
                .count = sizeof(remove_rows) / sizeof(*remove_rows),
                .words = &remove_words},
    .has_parser = true,
    .run = run_remove,
};
