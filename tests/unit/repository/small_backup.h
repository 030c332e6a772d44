/* SPDX-License-Identifier: LGPL-2.1-or-later
 *
 * A small writer of points, for tests of what reads them. It stores each block once, gathers the new ones
 * of a MiB in a frame, and puts few frames into a pack. Reads them back without child processes, with
 * the decoder of children.
 */
#pragma once

#include "codec/chunks.h"
#include "codec/codec.h"
#include "folder_store.h"
#include "repository/format/pack.h"
#include "repository/stored_point.h"

#define SMALL_BACKUP_IMAGES 4

struct small_image {
    uint32_t number; /* of a disk, or SLOT_MEMORY */
    uint8_t *data;   /* borrowed */
    uint64_t size;
};

struct small_known {
    struct id id; /* of the block */
    struct pack_id pack;
    uint32_t block; /* of the pack */
};

struct small_backup {
    struct folder_repository folder;
    struct stored_scope scope;
    struct codec_spec codec;
    unsigned pack_frames; /* the most of a pack */
    bool zeros;           /* are stored like other blocks, and all blocks each time */
    /* Changes a frame before it is added; NULL: none is changed. */
    void (*spoil)(uint8_t *frame, struct pack_index_added *added, struct id *ids);
    struct small_known *known;
    size_t known_count;
    struct {
        struct pack_id id;
        struct pack_digest digest;
    } packs[512]; /* of all sessions */
    size_t pack_count;
    unsigned sessions;
};

void small_backup_begin(struct small_backup *backup, const char *codec);
void small_backup_end(struct small_backup *backup);
#define CLEANUP_SMALL_BACKUP CLEANUP(small_backup_end)

/* Makes a point of the images, disks first. */
struct point_id small_backup_take(struct small_backup *backup, const struct small_image *images,
                                  unsigned count);
/* The name of the object's file, which the caller frees. */
char *small_backup_file(const struct small_backup *backup, const char *name);

/* Reads the image of a point into data, of `size` bytes; compares the digests that come with it. */
int small_backup_restore(const struct small_backup *backup, const struct stored_point *point,
                         uint32_t number, uint8_t *data, uint64_t size, struct err *err);
/* How many frames are decoded for that. */
uint64_t small_backup_frames(const struct small_backup *backup, const struct stored_point *point,
                             uint32_t number);
/* What a pool does, one chunk after the other. A frame of zeros that is as long as one can be is put
 * as zeros. */
int small_backup_pool(const struct chunk_source *source, const struct chunk_sink *sink,
                      enum codec_type codec, struct err *err);

/* An image in which some blocks are zeros and some are there more than once; seed: other bytes. */
void small_backup_fill(uint8_t *data, uint64_t size, uint32_t seed);
