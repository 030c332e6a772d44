/* SPDX-License-Identifier: LGPL-2.1-or-later
 *
 * The names in a scope and what is in its slots, as those need them who decide what stays.
 */
#pragma once

#include "base/strings.h"
#include "repository/format/name.h"
#include "repository/format/slot.h"
#include "repository/stored_scope.h"

/* A point, or the session that is to make it. */
struct point_id {
    struct id guest;
    struct id session;
};

/* By guest, then by session. */
int objects_compare_points(const struct point_id *a, const struct point_id *b);

/* What an object of the point is called, which the caller frees. number: of a marker and its
 * verdict, else 0. */
char *objects_name(const struct stored_scope *scope, enum name_kind kind,
                   const struct point_id *point, uint32_t number);

/* What is to be done with what is not what its name says: in place of an object a folder or a symbolic
 * link, in place of a folder a file or a link. An object that is not seen is taken for one that is not
 * there: of a point, a hold or a session this loses data. */
enum objects_odd {
    OBJECTS_STRICT, /* an object is there, with size 0; for a folder, which may hide some: corrupt;
                     * so is a folder with another name that has objects */
    OBJECTS_SHOWN,  /* the same, but what stands for a folder is among the unknown */
    OBJECTS_FILES,  /* it is passed over: for whom an object that is missed does no harm */
};

struct objects_each {
    int (*call)(void *opaque, const struct name *name, const struct store_entry *entry,
                struct err *err);
    void *opaque;
    struct strings *unknown; /* gets names that no repository has, which are passed over; or NULL */
    enum objects_odd odd;
};

/* Calls for each object "TOP/SCOPE/...", or those "TOP/SCOPE/BELOW/..." if below is not NULL, by the
 * bytes of its name. */
int objects_list(const struct stored_scope *scope, const char *top, const char *below,
                 const struct objects_each *each, struct err *err);

/* What is in the slot; *ret_kind is 0 if it is empty. A tombstone is read whole, of a point the head.
 * Corrupt: it is unreadable. */
int objects_slot_kind(const struct stored_scope *scope, const struct point_id *point,
                      enum slot_kind *ret_kind, struct err *err);
/* Whether the slot holds a point. What cannot be read counts as one. */
int objects_has_point(const struct stored_scope *scope, const struct point_id *point, bool *ret,
                      struct err *err);
