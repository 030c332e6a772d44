/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "repository/keep/marks.h"

#include <inttypes.h>
#include <string.h>

#include "repository/format/small_object.h"
#include "repository/keep/trash.h"

/* ---- holds and tags of points ---------------------------------------------------------------- */

void marks_clear(struct marks *marks)
{
    for (size_t i = 0; i < marks->count; i++)
        strings_clear(&marks->points[i].tags);
    free(marks->points);
    *marks = (struct marks){0};
}

static int add_point_mark(void *opaque, const struct name *name, const struct store_entry *entry,
                          struct err *err)
{
    struct marks *marks = opaque;
    const struct point_id point = {name->guest, name->session};
    struct point_marks *last = marks->count ? &marks->points[marks->count - 1] : NULL;

    (void)entry;
    (void)err;
    if (!last || objects_compare_points(&last->point, &point) != 0) {
        marks->points = mem_resize(marks->points, marks->count + 1, sizeof(*marks->points));
        last = &marks->points[marks->count++];
        *last = (struct point_marks){.point = point};
    }
    if (name->kind == NAME_HOLD)
        last->held = true;
    else
        strings_add(&last->tags, name->tag);
    return 0;
}

static int list_marks_below(const struct stored_scope *scope, const char *below,
                            struct strings *unknown, struct marks *ret, struct err *err)
{
    CLEANUP_MARKS struct marks marks = {0};
    const struct objects_each each = {add_point_mark, &marks, unknown};

    if (objects_list(scope, "h", below, &each, err) < 0)
        return -1;
    *ret = marks;
    marks = (struct marks){0};
    return 0;
}

int marks_list(const struct stored_scope *scope, const struct id *guest, struct strings *unknown,
               struct marks *ret, struct err *err)
{
    char below[ID_TEXT_SIZE];

    return list_marks_below(scope, guest ? id_text(guest, below) : NULL, unknown, ret, err);
}

static int compare_point_marks(const void *key, const void *item)
{
    return objects_compare_points(key, &((const struct point_marks *)item)->point);
}

const struct point_marks *marks_of(const struct marks *marks, const struct point_id *point)
{
    return marks->count == 0 ? NULL
                             : bsearch(point, marks->points, marks->count, sizeof(*marks->points),
                                       compare_point_marks);
}

/* Of one point; the caller clears *ret, which has no element or one. */
static int list_marks_of(const struct stored_scope *scope, const struct point_id *point,
                         struct marks *ret, struct err *err)
{
    char guest[ID_TEXT_SIZE], session[ID_TEXT_SIZE];
    CLEANUP_FREE char *below =
        mem_printf("%s/%s", id_text(&point->guest, guest), id_text(&point->session, session));

    return list_marks_below(scope, below, NULL, ret, err);
}

/* ---- what they have in common ---------------------------------------------------------------- */

static int refuse_missing_point(const struct stored_scope *scope, const struct point_id *point,
                                struct err *err)
{
    char session[ID_TEXT_SIZE];

    return err_set(err, ERR_NOT_FOUND, "%s: there is no point '%s' in scope '%s'",
                   store_url(scope->store), id_text(&point->session, session), scope->name);
}

static int refuse_taken_point(const struct point_id *point, struct err *err)
{
    char session[ID_TEXT_SIZE];

    return err_set(err, ERR_NOT_FOUND, "point '%s': too late, a collection has begun to remove it",
                   id_text(&point->session, session));
}

static int need_point(const struct stored_scope *scope, const struct point_id *point,
                      struct err *err)
{
    bool there = false;

    if (objects_has_point(scope, point, &there, err) < 0)
        return -1;
    return there ? 0 : refuse_missing_point(scope, point, err);
}

static int create_mark(const struct stored_scope *scope, const char *name, const struct mark *mark,
                       bool *ret_made, struct err *err)
{
    CLEANUP_SMALL_OBJECT struct small_object content = {.kind = SMALL_MARK};
    CLEANUP_BUF struct buf bytes = {0};
    enum store_outcome outcome = STORE_EXISTS;

    content.by = mem_strdup(mark->by);
    content.reason = mem_strdup(mark->reason);
    if (store_now(scope->store, &content.when_ms, err) < 0 ||
        small_object_format(&content, &bytes, err) < 0)
        return -1;
    struct store_object object = {.name = name, .data = bytes.data, .len = bytes.len};
    if (store_create(scope->store, &object, &outcome, err) < 0)
        return -1;
    *ret_made = outcome == STORE_MADE;
    return 0;
}

/* ---- into the trash -------------------------------------------------------------------------- */

