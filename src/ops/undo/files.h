/* SPDX-License-Identifier: LGPL-2.1-or-later
 *
 * The files of an unfinished restore. Others may have worked in the same folders in the meantime:
 * whatever differs from what was noted stays.
 */
#pragma once

#include "base/err.h"
#include "ops/undo/intent.h"

/* Removes everything that the intent names, in reverse order, and deletes it from the intent. If a
 * folder that held the restore's own one is missing or has been replaced by another (its file
 * system may not be mounted), nothing is removed, and the error says so. */
int undo_files(struct intent *intent, struct err *err);
