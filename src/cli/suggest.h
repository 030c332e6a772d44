/* SPDX-License-Identifier: LGPL-2.1-or-later
 *
 * The word that somebody probably meant.
 */
#pragma once

#include <stddef.h>

/* The candidate nearest to word, counting letters that are wrong, missing, extra or swapped with
 * their neighbour. A candidate that begins with word is near. NULL if none is near. Borrowed from
 * the candidates. */
const char *suggest_nearest(const char *word, const char *const *candidates, size_t count);
