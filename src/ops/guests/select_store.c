/* SPDX-License-Identifier: LGPL-2.1-or-later
 *
 * Guests of a store, and points of them.
 */
#include "ops/guests/select_private.h"

#include <string.h>

#include "base/buf.h"
#include "base/shell.h"
#include "base/when.h"

/* ---- stores ---------------------------------------------------------------------------- */

/* Patterns and names are told by the names of the guests, UUIDs only by their manifests. */
static bool select_may_be_uuid(const char *word)
{
    return strspn(word, "0123456789abcdefABCDEF-") == 36 && (word[36] == '\0' || word[36] == '@');
}

static bool select_has_uuids(const struct name_list *list, const struct name_list *known)
{
    for (size_t i = 0; list && i < list->count; i++)
        if (select_may_be_uuid(list->names[i]) && !select_is_in(known, list->names[i]))
            return true;
    return false;
}

/* If only the manifest has it, and cannot be read, only the name is known. */
static void select_read_uuids(struct points_store *store, const struct selection *selection,
                              struct strings *uuids)
{
    for (size_t i = 0; i < selection->count; i++) {
        CLEANUP(points_closep) struct point *backup = NULL;
        char *uuid = points_store_guest_uuid(store, selection->names[i]);
        if (uuid)
            strings_take(uuids, uuid);
        else if (points_open(store, selection->names[i], NULL, &backup, NULL) == 0)
            strings_add(uuids, points_manifest(backup)->domain_uuid);
        else
            strings_take(uuids, NULL);
    }
}

bool select_mark_in_store(struct points_store *store, const struct selection *selection,
                          const char *word, bool *ret)
{
    CLEANUP_STRINGS struct strings uuids = {0};
    const struct name_list known = {(const char *const *)selection->names, selection->count};

    if (select_may_be_uuid(word) && !select_is_in(&known, word))
        select_read_uuids(store, selection, &uuids);
    const struct select_request request = {
        .names = known.names,
        .uuids = (const char *const *)uuids.items,
        .count = known.count,
    };
    return select_mark(&request, word, ret);
}

static int select_list(struct points_store *store, bool trashed, struct selection *ret,
                       struct err *err)
{
    CLEANUP_STRINGS struct strings guests = {0};

    if (points_store_guests(store, &guests, err) < 0)
        return -1;
    if (trashed)
        points_store_trashed_guests(store, &guests);
    strings_sort(&guests);
    *ret = (struct selection){
        .names = guests.items,
        .points = mem_array(guests.count, sizeof(*ret->points)),
        .count = guests.count,
        .chosen = mem_array(guests.count, sizeof(*ret->chosen)),
    };
    guests = (struct strings){0};
    return 0;
}

int select_all(struct points_store *store, struct selection *ret, struct err *err)
{
    if (select_list(store, true, ret, err) < 0)
        return -1;
    memset(ret->chosen, true, ret->count);
    return 0;
}

/* ---- points of guests ------------------------------------------------------------------ */

/* A word that means points of guests. */
struct select_point {
    const char *guest; /* borrowed; NULL: the word means guests */
    const char *point;
};

/* What follows the last '@', unless the whole word means a guest. ret_words: the words for guests. */
static void select_split(const struct select_request *request, struct select_point *ret,
                         const char **ret_words, struct strings *owned)
{
    CLEANUP_FREE bool *meant = mem_array(request->count, sizeof(*meant));

    for (size_t i = 0; i < request->wanted->count; i++) {
        const char *word = request->wanted->names[i];
        const char *at = strrchr(word, '@');
        ret_words[i] = word;
        if (!at || at == word || at[1] == '\0' || select_mark(request, word, meant))
            continue;
        char *guest = mem_strndup(word, (size_t)(at - word));
        strings_take(owned, guest);
        ret[i] = (struct select_point){guest, at + 1};
        ret_words[i] = guest;
    }
}

static void select_add(struct selection *selection, const char *name, char *point)
{
    size_t last = selection->count++;

    selection->names = mem_resize(selection->names, selection->count, sizeof(*selection->names));
    selection->points = mem_resize(selection->points, selection->count, sizeof(*selection->points));
    selection->chosen = mem_resize(selection->chosen, selection->count, sizeof(*selection->chosen));
    selection->names[last] = mem_strdup(name);
    selection->points[last] = point;
    selection->chosen[last] = true;
}

/* ---- points ------------------------------------------------------------------------------------ */

static size_t select_count(const bool *chosen, size_t count)
{
    size_t found = 0;

    for (size_t i = 0; i < count; i++)
        found += chosen[i];
    return found;
}

/* Whether each of so many guests is asked for a point of its own. An id is that of one guest. */
static bool select_is_for_each(const char *word, size_t count)
{
    int64_t time_ms = 0;

    return count > 1 && (strcmp(word, "latest") == 0 || when_parse(word, &time_ms));
}

/* If it is for each, a guest without such a point, or without one that can be read, fails by itself, is
 * not chosen any more, and *ret is NULL. */
static int select_find(struct points_store *store, const struct select_request *request,
                       struct selection *selection, size_t place, const char *word, bool each,
                       char **ret, struct err *err)
{
    CLEANUP_ERR struct err why = ERR_INIT;

    *ret = NULL;
    if (points_find(store, selection->names[place], word, ret, &why) == 0)
        return 0;
    if (!each ||
        (why.kind != ERR_NOT_FOUND && why.kind != ERR_CORRUPT && why.kind != ERR_UNSUPPORTED))
        return err_move(err, &why);
    selection->chosen[place] = false;
    report_failure(request->report, request->outcome, selection->names[place], &why);
    return 0;
}

