/* SPDX-License-Identifier: LGPL-2.1-or-later
 *
 * For points_archive*.c only.
 */
#pragma once

#include "archive/archive.h"
#include "ops/points/points_impl.h"

struct archive_point {
    struct point base;
    struct archive_backup *backup; /* owned */
};

/* Borrowed from the point, which must be one of an archive. */
const struct archive_backup *points_archive_backup(const struct point *point);
