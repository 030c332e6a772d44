/* SPDX-License-Identifier: LGPL-2.1-or-later
 *
 * The lists that a command line can hold: NAMES (comma-separated, "\," and "\\"
 * stand for themselves) and TARGET=PATH pairs. All text in them is owned.
 */
#pragma once

#include <stdbool.h>

#include "base/err.h"
#include "base/strings.h"
#include "ops/verbs.h"

/* Adds the names in text. Refused (usage): an empty name. A name that is there
 * already is not added again. */
int lists_add_names(struct strings *list, const char *text, struct err *err);
/* As the verbs take it; borrowed from the list. */
struct name_list lists_borrow(const struct strings *list);

struct lists_maps {
    struct disk_map *maps; /* target and path are owned all the same */
    size_t count;
};

/* Adds "vda=/dev/x". Refused (usage): no '=', an empty half, a target that is
 * mapped already. */
int lists_add_map(struct lists_maps *list, const char *text, struct err *err);
void lists_clear_maps(struct lists_maps *list);
