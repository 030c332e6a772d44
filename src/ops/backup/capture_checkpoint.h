/* SPDX-License-Identifier: LGPL-2.1-or-later
 *
 * For capture*.c, and whoever foretells what it does: the checkpoint that is made with a capture.
 */
#pragma once

#include "ops/backup/capture.h"

/* Whether a checkpoint can record a disk, as far as the disk itself says. */
enum capture_record capture_recordable(const struct source_disk *disk);
/* Finds out what of the tracks is possible, before the guest is touched. */
int capture_settle_tracks(const struct capture_request *request, struct err *err);
/* When the guest is off, or down: what became of the bitmaps when it ended, which only then is in
 * the images. */
int capture_settle_images(const struct capture_request *request, struct err *err);
/* Makes the checkpoint that is named in the intent, in images that nobody uses. A disk that cannot
 * have one is not recorded. */
int capture_add_bitmaps(struct capture *capture, struct err *err);
/* Gives the checkpoint a name and puts it into the intent, if there is to be one. */
int capture_name_checkpoint(struct capture *capture, struct err *err);
