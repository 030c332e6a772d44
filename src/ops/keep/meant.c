/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "ops/keep/meant.h"

#include <string.h>
#include <strings.h>

#include "base/when.h"
#include "record/latest.h"
#include "repository/format/flags.h"
#include "repository/stored_point.h"

/* ---- the view ---------------------------------------------------------------------------------- */

int meant_open(const struct meant_place *where, struct meant_view *ret, struct err *err)
{
    const char *scope = where->scope;
    CLEANUP_MEANT_VIEW struct meant_view view = {0};

    if (repository_open(where->url, where->parser, &view.repository, err) < 0)
        return -1;
    if (scope && repository_need_scope(view.repository, scope, err) < 0)
        return -1;
    if (scope)
        strings_add(&view.names, scope);
    else if (repository_list_scopes(view.repository, &view.names, err) < 0)
        return -1;
    view.scopes = mem_array(view.names.count, sizeof(*view.scopes));
    for (; view.count < view.names.count; view.count++) {
        struct meant_scope *one = &view.scopes[view.count];
        one->scope = (struct stored_scope){view.repository->store, view.repository->id,
                                           view.names.items[view.count], view.repository->parser};
        if (listing_read(&one->scope, NULL, NULL, &one->listing, err) < 0)
            return -1;
    }
    *ret = view;
    view = (struct meant_view){0};
    return 0;
}

void meant_close(struct meant_view *view)
{
    for (size_t i = 0; i < view->count; i++)
        listing_clear(&view->scopes[i].listing);
    free(view->scopes);
    strings_clear(&view->names);
    repository_close(view->repository);
    *view = (struct meant_view){0};
}

void meant_point_clear(struct meant_point *point)
{
    free(point->guest);
    free(point->host);
    *point = (struct meant_point){0};
}

/* ---- what a word says ---------------------------------------------------------------------------- */

struct meant_word {
    char *guest;       /* owned; NULL: any */
    const char *id;    /* digits; NULL: the latest ... */
    int64_t latest_ms; /* ... whose data was taken no later than this */
    bool trashed;
};

static void meant_word_clear(struct meant_word *word)
{
    free(word->guest);
}

static bool is_id(const char *text)
{
    size_t len = strlen(text);

    return len >= MEANT_DIGITS && len < ID_TEXT_SIZE && strspn(text, "0123456789abcdef") == len;
}

static int parse_meant_word(const char *text, struct meant_word *ret, struct err *err)
{
    const char *at = strrchr(text, '@');
    const char *id = at ? at + 1 : text;
    bool latest = at && strcmp(id, "latest") == 0;
    bool time = at && !latest && !is_id(id) && when_parse(id, &ret->latest_ms);

    if ((at == text) || (!latest && !time && !is_id(id)))
        return err_set(
            err, ERR_USAGE,
            "'%s' does not name a point; write %u or more digits of its id, GUEST@latest, "
            "GUEST@ID or GUEST@TIME; list shows them",
            text, MEANT_DIGITS);
    ret->guest = at ? mem_strndup(text, (size_t)(at - text)) : NULL;
    ret->id = latest || time ? NULL : id;
    if (!time)
        ret->latest_ms = INT64_MAX;
    return 0;
}

static bool has_prefix(const struct id *id, const char *digits)
{
    char text[ID_TEXT_SIZE];

    return strncmp(id_text(id, text), digits, strlen(digits)) == 0;
}

/* A UUID as people write it, with its dashes. */
static bool is_uuid_of(const char *text, const struct id *guest)
{
    char uuid[ID_UUID_SIZE];

    return strcasecmp(text, id_uuid(guest, uuid)) == 0;
}

/* ---- looking for it --------------------------------------------------------------------------------- */

struct meant_guest {
    const struct meant_scope *scope;
    const struct listed_point *points; /* of one guest, from the oldest to the newest */
    size_t count;
};

/* As the newest point has it that can be read; NULL if none can. The caller frees. */
static int name_of_guest(const struct meant_guest *guest, char **ret, struct err *err)
{
    *ret = NULL;
    for (size_t i = guest->count; i-- > 0 && !*ret;) {
        CLEANUP_STORED_SUMMARY struct stored_summary summary = {0};
        CLEANUP_ERR struct err why = ERR_INIT;
        const struct listed_point *point = &guest->points[i];
        if (point->tombstone)
            continue;
        if (stored_point_summary(&guest->scope->scope, &point->id, &summary, &why) == 0) {
            if (summary.kind == SLOT_POINT)
                *ret = TAKE_PTR(summary.info.name);
        } else if (why.kind != ERR_NOT_FOUND && !stored_point_is_unreadable(&why)) {
            return err_move(err, &why);
        }
    }
    return 0;
}

static int is_meant_guest(const struct meant_word *word, const struct meant_guest *guest, bool *ret,
                          struct err *err)
{
    CLEANUP_FREE char *name = NULL;

    *ret = !word->guest || is_uuid_of(word->guest, &guest->points[0].id.guest);
    if (*ret)
        return 0;
    if (name_of_guest(guest, &name, err) < 0)
        return -1;
    *ret = name && strcmp(name, word->guest) == 0;
    return 0;
}

