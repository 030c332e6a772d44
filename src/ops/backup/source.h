/* SPDX-License-Identifier: LGPL-2.1-or-later
 *
 * What a backup of a guest includes: its disks, found and inspected, and what is left out and why.
 * Everything that can be refused is refused here, before the guest is touched.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>

#include "record/manifest.h"
#include "base/xml.h"
#include "disk/image.h"
#include "guest/guest.h"
#include "ops/extras.h"
#include "ops/verbs.h"

struct source_disk {
    char *target;
    char *type; /* file, block, volume, network */
    bool local; /* a file or block device on this host, described in `info` */
    bool shareable;
    bool readonly;
    char *path; /* on this host; a volume is resolved to its path */
    char *pool; /* for volume disks, else NULL */
    char *volume;
    char *format;
    struct disk_info info;
};

enum source_why {
    SOURCE_MEDIUM,        /* of a CD-ROM or floppy drive */
    SOURCE_EXCLUDED,      /* by the user */
    SOURCE_SNAPSHOTS,     /* internal ones, of a disk that is backed up */
    SOURCE_ONLY_DEFINED,  /* a disk that the running guest does not have yet */
    SOURCE_OTHER_DEFINED, /* what a disk that is backed up will be at the guest's next start */
};

struct source_left_out {
    enum source_why why;
    char *target;
    char *device; /* as in the manifest */
    char *path;   /* NULL: none */
    char *reason; /* why, for people */
};

struct source {
    struct guest_status status;
    struct xml_doc *definition; /* as it will be at the guest's next start, without our metadata */
    struct xml_doc *live;       /* as it runs now, or ran when its managed-save image was made; NULL
                                 * if it is shut off without one */
    char *managed_save;         /* path of that image; NULL: none */
    struct source_disk *disks;
    size_t disk_count;
    struct source_left_out *left_out;
    size_t left_out_count;
    struct extras extras;
    uint64_t memory_size; /* bytes of the guest's memory; 0 when shut off */
    uint64_t image_size;  /* of all disks */
    uint64_t largest_image;
};

struct source_request {
    bool memory;  /* the guest's memory is captured too */
    bool exports; /* disks are read from the running guest, wherever they are */
    const struct name_list *exclude_disks;
    const char *destination;
};

int source_gather(struct hypervisor *hypervisor, struct guest *guest,
                  const struct source_request *request, struct source *ret, struct err *err);
/* The most that a save image of its memory takes, bytes. */
uint64_t source_memory_room(const struct source *source);
void source_clear(struct source *source);
#define CLEANUP_SOURCE CLEANUP(source_clear)
