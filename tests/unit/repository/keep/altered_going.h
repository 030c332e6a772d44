/* SPDX-License-Identifier: LGPL-2.1-or-later
 *
 * A backup that goes on with a second session, without one of the two looks by which that finds out what
 * it may still rely on: at the part that the first one has ended in, and at the points known before.
 */
#pragma once

#include "altered_store.h"

struct going {
    const struct altered *altered; /* borrowed */
    char *part;                    /* owned: the slot of the part; NULL: no session goes on */
};

void going_clear(struct going *going);
/* What a writer creates: a part, or a point that ends the backup. */
void going_note(struct going *going, const struct store_object *object);
/* Whether the writer is not to see what has become of the point that this slot or marker belongs to. */
bool going_hides(const struct going *going, const char *name);
/* inner's listing, in which hidden points are as they were made, and not in the trash. */
int going_list(const struct going *going, struct store *inner, const char *prefix,
               const struct store_each *each, struct err *err);
