/* SPDX-License-Identifier: LGPL-2.1-or-later
 *
 * Small files that belong to a guest besides its disks: the NVRAM of a UEFI guest, the permanent
 * state of an emulated TPM. Stored uncompressed.
 */
#pragma once

#include "record/manifest.h"
#include "base/err.h"
#include "base/xml.h"
#include "guest/hypervisor.h"
#include "ops/points/points.h"

/* Larger ones are refused; no firmware or TPM state is that large. */
#define EXTRA_MAX_SIZE (UINT64_C(64) << 20)
#define EXTRAS_MAX 2

struct extra_file { /* all owned except format */
    enum manifest_extra_kind kind;
    char *path;
    const char *format; /* NULL: the kind has only one */
    uint8_t *data;      /* NULL: not read yet, or the file does not exist */
    size_t len;
    struct manifest_owner owner;
};

struct extras {
    struct extra_file files[EXTRAS_MAX];
    size_t count;
};

/* Lists them from the XML of the running guest (NULL: shut off) and its definition. Refuses what
 * could not be read later: not a file on this host, too large, no permission. A file that does not
 * exist is accepted: libvirt makes it at the first start. */
int extras_find(const struct hypervisor *hypervisor, const struct xml_doc *live,
                const struct xml_doc *definition, struct extras *ret, struct err *err);
/* Reads them all into memory, at the instant that is backed up. May be called again: a file that is
 * gone by then keeps what was read before. */
int extras_read(struct extras *extras, struct err *err);
/* Stores what was read. */
int extras_store(const struct extras *extras, struct points_set *set, struct manifest *manifest,
                 struct err *err);
/* For people: "NVRAM". */
const char *extras_kind_text(enum manifest_extra_kind kind);
void extras_clear(struct extras *extras);

/* The file of that kind in a backup; NULL: there is none. Borrowed. */
const struct manifest_extra *extras_in_manifest(const struct manifest *manifest,
                                                enum manifest_extra_kind kind);
/* Stores in the set what another point has stored, and checks it. Fills in all of *ret. */
int extras_copy(const struct point *from, const struct manifest_extra *extra, struct points_set *to,
                struct manifest_stored *ret, struct err *err);
/* Checks a stored extra (corrupt if it fails) and writes it to an empty file unless fd is -1. */
int extras_restore(const struct point *backup, const struct manifest_extra *extra, int fd,
                   struct err *err);
