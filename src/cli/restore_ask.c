/* SPDX-License-Identifier: LGPL-2.1-or-later
 *
 * What may be done is found out by planning: a plan that fails for want of an option says so in its
 * error, the user is asked about that option, and the plan is made again.
 */
#include "cli/restore_ask.h"

#include <string.h>

#include "base/array.h"
#include "base/quit.h"
#include "base/when.h"
#include "cli/ask.h"
#include "cli/events.h"
#include "ops/points/points.h"

static int no_answer(struct err *err)
{
    if (quit_check(err) < 0)
        return -1;
    return err_set(err, ERR_DENIED, "nothing is restored, because that was not agreed to");
}

/* ---- which guest, and which of its points ------------------------------------------------------- */

static int ask_guests(struct points_store *store, struct restore_options *options,
                      struct restore_answers *answers, bool *asked, struct err *err)
{
    CLEANUP_STRINGS struct strings guests = {0};
    CLEANUP_BUF struct buf question = {0};

    if (points_store_guests(store, &guests, err) < 0)
        return -1;
    if (options->domains.count > 0 || guests.count < 2)
        return 0;
    *asked = true;
    buf_append_str(&question, "Which guest is to be restored? There are ");
    for (size_t i = 0; i < guests.count; i++)
        buf_printf(&question, "%s'%s'", i ? ", " : "", guests.items[i]);
    buf_append_str(&question, " [none]:");
    CLEANUP_FREE char *text = buf_take_str(&question);
    char *answer = ask_line(text);
    if (!answer || !*answer) {
        free(answer);
        return no_answer(err);
    }
    strings_take(&answers->domains, answer);
    answers->words = mem_array(1, sizeof(*answers->words));
    answers->words[0] = answers->domains.items[0];
    options->domains = (struct name_list){answers->words, 1};
    return 0;
}

static char *point_question(const struct points_list *list)
{
    struct buf text = {0};
    char utc[WHEN_TEXT_SIZE];
    char local[WHEN_TEXT_SIZE];

    for (size_t i = 0; i < list->count; i++) {
        const struct points_entry *entry = &list->all[i];
        if (!entry->problem && entry->complete && !entry->trashed)
            buf_printf(&text, "%.*s  %s\n", (int)entry->id_digits, entry->id,
                       when_local(when_utc(entry->time_ms, utc), local));
    }
    buf_append_str(&text, "Which point, or the last before which time? [latest]:");
    return buf_take_str(&text);
}

/* Only if the guest was asked, too: without --point the latest is meant. */
static int ask_point(struct points_store *store, struct restore_options *options,
                     struct restore_answers *answers, struct err *err)
{
    CLEANUP_POINTS_LIST struct points_list list = {0};

    if (!points_store_has_many(store) || options->point || options->domains.count != 1)
        return 0;
    /* A pattern or GUEST@POINT needs no question, and a guest that is not there is told later. */
    if (points_list(store, options->domains.names[0], &list, NULL) < 0 || list.count < 2)
        return 0;
    CLEANUP_FREE char *question = point_question(&list);
    answers->point = ask_line(question);
    if (!answers->point)
        return no_answer(err);
    options->point = *answers->point ? answers->point : NULL;
    return 0;
}

static int ask_what(struct restore_options *options, struct restore_answers *answers, bool *asked,
                    struct err *err)
{
    CLEANUP(points_store_closep) struct points_store *store = NULL;

    if (points_store_open(&options->source, &store, err) < 0 ||
        ask_guests(store, options, answers, asked, err) < 0)
        return -1;
    return *asked ? ask_point(store, options, answers, err) : 0;
}

/* ---- where to ------------------------------------------------------------------------------------- */

static int ask_place(struct restore_options *options, struct restore_answers *answers, bool *asked,
                     struct err *err)
{
    if (options->destination || options->original_places)
        return 0;
    *asked = true;
    answers->destination = ask_line(
        options->new_name ? "Into which folder are its disks to be put? [none]:"
                          : "Into which folder are its disks to be put? \"=\" puts all files "
                            "where they were [none]:");
    if (!answers->destination || !*answers->destination)
        return no_answer(err);
    if (!options->new_name && strcmp(answers->destination, "=") == 0)
        options->original_places = true;
    else
        options->destination = answers->destination;
    return 0;
}

