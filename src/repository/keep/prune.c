/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "repository/keep/prune.h"

#include <inttypes.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <time.h>

#include "base/units.h"
#include "repository/keep/marks.h"
#include "repository/check_records.h"
#include "repository/keep/trash.h"
#include "repository/stored_point.h"

/* A point in its slot, and what is known of it. */
struct prunable {
    struct point_id point;
    bool trashed;
    bool gone;    /* while we looked, or it was a tombstone all the time */
    char *wrong;  /* owned: what is wrong with a damaged one */
    bool too_new; /* wrong because this version does not know its format */
    uint32_t flags;
    struct info info;
    struct strings tags; /* those in INFO, and those given later */
    const struct point_marks *marks;
};

struct prunables {
    struct prunable *items; /* owned; by guest, then by session */
    size_t count;
    size_t cap;
};

struct pruning {
    const struct stored_scope *scope;
    const struct prune_settings *settings;
    const struct prune_events *events;
    struct prune_result result;
    int64_t now_ms;
    struct trash trash;
    struct marks marks;
    struct packs bad_packs; /* in the order of their names */
    struct prunables points;
    struct strings unknown;
};

static void prunable_clear(struct prunable *point)
{
    free(point->wrong);
    info_clear(&point->info);
    strings_clear(&point->tags);
}

static void pruning_clear(struct pruning *pruning)
{
    trash_clear(&pruning->trash);
    marks_clear(&pruning->marks);
    packs_clear(&pruning->bad_packs);
    for (size_t i = 0; i < pruning->points.count; i++)
        prunable_clear(&pruning->points.items[i]);
    free(pruning->points.items);
    strings_clear(&pruning->unknown);
}

/* ---- what there is --------------------------------------------------------------------------- */

static int add_prunable(void *opaque, const struct name *name, const struct store_entry *entry,
                        struct err *err)
{
    struct pruning *pruning = opaque;
    struct prunables *points = &pruning->points;
    const struct point_id point = {name->guest, name->session};

    (void)err;
    if (entry->size == SLOT_TOMBSTONE_SIZE)
        return 0;
    if (points->count == points->cap) {
        points->cap = points->cap ? 2 * points->cap : 64;
        points->items = mem_resize(points->items, points->cap, sizeof(*points->items));
    }
    points->items[points->count++] = (struct prunable){
        .point = point,
        .trashed = trash_has(&pruning->trash, &point),
        .marks = marks_of(&pruning->marks, &point),
    };
    return 0;
}

static int add_bad_record(void *opaque, const struct name *name, const struct store_entry *entry,
                          struct err *err)
{
    struct pruning *pruning = opaque;

    (void)entry;
    return packs_add(&pruning->bad_packs, &name->session, name->number, err);
}

/* The trash before the slots, as everybody must who builds on what is in them. A job prunes its guests one by one, by
 * their UUIDs: then only what is below that of one is listed. */
static int list_prunables(struct pruning *pruning, struct err *err)
{
    const struct objects_each bad = {add_bad_record, pruning, &pruning->unknown};
    const struct objects_each slots = {add_prunable, pruning, &pruning->unknown, OBJECTS_SHOWN};
    const struct prune_settings *settings = pruning->settings;
    struct id guest;
    char below[ID_TEXT_SIZE];
    bool one = settings->guest_count == 1 && id_parse_uuid(settings->guests[0], &guest);
    const struct id *only = one ? &guest : NULL;

    return trash_read(pruning->scope, only, &pruning->unknown, &pruning->trash, err) < 0 ||
                   marks_list(pruning->scope, NULL, &pruning->unknown, &pruning->marks, err) < 0 ||
                   objects_list(pruning->scope, "v", "bad", &bad, err) < 0 ||
                   objects_list(pruning->scope, "p", only ? id_text(only, below) : NULL, &slots,
                                err) < 0
               ? -1
               : 0;
}

/* ---- what a point is ------------------------------------------------------------------------- */

