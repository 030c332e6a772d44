/* SPDX-License-Identifier: LGPL-2.1-or-later
 *
 * A scope of a repository, for what reads and keeps the objects in it.
 */
#pragma once

#include "base/parser.h"
#include "repository/format/id.h"
#include "store/store.h"

/* All borrowed. */
struct stored_scope {
    struct store *store;
    struct id repository;
    const char *name;
    const struct parser *parser; /* NULL: this process parses */
};
