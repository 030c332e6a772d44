/* SPDX-License-Identifier: LGPL-2.1-or-later
 *
 * The lists that a command line can hold: NAMES (comma-separated; "\," and "\\" stand for a comma
 * and a backslash) and TARGET=PATH pairs. All text in them is owned.
 */
#pragma once

#include <stdbool.h>

#include "base/err.h"
#include "base/strings.h"
#include "ops/verbs.h"

/* Adds the names in text. Refused (usage): an empty name. A name that is already in the list is not
 * added again. */
int lists_add_names(struct strings *list, const char *text, struct err *err);
/* In the form that the verbs take; borrowed from the list. */
struct name_list lists_borrow(const struct strings *list);

struct lists_maps {
    struct disk_map *maps; /* target and path are owned, despite their type */
    size_t count;
};

/* Adds "vda=/dev/x". Refused (usage): no '=', nothing on one side of it, a target that is already
 * mapped. */
int lists_add_map(struct lists_maps *list, const char *text, struct err *err);
void lists_clear_maps(struct lists_maps *list);
