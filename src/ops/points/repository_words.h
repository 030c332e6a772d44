/* SPDX-License-Identifier: LGPL-2.1-or-later
 *
 * Words of a command line that a repository must accept, checked before anything is begun. All errors
 * are usage errors.
 */
#pragma once

#include "base/err.h"
#include "base/strings.h"

/* It can be the name of a scope. */
int points_repository_words_scope(const char *text, struct err *err);
/* Points can be kept by the days of that time zone. */
int points_repository_words_zone(const char *text, struct err *err);
/* Each of these can be a tag. */
int points_repository_words_tags(const struct strings *tags, struct err *err);
/* And one point can have all of them. */
int points_repository_words_point_tags(const struct strings *tags, struct err *err);
