/* SPDX-License-Identifier: LGPL-2.1-or-later
 *
 * Which guests a run is about: --domain-names and --exclude-domains applied to
 * the guests there are.
 *
 * What is given may be a guest's name, else its UUID, else a pattern of the shell
 * (glob(7): * ? []): a guest that is called "web*" is meant alone by that.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>

#include "archive/archive.h"
#include "base/err.h"
#include "ops/report.h"
#include "ops/verbs.h"

bool select_in_list(const struct name_list *list, const char *name);

/* Does one of the words mean this disk: "vdb", in any guest, or "GUEST:vdb"? */
struct select_disk {
    const char *guest;
    const char *uuid;
    const char *target;
};
bool select_disk_matches(const char *word, const struct select_disk *disk);
bool select_disk_in_list(const struct name_list *list, const struct select_disk *disk);

struct select_request {
    const char *const *names;
    const char *const *uuids; /* NULL: not known; so may be each of them */
    size_t count;
    const struct name_list *wanted;   /* empty: all */
    const struct name_list *excluded; /* NULL: none */
    const char *where;                /* "the hypervisor" */
    const struct report *report;
    struct outcome *outcome;
};

/* Sets ret_chosen[i] for each of the guests. What matches none of them is reported
 * (report_no_match) and counted as failed. A choice of none at all is an error
 * (not-found), which then names what matched nothing. */
int select_names(const struct select_request *request, bool *ret_chosen, struct err *err);

/* The guests of an archive, with the choice made among them. */
struct selection {
    char **names; /* owned */
    size_t count;
    bool *chosen; /* owned */
};

/* Of the request where, names, uuids and count are filled in. UUIDs are read from the
 * manifests when a word is no guest's name. */
int select_from_archive(struct archive_reader *archive, const struct select_request *request,
                        struct selection *ret, struct err *err);
void selection_clear(struct selection *selection);
