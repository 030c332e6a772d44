/* SPDX-License-Identifier: LGPL-2.1-or-later
 *
 * The manifest, <domainName>.xml: the guest's libvirt XML with the state of the
 * backup in its <metadata>, in a namespace of our own. Specified in
 * virt-backup-archive(5) and in doc/manifest.rng. `virsh define` takes it as it is.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/buf.h"
#include "base/digest.h"
#include "base/xml.h"
#include "codec/codec.h"
#include "record/seal.h"

#define MANIFEST_NS_BASE "urn:virt-backup:manifest:"
#define MANIFEST_NS MANIFEST_NS_BASE "1"
#define MANIFEST_PREFIX "vb"
/* What is written; 2, which has no seals, is read too. */
#define MANIFEST_FORMAT_VERSION 3

/* More than libvirt can give a guest. */
#define MANIFEST_MAX_DISKS ((size_t)1024)
#define MANIFEST_MAX_OPTIONS ((size_t)64) /* of a disk */
#define MANIFEST_MAX_EXTRAS ((size_t)16)
#define MANIFEST_MAX_LEFT_OUT ((size_t)4096)
#define MANIFEST_MAX_CONTEXT ((size_t)4096) /* bytes of an SELinux context */

enum manifest_state { STATE_RUNNING, STATE_PAUSED, STATE_SHUT_OFF };

/* How disks and memory were captured at one instant. */
enum manifest_consistency {
    CONSISTENCY_LIVE,
    CONSISTENCY_PAUSE,
    CONSISTENCY_SAVE,
    CONSISTENCY_FROZEN,
    CONSISTENCY_CRASH,   /* "crash-consistent" */
    CONSISTENCY_OFFLINE, /* the guest was shut off */
};

/* What the processes that compressed the images ran in. */
enum manifest_sandbox {
    SANDBOX_UNKNOWN, /* it is not recorded */
    SANDBOX_FULL,
    SANDBOX_NONE,   /* --no-sandbox */
    SANDBOX_FOREIGN /* --child-command: up to that program */
};

/* Who may do what with the original file. */
struct manifest_owner {
    bool known; /* false: a network disk, nothing to put back */
    uint32_t uid;
    uint32_t gid;
    char *user; /* names at the time of the backup, or NULL; ids are what is put back */
    char *group;
    uint32_t mode; /* permission bits, 07777 */
    char *selinux; /* context, or NULL */
};

/* Facts of an image, wherever and however it is stored. */
struct manifest_image {
    uint64_t raw_size; /* bytes of the image, of the memory stream, of the nvram file */
    uint64_t chunk_size;
    bool has_content;             /* false: not all of it was read, in a repository */
    uint8_t content[DIGEST_SIZE]; /* over the chunks' digests, see record/content_digest.h */
};

/* What stores an image, or a small file. */
enum manifest_place {
    PLACE_FILE,  /* in an archive: a file */
    PLACE_MAP,   /* in a repository: blocks that a map of the point finds */
    PLACE_SMALL, /* in a repository: a small item of the point */
};

/* Of images in a repository, for the content digest. */
#define MANIFEST_MAP_CHUNK (UINT64_C(1) << 20)
#define MANIFEST_MAP_MEMORY UINT32_MAX

/* The file that stores it. */
struct manifest_file {
    char *name;                  /* what it may be is for the store to say */
    uint64_t size;               /* a raw image's apparent size */
    bool has_sha256;             /* false for raw images: the content digest covers every byte */
    uint8_t sha256[DIGEST_SIZE]; /* of the whole file */
};

struct manifest_stored {
    struct manifest_image image;
    struct codec_spec codec; /* compression; dict_size only where it is not the level's own */
    enum manifest_place place;
    struct manifest_file file; /* PLACE_FILE */
    uint32_t number; /* PLACE_MAP: of the disk, from 0, or MANIFEST_MAP_MEMORY; PLACE_SMALL: 1 more
                      * than its enum manifest_extra_kind */
    /* SHA-256 of what comes before the stream in a save image that is in a map: of its small item. */
    bool has_header;
    uint8_t header[DIGEST_SIZE];
};

struct manifest_option { /* a creation option of the image's format, as qemu-img -o takes it */
    char *name;
    char *value;
};

struct manifest_disk {
    char *target; /* vda */
    char *type;   /* file, block, network, volume */
    char *path;   /* original path or URL */
    char *pool;   /* volume disks, else NULL */
    char *volume;
    char *format; /* raw, qcow2, vmdk, ... */
    struct manifest_option *options;
    size_t option_count;
    uint64_t file_size; /* original file's size in bytes; a block device's size */
    struct manifest_owner owner;
    struct manifest_stored stored; /* image.raw_size is what the guest sees */
};

enum manifest_extra_kind { EXTRA_NVRAM, EXTRA_TPM };

/* NVRAM, TPM state: small files beside the disks, stored as they are: codec none; in an archive with
 * has_sha256. */
