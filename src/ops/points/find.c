/* SPDX-License-Identifier: LGPL-2.1-or-later
 *
 * The words with which people mean a point of a guest.
 */
#include <string.h>

#include "base/when.h"
#include "ops/points/points.h"
#include "record/latest.h"

static bool find_is_id(const char *word)
{
    return strlen(word) >= POINTS_ID_DIGITS && strspn(word, "0123456789abcdef") == strlen(word);
}

static const struct points_entry *find_by_id(const struct points_list *list, const char *word,
                                             unsigned *ret_found)
{
    const struct points_entry *found = NULL;

    *ret_found = 0;
    for (size_t i = 0; i < list->count; i++)
        if (strncmp(list->all[i].id, word, strlen(word)) == 0) {
            found = &list->all[i];
            (*ret_found)++;
        }
    return found;
}

/* What was only begun, or is to go, is not meant by a time. One that cannot be read is meant by when
 * it was begun: an older one in its place would be no better than wrong bytes. */
static const struct points_entry *find_by_time(const struct points_list *list, int64_t time_ms)
{
    struct latest latest = {.until_ms = time_ms};
    const struct points_entry *found = NULL;

    for (size_t i = list->count; i-- > 0;) {
        const struct points_entry *entry = &list->all[i];
        if ((entry->problem || entry->complete) && !entry->trashed &&
            latest_take(&latest, entry->derived, entry->time_ms))
            found = entry;
    }
    return found;
}

static bool find_partial(const struct points_list *list)
{
    for (size_t i = 0; i < list->count; i++)
        if (!list->all[i].problem && !list->all[i].complete && !list->all[i].trashed)
            return true;
    return false;
}

static int find_unreadable(const struct points_entry *entry, struct err *err)
{
    return err_set(err, ERR_CORRUPT, "%s; for an older point, give its id", entry->problem);
}

static int find_point(const struct points_list *list, const char *word,
                      const struct points_entry **ret, struct err *err)
{
    int64_t time_ms = INT64_MAX;
    unsigned found = 0;

    if (strcmp(word, "latest") != 0 && !when_parse(word, &time_ms)) {
        if (!find_is_id(word))
            return err_set(err, ERR_USAGE,
                           "'%s' means no point; give %u or more digits of an id, \"latest\", or a "
                           "time such as \"2026-05-01 03:00\"",
                           word, POINTS_ID_DIGITS);
        *ret = find_by_id(list, word, &found);
        if (found > 1)
            return err_set(err, ERR_USAGE,
                           "'%s' is the beginning of the ids of %u points; give more digits", word,
                           found);
        return *ret ? 0 : err_set(err, ERR_NOT_FOUND, "has no point '%s'", word);
    }
    *ret = find_by_time(list, time_ms);
    if (*ret)
        return (*ret)->problem ? find_unreadable(*ret, err) : 0;
    if (time_ms == INT64_MAX)
        return err_set(err, ERR_NOT_FOUND, "has no point that can be restored%s",
                       find_partial(list) ? ": no backup of it was completed yet; back it up "
                                            "again, which goes on with what is stored"
                                          : "");
    return err_set(err, ERR_NOT_FOUND, "has no point of '%s' or before", word);
}

static int find_listed(const struct points_list *list, const char *word, char **ret_id,
                       struct err *err)
{
    const struct points_entry *found = NULL;

    if (find_point(list, word, &found, err) < 0)
        return -1;
    if (found->trashed) {
        err_set(err, ERR_NOT_FOUND,
                "point %.*s is in the trash; take it out with virt-backup undelete",
                (int)found->id_digits, found->id);
        return err_note_remedy(err, ERR_REMEDY_UNDELETE);
    }
    if (!found->problem && !found->complete)
        return err_set(
            err, ERR_UNSUPPORTED,
            "point %.*s is of a backup that was not completed; choose another one, or back "
            "the guest up again, which goes on with what is stored",
            (int)found->id_digits, found->id);
    *ret_id = mem_strdup(found->id);
    return 0;
}

int points_find(struct points_store *store, const char *guest, const char *word, char **ret_id,
                struct err *err)
{
    CLEANUP_POINTS_LIST struct points_list list = {0};

    if (points_list(store, guest, &list, err) < 0)
        return -1;
    return find_listed(&list, word, ret_id, err) < 0 ? err_prefix(err, "guest '%s'", guest) : 0;
}

int points_find_latest(struct points_store *store, const char *guest, char **ret_id,
                       struct err *err)
{
    CLEANUP_POINTS_LIST struct points_list list = {0};

    return points_list(store, guest, &list, err) < 0 ||
                   find_listed(&list, "latest", ret_id, err) < 0
               ? -1
               : 0;
}