/* further: names and ids of points of guests that have one already. */
static int select_apply_point(struct points_store *store, const struct select_request *request,
                              const struct select_point *point, struct selection *selection,
                              struct strings *further, struct err *err)
{
    CLEANUP_FREE bool *meant = mem_array(request->count, sizeof(*meant));

    if (!point->guest || !select_mark(request, point->guest, meant))
        return 0;
    bool each = select_is_for_each(point->point, select_count(meant, request->count));
    for (size_t i = 0; i < request->count; i++) {
        char *id = NULL;
        if (!meant[i] || !selection->chosen[i])
            continue;
        if (select_find(store, request, selection, i, point->point, each, &id, err) < 0)
            return -1;
        if (!id)
            continue;
        if (!selection->points[i]) {
            selection->points[i] = id;
            continue;
        }
        strings_add(further, request->names[i]);
        strings_take(further, id);
    }
    return 0;
}

static int select_apply_points(struct points_store *store, const struct select_request *request,
                               const struct select_point *points, struct selection *selection,
                               struct err *err)
{
    CLEANUP_STRINGS struct strings further = {0};

    for (size_t i = 0; i < request->wanted->count; i++)
        if (select_apply_point(store, request, &points[i], selection, &further, err) < 0)
            return -1;
    for (size_t i = 0; i < further.count; i += 2)
        select_add(selection, further.items[i], mem_strdup(further.items[i + 1]));
    return 0;
}

int select_points(struct points_store *store, const struct select_request *request,
                  struct selection *selection, const char *word, struct err *err)
{
    bool each = word && select_is_for_each(word, select_count(selection->chosen, selection->count));

    for (size_t i = 0; i < selection->count; i++) {
        for (size_t j = 0; j < i; j++)
            if (selection->chosen[i] && selection->chosen[j] &&
                strcmp(selection->names[i], selection->names[j]) == 0)
                return err_set(err, ERR_USAGE,
                               "guest '%s' is named with two points; name it with one",
                               selection->names[i]);
        if (word && selection->chosen[i] && !selection->points[i] &&
            select_find(store, request, selection, i, word, each, &selection->points[i], err) < 0)
            return -1;
    }
    return 0;
}

static bool select_is_whole(const struct points_entry *entry)
{
    return !entry->trashed && (entry->problem || entry->complete);
}

int select_every_point(struct points_store *store, struct selection *selection, struct err *err)
{
    const size_t count = selection->count;

    for (size_t i = 0; i < count; i++) {
        CLEANUP_POINTS_LIST struct points_list list = {0};
        if (!selection->chosen[i] || selection->points[i])
            continue;
        if (points_list(store, selection->names[i], &list, err) < 0)
            return -1;
        selection->chosen[i] = false;
        for (size_t j = 0; j < list.count; j++)
            if (select_is_whole(&list.all[j]))
                select_add(selection, selection->names[i], TAKE_PTR(list.all[j].id));
    }
    return 0;
}

static bool select_is_meant(const struct name_list *words, const char *name, const char *uuid)
{
    for (size_t i = 0; i < words->count; i++)
        for (enum select_way way = SELECT_BY_NAME; way <= SELECT_BY_PATTERN; way++)
            if (select_matches(way, words->names[i], name, uuid))
                return true;
    return false;
}

/* Who looks for such a guest should not think that it was never there. */
static void select_explain_trash(const struct points_store *store, const struct name_list *wanted,
                                 struct err *err)
{
    CLEANUP_STRINGS struct strings trashed = {0};

    if (!err || err->kind != ERR_NOT_FOUND)
        return;
    points_store_trashed_guests(store, &trashed);
    for (size_t i = 0; i < trashed.count; i++) {
        const char *name = trashed.items[i];
        CLEANUP_FREE char *uuid = points_store_guest_uuid(store, name);
        if (!select_is_meant(wanted, name, uuid))
            continue;
        CLEANUP_FREE char *latest = mem_printf("%s@latest", name);
        CLEANUP_FREE char *word = shell_quote(latest);
        CLEANUP_FREE char *place = shell_quote(points_store_place(store));
        err_append(err,
                   "all points of '%s' are in the trash; to take the latest out, run: virt-backup "
                   "undelete --repository %s %s",
                   name, place, word);
        return;
    }
}

int select_from_store(struct points_store *store, const struct select_request *request,
                      struct selection *ret, struct err *err)
{
    CLEANUP_STRINGS struct strings uuids = {0};
    struct selection selection CLEANUP(selection_clear) = {0};
    struct select_request whole = *request;

    if (select_list(store, request->trashed, &selection, err) < 0)
        return -1;
    const struct name_list known = {(const char *const *)selection.names, selection.count};
    if (select_has_uuids(request->wanted, &known) || select_has_uuids(request->excluded, &known))
        select_read_uuids(store, &selection, &uuids);
    whole.where = request->where ? request->where : points_store_title(store);
    whole.names = known.names;
    whole.uuids = (const char *const *)uuids.items;
    whole.count = known.count;
    CLEANUP_FREE struct select_point *points = mem_array(request->wanted->count, sizeof(*points));
    CLEANUP_FREE const char **guest_words = mem_array(request->wanted->count, sizeof(*guest_words));
    CLEANUP_STRINGS struct strings owned = {0};
    select_split(&whole, points, guest_words, &owned);
    const struct name_list wanted = {guest_words, request->wanted->count};
    whole.wanted = &wanted;
    if (select_names(&whole, selection.chosen, err) < 0) {
        select_explain_trash(store, &wanted, err);
        return -1;
    }
    if (select_apply_points(store, &whole, points, &selection, err) < 0)
        return -1;
    *ret = selection;
    selection = (struct selection){0};
    return 0;
}
