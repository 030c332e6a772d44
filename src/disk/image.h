/* SPDX-License-Identifier: LGPL-2.1-or-later
 *
 * Describes an image on this host: its format's options, sizes, what else is in it. Uses qemu-img,
 * which is always told the format: we never probe, because a guest may have written another
 * format's magic to its raw disk. For the same reason we follow the backing chain ourselves, one
 * image at a time.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/cleanup.h"
#include "base/err.h"

struct disk_option {
    char *name; /* the name for qemu-img create -o: cluster_size, compat, lazy_refcounts, ... */
    char *value;
};

struct disk_info {
    uint64_t image_size; /* bytes that the guest sees; for a raw image the size of the file, which
                          * QEMU rounds up to whole sectors for the guest */
    uint64_t file_size;  /* of the file; for a block device its size */
    struct disk_option *options;
    size_t option_count;
    unsigned chain_length; /* 1: no backing file */
    unsigned snapshots;    /* internal snapshots of the top image */
    bool unwritable;       /* no image of its format can be created */
    bool marked_corrupt;   /* by QEMU, which found the top image or one below it damaged */
    bool encrypted;        /* LUKS or the old AES; in any image of the chain */
    char *data_file;       /* qcow2 external data file of the top image, as recorded in it, or NULL;
                            * read like any image and restored into one file */
    bool plain_chain;      /* each image of the chain is raw or qcow2 and a regular file that
                            * contains its own data */
    char **chain_paths;    /* chain_length absolute file names, from the top image down */
};

/* Format: raw, qcow2, vmdk, vdi, ... as libvirt names it. Works while a guest uses the image
 * (the result is then only a snapshot). Refused as unsupported: a path that is not absolute, an
 * image that names a backing or data file that is not a local file, a backing file whose format
 * is not recorded. Runs qemu-img for each image of the chain that is not raw. Errors begin with
 * the path. */
int disk_inspect(const char *path, const char *format, struct disk_info *ret, struct err *err);
/* Busy if a running guest or another program has this file or block device open with QEMU's locks,
 * if only to read it. Errors begin with the path. */
int disk_check_unused(const char *path, struct err *err);
void disk_info_clear(struct disk_info *info);
#define CLEANUP_DISK_INFO CLEANUP(disk_info_clear)