struct manifest_extra {
    enum manifest_extra_kind kind;
    char *path;   /* original path */
    char *format; /* nvram: raw, qcow2; else NULL */
    struct manifest_owner owner;
    struct manifest_stored stored;
};

/* As the device of what is left out: the internal snapshots of a disk that is in the backup. */
#define MANIFEST_SNAPSHOTS "snapshots"

struct manifest_left_out {
    char *target; /* sda */
    char *device; /* cdrom, floppy, disk, lun, MANIFEST_SNAPSHOTS */
    char *path;   /* NULL if none */
    char *reason; /* for people */
};

struct manifest {
    char *tool_version;
    unsigned format_version;
    char *time; /* ISO 8601 in UTC, "2024-05-01T10:00:00Z" */
    enum manifest_sandbox sandbox;
    struct seal seal;                /* as it was read */
    const struct seal_key *seal_key; /* borrowed; what to seal it with when it is written; NULL:
                                      * it gets no seal */
    char *uri;                       /* hypervisor URI */
    char *host;
    char *host_uuid; /* NULL: not known, or not recorded yet (before format 3) */
    char *domain_name;
    char *domain_uuid;
    char *domain_type; /* qemu, kvm, xen, ... */
    enum manifest_state state;
    bool persistent;
    bool autostart;
    enum manifest_consistency consistency;
    bool has_downtime;
    uint64_t downtime_ms;

    struct manifest_disk *disks;
    size_t disk_count;
    struct manifest_stored *memory; /* owned; NULL: no memory captured; of a guest that was shut
                                     * off: its managed-save image */
    struct manifest_extra *extras;
    size_t extra_count;
    struct manifest_left_out *left_out;
    size_t left_out_count;

    struct xml_doc *definition; /* the domain XML, without our metadata */
    struct xml_doc *live;       /* live XML (migratable), only with memory */
};

struct manifest *manifest_new(void);
void manifest_free(struct manifest *manifest);
DEFINE_CLEANUP(struct manifest *, manifest_freep, manifest_free)

/* New zeroed elements at the end of the arrays. Borrowed from the manifest until
 * the next add to the same array. */
struct manifest_disk *manifest_add_disk(struct manifest *manifest);
struct manifest_option *manifest_add_option(struct manifest_disk *disk);
struct manifest_extra *manifest_add_extra(struct manifest *manifest);
struct manifest_left_out *manifest_add_left_out(struct manifest *manifest);
const struct manifest_disk *manifest_find_disk(const struct manifest *manifest, const char *target);

/* Appends the text of the file to the empty buffer *ret, seal and its own SHA-256
 * filled in. Refused (unsupported): text that XML cannot carry (control characters, not
 * UTF-8), more than XML_MAX_SIZE bytes. What manifest_read would not take is
 * refused (internal): what is written can be read. format_version is not looked
 * at: it is always MANIFEST_FORMAT_VERSION. The parser reads it back (NULL: this process). */
int manifest_format(const struct manifest *manifest, const struct parser *parser, struct buf *ret,
                    struct err *err);
/* Checks everything that can be checked without the other files: XML, version (unsupported: "was
 * made by a newer virt-backup: format version 4; this one reads 2 and 3"), own digest, and then
 * everything that manifest_format promises: sizes, counts, owners, power-of-two chunk sizes, that
 * the domain's name and UUID in metadata, definition and live XML agree, and that there is live XML
 * exactly if there is memory. Does not check the names of stored files, nor that it is a place of
 * theirs, which is up to whoever stores them, nor the seal except for its form: see seal_check. Intact XML that never was a
 * manifest is "not found"; everything else is corrupt. Errors do not name the file: the caller adds
 * a prefix. */
int manifest_read(const struct xml_text *text, struct manifest **ret, struct err *err);

/* True for what manifest_read says "not found" of: whole XML that never was a manifest. A
 * manifest is known by the marks in its text, without being parsed. */
bool manifest_is_other_xml(const struct xml_text *text);

/* Every stored file of the manifest in turn, in the order of the file: start
 * with *cursor = 0; NULL at the end. Borrowed from the manifest. */
const struct manifest_stored *manifest_next_stored(const struct manifest *manifest, size_t *cursor);

/* "running", "paused", "shut off"; NULL for an unknown value */
const char *manifest_state_name(enum manifest_state state);
/* "live", "pause", "save", "frozen", "crash-consistent", "offline"; NULL as above */
const char *manifest_consistency_name(enum manifest_consistency consistency);
/* "full", "none", "foreign"; "" for what is not recorded; NULL as above */
const char *manifest_sandbox_name(enum manifest_sandbox sandbox);
/* "nvram", "tpm"; NULL as above */
const char *manifest_extra_name(enum manifest_extra_kind kind);
/* Removes our metadata, of whatever version, from a domain XML, and the <metadata>
 * element when nothing else is in it. */
void manifest_strip(struct xml_doc *domain);
