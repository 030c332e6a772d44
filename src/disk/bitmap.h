/* SPDX-License-Identifier: LGPL-2.1-or-later
 *
 * Bitmaps in qcow2 images that no guest uses: those of a guest's checkpoints, which libvirt makes and
 * removes itself only while the guest runs. Each notes what is written to the image, whoever writes,
 * if it knows bitmaps. Errors begin with the path.
 */
#pragma once

#include "base/err.h"
#include "base/strings.h"

enum disk_bitmap_state {
    DISK_BITMAP_SOUND,  /* it has noted everything since it was added */
    DISK_BITMAP_BROKEN, /* who wrote last did not end properly, or it does not note */
    DISK_BITMAP_ABSENT,
};

/* Of an image that nobody writes to meanwhile. */
int disk_bitmap_look(const char *path, const char *name, enum disk_bitmap_state *ret,
                     struct err *err);
/* Appends the names of all that the image has. Works while a guest uses it. */
int disk_bitmap_list(const char *path, struct strings *ret, struct err *err);
/* Adds one that notes what is written from now on, in units of the size that QEMU chooses for those
 * of libvirt, too. Refused: the image has one of this name (exists),
 * is of version 2, which has no bitmaps (unsupported), something uses it (busy). Flushed when it
 * returns. On failure the image is as it was. */
int disk_bitmap_add(const char *path, const char *name, struct err *err);
/* Does nothing, and succeeds, if the qcow2 image has no bitmap of this name, even if it is in use. Else
 * busy if something uses the image. While it works, for a moment, no guest can start with the image. */
int disk_bitmap_remove(const char *path, const char *name, struct err *err);
