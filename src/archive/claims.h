/* SPDX-License-Identifier: LGPL-2.1-or-later
 *
 * Whom a file belongs to. Only for the files in this directory.
 */
#pragma once

#include <stdbool.h>

#include "archive/folder.h"
#include "base/err.h"

/* True if another guest than `domain` claims the file, by its manifest or by the journal of its
 * exchange. A manifest or journal that cannot be read claims every name that it could contain. */
int claims_by_another(const struct folder *folder, const char *domain, const char *name,
                      bool *ret_claimed, struct err *err);
