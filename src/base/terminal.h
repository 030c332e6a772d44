/* SPDX-License-Identifier: LGPL-2.1-or-later
 *
 * Text that may be shown: names come from guests and archives, and must not
 * steer a terminal.
 */
#pragma once

#include <stddef.h>

/* The length of the character at text if a terminal may be given it; 0 if not: control
 * characters (newline excepted), the C1 set, marks that turn the direction of writing,
 * bytes that are not UTF-8. */
size_t terminal_shows(const char *text);
/* A copy with '?' for each that may not be shown. The caller frees. */
char *terminal_safe(const char *text);
/* As terminal_safe, with blanks for newlines. */
char *terminal_safe_line(const char *text);

/* Columns of the terminal on stderr; 80 if it doesn't say. */
unsigned terminal_columns(void);
/* Cuts text so that it takes fewer than `columns` columns; by the locale's
 * LC_CTYPE where it is UTF-8, else one byte is one column. */
void terminal_cut(char *text, unsigned columns);
