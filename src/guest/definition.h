/* SPDX-License-Identifier: LGPL-2.1-or-later
 *
 * A guest's domain XML: what it says about disks and files, and how it is
 * rewritten for a restored guest. Needs no connection.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>

#include "base/err.h"
#include "base/xml.h"

struct definition_disk { /* all text owned */
    char *target;        /* vda */
    char *device;        /* disk, cdrom, floppy, lun */
    char *type;          /* file, block, network, volume, dir, nvme, vhostuser, ... */
    char *path; /* file or block: the path; network: protocol://host/name; NULL: no medium */
    char *pool; /* volume disks */
    char *volume;
    char *format; /* driver type; NULL if not said (raw, says libvirt) */
    bool readonly;
    bool shareable;
    bool transient;
    bool encrypted;  /* <encryption> in the disk or its source */
    bool slice;      /* <slices>: only part of the file is the disk */
    bool data_store; /* <dataStore> */
};

struct definition_disks {
    struct definition_disk *disks;
    size_t count;
};

int definition_read_disks(const struct xml_doc *domain, struct definition_disks *ret,
                          struct err *err);
void definition_disks_clear(struct definition_disks *disks);
#define CLEANUP_DEFINITION_DISKS CLEANUP(definition_disks_clear)

/* The text of <name> and <uuid>, the domain's type: borrowed where const, else freed by caller. */
char *definition_name(const struct xml_doc *domain);
char *definition_uuid(const struct xml_doc *domain);
const char *definition_type(const struct xml_doc *domain);
/* NVRAM path of a UEFI guest, NULL if none; *ret_format "raw" or "qcow2". */
char *definition_nvram(const struct xml_doc *domain, const char **ret_format);
bool definition_has_tpm_emulator(const struct xml_doc *domain);
/* Names the first device that keeps QEMU from saving memory (a host device ...);
 * NULL if none is known. The caller frees. */
char *definition_unmigratable(const struct xml_doc *domain);

/* The disk `target` now is the file or block device at path with this format:
 * type, source, driver; backing chain, pool and volume, index, encryption of the
 * old source removed; reservations, seclabels and auth of the source too. */
int definition_set_disk(struct xml_doc *domain, const char *target, const char *path,
                        bool block_device, const char *format, struct err *err);
void definition_set_nvram(struct xml_doc *domain, const char *path);
/* Every other place where exactly the path `from` stands: text or attribute
 * (metadata of others included) becomes `to`. Returns how many were changed. */
unsigned definition_replace_path(struct xml_doc *domain, const char *from, const char *to);
/* A new name and UUID (text, or NULL: a random one), a fresh MAC for each interface. */
int definition_rename(struct xml_doc *domain, const char *name, const char *uuid, struct err *err);

/* What the guest refers to on its host beside its disks. */
enum reference_kind {
    REF_NETWORK,
    REF_BRIDGE,
    REF_POOL,
    REF_SECRET_UUID,
    REF_SECRET_USAGE,
    REF_FILE,
};
struct reference {
    enum reference_kind kind;
    char *name; /* owned */
    char *use;  /* owned: "interface", "cdrom sda", "kernel", "loader", ... */
};
/* The caller frees with references_free. Disks named in `but` are passed over. */
int definition_references(const struct xml_doc *domain, const char *const *but, size_t but_count,
                          struct reference **ret, size_t *ret_count, struct err *err);
void references_free(struct reference *references, size_t count);
