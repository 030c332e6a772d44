/* SPDX-License-Identifier: LGPL-2.1-or-later
 *
 * The verbs that put a mark on points of a repository, or take one off: hold, release, tag, undelete.
 */
#include "cli/rows.h"
#include "cli/verb.h"

static const struct options_row mark_words = {
    NULL,
    OPTION_LIST,
    "POINT...",
    "8 or more digits of an id, or GUEST@latest, GUEST@ID, GUEST@TIME",
    ARGUMENT(words),
    .required = true};

#define ROW_POINT_SCOPE ROW_SCOPE("only points of this scope")

static const struct options_row hold_rows[] = {
    ROW_REPOSITORY,
    ROW_POINT_SCOPE,
    {"reason", OPTION_TEXT, "TEXT", "why, for people who look at the hold", ARGUMENT(reason)},
    ROW_NO_SANDBOX,
    ROW_QUIET,
    ROW_VERBOSE,
    ROW_JSON,
};

/* Of release and undelete. */
static const struct options_row plain_rows[] = {
    ROW_REPOSITORY, ROW_POINT_SCOPE, ROW_NO_SANDBOX, ROW_QUIET, ROW_VERBOSE, ROW_JSON,
};

static const struct options_row tag_rows[] = {
    ROW_REPOSITORY,
    {"add", OPTION_LIST, "TAGS", "give the points these tags, comma-separated", ARGUMENT(add_tags),
     .parse = arguments_parse_point_tags},
    {"remove", OPTION_LIST, "TAGS", "take these tags from them", ARGUMENT(remove_tags),
     .parse = arguments_parse_tags},
    ROW_POINT_SCOPE,
    ROW_NO_SANDBOX,
    ROW_QUIET,
    ROW_VERBOSE,
    ROW_JSON,
};

static int run_mark(enum mark_action action, const struct arguments *arguments,
                    struct verb_run *run, struct err *err)
{
    const struct mark_options options = {
        .action = action,
        .repository = arguments->repository,
        .scope = arguments->scope,
        .parser = run->parser,
        .points = lists_borrow(&arguments->words),
        .add_tags = lists_borrow(&arguments->add_tags),
        .remove_tags = lists_borrow(&arguments->remove_tags),
        .reason = arguments->reason,
    };

    return keep_mark(&options, &run->report, &run->outcome, err);
}

static int run_hold(const struct arguments *arguments, struct verb_run *run, struct err *err)
{
    return run_mark(MARK_HOLD, arguments, run, err);
}

static int run_release(const struct arguments *arguments, struct verb_run *run, struct err *err)
{
    return run_mark(MARK_RELEASE, arguments, run, err);
}

static int run_undelete(const struct arguments *arguments, struct verb_run *run, struct err *err)
{
    return run_mark(MARK_UNDELETE, arguments, run, err);
}

static int run_tag(const struct arguments *arguments, struct verb_run *run, struct err *err)
{
    if (arguments->add_tags.count + arguments->remove_tags.count == 0)
        return err_set(err, ERR_USAGE, "no tag is given; use --add TAGS or --remove TAGS");
    return run_mark(MARK_TAG, arguments, run, err);
}

const struct verb hold_verb = {
    .name = "hold",
    .summary = "keep points, whatever prune and remove say",
    .description =
        "Holds points of a repository: until they are released, no prune puts them into the\n"
        "trash, and no collection removes them. Points in the trash are taken out of it.",
    .options = {.rows = hold_rows,
                .count = sizeof(hold_rows) / sizeof(*hold_rows),
                .words = &mark_words},
    .has_parser = true,
    .run = run_hold,
};

const struct verb release_verb = {
    .name = "release",
    .summary = "end what hold began",
    .description = "Releases points of a repository that are held: prune may drop them again.",
    .options = {.rows = plain_rows,
                .count = sizeof(plain_rows) / sizeof(*plain_rows),
                .words = &mark_words},
    .has_parser = true,
    .run = run_release,
};

const struct verb undelete_verb = {
    .name = "undelete",
    .summary = "take points out of the trash",
    .description =
        "Takes points of a repository out of the trash, as long as no collection has removed\n"
        "them. GUEST@latest is the latest one in the trash.",
    .options = {.rows = plain_rows,
                .count = sizeof(plain_rows) / sizeof(*plain_rows),
                .words = &mark_words},
    .has_parser = true,
    .run = run_undelete,
};

const struct verb tag_verb = {
    .name = "tag",
    .summary = "give points tags, by which prune can keep them",
    .description =
        "Gives points of a repository tags, or takes them away. Tags that were given with the\n"
        "backup stay.",
    .options = {.rows = tag_rows,
                .count = sizeof(tag_rows) / sizeof(*tag_rows),
                .words = &mark_words},
    .has_parser = true,
    .run = run_tag,
};
