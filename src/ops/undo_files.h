/* SPDX-License-Identifier: LGPL-2.1-or-later
 *
 * The files of a restore that did not come to its end. Others may have been at work in the same
 * folders meanwhile: what is not what was noted stays.
 */
#pragma once

#include "base/err.h"
#include "ops/intent.h"

/* Removes all that the intent names, the last first, and strikes it from there. Where a folder
 * that held the restore's own one is missing, or is another one now (its file system may not be
 * mounted), nothing is removed, and the error says so. */
int undo_files(struct intent *intent, struct err *err);