static int find_bad_packs(const struct pruning *pruning, struct prunable *point, struct err *err)
{
    CLEANUP_FREE char *name = objects_name(pruning->scope, NAME_SLOT, &point->point, 0);
    const struct slot_id id = {pruning->scope->repository, point->point.session,
                               point->point.guest};
    CLEANUP_SLOT struct slot slot = {0};
    CLEANUP_PACKS struct packs packs = {0};
    uint32_t bad = 0, place = 0;

    if (pruning->bad_packs.count == 0)
        return 0;
    if (packs_read(pruning->scope->store, name, &id, &slot, &packs, err) < 0)
        return -1;
    for (uint32_t i = 0; i < pruning->bad_packs.count; i++) {
        struct id session;
        uint32_t number = 0;
        packs_at(&pruning->bad_packs, i, &session, &number);
        bad += packs_find(&packs, &session, number, &place);
    }
    if (bad > 0)
        point->wrong = mem_printf("%" PRIu32 " of its %" PRIu32 " packs are lost or damaged", bad,
                                  packs.count);
    return 0;
}

static int look_at_prunable(struct pruning *pruning, struct prunable *point,
                            struct stored_found *found, struct err *err)
{
    struct stored_summary *summary = &found->summary;
    CLEANUP_ERR struct err why = ERR_INIT;

    if (found->err.kind != ERR_NONE) {
        err_move(&why, &found->err);
    } else {
        point->gone = summary->kind != SLOT_POINT;
        point->flags = summary->flags;
        point->info = summary->info;
        summary->info = (struct info){0};
        if (point->gone || find_bad_packs(pruning, point, &why) == 0)
            return 0;
    }
    point->gone = why.kind == ERR_NOT_FOUND;
    if (point->gone)
        return 0;
    if (!stored_point_is_unreadable(&why))
        return err_move(err, &why);
    point->too_new = why.kind == ERR_UNSUPPORTED;
    point->wrong = TAKE_PTR(why.text);
    return 0;
}

static void collect_point_tags(struct prunable *point)
{
    for (size_t i = 0; i < point->info.tags.count; i++)
        strings_add(&point->tags, point->info.tags.items[i]);
    for (size_t i = 0; point->marks && i < point->marks->tags.count; i++)
        strings_add(&point->tags, point->marks->tags.items[i]);
}

/* ---- a guest --------------------------------------------------------------------------------- */

static void tell_prunable(const struct pruning *pruning, enum prune_event_kind kind,
                          const struct prunable *point, const struct retention_verdict *verdict)
{
    const struct prune_event event = {
        .kind = kind,
        .point = point->point,
        .guest_name = point->info.name,
        .taken_ms = point->info.taken_ms,
        .verdict = verdict,
        .text = point->wrong,
    };

    pruning->events->call(pruning->events->opaque, &event);
}

static int drop_prunable(struct pruning *pruning, const struct prunable *point,
                         const struct retention_verdict *verdict, struct err *err)
{
    static const char *const reasons[] = {
        [RETENTION_DROPPED] = "no option of the policy keeps it",
        [RETENTION_COMPLETED] = "a newer backup is complete",
        [RETENTION_ABANDONED] = "the backup was not continued for 30 days",
    };
    const struct mark mark = {.by = "prune", .reason = reasons[verdict->reason]};
    CLEANUP_ERR struct err why = ERR_INIT;
    bool made = false;

    /* Somebody else may have been faster, and so may a collector. */
    if (!pruning->settings->dry_run &&
        marks_trash(pruning->scope, &point->point, &mark, &made, &why) < 0 &&
        why.kind != ERR_NOT_FOUND)
        return err_move(err, &why);
    pruning->result.points_dropped++;
    tell_prunable(pruning, PRUNE_DROPS, point, verdict);
    return 0;
}

/* Tells of a guest that has had no good point for too long. One of the future does not hide that. */
static bool is_stale_guest(const struct pruning *pruning, const struct prunable *points,
                           const size_t *places, size_t count)
{
    const struct prunable *newest = NULL;

    for (size_t i = 0; i < count; i++) {
        const struct prunable *point = &points[places[i]];
        if (!(point->flags & FLAG_PARTIAL) && point->info.taken_ms <= pruning->now_ms + HOUR_MS &&
            (!newest || point->info.taken_ms > newest->info.taken_ms))
            newest = point;
    }
    if (pruning->settings->newest_within_ms == 0 ||
        (newest && newest->info.taken_ms >= pruning->now_ms - pruning->settings->newest_within_ms))
        return false;
    const struct prune_event event = {
        .kind = PRUNE_STALE,
        .point.guest = points->point.guest,
        .guest_name = count ? points[places[count - 1]].info.name : NULL,
        .taken_ms = newest ? newest->info.taken_ms : 0,
    };
    pruning->events->call(pruning->events->opaque, &event);
    return true;
}

