/* SPDX-License-Identifier: LGPL-2.1-or-later
 *
 * Guests as people call them.
 */
#pragma once

#include "repository/stored_scope.h"

/* The guest of this UUID, or of this name, as its newest point has it that can be read and is not in
 * the trash. Not found: there is no such point. Usage: several guests have the name; the text has
 * their UUIDs. */
int guest_lookup(const struct stored_scope *scope, const char *text, struct id *ret,
                 struct err *err);
