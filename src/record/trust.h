/* SPDX-License-Identifier: LGPL-2.1-or-later
 *
 * How a disk can be followed from one backup to the next: what a backup notes of the disk and of the
 * checkpoint that was made with it. If all of it still holds at the next one, that need only read what
 * was written since.
 */
#pragma once

#include <stdbool.h>
#include <stdint.h>

#include "base/cleanup.h"

struct trust {
    char *checkpoint;     /* owned, as all texts; of libvirt, and */
    char *bitmap;         /* of the image */
    uint64_t granularity; /* bytes that a bit of it stands for */
    uint64_t size;        /* of the disk */
    char *path;           /* of its image */
    char *format;
    char *host;     /* on which the guest was */
    bool has_inode; /* false: the image is a device */
    uint64_t inode;
    char *redefine; /* libvirt's record of the checkpoint, as XML: names of disks, and no guest */
};

void trust_clear(struct trust *trust);
#define CLEANUP_TRUST CLEANUP(trust_clear)
/* The caller clears it. */
void trust_copy(const struct trust *trust, struct trust *ret);
