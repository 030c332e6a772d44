/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include <string.h>
#include <strings.h>
#include <unistd.h>

#include "base/out.h"
#include "base/terminal.h"
#include "base/when.h"
#include "cli/verb.h"

static const struct options_row rows[] = {
    ROW_SOURCE,
    ROW_IN_REPOSITORY,
    ROW_IN_SCOPE,
    {"domain-names", OPTION_NAMES, "NAMES", "the guests whose backups to remove, comma-separated",
     ARGUMENT(domains), .required = true},
    {"yes", OPTION_FLAG, NULL, "do not ask", ARGUMENT(yes)},
    ROW_WAIT,
    ROW_QUIET,
    ROW_VERBOSE,
    ROW_JSON,
};

static bool confirm_always(void *opaque, const struct remove_candidate *candidate)
{
    (void)opaque;
    (void)candidate;
    return true;
}

/* A signal or the end of input counts as no. */
static bool confirm_on_terminal(void *opaque, const struct remove_candidate *candidate)
{
    char when[WHEN_TEXT_SIZE];
    CLEANUP_FREE char *question = mem_printf(
        "Remove the backup of guest '%s'%s%.8s, made %s on %s, from %s? [y/N] ", candidate->guest,
        candidate->id ? ", point " : "", candidate->id ? candidate->id : "",
        when_local(candidate->time, when), candidate->host, candidate->path);
    CLEANUP_FREE char *shown = terminal_safe(question);
    char answer[16] = "";

    (void)opaque;
    out_write(OUT_MESSAGES, shown);
    ssize_t len = read(STDIN_FILENO, answer, sizeof(answer) - 1);
    if (len <= 0) {
        out_write(OUT_MESSAGES, "\n");
        return false;
    }
    answer[strcspn(answer, "\r\n")] = '\0';
    return strcasecmp(answer, "y") == 0 || strcasecmp(answer, "yes") == 0;
}

static int run_remove(const struct arguments *arguments, struct verb_run *run, struct err *err)
{
    struct remove_options options = {
        .domains = lists_borrow(&arguments->domains),
        .wait_ms = arguments->wait_ms,
        .confirm = arguments->yes ? confirm_always : confirm_on_terminal,
    };

    if (!arguments->yes && !isatty(STDIN_FILENO))
        return err_set(err, ERR_USAGE,
                       "remove asks before it removes a backup, but standard input is not a "
                       "terminal; use --yes to remove without being asked");
    if (arguments_place(arguments, arguments->source, "source-path", &options.source, err) < 0)
        return -1;
    return remove_run(&options, &run->report, &run->outcome, err);
}

const struct verb remove_verb = {
    .name = "remove",
    .summary = "remove backups from a folder",
    .description =
        "Removes the backups of guests from a folder: the manifest first, then the files that\n"
        "it names. Asks before each removal.",
    .done = "removed",
    .of_points = true,
    .options = {.rows = rows, .count = sizeof(rows) / sizeof(*rows)},
    .run = run_remove,
};