/* Points that count are given to the policy; places: which ones they are. */
static int decide_guest(struct pruning *pruning, struct prunable *points, const size_t *places,
                        size_t count, struct err *err)
{
    CLEANUP_FREE struct retention_point *inputs = mem_array(count + 1, sizeof(*inputs));
    CLEANUP_FREE struct retention_verdict *verdicts = mem_array(count + 1, sizeof(*verdicts));
    const struct retention_points guest = {inputs, count};
    CLEANUP_ERR struct err why = ERR_INIT;

    if (is_stale_guest(pruning, points, places, count)) {
        pruning->result.points_kept += count;
        return 0;
    }
    for (size_t i = 0; i < count; i++) {
        struct prunable *point = &points[places[i]];
        collect_point_tags(point);
        inputs[i] = (struct retention_point){
            .id = point->point.session,
            .taken_at_ms = point->info.taken_ms,
            .partial = point->flags & FLAG_PARTIAL,
            .derived = point->flags & FLAG_DERIVED,
            .held = point->marks && point->marks->held,
            .tags = {(const char *const *)point->tags.items, point->tags.count},
        };
    }
    if (retention_decide(&guest, &pruning->settings->policy, pruning->now_ms, verdicts, &why) < 0) {
        if (why.kind != ERR_EXISTS)
            return err_move(err, &why);
        const struct prune_event event = {
            .kind = PRUNE_REFUSED,
            .point.guest = points->point.guest,
            .guest_name = count ? points[places[count - 1]].info.name : NULL,
            .text = why.text,
        };
        pruning->result.guests_refused++;
        pruning->result.points_kept += count;
        pruning->events->call(pruning->events->opaque, &event);
        return 0;
    }
    for (size_t i = 0; i < count; i++) {
        const struct prunable *point = &points[places[i]];
        if (!retention_keeps(&verdicts[i])) {
            if (drop_prunable(pruning, point, &verdicts[i], err) < 0)
                return -1;
            continue;
        }
        pruning->result.points_kept++;
        tell_prunable(pruning, PRUNE_KEEPS, point, &verdicts[i]);
    }
    return 0;
}

/* Whether one of the points is too new, which is told. */
static bool refuse_newer_point(struct pruning *pruning, const struct prunable *points, size_t count)
{
    struct prune_event event = {.kind = PRUNE_TOO_NEW};
    bool any = false;

    for (size_t i = 0; i < count; i++)
        if (points[i].info.name)
            event.guest_name = points[i].info.name;
    for (size_t i = 0; i < count; i++) {
        if (!points[i].too_new)
            continue;
        any = true;
        event.point = points[i].point;
        event.text = points[i].wrong;
        pruning->events->call(pruning->events->opaque, &event);
    }
    for (size_t i = 0; any && i < count; i++)
        pruning->result.points_kept += !points[i].gone && !points[i].trashed;
    pruning->result.guests_refused += any;
    return any;
}

/* Of those that count; the others are told of. */
static int leave_out_unverified(struct pruning *pruning, const struct prunable *points,
                                size_t *places, size_t *count, struct err *err)
{
    const struct retention_verdict verdict = {.reason = RETENTION_UNVERIFIED};
    CLEANUP_CHECK_RECORDS struct check_records records = {0};
    size_t left = 0;

    if (*count == 0 || check_records_read(pruning->scope, &points->point.guest, &records, err) < 0)
        return *count == 0 ? 0 : -1;
    for (size_t i = 0; i < *count; i++) {
        const struct prunable *point = &points[places[i]];
        if (point->flags & FLAG_PARTIAL || check_records_is_good(&records, &point->point)) {
            places[left++] = places[i];
            continue;
        }
        pruning->result.points_kept++;
        tell_prunable(pruning, PRUNE_KEEPS, point, &verdict);
    }
    *count = left;
    return 0;
}

/* All that are not in the trash. */
static int look_at_prunables(struct pruning *pruning, struct prunable *points, size_t count,
                             struct err *err)
{
    CLEANUP_FREE struct point_id *ids = mem_array(count, sizeof(*ids));
    size_t asked = 0, at = 0;
    int result = 0;

    for (size_t i = 0; i < count; i++)
        if (!points[i].trashed)
            ids[asked++] = points[i].point;
    struct stored_found *found = stored_point_summaries(pruning->scope, ids, asked);
    for (size_t i = 0; i < count && result == 0; i++)
        if (!points[i].trashed)
            result = look_at_prunable(pruning, &points[i], &found[at++], err);
    stored_found_free(found, asked);
    return result;
}

