/* SPDX-License-Identifier: LGPL-2.1-or-later
 *
 * Reads many small objects: their bytes first, then they are parsed together, some hundreds at a time.
 * For those that are information only: what is damaged, of a later format or gone, and what a parser does
 * not survive, is passed over.
 */
#pragma once

#include "repository/format/small_object.h"
#include "repository/stored_scope.h"

struct small_objects_each {
    enum small_object_kind kind;
    /* number: of the name. May take what is in the object, and zeroes it then. */
    int (*call)(void *opaque, size_t number, struct small_object *object, struct err *err);
    void *opaque;
};

/* Calls for each that can be read, in the order of the names. */
int small_objects_read(const struct stored_scope *scope, const char *const *names, size_t count,
                       const struct small_objects_each *each, struct err *err);

/* Whether it is enough to pass over an object that gave this error: it is there no more, or cannot be
 * read, and that will not change. */
bool small_objects_can_do_without(const struct err *err);
