/* SPDX-License-Identifier: LGPL-2.1-or-later
 *
 * For tests that let a descriptor be a file for a while.
 */
#pragma once

#include <stdio.h>

/* What is in the file, as text that is cut to fit. Closes the file. */
static inline void read_back(FILE *file, char *text, size_t size)
{
    rewind(file);
    text[fread(text, 1, size - 1, file)] = '\0';
    fclose(file);
}
