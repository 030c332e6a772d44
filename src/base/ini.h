/* SPDX-License-Identifier: LGPL-2.1-or-later
 *
 * Files of keys and values in sections:
 *
 *   # a comment; so is a line that begins with ';'
 *   key = value
 *   [section]
 *   key = value
 *
 * Blanks around keys, values and sections mean nothing, nor does a blank before a line. A value
 * ends with its line, and may contain '#', ';' and '='; there are no quotes and no continuation
 * lines. A colon may stand for the equals sign. The text is UTF-8, with or without a byte order
 * mark. Refused (usage): another encoding, control characters, any other line, and one that is
 * longer than INI_LINE_MAX.
 */
#pragma once

#include <stddef.h>

#include "base/err.h"

#define INI_LINE_MAX 65535 /* bytes */

/* Borrowed until the call that gets it returns. */
struct ini_line {
    unsigned number;     /* from 1 */
    const char *section; /* NULL: before the first */
    const char *key;     /* NULL: the section begins here */
    const char *value;
};

typedef int ini_take(void *opaque, const struct ini_line *line, struct err *err);

/* Calls take for each section and each key, in order, up to the first error, whose text begins with
 * "line N: ". text need not end with a NUL. */
int ini_read(const char *text, size_t len, ini_take *take, void *opaque, struct err *err);
