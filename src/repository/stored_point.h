/* SPDX-License-Identifier: LGPL-2.1-or-later
 *
 * A point as it was read from its slot and checked against itself: all of its bytes are those that
 * were written, each part is what virt-backup-repository(5) says, and the parts agree: there is a
 * map for each disk of INFO, and for the memory, of the size that INFO has; each map stays within
 * the packs of DIGESTS, and each of these packs is in a map. What the manifest says is not looked
 * at, and no pack is.
 *
 * Its maps are kept as they are stored, decompressed: a few bytes for each run.
 */
#pragma once

#include "repository/format/info.h"
#include "repository/format/map.h"
#include "repository/format/packs.h"
#include "repository/format/slot.h"
#include "repository/format/small_items.h"
#include "repository/format/trust_section.h"
#include "repository/keep/objects.h"

struct stored_image {
    uint32_t number;         /* of the disk, as in info.disks; or SLOT_MEMORY */
    uint64_t size;           /* bytes */
    struct slot_content map; /* borrows from the point */
};

struct stored_trust {
    uint32_t number;              /* of the disk */
    struct trust_section section; /* owned */
};

struct stored_point {
    struct slot_id id;
    uint32_t flags; /* FLAG_PARTIAL, FLAG_DERIVED */
    struct packs packs;
    struct pack_digest *digests; /* of each pack, by place */
    struct map_packs map_packs;  /* the blocks of each */
    struct info info;
    struct stored_image
        *images; /* the disks in the order of INFO, then the memory if there is one */
    uint32_t image_count;
    struct stored_trust *trusts; /* of some disks; owned */
    uint32_t trust_count;
    struct slot_content manifest; /* text without a NUL; empty in a partial point */
    struct small_items small;
    struct buf unpacked; /* what is borrowed */
};

/* Reads the whole slot. Not found: it is empty, or holds a tombstone, which the text tells.
 * Corrupt: the slot is unreadable, or its parts do not agree. Unsupported: a later version made it.
 * Errors name the slot. */
int stored_point_read(const struct stored_scope *scope, const struct point_id *id,
                      struct stored_point **ret, struct err *err);
void stored_point_free(struct stored_point *point); /* accepts NULL */
DEFINE_CLEANUP(struct stored_point *, stored_point_freep, stored_point_free)

/* NULL: it has no such image. number: as in struct stored_image. */
const struct stored_image *stored_point_image(const struct stored_point *point, uint32_t number);
/* NULL: nothing is kept of this disk that can be read. */
const struct trust_section *stored_point_trust(const struct stored_point *point, uint32_t number);
/* Walks the image's map. It has been walked before, so every map_reader_next succeeds. */
void stored_point_walk(const struct stored_point *point, const struct stored_image *image,
                       struct map_reader *ret);
/* The pack in this place, which is below point->packs.count. */
struct pack_id stored_point_pack(const struct stored_point *point, uint32_t place);
/* What the object of a pack is called, which the caller frees. */
char *stored_point_pack_name(const struct stored_scope *scope, const struct pack_id *id);

/* What is in the slot, and of a point its INFO, without reading the rest of it, which may be many
 * megabytes: for lists. Sections are believed if the table's check of them is right. *ret_info is
 * filled only if *ret_kind is SLOT_POINT. Not found: the slot is empty. */
struct stored_summary {
    enum slot_kind kind;
    uint32_t flags;
    struct info info;
};
void stored_summary_clear(struct stored_summary *summary);
#define CLEANUP_STORED_SUMMARY CLEANUP(stored_summary_clear)
int stored_point_summary(const struct stored_scope *scope, const struct point_id *id,
                         struct stored_summary *ret, struct err *err);

/* Whether an error of the above is the point's own, so that others may well be read. An empty slot is another
 * matter. */
bool stored_point_is_unreadable(const struct err *err);

/* The same of many points, such as all of a guest, which a parser of their own is asked for together. */
struct stored_found {
    struct stored_summary summary;
    struct err err; /* ERR_NONE: the summary is filled */
};
struct stored_found *stored_point_summaries(const struct stored_scope *scope,
                                            const struct point_id *ids, size_t count);
void stored_found_free(struct stored_found *found, size_t count); /* and what is left in them */
