/* SPDX-License-Identifier: LGPL-2.1-or-later
 *
 * What else is in a scope of a repository than points that can be restored, for the verb doctor. Reads
 * only.
 */
#pragma once

#include "base/strings.h"
#include "ops/points/points.h"

struct points_repository_session {
    char *guest; /* owned; its UUID */
    int64_t since_ms;
};

struct points_repository_state {
    char *owner;   /* of checkpoints, see points_set_owner; all owned */
    bool reserve;  /* there is room that a collection can give up when the store is full */
    bool alone;    /* nothing keeps a name from being created twice: who collects must be alone */
    char *lagging; /* the type of a file system whose listings may be old; NULL: it has none */
    size_t points; /* with those in the trash */
    size_t trashed;
    int64_t newest_ms; /* when the newest object of a point was made, by the clock of the store */
    struct points_repository_session *sessions; /* that have not come to their end */
    size_t session_count;
};

int points_repository_state(const struct points_place *place, struct points_repository_state *ret,
                            struct err *err);
void points_repository_state_clear(struct points_repository_state *state);
#define CLEANUP_REPOSITORY_STATE CLEANUP(points_repository_state_clear)
