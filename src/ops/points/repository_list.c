/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include <string.h>

#include "base/log.h"
#include "ops/points/repository_impl.h"
#include "repository/check_records.h"
#include "repository/keep/marks.h"
#include "repository/listing.h"

/* ---- guests -------------------------------------------------------------------------------- */

void points_repository_guests_clear(struct repository_guests *guests)
{
    for (size_t i = 0; i < guests->count; i++)
        free(guests->all[i].name);
    free(guests->all);
    *guests = (struct repository_guests){0};
}

/* Of its points that are in the trash, or are not, the newest that can be read has its name; without
 * one it is called by its UUID. *ret_any is false if it has no such point. */
static int name_by_points(const struct stored_scope *scope, const struct listed_point *points,
                          size_t count, bool trashed, struct repository_guest *ret, bool *ret_any,
                          struct err *err)
{
    char uuid[ID_UUID_SIZE];
    bool any = false;

    for (size_t i = count; i-- > 0;) {
        CLEANUP_STORED_SUMMARY struct stored_summary summary = {0};
        CLEANUP_ERR struct err why = ERR_INIT;
        if (points[i].trashed != trashed)
            continue;
        /* What has the length of a tombstone may be all that is left of a point. */
        bool unreadable = stored_point_summary(scope, &points[i].id, &summary, &why) < 0;
        if (unreadable && why.kind != ERR_NOT_FOUND && !stored_point_is_unreadable(&why))
            return err_move(err, &why);
        any |= unreadable || summary.kind == SLOT_POINT;
        if (unreadable || summary.kind != SLOT_POINT)
            continue;
        *ret = (struct repository_guest){mem_strdup(summary.info.name), points[i].id.guest,
                                         points[i].id.session, trashed};
        *ret_any = true;
        return 0;
    }
    if (any)
        *ret = (struct repository_guest){
            mem_strdup(id_uuid(&points[0].id.guest, uuid)), points[0].id.guest, {{0}}, trashed};
    *ret_any = any;
    return 0;
}

static int name_guest(const struct stored_scope *scope, const struct listed_point *points,
                      size_t count, struct repository_guest *ret, bool *ret_any, struct err *err)
{
    if (name_by_points(scope, points, count, false, ret, ret_any, err) < 0)
        return -1;
    return *ret_any ? 0 : name_by_points(scope, points, count, true, ret, ret_any, err);
}

static int compare_guests(const void *a, const void *b)
{
    const struct repository_guest *first = a;
    const struct repository_guest *second = b;
    int order = strcmp(first->name, second->name);

    if (order == 0)
        order = first->trashed - second->trashed;
    return order ? order : id_compare(&second->newest, &first->newest);
}

/* Sorted, the one with the newest point is the first of those that have one name; one that is all in
 * the trash comes last. */
static void tell_apart(struct repository_guests *guests)
{
    char uuid[ID_UUID_SIZE];
    size_t first = 0;

    for (size_t i = 1; i < guests->count; i++) {
        struct repository_guest *guest = &guests->all[i];
        if (strcmp(guest->name, guests->all[first].name) != 0) {
            first = i;
            continue;
        }
        free(guest->name);
        guest->name = mem_strdup(id_uuid(&guest->id, uuid));
    }
}

static void warn_of_unknown(const struct strings *unknown)
{
    for (size_t i = 0; i < unknown->count; i++)
        log_warn("%s: no name that a repository has; left alone", unknown->items[i]);
}

int points_repository_guests(const struct stored_scope *scope, struct repository_guests *ret,
                             struct err *err)
{
    CLEANUP_LISTING struct listing listing = {0};
    CLEANUP_STRINGS struct strings unknown = {0};

    if (listing_read(scope, NULL, &unknown, &listing, err) < 0)
        return -1;
    warn_of_unknown(&unknown);
    ret->all = mem_array(listing.count, sizeof(*ret->all));
    for (size_t i = 0, count; i < listing.count; i += count) {
        bool any = false;
        const struct listed_point *points =
            listing_of_guest(&listing, &listing.points[i].id.guest, &count);
        if (name_guest(scope, points, count, &ret->all[ret->count], &any, err) < 0)
            return -1;
        ret->count += any;
    }
    qsort(ret->all, ret->count, sizeof(*ret->all), compare_guests);
    tell_apart(ret);
    qsort(ret->all, ret->count, sizeof(*ret->all), compare_guests);
    return 0;
}

