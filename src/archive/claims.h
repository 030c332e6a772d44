/* SPDX-License-Identifier: LGPL-2.1-or-later
 *
 * Whose is a file? For this folder's files only.
 */
#pragma once

#include <stdbool.h>

#include "archive/folder.h"
#include "base/err.h"

/* True if the manifest of another guest than `domain` claims the file, or the journal
 * of an exchange of another guest. A manifest or journal that can't be read claims
 * every name that it could. */
int claims_by_another(const struct folder *folder, const char *domain, const char *name,
                      bool *ret_claimed, struct err *err);
