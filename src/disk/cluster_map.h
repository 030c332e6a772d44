/* SPDX-License-Identifier: LGPL-2.1-or-later
 *
 * Internal to this folder: where the files of an image's chain contain the bytes that the guest
 * sees, according to `qemu-img map`; only QEMU reads the tables of a format. The output is checked:
 * wherever it is odd, the map says that it does not know, which costs speed but never data.
 *
 * The map of a large, fragmented image does not fit in memory. So only the beginning of qemu-img's
 * output is used, and qemu-img is run again, from there on, when a later place is asked for. Asking
 * in order is cheap; otherwise each question may run a program.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/cleanup.h"
#include "base/err.h"

enum cluster_kind {
    CLUSTER_ZERO,    /* reads as zeros */
    CLUSTER_IN_FILE, /* a file of the chain contains it as the guest sees it */
    CLUSTER_OTHER,   /* QEMU must read it: compressed, not known, or not worth it */
};

struct cluster_part {
    enum cluster_kind kind;
    uint64_t len;
    unsigned depth;  /* for CLUSTER_IN_FILE: which file of the chain, 0 is the top one */
    uint64_t offset; /* and where in it; all of it is before the end of the file */
};

/* What the map describes. Everything is borrowed while the map lives. The files must not change in
 * the meantime. */
struct cluster_image {
    const char *path; /* absolute, of a regular file */
    const char *qemu_format;
    bool direct; /* bypass the page cache: each file of the chain can be read that way */
    uint64_t size;
    const uint64_t *file_sizes; /* of the chain */
    unsigned file_count;
    uint64_t min_part; /* what is shorter than this in a file, and far from the part before, is not
                        * worth reading from there */
    size_t text_limit; /* bytes used of one answer; 0: CLUSTER_MAP_TEXT */
};

/* Moving to another place in a file costs as much CPU time as reading 100 KiB through qemu-nbd's
 * socket, and qemu-nbd reads several places at a time, while we read one. */
#define CLUSTER_MAP_MIN_PART (UINT64_C(256) << 10)

/* Some 70,000 entries: 4 GiB of an image in which every 64 KiB cluster is somewhere else, and 2 MiB
 * of our memory besides the text. */
#define CLUSTER_MAP_TEXT ((size_t)8 << 20)

struct cluster_map;

/* Runs no program yet. */
struct cluster_map *cluster_map_new(const struct cluster_image *image);
/* What is at offset, which is below the image's size, and for how many bytes: at least 1, never
 * beyond the end. May run qemu-img. */
void cluster_map_find(struct cluster_map *map, uint64_t offset, struct cluster_part *ret);
/* Replaces the contents of the map with what qemu-img has printed for the image from `start` on, or
 * only the beginning of that if there was `more`. Fails if it is not a map of the image; then the
 * map is empty. cluster_map_find calls this. */
int cluster_map_load(struct cluster_map *map, uint64_t start, const char *text, size_t len,
                     bool more, struct err *err);
void cluster_map_free(struct cluster_map *map);
DEFINE_CLEANUP(struct cluster_map *, cluster_map_freep, cluster_map_free)
