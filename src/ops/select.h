/* SPDX-License-Identifier: LGPL-2.1-or-later
 *
 * Which guests a run is about: --domain-names and --exclude-domains applied to
 * the names there are.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>

#include "archive/archive.h"
#include "base/err.h"
#include "ops/verbs.h"

bool select_in_list(const struct name_list *list, const char *name);

/* Sets ret_chosen[i] for each of the `count` names. A wanted or excluded name that
 * is not among them is an error (not-found, "WHERE has no guest 'x'"), as is a
 * choice of none. */
int select_names(const char *const *names, size_t count, const struct name_list *wanted,
                 const struct name_list *excluded, const char *where, bool *ret_chosen,
                 struct err *err);

/* The guests of an archive, with the choice made among them. */
struct selection {
    char **names; /* owned */
    size_t count;
    bool *chosen; /* owned */
};

int select_from_archive(struct archive_reader *archive, const struct name_list *wanted,
                        const struct name_list *excluded, struct selection *ret, struct err *err);
void selection_clear(struct selection *selection);
