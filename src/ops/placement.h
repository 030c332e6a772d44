/* SPDX-License-Identifier: LGPL-2.1-or-later
 *
 * Where the files of a restored guest go, and its XML with those places in it.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>

#include "record/manifest.h"
#include "base/xml.h"
#include "ops/verbs.h"

struct placed_disk {
    const struct manifest_disk *disk; /* borrowed from the manifest */
    char *path;                       /* absolute */
    bool block_device;
};

struct placement {
    char *name;   /* of the restored guest */
    bool renamed; /* --new-name: new UUID and MACs, no memory */
    char *uuid;   /* of the restored guest, in lower case */
    struct placed_disk *disks;
    size_t disk_count;
    char *nvram;      /* NULL: none */
    char *tpm;        /* the state of its emulated TPM; NULL: none. This and the next two are set by
                   * restore_tpm_place */
    char *tpm_moved;  /* where the state that is there now is kept meanwhile; NULL: none is there */
    char *tpm_source; /* the place to be named in the XML; NULL: libvirt's own */
    char *memory;     /* the save image to be written; NULL: none */
    char *xml;        /* where a transient guest's XML goes when it is not started */
};

/* Chooses all places below options->destination (an absolute path) and refuses
 * what exists already. A disk keeps its base name; "<guest>-<target>.<format>" is
 * used where another disk of the guest has that name, for what was a block device,
 * and under a new name; the NVRAM gives way to a disk in the same way. A disk in the
 * place of the memory or the XML is refused (exists). */
int placement_make(const struct manifest *manifest, const struct restore_options *options,
                   struct placement *ret, struct err *err);
void placement_clear(struct placement *placement);
#define CLEANUP_PLACEMENT CLEANUP(placement_clear)

/* Exists if something is at that path, dangling links included. */
int placement_refuse_existing(const char *path, struct err *err);
/* Exists if so, or if a disk or another file of the guest is to come there: a disk may
 * have any base name. */
int placement_refuse_taken(const struct placement *placement, const char *path, struct err *err);

/* `domain` (the manifest's definition or its live XML) as it is to be on this
 * host: our metadata gone, each restored file's path changed wherever it stands,
 * renamed if so asked. NULL on failure. */
struct xml_doc *placement_rewrite(const struct placement *placement,
                                  const struct manifest *manifest, const struct xml_doc *domain,
                                  struct err *err);
