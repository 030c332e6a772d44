/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "ops/guests/select.h"

#include <fnmatch.h>
#include <string.h>
#include <strings.h>

#include "base/buf.h"
#include "base/strings.h"
#include "ops/guests/select_private.h"

bool select_is_in(const struct name_list *list, const char *name)
{
    for (size_t i = 0; i < list->count; i++)
        if (strcmp(list->names[i], name) == 0)
            return true;
    return false;
}

/* ---- words -------------------------------------------------------------------------- */

bool select_matches(enum select_way way, const char *word, const char *name, const char *uuid)
{
    switch (way) {
    case SELECT_BY_NAME:
        return strcmp(word, name) == 0;
    case SELECT_BY_UUID:
        return uuid && strcasecmp(word, uuid) == 0;
    case SELECT_BY_PATTERN:
        break;
    }
    return fnmatch(word, name, 0) == 0;
}

bool select_mark(const struct select_request *request, const char *word, bool *ret)
{
    bool any = false;

    for (enum select_way way = SELECT_BY_NAME; !any && way <= SELECT_BY_PATTERN; way++)
        for (size_t i = 0; i < request->count; i++)
            if (select_matches(way, word, request->names[i],
                               request->uuids ? request->uuids[i] : NULL))
                any = ret[i] = true;
    return any;
}

static void select_mark_all(const struct select_request *request, const struct name_list *list,
                            bool *ret, struct strings *unmatched)
{
    for (size_t i = 0; list && i < list->count; i++)
        if (!select_mark(request, list->names[i], ret))
            strings_add(unmatched, list->names[i]);
}

/* ---- titles and tags ------------------------------------------------------------------ */

static bool select_title_matches(const struct select_request *request, size_t guest,
                                 const char *word)
{
    const char *title = request->titles[guest];

    return title && (strcmp(word, title) == 0 || fnmatch(word, title, 0) == 0);
}

static bool select_tag_matches(const struct select_request *request, size_t guest, const char *word)
{
    return strings_has(&request->tags[guest], word);
}

static void select_mark_labels(const struct select_request *request, const struct name_list *list,
                               bool (*matches)(const struct select_request *, size_t, const char *),
                               bool *ret, struct strings *unmatched)
{
    for (size_t i = 0; list && i < list->count; i++) {
        bool any = false;
        for (size_t j = 0; j < request->count; j++)
            if (matches(request, j, list->names[i]))
                any = ret[j] = true;
        if (!any)
            strings_add(unmatched, list->names[i]);
    }
}

/* ---- the choice ------------------------------------------------------------------------ */

/* What was wanted and is not there. */
struct select_missing {
    struct strings names;
    struct strings titles;
    struct strings tags;
    struct strings excluded;
};

static void select_missing_clear(struct select_missing *missing)
{
    strings_clear(&missing->names);
    strings_clear(&missing->titles);
    strings_clear(&missing->tags);
    strings_clear(&missing->excluded);
}

static void select_report(const struct select_request *request, enum event_no_match_why why,
                          const char *option, const struct strings *unmatched)
{
    for (size_t i = 0; i < unmatched->count; i++) {
        const struct event_no_match no_match = {why, option, unmatched->items[i], request->where};
        report_no_match(request->report, request->outcome, &no_match);
    }
}

static void select_report_all(const struct select_request *request,
                              const struct select_missing *missing)
{
    select_report(request, NO_MATCH_GUEST, request->option ? request->option : "--domain-names",
                  &missing->names);
    select_report(request, NO_MATCH_TITLE, "--domain-titles", &missing->titles);
    select_report(request, NO_MATCH_TAG, "--domain-tags", &missing->tags);
    select_report(request, NO_MATCH_GUEST, "--exclude-domains", &missing->excluded);
}

static void select_put_list(struct buf *text, const char *what, const struct strings *words)
{
    for (size_t i = 0; i < words->count; i++)
        buf_printf(text, "%s%s'%s'",
                   i           ? ", "
                   : text->len ? ", and no guest "
                               : "no guest ",
                   i ? "" : what, words->items[i]);
}

static int select_refuse(const struct select_request *request, const struct select_missing *missing,
                         struct err *err)
{
    CLEANUP_BUF struct buf list = {0};

