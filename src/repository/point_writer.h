/* SPDX-License-Identifier: LGPL-2.1-or-later
 *
 * Writes the point of a session: its images one after the other, each through a pool of children
 * (mtcp/pool.h), and then, with all that is known of the guest, the point itself.
 *
 * What the packs of the session's known points have is not stored again. Of packs of which the base
 * uses little, some are not used any more (repository/refresh.h). A source that tells what is the same
 * (find_same) means: as in the base.
 *
 * A long backup takes several sessions: when one has stored much, or has lasted for long, it ends in a
 * partial point, and another one goes on in its place, in the middle of an image. So if the backup
 * is not completed, what was stored until then is known to the next one; and no session lasts so long
 * that a collection would take it for dead.
 */
#pragma once

#include "codec/chunks.h"
#include "codec/codec.h"
#include "record/manifest.h"
#include "repository/format/info.h"
#include "record/trust.h"
#include "repository/format/small_items.h"
#include "repository/packer.h"
#include "repository/session.h"

struct point_writer;

/* When a session ends in a partial point: after so much, or after so long if it has put a pack. */
#define POINT_PART_BYTES (UINT64_C(64) << 30)
#define POINT_PART_MS (INT64_C(30) * 60 * 1000)

struct point_options {
    bool no_refresh;
    bool derived;          /* the point is made from another one, not by a backup */
    unsigned pack_buffers; /* 1 to PACKER_BUFFERS; each takes LIMITS_PACK bytes */
    size_t known_memory;   /* bytes for what is known of blocks; 0: KNOWN_MEMORY */
    /* What partial points have of INFO, but for disks and sizes; borrowed until the end, and read from
     * when an image is begun. NULL: the backup is made in one session, however long it takes. */
    const struct info *part_info;
    uint64_t part_bytes; /* 0: POINT_PART_BYTES */
    int64_t part_ms;     /* 0: POINT_PART_MS */
};

/* What takes no more than so many bytes, or, of fewer than a pack and a MiB, those; 0: all that is of
 * use. */
struct point_options point_options_within(uint64_t memory);

/* Reads the indexes of the packs that the session may use. Both are borrowed; when a session has ended
 * in a partial point, *session is the one that goes on. */
int point_writer_new(const struct repository *repository, struct session **session,
                     const struct point_options *options, struct point_writer **ret,
                     struct err *err);
/* Does not end the session. Accepts NULL. */
void point_writer_free(struct point_writer *writer);
DEFINE_CLEANUP(struct point_writer *, point_writer_freep, point_writer_free)

/* How many packs of the known points could not be read, whose blocks are therefore stored again, and
 * why the first could not; borrowed, NULL if there are none. */
uint32_t point_writer_unread(const struct point_writer *writer, const char **ret_why);

/* Between images: to be called now and then, so that the session is not taken for dead. */
int point_writer_show_life(struct point_writer *writer, struct err *err);

/* ---- an image -------------------------------------------------------------------------------- */

/* The chunk size that its source and the pool are to have. */
uint64_t point_writer_chunk_size(enum codec_type codec);

struct point_image {
    uint32_t number;    /* of the disk, as in the manifest and in INFO, from 0; or SLOT_MEMORY */
    const char *target; /* of the disk, under which the base has it, too; NULL: of the memory */
    const struct chunk_source *source; /* borrowed until the image has ended */
    enum codec_type codec;
};

/* What a pool is to be run with. The children must give digests of blocks. Refused (unsupported): an
 * image that is too large for a repository. */
struct point_plugs {
    struct chunk_source source;
    struct chunk_sink sink;
};
int point_writer_begin_image(struct point_writer *writer, const struct point_image *image,
                             struct point_plugs *ret, struct err *err);

struct point_image_written {
    struct manifest_image image;
    uint64_t new_blocks;   /* that were stored, */
    uint64_t stored;       /* in so many bytes, */
    uint64_t known_blocks; /* and that were not: places in the image */
};
/* After the pool's run. */
int point_writer_end_image(struct point_writer *writer, struct point_image_written *ret,
                           struct err *err);

/* ---- the point ------------------------------------------------------------------------------- */

struct point_parts {
    struct info *info; /* base and stored are filled in; there is an image for each disk in it */
    const struct trust *const
        *trusts; /* of each disk, NULL: nothing is kept of it; NULL: of none */
    const void *manifest;
    size_t manifest_len;
    const struct small_items *small;
};

/* Waits until all packs are put, and commits the session. */
int point_writer_commit(struct point_writer *writer, const struct point_parts *parts,
                        struct err *err);
/* Instead: the session ends in a partial point, if it has put a pack; *ret says so. For a backup that
 * was interrupted, when no pool runs any more. */
int point_writer_put_aside(struct point_writer *writer, bool *ret, struct err *err);
/* How many partial points there are of this backup. */
unsigned point_writer_parts(const struct point_writer *writer);
