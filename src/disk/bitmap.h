/* SPDX-License-Identifier: LGPL-2.1-or-later
 *
 * Bitmaps in qcow2 images that no guest uses: those of a guest's checkpoints, which libvirt removes
 * itself only while the guest runs.
 */
#pragma once

#include "base/err.h"

/* Does nothing, and succeeds, if the qcow2 image has no bitmap of this name. Busy if something uses
 * the image. While it works, for a moment, no guest can start with the image. Errors begin with the
 * path. */
int disk_bitmap_remove(const char *path, const char *name, struct err *err);