static int find_latest(const struct meant_guest *guest, const struct meant_word *word,
                       const struct listed_point **ret, struct err *err)
{
    struct latest latest = {.until_ms = word->latest_ms};

    for (size_t i = guest->count; i-- > 0 && !latest.settled;) {
        CLEANUP_STORED_SUMMARY struct stored_summary summary = {0};
        CLEANUP_ERR struct err why = ERR_INIT;
        const struct listed_point *point = &guest->points[i];
        if (point->trashed != word->trashed)
            continue;
        if (stored_point_summary(&guest->scope->scope, &point->id, &summary, &why) < 0) {
            if (why.kind != ERR_NOT_FOUND &&
                (!stored_point_is_unreadable(&why) ||
                 latest_take(&latest, false, id_time_ms(&point->id.session))))
                return err_move(err, &why);
            continue;
        }
        if (summary.kind == SLOT_POINT && !(summary.flags & FLAG_PARTIAL) &&
            latest_take(&latest, summary.flags & FLAG_DERIVED, summary.info.taken_ms))
            *ret = point;
    }
    return 0;
}

struct meant_search {
    const struct meant_word *word;
    const struct meant_scope *scope; /* of the first that was found */
    const struct listed_point *found;
    struct buf others; /* ids of those after the first */
    bool removed;      /* it means a point that is not there any more */
};

static void search_clear(struct meant_search *search)
{
    buf_clear(&search->others);
}

static void search_found(struct meant_search *search, const struct meant_scope *scope,
                         const struct listed_point *point)
{
    char id[ID_TEXT_SIZE];

    if (!search->found) {
        search->found = point;
        search->scope = scope;
    } else {
        buf_printf(&search->others, ", %s", id_text(&point->id.session, id));
    }
}

/* What has the length of one may be all that is left of a point. */
static bool is_tombstone(const struct stored_scope *scope, const struct listed_point *point)
{
    CLEANUP_STORED_SUMMARY struct stored_summary summary = {0};

    return point->tombstone && stored_point_summary(scope, &point->id, &summary, NULL) == 0 &&
           summary.kind != SLOT_POINT;
}

static int search_guest(struct meant_search *search, const struct meant_guest *guest,
                        struct err *err)
{
    const struct listed_point *latest = NULL;
    bool meant = false;

    if (is_meant_guest(search->word, guest, &meant, err) < 0)
        return -1;
    if (!meant)
        return 0;
    if (!search->word->id) {
        if (find_latest(guest, search->word, &latest, err) < 0)
            return -1;
        if (latest)
            search_found(search, guest->scope, latest);
        return 0;
    }
    for (size_t i = 0; i < guest->count; i++) {
        if (!has_prefix(&guest->points[i].id.session, search->word->id))
            continue;
        if (is_tombstone(&guest->scope->scope, &guest->points[i]))
            search->removed = true;
        else
            search_found(search, guest->scope, &guest->points[i]);
    }
    return 0;
}

static int search_scope(struct meant_search *search, const struct meant_scope *scope,
                        struct err *err)
{
    const struct listing *listing = &scope->listing;
    size_t next = 0;

    for (size_t i = 0; i < listing->count; i = next) {
        struct meant_guest guest = {.scope = scope, .points = &listing->points[i]};
        for (next = i; next < listing->count && id_compare(&listing->points[next].id.guest,
                                                           &listing->points[i].id.guest) == 0;
             next++)
            guest.count++;
        if (search_guest(search, &guest, err) < 0)
            return -1;
    }
    return 0;
}

static int search_failed(const struct meant_search *search, const char *text, struct err *err)
{
    char id[ID_TEXT_SIZE];

    if (search->found) {
        err_set(err, ERR_USAGE, "'%s' means several points: %s%.*s", text,
                id_text(&search->found->id.session, id), (int)search->others.len,
                (const char *)search->others.data);
        return search->word->id ? err_append(err, "write more digits of the one")
                                : err_append(err, "give the guest's UUID, or --scope");
    }
    if (search->removed)
        return err_set(err, ERR_NOT_FOUND, "there is no point '%s' any more: it was removed", text);
    return err_set(err, ERR_NOT_FOUND, "there is no point '%s'%s; list shows what is there", text,
                   search->word->trashed ? " in the trash" : "");
}

/* Leaves the name out if INFO cannot be read: damaged points are meant, too. */
static void describe_found(const struct meant_search *search, struct meant_point *ret)
{
    CLEANUP_STORED_SUMMARY struct stored_summary summary = {0};
    const struct listed_point *found = search->found;

    *ret = (struct meant_point){.scope = search->scope, .id = found->id, .trashed = found->trashed};
    if (stored_point_summary(&search->scope->scope, &found->id, &summary, NULL) == 0 &&
        summary.kind == SLOT_POINT) {
        ret->guest = TAKE_PTR(summary.info.name);
        ret->host = TAKE_PTR(summary.info.host);
        ret->taken_ms = summary.info.taken_ms;
    }
}

int meant_find(const struct meant_view *view, const char *text, bool trashed,
               struct meant_point *ret, struct err *err)
{
    CLEANUP(meant_word_clear) struct meant_word word = {.trashed = trashed};
    CLEANUP(search_clear) struct meant_search search = {.word = &word};

    if (parse_meant_word(text, &word, err) < 0)
        return -1;
    for (size_t i = 0; i < view->count; i++)
        if (search_scope(&search, &view->scopes[i], err) < 0)
            return -1;
    if (!search.found || search.others.len > 0)
        return search_failed(&search, text, err);
    describe_found(&search, ret);
    return 0;
}
