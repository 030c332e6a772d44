/* SPDX-License-Identifier: LGPL-2.1-or-later
 *
 * What people, and prune, say of a point: that it is to go, that it is to stay after all, that it must
 * stay, and tags. Only the collector (repository/keep/collect.h) removes anything; until it has taken
 * a point, everything here can be turned back. See virt-backup-repository(5).
 */
#pragma once

#include "repository/keep/objects.h"

/* What is written into a marker, a hold or a tag, for people; not empty. */
struct mark {
    const char *by; /* "prune", "remove", "set-aside", or a host */
    const char *reason;
};

/* Puts the point into the trash. *ret_made is false if it was there already. Not found: there is no
 * such point. Unsupported: it has been in the trash too often. */
int marks_trash(const struct stored_scope *scope, const struct point_id *point,
                const struct mark *mark, bool *ret_made, struct err *err);
/* The same, but a point that is held is refused (busy). */
int marks_remove(const struct stored_scope *scope, const struct point_id *point,
                 const struct mark *mark, bool *ret_made, struct err *err);

/* Takes the point out of the trash. *ret_undeleted is false if it was not in there. Not found: there
 * is no such point, or it is too late: a collector has taken it. */
int marks_undelete(const struct stored_scope *scope, const struct point_id *point,
                   bool *ret_undeleted, struct err *err);

/* The reason of the hold of a restore, which releases it at its end. */
#define MARKS_RESTORE "virt-backup restore"

/* From when this succeeds until marks_release, the point is not removed. A point in the trash is taken
 * out of it. *ret_made is false if it was held already; but a hold that is to stay takes the place of
 * a restore's. Errors as of marks_undelete. */
int marks_hold(const struct stored_scope *scope, const struct point_id *point,
               const struct mark *mark, bool *ret_made, struct err *err);
/* *ret_released is false if it was not held. */
int marks_release(const struct stored_scope *scope, const struct point_id *point,
                  bool *ret_released, struct err *err);
/* The same of a restore's hold, unless another has taken its place. */
int marks_release_restore(const struct stored_scope *scope, const struct point_id *point,
                          struct err *err);

/* What a hold says. All owned. */
struct hold_note {
    char *by;
    char *reason;
    int64_t when_ms;
};

void marks_hold_note_clear(struct hold_note *note);
#define CLEANUP_HOLD_NOTE CLEANUP(marks_hold_note_clear)

/* Not found: the point is not held. */
int marks_hold_note(const struct stored_scope *scope, const struct point_id *point,
                    struct hold_note *ret, struct err *err);

/* Gives the point a tag, and takes one away. *ret_changed is false if it had it (had it not) before.
 * Tags of the point's INFO are not of this kind. Usage: the text cannot be a tag. Not found: there is
 * no such point. Unsupported: it has too many tags. */
int marks_tag(const struct stored_scope *scope, const struct point_id *point, const char *tag,
              const struct mark *mark, bool *ret_changed, struct err *err);
int marks_untag(const struct stored_scope *scope, const struct point_id *point, const char *tag,
                bool *ret_changed, struct err *err);

/* Copies an unreadable point to "x/", for study, and has the next collection remove it, without an age
 * in the trash: until then it stops collections. What only it referred to is removed with it. Exists:
 * it is readable; marks_remove is for those. Busy: it is held. *ret_copy: name of the copy, which the
 * caller frees; NULL if a link or a folder is in its place, of which there can be none. */
int marks_set_aside(const struct stored_scope *scope, const struct point_id *point,
                    const struct mark *mark, char **ret_copy, struct err *err);

/* ---- listing --------------------------------------------------------------------------------- */

struct point_marks {
    struct point_id point;
    bool held;
    struct strings tags;
};

struct marks {
    struct point_marks *points; /* owned; by point */
    size_t count;
};

void marks_clear(struct marks *marks);
#define CLEANUP_MARKS CLEANUP(marks_clear)

/* Holds and tags of a guest, or of the whole scope (NULL). unknown: as in objects_list. */
int marks_list(const struct stored_scope *scope, const struct id *guest, struct strings *unknown,
               struct marks *ret, struct err *err);
/* NULL: it has neither. */
const struct point_marks *marks_of(const struct marks *marks, const struct point_id *point);
