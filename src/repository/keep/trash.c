/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "repository/keep/trash.h"

#include <stdlib.h>
#include <string.h>

static const char *const verdict_texts[] = {[TRASH_KEPT] = "kept", [TRASH_TAKEN] = "taken"};
#define VERDICT_MAX 16u

void trash_clear(struct trash *trash)
{
    free(trash->markers);
    *trash = (struct trash){0};
}

static int compare_markers(const void *a, const void *b)
{
    const struct trash_marker *left = a, *right = b;
    int order = objects_compare_points(&left->point, &right->point);

    if (order == 0 && left->number != right->number)
        return left->number < right->number ? -1 : 1;
    return order;
}

static enum trash_verdict verdict_of_size(uint64_t size)
{
    for (size_t i = TRASH_KEPT; i <= TRASH_TAKEN; i++)
        if (size == strlen(verdict_texts[i]))
            return (enum trash_verdict)i;
    return TRASH_UNKNOWN;
}

/* A marker and its verdict come one after the other, but the one may have been passed over. */
static int add_to_trash(void *opaque, const struct name *name, const struct store_entry *entry,
                        struct err *err)
{
    struct trash *trash = opaque;
    struct trash_marker marker = {
        .point = {name->guest, name->session},
        .number = name->number,
        .there = name->kind == NAME_MARKER,
        .time_ms = entry->time_ms,
    };
    struct trash_marker *last = trash->count ? &trash->markers[trash->count - 1] : NULL;

    (void)err;
    if (name->kind == NAME_VERDICT)
        marker.verdict = verdict_of_size(entry->size);
    if (last && name->kind == NAME_VERDICT && compare_markers(last, &marker) == 0) {
        last->verdict = marker.verdict;
        return 0;
    }
    if (trash->count == trash->cap) {
        trash->cap = trash->cap ? 2 * trash->cap : 64;
        trash->markers = mem_resize(trash->markers, trash->cap, sizeof(*trash->markers));
    }
    trash->markers[trash->count++] = marker;
    return 0;
}

int trash_read(const struct stored_scope *scope, const struct id *guest, struct strings *unknown,
               struct trash *ret, struct err *err)
{
    CLEANUP_TRASH struct trash trash = {0};
    const struct objects_each each = {add_to_trash, &trash, unknown};
    char below[ID_TEXT_SIZE];

    if (objects_list(scope, "t", guest ? id_text(guest, below) : NULL, &each, err) < 0)
        return -1;
    if (trash.count > 1)
        qsort(trash.markers, trash.count, sizeof(*trash.markers), compare_markers);
    *ret = trash;
    trash = (struct trash){0};
    return 0;
}

const struct trash_marker *trash_of(const struct trash *trash, const struct point_id *point,
                                    size_t *ret_count)
{
    size_t low = 0, high = trash->count, count = 0;

    while (low < high) {
        size_t middle = low + (high - low) / 2;
        if (objects_compare_points(&trash->markers[middle].point, point) < 0)
            low = middle + 1;
        else
            high = middle;
    }
    while (low + count < trash->count &&
           objects_compare_points(&trash->markers[low + count].point, point) == 0)
        count++;
    *ret_count = count;
    return count ? &trash->markers[low] : NULL;
}

bool trash_has(const struct trash *trash, const struct point_id *point)
{
    size_t count = 0;
    const struct trash_marker *markers = trash_of(trash, point, &count);

    for (size_t i = 0; i < count; i++)
        if (markers[i].there && markers[i].verdict != TRASH_KEPT)
            return true;
    return false;
}

bool trash_has_taken(const struct trash *trash, const struct point_id *point)
{
    size_t count = 0;
    const struct trash_marker *markers = trash_of(trash, point, &count);

    for (size_t i = 0; i < count; i++)
        if (markers[i].there && markers[i].verdict == TRASH_TAKEN)
            return true;
    return false;
}

int trash_judge(const struct stored_scope *scope, const struct trash_marker *marker,
                enum trash_verdict verdict, enum trash_verdict *ret, struct err *err)
{
    CLEANUP_FREE char *name = objects_name(scope, NAME_VERDICT, &marker->point, marker->number);
    const char *text = verdict_texts[verdict];
    struct store_object object = {.name = name, .data = text, .len = strlen(text)};
    enum store_outcome outcome = STORE_EXISTS;
    char found[VERDICT_MAX];
    struct store_range range = {.name = name, .data = found, .cap = sizeof(found)};
    CLEANUP_ERR struct err why = ERR_INIT;
    size_t len = 0;

    if (store_create(scope->store, &object, &outcome, err) < 0)
        return -1;
    *ret = verdict;
    if (outcome == STORE_MADE)
        return 0;
    if (store_get(scope->store, &range, &len, &why) < 0) {
        *ret = TRASH_TAKEN;
        return why.kind == ERR_NOT_FOUND ? 0 : err_move(err, &why);
    }
    *ret = verdict_of_size(len);
    if (*ret != TRASH_UNKNOWN && memcmp(found, verdict_texts[*ret], len) != 0)
        *ret = TRASH_UNKNOWN;
    return 0;
}
