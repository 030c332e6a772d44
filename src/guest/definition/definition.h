/* SPDX-License-Identifier: LGPL-2.1-or-later
 *
 * A guest's domain XML: what it says about disks and files, and how it is rewritten for a restored
 * guest. Needs no connection. Works for persistent and for live XML, of QEMU and of Xen.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>

#include "base/cleanup.h"
#include "base/err.h"
#include "base/xml.h"

struct definition_disk { /* all text owned */
    char *target;        /* vda; safe as part of a file name */
    char *device;        /* disk, cdrom, floppy, lun */
    char *type;          /* file, block, network, volume, dir, nvme, vhostuser, ... */
    char *path; /* file or block: the path; network: protocol://host/name; NULL: no medium */
    char *pool; /* volume disks */
    char *volume;
    char *format; /* driver type; NULL if not given (libvirt: raw) */
    bool readonly;
    bool shareable;
    bool transient;
    bool encrypted;  /* <encryption> in the disk or its source */
    bool slice;      /* <slices>: only part of the file is the disk */
    bool data_store; /* <dataStore> */
    bool backed; /* <backingStore> with a source: libvirt goes by it, not by the image's header */
};

/* More than libvirt can give a guest. */
#define DEFINITION_MAX_DISKS ((size_t)4096)

struct definition_disks {
    struct definition_disk *disks;
    size_t count;
};

/* Reads every <disk>, in document order. Fails (corrupt) if this is not a <domain>, if there are
 * more than DEFINITION_MAX_DISKS disks, or if a disk has no target, one that as part of a file name
 * could leave a folder, or the target of another disk. */
int definition_read_disks(const struct xml_doc *domain, struct definition_disks *ret,
                          struct err *err);
/* NULL: there is no disk with this target. Borrowed from disks. */
const struct definition_disk *definition_find_disk(const struct definition_disks *disks,
                                                   const char *target);
/* The same targets in the same order, with the same sources. */
bool definition_same_disks(const struct definition_disks *a, const struct definition_disks *b);
/* Whether memory of a running guest with the one XML fits a guest with the other: the same devices,
 * in the same order and at the same addresses, disks with the same sources, processors and memory.
 * Both as libvirt gives them with the same flags. */
bool definition_same_machine(const struct xml_doc *a, const struct xml_doc *b);
void definition_disks_clear(struct definition_disks *disks);
#define CLEANUP_DEFINITION_DISKS CLEANUP(definition_disks_clear)

/* The text of <name> and of <uuid> (in lower case), and the domain's type; NULL if missing.
 * Borrowed if const, else freed by the caller. */
char *definition_name(const struct xml_doc *domain);
char *definition_uuid(const struct xml_doc *domain);
const char *definition_type(const struct xml_doc *domain);
/* NVRAM path of a UEFI guest, NULL if none; *ret_format is "raw" or "qcow2". NVRAM that is not a
 * local file gives protocol://host/name or POOL/VOLUME. No file is found under that, so it is
 * reported as missing instead of being ignored. */
char *definition_nvram(const struct xml_doc *domain, const char **ret_format);
bool definition_has_tpm_emulator(const struct xml_doc *domain);
/* "1.2" or "2.0"; borrowed. */
const char *definition_tpm_version(const struct xml_doc *domain);
/* The file with the permanent state of the emulated TPM: below `folder`, where libvirt keeps it for
 * the guest of this UUID, unless the XML names its own place. A place of an unknown type gives
 * TYPE:PATH, which is not the path of any file. NULL: no emulated TPM. The caller frees. */
char *definition_tpm_state(const struct xml_doc *domain, const char *folder, const char *uuid);
/* The type of the place that the XML names: "dir", "file"; NULL: it names none. Borrowed. */
const char *definition_tpm_source(const struct xml_doc *domain);
/* Names, with an article, the first device or feature in a running guest's XML for which libvirt
 * refuses to save memory (a host device, virtiofs, ...); NULL if there is none. Does not know what
 * depends on the guest (9p: only while mounted) or on a disk's format. The caller frees. */
char *definition_unmigratable(const struct xml_doc *domain);

