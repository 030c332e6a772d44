/* SPDX-License-Identifier: LGPL-2.1-or-later
 *
 * The section INFO of a point, in JSON: what can be said of the point without its manifest. See
 * POINTS in virt-backup-repository(5).
 */
#pragma once

#include "base/strings.h"
#include "record/manifest.h"
#include "repository/format/id.h"
#include "repository/format/limits.h"

struct info_disk {
    char *target; /* owned */
    uint64_t size;
};

struct info {
    char *name;      /* owned: of the guest */
    struct id guest; /* the bytes of its UUID */
    int64_t taken_ms;
    enum manifest_state state;
    enum manifest_consistency consistency;
    char *host;    /* owned */
    char *program; /* owned */
    bool has_base;
    struct id base; /* the session whose point it builds on */
    bool derived;
    struct id
        derived_from; /* a session, or the first bytes of the SHA-256 of an archive's manifest */
    struct strings tags;
    uint64_t stored;         /* bytes of its own packs */
    struct info_disk *disks; /* owned; in the order of their maps */
    size_t disk_count;
    bool memory;
};

void info_clear(struct info *info);
#define CLEANUP_INFO CLEANUP(info_clear)

void info_add_disk(struct info *info, const char *target, uint64_t size);

/* Appends it. Refused: what info_parse would refuse. */
int info_format(const struct info *info, struct buf *ret, struct err *err);
/* guest: whose point it is, by its name. Corrupt: the section is of another guest. */
int info_parse(const void *data, size_t len, const struct id *guest, struct info *ret,
               struct err *err);
