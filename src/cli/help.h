/* SPDX-License-Identifier: LGPL-2.1-or-later
 *
 * --help, made from the tables.
 */
#pragma once

#include <stddef.h>

#include "base/buf.h"
#include "cli/verb.h"

/* Appends the general help. */
void help_general(const struct verb *const *verbs, size_t count, struct buf *out);
/* Appends the help of one verb. */
void help_verb(const struct verb *verb, struct buf *out);