/* Makes a marker, unless there is one that does not say "kept". *ret: that marker. */
static int make_marker(const struct stored_scope *scope, const struct point_id *point,
                       const struct mark *mark, struct trash_marker *ret, bool *ret_made,
                       struct err *err)
{
    CLEANUP_TRASH struct trash trash = {0};
    struct trash_marker marker = {.point = *point, .number = 1, .there = true};
    size_t count = 0;

    if (trash_read(scope, &point->guest, NULL, &trash, err) < 0)
        return -1;
    const struct trash_marker *markers = trash_of(&trash, point, &count);
    for (size_t i = 0; i < count; i++) {
        if (markers[i].there && markers[i].verdict != TRASH_KEPT) {
            *ret = markers[i];
            *ret_made = false;
            return 0;
        }
        marker.number = markers[i].number + 1;
    }
    if (marker.number > LIMITS_MARKERS)
        return err_set(err, ERR_UNSUPPORTED, "a point can be in the trash %u times, and no more",
                       LIMITS_MARKERS);
    CLEANUP_FREE char *name = objects_name(scope, NAME_MARKER, point, marker.number);
    if (create_mark(scope, name, mark, ret_made, err) < 0)
        return -1;
    *ret = marker;
    return 0;
}

int marks_trash(const struct stored_scope *scope, const struct point_id *point,
                const struct mark *mark, bool *ret_made, struct err *err)
{
    struct trash_marker marker;

    return need_point(scope, point, err) < 0
               ? -1
               : make_marker(scope, point, mark, &marker, ret_made, err);
}

static int refuse_held(const struct stored_scope *scope, const struct point_id *point,
                       struct err *err)
{
    CLEANUP_MARKS struct marks marks = {0};
    char session[ID_TEXT_SIZE];

    if (list_marks_of(scope, point, &marks, err) < 0)
        return -1;
    if (marks.count > 0 && marks.points[0].held)
        return err_set(err, ERR_BUSY, "point '%s' is held; release it first",
                       id_text(&point->session, session));
    return 0;
}

int marks_remove(const struct stored_scope *scope, const struct point_id *point,
                 const struct mark *mark, bool *ret_made, struct err *err)
{
    return refuse_held(scope, point, err) < 0 ? -1 : marks_trash(scope, point, mark, ret_made, err);
}

/* ---- out of the trash ------------------------------------------------------------------------ */

/* Every marker gets the verdict "kept". Looks at the slot afterwards: a collector that has seen the
 * point taken before may be through with it, and its markers gone, by the time we look at them. */
static int keep_point(const struct stored_scope *scope, const struct point_id *point,
                      bool *ret_changed, struct err *err)
{
    CLEANUP_TRASH struct trash trash = {0};
    bool changed = false, there = false;
    size_t count = 0;

    if (trash_read(scope, &point->guest, NULL, &trash, err) < 0)
        return -1;
    const struct trash_marker *markers = trash_of(&trash, point, &count);
    for (size_t i = 0; i < count; i++) {
        enum trash_verdict verdict = markers[i].verdict;
        if (!markers[i].there)
            continue;
        if (verdict == TRASH_OPEN) {
            changed = true;
            if (trash_judge(scope, &markers[i], TRASH_KEPT, &verdict, err) < 0)
                return -1;
        }
        if (verdict != TRASH_KEPT)
            return refuse_taken_point(point, err);
    }
    if (objects_has_point(scope, point, &there, err) < 0)
        return -1;
    if (!there)
        return refuse_taken_point(point, err);
    *ret_changed = changed;
    return 0;
}

int marks_undelete(const struct stored_scope *scope, const struct point_id *point,
                   bool *ret_undeleted, struct err *err)
{
    return need_point(scope, point, err) < 0 ? -1 : keep_point(scope, point, ret_undeleted, err);
}

/* ---- holds ----------------------------------------------------------------------------------- */

/* Names that nobody has are not deleted, so that they can be told. */
static int delete_mark(const struct stored_scope *scope, const char *name, bool there,
                       bool *ret_deleted, struct err *err)
{
    CLEANUP_STRINGS struct strings names = {0};

    *ret_deleted = there;
    if (!there)
        return 0;
    strings_add(&names, name);
    if (store_delete(scope->store, &names, err) < 0)
        return -1;
    CLEANUP_STRINGS struct strings folders = {0};
    strings_take(&folders, mem_strndup(name, (size_t)(strrchr(name, '/') - name)));
    return store_settle(scope->store, &folders, err);
}