/* ---- what it may do --------------------------------------------------------------------------------- */

static const struct {
    enum err_remedy remedy;
    const char *question;
    size_t offset;
} permissions[] = {
    {ERR_REMEDY_TRUST_DEFINITION, "Do you trust the origin of this backup?",
     offsetof(struct restore_options, trust_definition)},
    {ERR_REMEDY_OVERWRITE, "Replace files that are there?",
     offsetof(struct restore_options, overwrite)},
    {ERR_REMEDY_REPLACE, "Remove the guest that is there, and put this one in its place?",
     offsetof(struct restore_options, replace)},
};

static bool *permission(struct restore_options *options, size_t i)
{
    return (bool *)((char *)options + permissions[i].offset);
}

/* The first failure of a plan that nobody sees. */
struct plan_failure {
    char *text; /* owned; NULL: none */
    enum err_remedy remedy;
};

static void plan_failure_clear(struct plan_failure *failure)
{
    free(failure->text);
    *failure = (struct plan_failure){0};
}

static void keep_failure(void *opaque, const struct event *event)
{
    struct plan_failure *failure = opaque;

    if (event->kind == EVENT_GUEST_FAILED && !failure->text)
        *failure = (struct plan_failure){events_text(event), event->problem.remedy};
}

static int try_plan(const struct restore_options *options, struct spawner *spawner,
                    struct plan_failure *ret_failure, struct err *err)
{
    const struct report silent = {.opaque = ret_failure, .event = keep_failure};
    struct outcome outcome = {0};

    return restore_run(options, spawner, &silent, &outcome, err);
}

/* The permission that would help, and that was not given; or their number. */
static size_t find_permission(struct restore_options *options, enum err_remedy remedy)
{
    size_t i = 0;

    while (i < ARRAY_COUNT(permissions) &&
           (*permission(options, i) || remedy != permissions[i].remedy))
        i++;
    return i;
}

/* A failure that no permission helps against is told by the restore itself. */
static int ask_permissions(struct restore_options *options, struct spawner *spawner, bool *asked,
                           struct err *err)
{
    for (;;) {
        CLEANUP(plan_failure_clear) struct plan_failure failure = {0};
        if (try_plan(options, spawner, &failure, err) < 0)
            return -1;
        size_t i = find_permission(options, failure.remedy);
        if (i == ARRAY_COUNT(permissions))
            return 0;
        CLEANUP_FREE char *question = mem_printf("%s\n%s", failure.text, permissions[i].question);
        *asked = true;
        if (!ask_yes(question))
            return err_set(err, ERR_DENIED, "%s", failure.text);
        *permission(options, i) = true;
    }
}

/* ---- all of it ------------------------------------------------------------------------------------ */

static int confirm_plan(const struct restore_options *options, struct spawner *spawner,
                        const struct report *report, struct err *err)
{
    struct outcome outcome = {0};

    if (restore_run(options, spawner, report, &outcome, err) < 0)
        return -1;
    if (outcome.good == 0)
        return err_set(err, ERR_DENIED, "nothing is restored, because nothing of it can be");
    return ask_yes("Go on?") ? 0 : no_answer(err);
}

int restore_ask(struct restore_options *options, struct spawner *spawner,
                const struct report *report, struct restore_answers *ret, struct err *err)
{
    struct restore_options planned;
    bool asked = false;

    if (ask_what(options, ret, &asked, err) < 0 || ask_place(options, ret, &asked, err) < 0)
        return -1;
    planned = *options;
    planned.dry_run = true;
    if (ask_permissions(&planned, spawner, &asked, err) < 0 ||
        (asked && confirm_plan(&planned, spawner, report, err) < 0))
        return -1;
    planned.dry_run = false;
    *options = planned;
    return 0;
}

void restore_answers_clear(struct restore_answers *answers)
{
    strings_clear(&answers->domains);
    free(answers->words);
    free(answers->point);
    free(answers->destination);
    *answers = (struct restore_answers){0};
}
