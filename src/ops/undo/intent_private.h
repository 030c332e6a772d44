/* SPDX-License-Identifier: LGPL-2.1-or-later
 *
 * Internal to intent*.c.
 */
#pragma once

#include "base/json.h"
#include "ops/undo/intent.h"

/* Goes through the paths of all files that count: such a file is believed missing only if it is
 * missing from the right folder. */
void intent_each_path(struct intent *intent, void (*each)(struct intent *intent, const char *path));

/* Adds the folders of those files, as they are now. */
void intent_note_places(struct intent *intent);
struct json *intent_json_of_places(const struct intent *intent);
/* -1: not a list of places. */
int intent_read_places(const struct json *array, struct intent *intent);