static int is_held_by_restore(const struct stored_scope *scope, const struct point_id *point,
                              bool *ret, struct err *err)
{
    CLEANUP_HOLD_NOTE struct hold_note note = {0};
    CLEANUP_ERR struct err why = ERR_INIT;

    *ret = false;
    if (marks_hold_note(scope, point, &note, &why) == 0)
        *ret = strcmp(note.reason, MARKS_RESTORE) == 0;
    else if (why.kind != ERR_NOT_FOUND && why.kind != ERR_CORRUPT)
        return err_move(err, &why);
    return 0;
}

/* Two restores share the hold of the first. */
static int take_over_hold(const struct stored_scope *scope, const struct point_id *point,
                          const struct mark *mark, const char *name, bool *ret_made,
                          struct err *err)
{
    bool by_restore = false, deleted = false;

    if (strcmp(mark->reason, MARKS_RESTORE) == 0)
        return 0;
    if (is_held_by_restore(scope, point, &by_restore, err) < 0)
        return -1;
    if (!by_restore)
        return 0;
    return delete_mark(scope, name, true, &deleted, err) < 0
               ? -1
               : create_mark(scope, name, mark, ret_made, err);
}

int marks_hold(const struct stored_scope *scope, const struct point_id *point,
               const struct mark *mark, bool *ret_made, struct err *err)
{
    CLEANUP_FREE char *name = objects_name(scope, NAME_HOLD, point, 0);
    bool made = false, undeleted = false;

    /* The hold comes before the look at the trash: a collector looks at them in the other order, so
     * that one of the two sees the other. */
    if (need_point(scope, point, err) < 0 || create_mark(scope, name, mark, &made, err) < 0 ||
        (!made && take_over_hold(scope, point, mark, name, &made, err) < 0) ||
        keep_point(scope, point, &undeleted, err) < 0)
        return -1;
    *ret_made = made;
    return 0;
}

int marks_release(const struct stored_scope *scope, const struct point_id *point,
                  bool *ret_released, struct err *err)
{
    CLEANUP_FREE char *name = objects_name(scope, NAME_HOLD, point, 0);
    CLEANUP_MARKS struct marks marks = {0};

    if (list_marks_of(scope, point, &marks, err) < 0)
        return -1;
    return delete_mark(scope, name, marks.count > 0 && marks.points[0].held, ret_released, err);
}

int marks_release_restore(const struct stored_scope *scope, const struct point_id *point,
                          struct err *err)
{
    CLEANUP_FREE char *name = objects_name(scope, NAME_HOLD, point, 0);
    bool by_restore = false, released = false;

    return is_held_by_restore(scope, point, &by_restore, err) < 0
               ? -1
               : delete_mark(scope, name, by_restore, &released, err);
}

void marks_hold_note_clear(struct hold_note *note)
{
    free(note->by);
    free(note->reason);
    *note = (struct hold_note){0};
}

int marks_hold_note(const struct stored_scope *scope, const struct point_id *point,
                    struct hold_note *ret, struct err *err)
{
    CLEANUP_FREE char *name = objects_name(scope, NAME_HOLD, point, 0);
    CLEANUP_SMALL_OBJECT struct small_object content = {0};
    CLEANUP_BUF struct buf bytes = {0};

    if (store_read(scope->store, name, LIMITS_SMALL_OBJECT, &bytes, err) < 0)
        return -1;
    if (small_object_read(scope->parser, SMALL_MARK, &bytes, &content, err) < 0)
        return err_prefix(err, "%s/%s", store_url(scope->store), name);
    *ret = (struct hold_note){TAKE_PTR(content.by), TAKE_PTR(content.reason), content.when_ms};
    return 0;
}

/* ---- tags ------------------------------------------------------------------------------------ */

static int name_tag(const struct stored_scope *scope, const struct point_id *point, const char *tag,
                    char **ret, struct err *err)
{
    struct name name = {.kind = NAME_TAG, .guest = point->guest, .session = point->session};

    if (!name_is_tag(tag))
        return err_set(err, ERR_USAGE,
                       "'%s' cannot be a tag: 1 to %u letters, digits, '.', '_' and '-'", tag,
                       LIMITS_TAG);
    memcpy(name.scope, scope->name, strlen(scope->name) + 1);
    memcpy(name.tag, tag, strlen(tag) + 1);
    *ret = name_format(&name);
    return 0;
}

