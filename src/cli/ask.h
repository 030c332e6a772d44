/* SPDX-License-Identifier: LGPL-2.1-or-later
 *
 * Questions to whoever sits at the terminal. They go to standard error; answers are lines of standard
 * input. The end of input and a signal are no answer: nothing is done then.
 */
#pragma once

#include <stdbool.h>

/* Whether somebody can be asked: standard input and standard error are both terminals. */
bool ask_is_possible(void);

/* True if the answer is "y" or "yes", in upper or lower case; anything else, and no answer, is no. The
 * question gets " [y/N] ". */
bool ask_yes(const char *question);

/* The answer, without blanks around it, and "" for an empty line; NULL: there is no answer, or one that is longer than
 * 4 KiB. The question gets a blank. The caller frees. */
char *ask_line(const char *question);

/* The same with answers from another descriptor. */
bool ask_yes_from(int fd, const char *question);
char *ask_line_from(int fd, const char *question);
