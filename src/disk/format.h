/* SPDX-License-Identifier: LGPL-2.1-or-later
 *
 * Internal to this folder: the image formats we know, and what of each is recorded by backup and
 * given to qemu-img again by restore. A format's name reaches qemu-img's command line only through
 * this table.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>

#include "base/err.h"
#include "base/json.h"
#include "disk/image.h"

struct format_option {
    const char *name;      /* the name for qemu-img create -o */
    const char *info_path; /* the path of its value in qemu-img info's JSON; NULL: it has none */
};

struct format {
    const char *name;   /* libvirt's name */
    const char *qemu;   /* QEMU's name */
    bool is_raw;        /* the file holds the guest-visible bytes themselves */
    bool writable;      /* qemu-img creates it, qemu-nbd writes it */
    bool on_device;     /* a new one on a block device reads as zeros even if the device holds old
                         * data */
    const char *always; /* create option that is always used, or NULL */
    const struct format_option *options; /* terminated by a NULL name */
};

/* NULL and unsupported if the name is unknown. */
const struct format *disk_format_find(const char *name, struct err *err);

/* Appends the options found in `info`, qemu-img's description of an image. */
void disk_format_record(const struct format *format, const struct json *info,
                        struct disk_info *into);

/* The -o argument for qemu-img create from recorded options, which may come from an untrusted
 * manifest. An option that is not in the table, is not known to this host's qemu-img or cannot be
 * written is left out or replaced, with a warning that names `path`. NULL if there are no options
 * to pass. The caller frees. */
int disk_format_create_options(const struct format *format, const char *path,
                               const struct disk_option *options, size_t count, char **ret,
                               struct err *err);
