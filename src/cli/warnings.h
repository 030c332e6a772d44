/* SPDX-License-Identifier: LGPL-2.1-or-later
 *
 * The texts of warnings: a row of a table for each kind.
 */
#pragma once

#include "ops/events/warnings.h"

/* The row, in which {FIELD} stands for a field; NULL: there is no such kind. */
const char *warnings_row(enum warning_kind kind);
/* The row with its fields filled in, without the name of the guest that it is about. The caller
 * frees. */
char *warnings_text(const struct warning *warning);
