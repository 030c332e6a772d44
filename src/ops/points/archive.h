/* SPDX-License-Identifier: LGPL-2.1-or-later
 *
 * The archive (archive/archive.h) as a store of points: one point of a guest, each item a file of
 * its own, the memory a libvirt save image. The only files of ops that know archives are
 * points_archive*.c. They lie here and not in archive, which is to know nothing but its folder.
 */
#pragma once

#include "ops/points/points.h"

int points_archive_open_store(const struct points_place *place, struct points_store **ret,
                              struct err *err);
int points_archive_open_writer(const struct points_place *place, struct points_writer **ret,
                               struct err *err);
/* Whether other hosts can use a file system of this type and may not see the locks of this one. */
bool points_archive_is_lone(const char *file_system);
char *points_archive_item_name(const char *guest, const struct points_item *item,
                               enum codec_type codec, struct err *err);
