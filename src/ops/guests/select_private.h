/* SPDX-License-Identifier: LGPL-2.1-or-later
 *
 * What the files of ops/guests/select.h share: what a word means.
 */
#pragma once

#include "ops/guests/select.h"

enum select_way { SELECT_BY_NAME, SELECT_BY_UUID, SELECT_BY_PATTERN };

bool select_is_in(const struct name_list *list, const char *name);
bool select_matches(enum select_way way, const char *word, const char *name, const char *uuid);
/* Tries names, then UUIDs, then patterns; the first of these under which the word means any guest
 * counts. Sets ret[i] for the guests that it means; false: it means none. */
bool select_mark(const struct select_request *request, const char *word, bool *ret);