bool points_repository_find_guest(const struct repository_guests *guests, const char *name,
                                  struct id *ret)
{
    for (size_t i = 0; i < guests->count; i++)
        if (strcmp(guests->all[i].name, name) == 0) {
            *ret = guests->all[i].id;
            return true;
        }
    return false;
}

/* ---- points -------------------------------------------------------------------------------- */

static void show_info(struct info *info, struct points_entry *entry)
{
    entry->time_ms = info->taken_ms;
    entry->host = TAKE_PTR(info->host);
    entry->state = info->state;
    entry->consistency = info->consistency;
    entry->disk_count = info->disk_count;
    entry->memory = info->memory;
    entry->stored = info->stored;
    for (size_t i = 0; i < info->disk_count; i++)
        entry->size += info->disks[i].size;
    entry->tags = info->tags;
    info->tags = (struct strings){0};
}

static void show_hold(const struct stored_scope *scope, const struct point_id *id,
                      struct points_entry *entry)
{
    CLEANUP_HOLD_NOTE struct hold_note note = {0};

    entry->held = true;
    if (marks_hold_note(scope, id, &note, NULL) < 0)
        return;
    entry->held_by = TAKE_PTR(note.by);
    entry->held_by_restore = strcmp(note.reason, MARKS_RESTORE) == 0;
    entry->held_why = TAKE_PTR(note.reason);
    entry->held_ms = note.when_ms;
}

static void show_marks(const struct stored_scope *scope, const struct marks *marks,
                       const struct point_id *id, struct points_entry *entry)
{
    const struct point_marks *found = marks_of(marks, id);

    if (!found)
        return;
    if (found->held)
        show_hold(scope, id, entry);
    for (size_t i = 0; i < found->tags.count; i++)
        if (!strings_has(&entry->tags, found->tags.items[i]))
            strings_add(&entry->tags, found->tags.items[i]);
}

/* *ret_there is false if there is no point in the slot any more. */
static int fill_point(const struct listed_point *listed, struct stored_found *found,
                      struct points_entry *entry, bool *ret_there, struct err *err)
{
    struct err *why = &found->err;
    char text[ID_TEXT_SIZE];

    *ret_there =
        why->kind != ERR_NOT_FOUND && (why->kind != ERR_NONE || found->summary.kind == SLOT_POINT);
    if (!*ret_there)
        return 0;
    if (why->kind != ERR_NONE && !stored_point_is_unreadable(why))
        return err_move(err, why);
    entry->id = mem_strdup(id_text(&listed->id.session, text));
    entry->time_ms = id_time_ms(&listed->id.session);
    entry->trashed = listed->trashed;
    if (why->kind != ERR_NONE) {
        entry->problem = mem_strdup(why->text);
        return 0;
    }
    entry->complete = !(found->summary.flags & FLAG_PARTIAL);
    entry->derived = (found->summary.flags & FLAG_DERIVED) != 0;
    show_info(&found->summary.info, entry);
    return 0;
}

/* Packs that are bad may have been found while another point was checked. */
static bool lacks_packs(const struct stored_scope *scope, const struct point_id *point,
                        const struct check_bad_packs *bad)
{
    CLEANUP_FREE char *name = objects_name(scope, NAME_SLOT, point, 0);
    const struct slot_id id = {scope->repository, point->session, point->guest};
    CLEANUP_SLOT struct slot slot = {0};
    CLEANUP_PACKS struct packs packs = {0};
    uint32_t place = 0;

    if (bad->count == 0 || packs_read(scope->store, name, &id, &slot, &packs, NULL) < 0)
        return false;
    for (size_t i = 0; i < bad->count; i++)
        if (packs_find(&packs, &bad->packs[i].session, bad->packs[i].number, &place))
            return true;
    return false;
}