    select_put_list(&list, "", &missing->names);
    select_put_list(&list, "with the title ", &missing->titles);
    select_put_list(&list, "with the tag ", &missing->tags);
    if (list.len == 0)
        return err_set(err, ERR_NOT_FOUND, "%s has no guest to work on", request->where);
    buf_put_u8(&list, '\0');
    return err_set(err, ERR_NOT_FOUND, "%s has %s", request->where, (const char *)list.data);
}

static bool select_is_empty(const struct name_list *list)
{
    return !list || list->count == 0;
}

int select_names(const struct select_request *request, bool *ret_chosen, struct err *err)
{
    CLEANUP_FREE bool *wanted = mem_array(request->count, sizeof(*wanted));
    CLEANUP_FREE bool *excluded = mem_array(request->count, sizeof(*excluded));
    CLEANUP(select_missing_clear) struct select_missing missing = {0};
    const bool all = select_is_empty(request->wanted) && select_is_empty(request->wanted_titles) &&
                     select_is_empty(request->wanted_tags);
    size_t chosen = 0;

    select_mark_all(request, request->wanted, wanted, &missing.names);
    select_mark_labels(request, request->wanted_titles, select_title_matches, wanted,
                       &missing.titles);
    select_mark_labels(request, request->wanted_tags, select_tag_matches, wanted, &missing.tags);
    select_mark_all(request, request->excluded, excluded, &missing.excluded);
    for (size_t i = 0; i < request->count; i++) {
        ret_chosen[i] = (all || wanted[i]) && !excluded[i];
        chosen += ret_chosen[i];
    }
    if (request->unmatched) {
        for (size_t i = 0; i < missing.names.count; i++)
            strings_add(request->unmatched, missing.names.items[i]);
        for (size_t i = 0; i < missing.excluded.count; i++)
            strings_add(request->unmatched_excluded, missing.excluded.items[i]);
        return 0;
    }
    if (chosen == 0)
        return select_refuse(request, &missing, err);
    select_report_all(request, &missing);
    return 0;
}

/* ---- disks --------------------------------------------------------------------------- */

bool select_disk_matches(const char *word, const struct select_disk *disk)
{
    const char *colon = strrchr(word, ':'); /* a guest's name may contain one, a target cannot */

    if (strcmp(word, disk->target) == 0)
        return true;
    if (!colon || strcmp(colon + 1, disk->target) != 0)
        return false;
    CLEANUP_FREE char *guest = mem_strndup(word, (size_t)(colon - word));
    return select_matches(SELECT_BY_NAME, guest, disk->guest, NULL) ||
           select_matches(SELECT_BY_UUID, guest, disk->guest, disk->uuid) ||
           select_matches(SELECT_BY_PATTERN, guest, disk->guest, NULL);
}

void select_expand_disks(const struct select_request *request, const struct name_list *words,
                         struct strings *ret)
{
    CLEANUP_FREE bool *meant = mem_array(request->count, sizeof(*meant));

    for (size_t i = 0; i < words->count; i++) {
        const char *word = words->names[i];
        const char *colon = strrchr(word, ':');
        CLEANUP_FREE char *guest = colon ? mem_strndup(word, (size_t)(colon - word)) : NULL;
        if (!colon) {
            strings_add(ret, word);
            continue;
        }
        memset(meant, 0, request->count * sizeof(*meant));
        select_mark(request, guest, meant);
        for (size_t j = 0; j < request->count; j++)
            if (meant[j])
                strings_take(ret, mem_printf("%s%s", request->names[j], colon));
    }
}

bool select_disk_in_list(const struct name_list *list, const struct select_disk *disk)
{
    CLEANUP_FREE char *whole = mem_printf("%s:%s", disk->guest, disk->target);

    return select_is_in(list, disk->target) || select_is_in(list, whole);
}

bool select_target_is_meant(const char *word, const char *target, const struct manifest *manifest)
{
    if (manifest_find_disk(manifest, word))
        return strcmp(word, target) == 0;
    return fnmatch(word, target, 0) == 0;
}

bool select_target_in_list(const struct name_list *list, const char *target,
                           const struct manifest *manifest)
{
    for (size_t i = 0; i < list->count; i++)
        if (select_target_is_meant(list->names[i], target, manifest))
            return true;
    return false;
}

void selection_clear(struct selection *selection)
{
    strings_clear(&(struct strings){selection->names, selection->count});
    strings_clear(&(struct strings){selection->points, selection->count});
    free(selection->chosen);
    *selection = (struct selection){0};
}
