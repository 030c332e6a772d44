/* SPDX-License-Identifier: LGPL-2.1-or-later
 *
 * Which guests a run is about: applies --domain-names and --exclude-domains to a list of guests.
 *
 * A word may be a guest's name, else its UUID, else a shell pattern (glob(7): * ? []): if a guest
 * is called "web*", the word means only that guest.
 *
 * Of a store, GUEST@POINT means one point of the guests that GUEST means; see points_find for POINT.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>

#include "base/err.h"
#include "base/strings.h"
#include "ops/events/report.h"
#include "ops/points/points.h"
#include "ops/verbs.h"

/* A word means a disk as "vdb", in any guest, or as "GUEST:vdb". */
struct select_disk {
    const char *guest;
    const char *uuid;
    const char *target;
};
bool select_disk_matches(const char *word, const struct select_disk *disk);

struct select_request {
    const char *const *names;
    const char *const *uuids; /* may be NULL (not known), and so may each of them */
    size_t count;
    const struct name_list *wanted; /* empty, like the next two: all */
    /* Guests whose title is one of these, or matches it as a shell pattern, and guests that have one
     * of these tags. NULL: none; else titles and tags of all guests are given. */
    const struct name_list *wanted_titles;
    const struct name_list *wanted_tags;
    const char *const *titles; /* each may be NULL */
    const struct strings *tags;
    const char *option;               /* that they were given with; NULL: "--domain-names" */
    const struct name_list *excluded; /* NULL: none */
    bool trashed;      /* of a store: guests all of whose points are in the trash, too */
    const char *where; /* "the hypervisor"; of a store NULL: its title */
    /* Of a store that is one of several: gets the words for guests that mean none in it, which are not
     * reported then; that nothing is chosen is no error. NULL: it is the only one. The words of
     * `excluded` go to another list (NULL: none are excluded). */
    struct strings *unmatched;
    struct strings *unmatched_excluded;
    const struct report *report;
    struct outcome *outcome;
};

/* Words for disks, with each guest by its name: "GUEST:vdb" becomes one word for each guest that
 * GUEST means, none if it means no guest. Only names, uuids and count of the request are used. */
void select_expand_disks(const struct select_request *request, const struct name_list *words,
                         struct strings *ret);
/* Whether the disk is in a list that was made so. */
bool select_disk_in_list(const struct name_list *list, const struct select_disk *disk);

/* A word of --disks means the disk of this target in the backup, else, as a pattern, several. */
bool select_target_is_meant(const char *word, const char *target, const struct manifest *manifest);
bool select_target_in_list(const struct name_list *list, const char *target,
                           const struct manifest *manifest);

/* Sets ret_chosen[i] for each guest. A word that matches no guest is reported (report_no_match) and
 * counted as failed. If nothing at all is chosen, that is an error (not-found), which then names
 * the words that matched nothing. */
int select_names(const struct select_request *request, bool *ret_chosen, struct err *err);

/* The guests of a store, and which of them are chosen. A guest is there again for each further point
 * that is. */
struct selection {
    char **names;  /* owned */
    char **points; /* owned: the id of the point that is meant; NULL: none in particular */
    size_t count;
    bool *chosen; /* owned */
};

/* Sets the point of each chosen guest that has none. word: NULL changes nothing; else see
 * points_find. Of several guests, one that has no point of a time, or none that can be read, fails by itself
 * (request->report, request->outcome), and is not chosen any more. Usage: a guest is chosen twice. */
int select_points(struct points_store *store, const struct select_request *request,
                  struct selection *selection, const char *word, struct err *err);

/* Of a store with many points: each chosen guest without a point is chosen with all that it has,
 * except for those in the trash and those of backups that have not come to their end. */
int select_every_point(struct points_store *store, struct selection *selection, struct err *err);

/* Fills in where, names, uuids and count of the request. UUIDs are read from the manifests if a
 * word is not a guest's name. */
int select_from_store(struct points_store *store, const struct select_request *request,
                      struct selection *ret, struct err *err);
/* All guests of the store, none of which need be there; those all of whose points are in the trash,
 * too. */
int select_all(struct points_store *store, struct selection *ret, struct err *err);
/* Sets ret[i] for each guest of the store that the word means; false: it means none. */
bool select_mark_in_store(struct points_store *store, const struct selection *selection,
                          const char *word, bool *ret);
void selection_clear(struct selection *selection);
