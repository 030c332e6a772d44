/* SPDX-License-Identifier: LGPL-2.1-or-later
 *
 * Simple tests on strings.
 */
#pragma once

#include <stdbool.h>

/* What follows `start` in text; NULL if text does not begin with it. */
const char *text_after(const char *text, const char *start);
bool text_begins(const char *text, const char *start);
/* True if text is longer than `end` and ends with it. */
bool text_ends(const char *text, const char *end);
/* True if both are NULL or have the same text. */
bool text_same(const char *a, const char *b);