/* Makes the disk `target` the file or block device at path with this format: sets type, source and
 * driver, and removes what applies only to the old source: backing chain, mirror, pool and volume,
 * index, encryption, auth, reservations, seclabels, slices. A lun that becomes a file becomes a
 * disk. */
int definition_set_disk(struct xml_doc *domain, const char *target, const char *path,
                        bool block_device, const char *format, struct err *err);
/* Removes this disk from the guest. */
void definition_remove_disk(struct xml_doc *domain, const char *target);
/* Sets the path of the NVRAM file; keeps template and format. */
void definition_set_nvram(struct xml_doc *domain, const char *path);
/* Removes the path of the NVRAM, if the XML names one; keeps template and format. libvirt then
 * chooses a path of its own for this guest, and makes the file. */
void definition_forget_nvram(struct xml_doc *domain);
/* Changes the path that the XML names for its TPM's state; NULL: removes it. XML that names none
 * stays as it is. */
void definition_set_tpm_source(struct xml_doc *domain, const char *path);

struct definition_move { /* borrows both */
    const char *from;
    const char *to;
};
/* Replaces these paths wherever they appear in attributes and texts of the whole document,
 * including other programs' metadata. All moves are made at once, so a file may move to where
 * another one was. Call this before definition_set_disk, whose new paths must not be taken for
 * old ones.
 * A path is recognised if it is
 *   - a whole attribute, or a whole text except for white space around it;
 *   - what follows "=", up to a single comma or the end, with commas in it doubled:
 *     "file=PATH,format=raw" of qemu:commandline; "file:" may come before it;
 *   - everything between double quotes, escaped as in JSON. */
void definition_replace_paths(struct xml_doc *domain, const struct definition_move *moves,
                              size_t count);

/* A new name and UUID (text), a fresh MAC for each
 * interface; what else must differ between two guests (generation ID, the UUID
 * in <sysinfo>, Open vSwitch interface IDs) is renewed too. The NVRAM path is the
 * caller's. A bad name or UUID: usage. */
int definition_rename(struct xml_doc *domain, const char *name, const char *uuid, struct err *err);
/* The caller frees. */
int definition_random_uuid(char **ret, struct err *err);

/* What a start of the guest needs of its host, besides the guest's own disks. */
enum reference_kind {
    REF_NETWORK,
    REF_INTERFACE, /* a bridge or network interface of the host */
    REF_NWFILTER,
    REF_POOL, /* and a volume in it, unless that is NULL */
    REF_SECRET_UUID,
    REF_SECRET_USAGE,
    REF_DEVICE, /* a host device: "pci 0000:01:00.0", "usb 046d:c31c", "mdev UUID" */
    REF_CPU,    /* the greatest of a set: "12" */
    REF_NODE,   /* of NUMA: the same */
    REF_PAGES,  /* a size of huge pages: "1048576 KiB" */
    REF_BACK_END, /* the program of a vhost-user device, which libvirt looks for itself: "virtiofsd" */
    /* The others are absolute paths. */
    REF_FILE,     /* a file or device node */
    REF_FOLDER,   /* a folder */
    REF_PARENT,   /* a file that is made if it is missing: only its folder must exist */
    REF_PIPE,     /* PATH, or PATH.in and PATH.out */
    REF_TEMPLATE, /* a file that is needed only to make the NVRAM */
    REF_SOCKET,   /* a socket on which somebody listens */
    REF_KINDS
};
struct reference {
    enum reference_kind kind;
    char *name;   /* owned */
    char *volume; /* owned */
    char *use;    /* owned: "interface", "cdrom sda", "kernel", "loader", ... */
};
/* A list goes no further. */
#define DEFINITION_MAX_REFERENCES ((size_t)1000)
/* Lists each reference once. What the guest can start without is left out, such as an optional
 * medium. The caller frees with definition_references_free. Disks whose target is in `but` are
 * skipped. */
int definition_references(const struct xml_doc *domain, const char *const *but, size_t but_count,
                          struct reference **ret, size_t *ret_count, struct err *err);
void definition_references_free(struct reference *references, size_t count);
