/* SPDX-License-Identifier: LGPL-2.1-or-later
 *
 * Commands as a file writes them: words between blanks. What stands in "..." or '...' is one word,
 * or a part of one; a backslash outside of '...' takes the character after it as it is. Nothing
 * else is special, and no shell ever sees them.
 */
#pragma once

#include "base/err.h"
#include "base/strings.h"

/* Refused (usage): a quote or a backslash without its end. */
int job_words_split(const char *text, struct strings *ret, struct err *err);
/* The command of a hook, for options; *ret_text (const char *) borrows the text. Refused, too: no
 * word, and a program without its absolute path. */
int job_words_check(const char *text, void *ret_text, struct err *err);
