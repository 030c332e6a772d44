/* SPDX-License-Identifier: LGPL-2.1-or-later
 *
 * Internal to this folder: the image formats we know, what of each is recorded
 * at backup and given to qemu-img again at restore. A format's name reaches
 * qemu-img's command line only through this table.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>

#include "base/err.h"
#include "base/json.h"
#include "disk/image.h"

struct format_option {
    const char *name;      /* as qemu-img create -o takes it */
    const char *info_path; /* where qemu-img info's JSON has its value; NULL: nowhere */
};

struct format {
    const char *name;   /* as libvirt names it */
    const char *qemu;   /* as QEMU names it */
    bool is_raw;        /* the file holds the guest-visible bytes themselves */
    bool writable;      /* qemu-img creates it, qemu-nbd writes it */
    bool on_device;     /* a new one on a block device with old data in it reads as zeros */
    const char *always; /* create option that is always given, or NULL */
    const struct format_option *options; /* ends with a NULL name */
};

/* NULL and unsupported if the name is unknown. */
const struct format *disk_format_find(const char *name, struct err *err);

/* The options that `info`, qemu-img's description of an image, tells; appended. */
void disk_format_record(const struct format *format, const struct json *info,
                        struct disk_info *into);

/* The -o argument for qemu-img create from recorded options, which may come from an
 * untrusted manifest: what is not in the table, not known to this host's qemu-img
 * or can't be written is left out or replaced, with a warning that names `path`.
 * NULL if there are none to give. The caller frees. */
int disk_format_create_options(const struct format *format, const char *path,
                               const struct disk_option *options, size_t count, char **ret,
                               struct err *err);