static bool is_damaged(const struct stored_scope *scope, const struct point_id *id,
                       const struct check_records *records, const struct check_bad_packs *bad)
{
    return check_records_is_bad(records, id) || lacks_packs(scope, id, bad);
}

static void show_checks(const struct stored_scope *scope, const struct point_id *id,
                        const struct check_records *records, const struct check_bad_packs *bad,
                        struct points_entry *entry)
{
    entry->verified = check_records_is_good(records, id);
    entry->verified_ms = check_records_last_good(records, id, LEVEL_STORED);
    entry->damaged = is_damaged(scope, id, records, bad);
}

int points_repository_list(const struct stored_scope *scope, const struct id *guest,
                           struct points_list *ret, struct err *err)
{
    CLEANUP_LISTING struct listing listing = {0};
    CLEANUP_MARKS struct marks marks = {0};
    struct check_records records CLEANUP(check_records_clear) = {0};
    CLEANUP_CHECK_BAD_PACKS struct check_bad_packs bad = {0};

    if (listing_read(scope, guest, NULL, &listing, err) < 0 ||
        marks_list(scope, guest, NULL, &marks, err) < 0 ||
        check_records_read(scope, guest, &records, err) < 0 ||
        check_records_bad_packs(scope, &bad, err) < 0)
        return -1;
    CLEANUP_FREE struct point_id *ids = mem_array(listing.count, sizeof(*ids));
    for (size_t i = 0; i < listing.count; i++)
        ids[i] = listing.points[i].id;
    struct stored_found *found = stored_point_summaries(scope, ids, listing.count);
    ret->all = mem_array(listing.count, sizeof(*ret->all));
    int result = 0;
    for (size_t i = 0; i < listing.count && result == 0; i++) {
        struct points_entry *entry = &ret->all[ret->count];
        bool there = false;
        result = fill_point(&listing.points[i], &found[i], entry, &there, err);
        if (result < 0 || !there)
            continue;
        show_marks(scope, &marks, &listing.points[i].id, entry);
        strings_sort(&entry->tags);
        show_checks(scope, &listing.points[i].id, &records, &bad, entry);
        ret->count++;
    }
    stored_found_free(found, listing.count);
    return result;
}

/* ---- copies --------------------------------------------------------------------------------- */

bool points_repository_origin(const char *derived_from, struct id *ret)
{
    CLEANUP_FREE char *digits = mem_strndup(derived_from, ID_TEXT_SIZE - 1);

    return id_parse(digits, ret);
}

static bool is_copy_of(const struct stored_scope *scope, const struct listed_point *listed,
                       const struct id *origin)
{
    CLEANUP_STORED_SUMMARY struct stored_summary summary = {0};

    return !listed->tombstone && !listed->trashed &&
           stored_point_summary(scope, &listed->id, &summary, NULL) == 0 &&
           summary.kind == SLOT_POINT && !(summary.flags & FLAG_PARTIAL) && summary.info.derived &&
           id_compare(&summary.info.derived_from, origin) == 0;
}

int points_repository_find_copy(const struct stored_scope *scope, const char *uuid,
                                const char *derived_from, char **ret_id, struct err *err)
{
    CLEANUP_LISTING struct listing listing = {0};
    struct check_records records CLEANUP(check_records_clear) = {0};
    CLEANUP_CHECK_BAD_PACKS struct check_bad_packs bad = {0};
    char text[ID_TEXT_SIZE];
    struct id guest, origin;

    *ret_id = NULL;
    if (!id_parse_uuid(uuid, &guest) || !points_repository_origin(derived_from, &origin))
        return 0;
    if (listing_read(scope, &guest, NULL, &listing, err) < 0 ||
        check_records_read(scope, &guest, &records, err) < 0 ||
        check_records_bad_packs(scope, &bad, err) < 0)
        return -1;
    for (size_t i = listing.count; i-- > 0 && !*ret_id;) {
        const struct point_id *id = &listing.points[i].id;
        if (is_copy_of(scope, &listing.points[i], &origin) &&
            !is_damaged(scope, id, &records, &bad))
            *ret_id = mem_strdup(id_text(&id->session, text));
    }
    return 0;
}
