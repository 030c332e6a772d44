/* SPDX-License-Identifier: LGPL-2.1-or-later
 *
 * Backups of disks in memory into a repository in a folder, with the real encoders and in place of a
 * pool a loop that has chunks done in any order, loses some and reads them again. And the way back:
 * every block of a point from its pack, decoded and compared with its id.
 */
#pragma once

#include "folder_store.h"
#include "repository/point_writer.h"

struct backup_disk {
    const char *target; /* NULL: the memory */
    uint64_t size;
    uint8_t *data; /* borrowed: the bytes from data_start on; all others are zeros */
    uint64_t data_start;
    uint64_t data_len;
    bool all_read; /* what is zeros is found by reading */
    const uint8_t
        *former; /* an increment, if the base has kept what it needs: what `data` was then, which
                            * is all of the disk; NULL: none */
    uint64_t changed_at; /* this chunk, read for a second time, has other bytes; 0: none */
};

struct backup {
    const struct repository *repository;
    struct id guest;
    const struct id *like;
    enum codec_type codec;
    const struct backup_disk *disks; /* the memory, if there is one, as the last */
    size_t disk_count;
    bool no_refresh;
    bool follow;         /* the point keeps how its disks go on */
    uint64_t seed;       /* of the order in which chunks are done */
    bool lying_children; /* foreign ones, that say wrong digests */
    uint64_t part_bytes; /* as in struct point_options */
    int64_t part_ms;
    bool put_aside; /* if it fails */
    /* In place of the loop, the real pool, say. NULL: the loop. */
    int (*run_image)(void *opaque, const struct point_plugs *plugs, struct err *err);
    /* Called by the loop before each chunk is read for the first time; may be NULL. A failure ends the
     * backup. */
    int (*before_chunk)(void *opaque, uint64_t chunk, struct err *err);
    /* Called before the point is committed; may be NULL. */
    void (*before_commit)(void *opaque);
    void *opaque;
};

struct backup_result {
    struct id session;
    struct point_image_written images[8];
    uint64_t new_blocks; /* of all images */
    uint32_t packs;      /* that the session has put */
    uint64_t chunks;     /* that were given to a child */
    uint32_t unread;
    unsigned parts;       /* partial points of this backup */
    bool aside;           /* it was put aside */
    uint64_t counted;     /* bytes for a limit of the rate */
    uint64_t blocks_read; /* of increments */
};

int backup_try(const struct backup *backup, struct backup_result *ret, struct err *err);
/* It succeeds, and the images are as they should be. */
struct backup_result backup_run(const struct backup *backup);

/* The point as a session would read it. */
struct stored_point *backup_read(const struct backup *backup, const struct id *session);
/* Compares all of its images. */
void backup_check(const struct backup *backup, const struct id *session);
/* Random bytes, of which half can be compressed. */
void backup_fill(uint8_t *data, size_t len, uint64_t seed);

/* Whether there may be anything but zeros from start to end. */
bool backup_disk_has(const struct backup_disk *disk, uint64_t start, uint64_t end);
void backup_disk_copy(const struct backup_disk *disk, uint64_t start, uint8_t *ret, size_t len);
