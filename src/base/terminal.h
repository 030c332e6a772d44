/* SPDX-License-Identifier: LGPL-2.1-or-later
 *
 * Makes text safe to show: names come from guests and archives, and must not control a terminal.
 */
#pragma once

#include <stddef.h>

/* The length of the character at text if it is safe for a terminal; 0 if not: control characters
 * (except newline), the C1 set, characters that change the writing direction, bytes that are not
 * UTF-8. */
size_t terminal_shows(const char *text);
/* A copy with '?' for each unsafe character. The caller frees. */
char *terminal_safe(const char *text);
/* Like terminal_safe, with spaces for newlines. */
char *terminal_safe_line(const char *text);

/* Columns of the terminal on stderr; 80 if it does not say. */
unsigned terminal_columns(void);
/* Cuts text so that it takes fewer than `columns` columns, according to the locale's LC_CTYPE if
 * that is UTF-8; otherwise one byte is one column. */
void terminal_cut(char *text, unsigned columns);
