/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "ops/points/repository_order.h"

#include <string.h>

#include "repository/check_records.h"

struct ordered_point {
    char *name; /* borrowed from the selection, like the next */
    char *id;
    bool chosen;
    int64_t guest_ms; /* when a point of its guest was last checked; 0: never */
    int64_t own_ms;   /* when it was last checked, or made */
};

static int compare_turns(const void *a, const void *b)
{
    const struct ordered_point *first = a, *second = b;

    if (first->chosen != second->chosen)
        return first->chosen ? -1 : 1;
    if (first->guest_ms != second->guest_ms)
        return first->guest_ms < second->guest_ms ? -1 : 1;
    int order = strcmp(first->name, second->name);
    if (order)
        return order;
    if (first->own_ms != second->own_ms)
        return first->own_ms < second->own_ms ? -1 : 1;
    return first->id && second->id ? strcmp(first->id, second->id) : 0;
}

static int look_at_turn(struct points_store *store, const struct check_records *records,
                        enum small_level level, struct ordered_point *point, struct err *err)
{
    struct point_id id;

    if (!point->chosen)
        return 0;
    if (!id_parse(point->id, &id.session))
        return err_set(err, ERR_INTERNAL, "'%s' is not the id of a point", point->id);
    if (points_repository_guest_id(store, point->name, &id.guest, err) < 0)
        return -1;
    int64_t checked_ms = check_records_last(records, &id, level);
    for (size_t i = 0; i < records->count; i++)
        if (id_compare(&records->records[i].point.guest, &id.guest) == 0 &&
            records->records[i].level >= level && !records->records[i].ahead &&
            records->records[i].when_ms > point->guest_ms)
            point->guest_ms = records->records[i].when_ms;
    point->own_ms = checked_ms ? checked_ms : id_time_ms(&id.session);
    return 0;
}

int points_repository_order(struct points_store *store, enum small_level level,
                            struct selection *points, struct err *err)
{
    CLEANUP_FREE struct ordered_point *order = mem_array(points->count, sizeof(*order));
    struct check_records records CLEANUP(check_records_clear) = {0};
    struct points_repository_view view;

    points_repository_look(store, &view);
    if (check_records_read(view.scope, NULL, &records, err) < 0)
        return -1;
    for (size_t i = 0; i < points->count; i++) {
        order[i] =
            (struct ordered_point){points->names[i], points->points[i], points->chosen[i], 0, 0};
        if (look_at_turn(store, &records, level, &order[i], err) < 0)
            return -1;
    }
    qsort(order, points->count, sizeof(*order), compare_turns);
    for (size_t i = 0; i < points->count; i++) {
        points->names[i] = order[i].name;
        points->points[i] = order[i].id;
        points->chosen[i] = order[i].chosen;
    }
    return 0;
}
