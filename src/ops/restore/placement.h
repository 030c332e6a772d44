/* SPDX-License-Identifier: LGPL-2.1-or-later
 *
 * Where the files of a restored guest go, and its XML with those places in it.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>

#include "record/manifest.h"
#include "base/strings.h"
#include "base/xml.h"
#include "ops/restore/claims.h"
#include "ops/verbs.h"

struct placed_disk {
    const struct manifest_disk *disk; /* borrowed from the manifest */
    char *path;                       /* absolute */
    const char *format;               /* raw on a block device, else the original one */
    bool block_device;
    bool shared; /* the restore of another guest made it, with these contents */
};

/* A disk that is in the definition but not in the backup. */
struct placed_left_out {
    const char *target; /* borrowed from the manifest */
    char *path;         /* the existing path that --disk-map gives for it; NULL: it is left out */
    char *format;
    bool block_device;
};

struct placement {
    char *name;              /* of the restored guest */
    char *folder;            /* for files that have no place of their own; NULL: there is none */
    struct strings replaced; /* existing files that are moved aside for restored ones */
    bool renamed;            /* --new-name: new UUID and MACs, no memory */
    char *uuid;              /* of the restored guest, in lower case */
    struct placed_disk *disks;
    size_t disk_count;
    struct placed_left_out *left_out; /* empty with --keep-left-out */
    size_t left_out_count;
    bool memory_dropped; /* the memory cannot be resumed without the disks that are left out */
    char *unlike;        /* target of a shareable disk that the restore of another guest made with
                          * different contents; NULL: none */
    char *nvram;         /* NULL: none */
    char *tpm;           /* state of its emulated TPM; NULL: none. This and the next two are set by
                          * restore_tpm_place */
    char *tpm_source;    /* the place to name in the XML; NULL: libvirt's own */
    char *memory;        /* the save image to write; NULL: none */
    char *xml;           /* where a transient guest's XML goes when it is not started */
};

struct placement_request {
    const char *name; /* of the guest, in the archive */
    const struct manifest *manifest;
    const struct restore_options *options;
    struct claims *claims;
};

/* With options->original_places every file gets the path that it had, unless --disk-map gives it
 * another. Refused (exists): an existing file without --overwrite, a block device, anything else
 * that is not a regular file; (not-found) a missing folder. The memory image and the XML of a
 * transient guest go beside the first disk that is a file, or else beside the NVRAM.
 *
 * Otherwise: chooses all places below options->destination (an absolute path) and refuses what exists already.
 * A disk keeps its base name. "<guest>-<target>.<format>" is used if another file of this run has
 * that name, for what was a block device, and under a new name. The places are claimed for `name`. */
int placement_make(const struct placement_request *request, struct placement *ret, struct err *err);
/* The same for one more file, "STEM SUFFIX", in placement->folder; the caller frees. */
char *placement_claim(const struct placement_request *request, struct placement *placement,
                      const char *stem, const char *suffix, struct err *err);
void placement_clear(struct placement *placement);
#define CLEANUP_PLACEMENT CLEANUP(placement_clear)

/* True if an existing file at that path makes room for a restored one. */
bool placement_replaces(const struct placement *placement, const char *path);
/* Looks at one original place, and adds it to `replaced` if a file is there. */
int placement_take_original(const struct restore_options *options, const char *path,
                            struct placement *placement, struct err *err);
/* The same for a disk; `guest` is for messages. */
int placement_original_disk(const struct restore_options *options, const char *guest,
                            const struct manifest_disk *disk, struct placement *placement,
                            struct err *err);

/* `domain` (the manifest's definition or its live XML) as it should be on this host: without our
 * metadata, with the path of each restored file changed everywhere, and renamed if requested. NULL
 * on failure. */
struct xml_doc *placement_rewrite(const struct placement *placement,
                                  const struct manifest *manifest, const struct xml_doc *domain,
                                  struct err *err);
