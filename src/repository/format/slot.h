/* SPDX-License-Identifier: LGPL-2.1-or-later
 *
 * What a session's slot holds: its point, or a tombstone. A point is a head, a table, and sections
 * that the table tells of; see POINTS in virt-backup-repository(5). What is in a section is for
 * others: repository/format/packs.h, info.h, map.h, small_items.h.
 *
 * A slot is unreadable (corrupt) if it is neither. Points that are encrypted are not written, and are
 * refused (unsupported).
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>

#include "base/buf.h"
#include "repository/format/flags.h"
#include "repository/format/id.h"
#include "repository/format/limits.h"

#define SLOT_HEAD_SIZE 96u
#define SLOT_ENTRY_SIZE 32u /* of the table */
/* Head and table have no more. */
#define SLOT_START_MAX (SLOT_HEAD_SIZE + LIMITS_SECTIONS * SLOT_ENTRY_SIZE)
/* Of a tombstone; a point is longer. */
#define SLOT_TOMBSTONE_SIZE 128u

enum slot_kind {
    SLOT_POINT = 1,
    SLOT_FENCED = 2,   /* by a collector: the session was taken for dead */
    SLOT_GIVEN_UP = 3, /* by the session */
    SLOT_REMOVED = 4,  /* there was a point */
};

enum slot_type {
    SLOT_PACKS = 1,
    SLOT_BOX = 2,
    SLOT_DIGESTS = 3,
    SLOT_INFO = 4,
    SLOT_MAP = 5,   /* numbered by disk, or SLOT_MEMORY */
    SLOT_TRUST = 6, /* numbered by disk */
    SLOT_MANIFEST = 7,
    SLOT_SMALL = 8,
};
#define SLOT_TYPE_SKIPPED 0x8000u /* types from here on that are unknown are passed over */
#define SLOT_MEMORY UINT32_MAX

/* Which slot it is: in its name, except for the repository, and in its head. */
struct slot_id {
    struct id repository;
    struct id session;
    struct id guest;
};

#define SLOT_CHECK_SIZE 8

struct slot_section {
    uint16_t type;
    bool compressed;
    uint32_t number;
    uint64_t offset; /* not stored: in the point */
    uint64_t stored_len;
    uint64_t raw_len;
    uint8_t check[SLOT_CHECK_SIZE]; /* the first bytes of the SHA-256 of the section as stored */
};

/* ---- writing --------------------------------------------------------------------------------- */

/* kind: not SLOT_POINT. */
void slot_format_tombstone(enum slot_kind kind, const struct slot_id *id,
                           uint8_t ret[static SLOT_TOMBSTONE_SIZE]);

struct slot_writer {
    struct slot_section *sections; /* owned */
    uint32_t count;
    struct buf bytes; /* owned; of the sections */
};

void slot_writer_clear(struct slot_writer *writer);
#define CLEANUP_SLOT_WRITER CLEANUP(slot_writer_clear)

struct slot_added {
    uint16_t type;
    uint32_t number;
    const void *data;
    size_t len;
    bool compress; /* if that makes it smaller, and the point can be read then (slot_room.h) */
};

/* Copies the section. They are added by type, then by number. Unsupported: nobody could read a point of
 * so many bytes. */
int slot_writer_add(struct slot_writer *writer, const struct slot_added *added, struct err *err);
/* The whole point, in the empty *ret. Refused (internal): what whoever reads it would refuse. */
int slot_writer_finish(struct slot_writer *writer, const struct slot_id *id, uint32_t flags,
                       struct buf *ret, struct err *err);

/* ---- reading --------------------------------------------------------------------------------- */

struct slot {
    enum slot_kind kind;
    uint32_t flags;
    uint32_t section_count;
    struct slot_section *sections; /* owned; as many, unless only the head was read */
    uint64_t size;                 /* of the whole point, by its table */
};

void slot_clear(struct slot *slot);
#define CLEANUP_SLOT CLEANUP(slot_clear)

/* From the first SLOT_HEAD_SIZE bytes. They are believed for what they are good for: to see whether
 * there is a point. */
int slot_parse_head(const uint8_t data[static SLOT_HEAD_SIZE], const struct slot_id *id,
                    struct slot *ret, struct err *err);
/* From the first bytes of a point, as many as head and table have or more. Sections are of known
 * types, the right ones for the point's flags, within their limits and in order. */
int slot_parse_start(const void *data, size_t len, const struct slot_id *id, struct slot *ret,
                     struct err *err);
/* From all bytes. Of a point each section is what the table says. */
int slot_parse(const void *data, size_t len, const struct slot_id *id, struct slot *ret,
               struct err *err);

/* NULL if the point has no such section. */
/* Whether a section of this type may have this number: 0 but for MAP and TRUST. */
bool slot_may_number(enum slot_type type, uint32_t number);
const struct slot_section *slot_find(const struct slot *slot, uint16_t type, uint32_t number);

/* A section's bytes, decompressed. */
struct slot_content {
    const uint8_t *data; /* borrowed from the point, or own.data */
    size_t len;
    struct buf own;
};

void slot_content_clear(struct slot_content *content);
#define CLEANUP_SLOT_CONTENT CLEANUP(slot_content_clear)

/* stored: section->stored_len bytes, borrowed. Corrupt: they are not those that the table tells of,
 * or have more than max bytes when they are decompressed. */
int slot_open_section(const struct slot_section *section, const void *stored, uint64_t max,
                      struct slot_content *ret, struct err *err);
/* The same, appended to *ret. The caller has checked that they are not too many. */
int slot_append_section(const struct slot_section *section, const void *stored, struct buf *ret,
                        struct err *err);
