/* SPDX-License-Identifier: LGPL-2.1-or-later
 *
 * Internal to this folder: what a kind of reader provides. reader.c has checked offsets and lengths
 * against the size, and prefixes errors with the path.
 */
#pragma once

#include "disk/format.h"
#include "disk/image.h"
#include "disk/reader.h"

struct reader_kind {
    int (*map)(struct disk_reader *reader, uint64_t offset, struct disk_part *ret, struct err *err);
    int (*read)(struct disk_reader *reader, uint64_t offset, void *data, size_t len,
                struct err *err);
    /* Each hold in turn, a borrowed descriptor; NULL: its connection is known to the caller */
    bool (*hold)(const struct disk_reader *reader, size_t n, struct disk_hold *ret);
    void (*cut)(struct disk_reader *reader);   /* NULL: there is no connection to cut */
    void (*close)(struct disk_reader *reader); /* frees everything except the path */
};

struct disk_reader { /* first member of each kind's struct */
    const struct reader_kind *kind;
    char *path;
    uint64_t size;
};

struct reader_request {
    const char *path;
    const char *format;
    const char *bitmap; /* NULL: none */
    uint64_t min_part;  /* usually CLUSTER_MAP_MIN_PART */
};

int disk_reader_open_as(const struct reader_request *request, struct disk_reader **ret,
                        struct err *err);

/* The kinds: raw files and block devices, and everything that qemu-nbd can read. `info` is what
 * disk_inspect says about that image. */
int disk_reader_open_raw(const char *path, struct disk_reader **ret, struct err *err);
int disk_reader_open_nbd(const struct reader_request *request, const struct format *format,
                         const struct disk_info *info, struct disk_reader **ret, struct err *err);
int disk_reader_open_socket(const struct disk_export *export, struct disk_reader **ret,
                            struct err *err);