/* ---- which guests ---------------------------------------------------------------------------- */

/* The name that the newest of them has, of those that can be read; NULL: none can. The caller frees. */
static int find_guest_name(struct pruning *pruning, const struct prunable *points, size_t count,
                           char **ret, struct err *err)
{
    for (size_t i = count; i > 0 && !*ret; i--) {
        struct prunable point = {.point = points[i - 1].point};
        int status = look_at_prunables(pruning, &point, 1, err);
        *ret = status < 0 ? NULL : TAKE_PTR(point.info.name);
        prunable_clear(&point);
        if (status < 0)
            return -1;
    }
    return 0;
}

/* A name is in a point, a UUID in the names of objects. */
static bool names_are_needed(const struct prune_settings *settings)
{
    struct id id;

    for (size_t i = 0; i < settings->guest_count; i++)
        if (!id_parse_uuid(settings->guests[i], &id))
            return true;
    return false;
}

/* Most guests of a large repository are not, so as little as possible is read of them. */
static int find_whether_meant(struct pruning *pruning, const struct prunable *points, size_t count,
                              bool *ret, struct err *err)
{
    const struct prune_settings *settings = pruning->settings;
    CLEANUP_FREE char *name = NULL;
    char uuid[ID_UUID_SIZE];

    *ret = settings->guest_count == 0;
    if (*ret)
        return 0;
    id_uuid(&points->point.guest, uuid);
    for (size_t i = 0; i < settings->guest_count; i++)
        if (strcasecmp(settings->guests[i], uuid) == 0)
            *ret = settings->found[i] = true;
    if (*ret || !names_are_needed(settings))
        return 0;
    if (find_guest_name(pruning, points, count, &name, err) < 0)
        return -1;
    for (size_t i = 0; name && i < settings->guest_count; i++)
        if (strcmp(settings->guests[i], name) == 0)
            *ret = settings->found[i] = true;
    return 0;
}

static int prune_guest(struct pruning *pruning, struct prunable *points, size_t count,
                       struct err *err)
{
    bool meant = false;

    CLEANUP_FREE size_t *places = mem_array(count, sizeof(*places));
    size_t place_count = 0;

    if (find_whether_meant(pruning, points, count, &meant, err) < 0)
        return -1;
    if (!meant)
        return 0;
    pruning->result.guests++;
    if (look_at_prunables(pruning, points, count, err) < 0)
        return -1;
    for (size_t i = 0; i < count; i++) {
        if (points[i].trashed) {
            tell_prunable(pruning, PRUNE_IN_TRASH, &points[i], NULL);
            continue;
        }
        if (points[i].too_new)
            continue;
        if (points[i].wrong) {
            pruning->result.points_damaged++;
            tell_prunable(pruning, PRUNE_DAMAGED, &points[i], NULL);
        } else if (!points[i].gone) {
            places[place_count++] = i;
        }
    }
    if (refuse_newer_point(pruning, points, count))
        return 0;
    for (size_t i = 0; i < count; i++)
        pruning->result.points_kept += points[i].wrong != NULL;
    if (pruning->settings->verified_only &&
        leave_out_unverified(pruning, points, places, &place_count, err) < 0)
        return -1;
    return decide_guest(pruning, points, places, place_count, err);
}

int prune_run(const struct stored_scope *scope, const struct prune_settings *settings,
              const struct prune_events *events, struct prune_result *ret, struct err *err)
{
    CLEANUP(pruning_clear)
    struct pruning pruning = {.scope = scope, .settings = settings, .events = events};

    /* To ask the store for its time would be a write. */
    if (settings->dry_run)
        pruning.now_ms = (int64_t)time(NULL) * 1000;
    else if (store_now(scope->store, &pruning.now_ms, err) < 0)
        return -1;
    if (list_prunables(&pruning, err) < 0)
        return -1;
    for (size_t i = 0; i < pruning.unknown.count; i++) {
        const struct prune_event event = {.kind = PRUNE_UNKNOWN, .text = pruning.unknown.items[i]};
        events->call(events->opaque, &event);
    }
    struct prunable *points = pruning.points.items;
    for (size_t i = 0, count = 0; i < pruning.points.count; i += count) {
        for (count = 1; i + count < pruning.points.count &&
                        id_compare(&points[i].point.guest, &points[i + count].point.guest) == 0;)
            count++;
        if (prune_guest(&pruning, &points[i], count, err) < 0)
            return -1;
    }
    *ret = pruning.result;
    return 0;
}