int marks_tag(const struct stored_scope *scope, const struct point_id *point, const char *tag,
              const struct mark *mark, bool *ret_changed, struct err *err)
{
    CLEANUP_MARKS struct marks marks = {0};
    CLEANUP_FREE char *name = NULL;
    char session[ID_TEXT_SIZE];

    if (name_tag(scope, point, tag, &name, err) < 0 || need_point(scope, point, err) < 0 ||
        list_marks_of(scope, point, &marks, err) < 0)
        return -1;
    if (marks.count > 0 && strings_has(&marks.points[0].tags, tag)) {
        *ret_changed = false;
        return 0;
    }
    if (marks.count > 0 && marks.points[0].tags.count >= LIMITS_POINT_TAGS)
        return err_set(err, ERR_UNSUPPORTED, "point '%s' has %u tags already, and can have no more",
                       id_text(&point->session, session), LIMITS_POINT_TAGS);
    return create_mark(scope, name, mark, ret_changed, err);
}

int marks_untag(const struct stored_scope *scope, const struct point_id *point, const char *tag,
                bool *ret_changed, struct err *err)
{
    CLEANUP_MARKS struct marks marks = {0};
    CLEANUP_FREE char *name = NULL;

    if (name_tag(scope, point, tag, &name, err) < 0 || list_marks_of(scope, point, &marks, err) < 0)
        return -1;
    return delete_mark(scope, name, marks.count > 0 && strings_has(&marks.points[0].tags, tag),
                       ret_changed, err);
}

/* ---- points that cannot be read -------------------------------------------------------------- */

#define SET_ASIDE_MAX ((size_t)8 << 30)
#define SET_ASIDE_STEP ((size_t)16 << 20)

static int read_whole_slot(const struct stored_scope *scope, const char *name, uint8_t **ret,
                           size_t *ret_len, struct err *err)
{
    CLEANUP_FREE uint8_t *bytes = NULL;
    size_t len = 0, got = SET_ASIDE_STEP;

    while (got == SET_ASIDE_STEP) {
        uint8_t *grown = len < SET_ASIDE_MAX ? realloc(bytes, len + SET_ASIDE_STEP) : NULL;
        if (!grown)
            return err_set(err, ERR_UNSUPPORTED, "%s/%s: too large to be read",
                           store_url(scope->store), name);
        bytes = grown;
        struct store_range range = {name, len, bytes + len, SET_ASIDE_STEP};
        if (store_get(scope->store, &range, &got, err) < 0)
            return -1;
        len += got;
    }
    *ret = TAKE_PTR(bytes);
    *ret_len = len;
    return 0;
}

/* Copies the slot, if there is no point and no tombstone in it that can be read. *ret_copied is false
 * if it is no object at all: a link or a folder in its place. */
static int copy_unreadable(const struct stored_scope *scope, const struct point_id *point,
                           const char *copy, bool *ret_copied, struct err *err)
{
    CLEANUP_FREE char *name = objects_name(scope, NAME_SLOT, point, 0);
    const struct slot_id id = {scope->repository, point->session, point->guest};
    CLEANUP_FREE uint8_t *bytes = NULL;
    CLEANUP_SLOT struct slot slot = {0};
    CLEANUP_ERR struct err why = ERR_INIT;
    enum store_outcome outcome = STORE_EXISTS;
    size_t len = 0;

    *ret_copied = read_whole_slot(scope, name, &bytes, &len, &why) == 0;
    if (!*ret_copied)
        return why.kind == ERR_CORRUPT ? 0 : err_move(err, &why);
    if (slot_parse(bytes, len, &id, &slot, &why) == 0)
        return err_set(err, ERR_EXISTS, "%s/%s: is readable; only unreadable points are set aside",
                       store_url(scope->store), name);
    if (why.kind != ERR_CORRUPT)
        return err_move(err, &why);
    struct store_object object = {.name = copy, .data = bytes, .len = len};
    return store_create(scope->store, &object, &outcome, err);
}

int marks_set_aside(const struct stored_scope *scope, const struct point_id *point,
                    const struct mark *mark, char **ret_copy, struct err *err)
{
    CLEANUP_FREE char *copy = objects_name(scope, NAME_SET_ASIDE, point, 0);
    struct trash_marker marker;
    enum trash_verdict verdict = TRASH_TAKEN;
    bool made = false, copied = false;

    /* As a collector does: the marker, then the look at holds, then the verdict. The first look spares
     * a held point the marker. */
    if (copy_unreadable(scope, point, copy, &copied, err) < 0 ||
        refuse_held(scope, point, err) < 0 ||
        make_marker(scope, point, mark, &marker, &made, err) < 0 ||
        refuse_held(scope, point, err) < 0 ||
        trash_judge(scope, &marker, TRASH_TAKEN, &verdict, err) < 0)
        return -1;
    if (verdict != TRASH_TAKEN)
        return err_set(err, ERR_BUSY,
                       "the point was taken out of the trash in the same moment; try again");
    *ret_copy = copied ? TAKE_PTR(copy) : NULL;
    return 0;
}
