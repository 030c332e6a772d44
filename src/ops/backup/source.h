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
    char *path; /* on this host; a volume is resolved to its path */
    char *pool; /* for volume disks, else NULL */
    char *volume;
    char *format;
    struct disk_info info;
};

struct source {
    struct guest_status status;
    struct xml_doc *definition; /* as it will be at the guest's next start, without our metadata */
    struct xml_doc *live;       /* as it runs now, or ran when its managed-save image was made; NULL
                                 * if it is shut off without one */
    char *managed_save;         /* path of that image; NULL: none */
    struct source_disk *disks;
    size_t disk_count;
    struct manifest_left_out *left_out;
    size_t left_out_count;
    struct extras extras;
    uint64_t memory_size; /* bytes of the guest's memory; 0 when shut off */
    uint64_t image_size;  /* of all disks */
    uint64_t largest_image;
};

/* How a disk in the persistent definition differs from what is backed up. */
#define SOURCE_ONLY_DEFINED "only in the persistent definition, not in the running guest"
#define SOURCE_OTHER_DEFINED "the persistent definition names another source"

struct source_request {
    bool memory;  /* the guest's memory is captured too */
    bool exports; /* disks are read from the running guest, wherever they are */
    const struct name_list *exclude_disks;
    const char *destination;
};

int source_gather(struct hypervisor *hypervisor, struct guest *guest,
                  const struct source_request *request, struct source *ret, struct err *err);
void source_clear(struct source *source);
#define CLEANUP_SOURCE CLEANUP(source_clear)
