/* SPDX-License-Identifier: LGPL-2.1-or-later
 *
 * The lists that a command line can hold: NAMES (comma-separated, "\," and "\\"
 * stand for themselves) and TARGET=PATH pairs. All text in them is owned.
 */
#pragma once

#include <stdbool.h>

#include "base/err.h"
#include "ops/verbs.h"

struct lists_names {
    char **names;
    size_t count;
};

/* Adds the names in text. Refused (usage): an empty name. A name that is there
 * already is not added again. */
int lists_add_names(struct lists_names *list, const char *text, struct err *err);
void lists_clear_names(struct lists_names *list);
/* As the verbs take it; borrowed from the list. */
struct name_list lists_borrow(const struct lists_names *list);

struct lists_maps {
    struct disk_map *maps; /* target and path are owned all the same */
    size_t count;
};

/* Adds "vda=/dev/x". Refused (usage): no '=', an empty half, a target that is
 * mapped already. */
int lists_add_map(struct lists_maps *list, const char *text, struct err *err);
void lists_clear_maps(struct lists_maps *list);
