/* SPDX-License-Identifier: LGPL-2.1-or-later
 *
 * What an image on this host is: its format's options, sizes, what else is in
 * it. By qemu-img, which is always told the format: nothing is ever probed,
 * because a guest may have written another format's magic to its raw disk. The
 * backing chain is followed by us, one image at a time, for the same reason.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/cleanup.h"
#include "base/err.h"

struct disk_option {
    char *name; /* as qemu-img create -o takes it: cluster_size, compat, lazy_refcounts, ... */
    char *value;
};

struct disk_info {
    uint64_t image_size; /* bytes the guest sees; of a raw image the file's own size, which QEMU
                            shows to the guest rounded up to whole sectors */
    uint64_t file_size;  /* of the file; of a block device its size */
    bool block_device;
    struct disk_option *options;
    size_t option_count;
    unsigned chain_length; /* 1: no backing file */
    unsigned snapshots;    /* internal ones, in the top image */
    bool unwritable;       /* no image of its format can be made anew */
    bool marked_corrupt;   /* by QEMU, which has found the top image or one behind it damaged */
    bool encrypted;        /* LUKS or the old AES; any image of the chain */
    char *data_file;       /* qcow2 external data file of the top image, as recorded in it, or
                              NULL; it is read like any image and restored into one file */
    bool plain_chain;      /* each image of the chain is raw or qcow2, a regular file, and has its
                              data in that file */
    char **chain_paths;    /* chain_length absolute file names, the top one first */
};

/* Format: raw, qcow2, vmdk, vdi, ... as libvirt names it. Works while a guest uses
 * the image (what it tells is then a moment's view). Refused as unsupported: a path
 * that is not absolute, an image that names a backing or data file that is not a
 * local file, a backing file whose format is not recorded. Runs qemu-img for each
 * image of the chain that is not raw. Errors begin with the path. */
int disk_inspect(const char *path, const char *format, struct disk_info *ret, struct err *err);
void disk_info_clear(struct disk_info *info);
#define CLEANUP_DISK_INFO CLEANUP(disk_info_clear)
