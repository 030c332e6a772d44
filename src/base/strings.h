/* SPDX-License-Identifier: LGPL-2.1-or-later
 *
 * A list that owns its strings. Zero-initialised, it is empty.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>

#include "base/cleanup.h"

struct strings {
    char **items;
    size_t count;
};

/* Appends a copy of text. */
void strings_add(struct strings *strings, const char *text);
/* Appends text itself, taking ownership. */
void strings_take(struct strings *strings, char *text);
bool strings_has(const struct strings *strings, const char *text);
/* By byte values. */
void strings_sort(struct strings *strings);
/* Frees everything; the list is empty and can be used again. */
void strings_clear(struct strings *strings);
#define CLEANUP_STRINGS CLEANUP(strings_clear)
