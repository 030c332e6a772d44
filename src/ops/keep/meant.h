/* SPDX-License-Identifier: LGPL-2.1-or-later
 *
 * Which points of a repository a word means: 8 or more digits of a point's id, GUEST@latest,
 * GUEST@ID, or GUEST@TIME, where GUEST is a name or a UUID, ID again 8 or more digits, and TIME what
 * when_parse takes. What is the latest, and what a time means, is in record/latest.h. A guest has
 * the name that its newest point has, and its points have the names they had then.
 */
#pragma once

#include <stdbool.h>

#include "base/cleanup.h"
#include "repository/keep/objects.h"
#include "repository/listing.h"
#include "repository/repository.h"

#define MEANT_DIGITS 8u /* at least so many are to be given */

struct meant_scope {
    struct stored_scope scope; /* its name is owned by the view */
    struct listing listing;
};

/* All points of some scopes, as they were listed at one time. */
struct meant_view {
    struct repository *repository; /* owned */
    struct strings names;
    struct meant_scope *scopes; /* owned */
    size_t count;
};

struct meant_place {
    const char *url;
    const char *scope; /* NULL: all of them */
    const struct parser *parser;
};

/* Not found: there is no such repository or scope. The parser must outlive the view. */
int meant_open(const struct meant_place *where, struct meant_view *ret, struct err *err);
void meant_close(struct meant_view *view);
#define CLEANUP_MEANT_VIEW CLEANUP(meant_close)

struct meant_point {
    const struct meant_scope *scope; /* of the view */
    struct point_id id;
    bool trashed;
    char *guest;      /* owned: its name; NULL: its INFO cannot be read */
    char *host;       /* owned, with `guest`: on which it was made */
    int64_t taken_ms; /* with `guest` */
};

void meant_point_clear(struct meant_point *point);
#define CLEANUP_MEANT_POINT CLEANUP(meant_point_clear)

/* trashed: GUEST@latest and GUEST@TIME mean the latest of those in the trash, else of those that are not. Usage:
 * the word is neither, or means several points. Not found: it means none. */
int meant_find(const struct meant_view *view, const char *word, bool trashed,
               struct meant_point *ret, struct err *err);
