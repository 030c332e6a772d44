/* SPDX-License-Identifier: LGPL-2.1-or-later
 *
 * Recognises a folder again, even from another process and after a reboot: its path may lead to a
 * different folder by then, because a file system is not mounted, or another one is, or because the
 * folder was renamed.
 */
#pragma once

#include <stdint.h>

#include "base/cleanup.h"
#include "base/file_id.h"

struct place {
    char *folder; /* owned */
    struct file_id id;
    uint64_t filesystem; /* its own identifier; 0 if it has none */
    uint64_t type;       /* of the file system: statfs's magic number */
};

/* What is at the path now. -1, and *ret not changed, if that is not a folder or cannot be
 * examined. */
int place_of(const char *folder, struct place *ret);
void place_clear(struct place *place);

enum place_state {
    PLACE_SAME,    /* as far as can be told: a file that is not in it does not exist */
    PLACE_MISSING, /* there is no folder */
    PLACE_OTHER,
};
enum place_state place_look(const struct place *place);
