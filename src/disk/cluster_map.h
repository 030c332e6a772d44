/* SPDX-License-Identifier: LGPL-2.1-or-later
 *
 * Internal to this folder: where the bytes that the guest sees lie in the files of an
 * image's chain, as `qemu-img map` tells; the tables of a format are QEMU's alone to
 * read. What it tells is checked, and what is odd about it costs speed, never bytes:
 * of that the map says that it does not know.
 *
 * The map of a large, fragmented image does not fit in memory. Only the head of what
 * qemu-img prints is taken, and it is run again, from there on, when a place behind
 * that is asked for: questions in order are cheap, others may each run a program.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/cleanup.h"
#include "base/err.h"

enum cluster_kind {
    CLUSTER_ZERO,    /* reads as zeros */
    CLUSTER_IN_FILE, /* lies in a file of the chain as the guest sees it */
    CLUSTER_OTHER,   /* for QEMU to read: compressed, not known, or not worth it */
};

struct cluster_part {
    enum cluster_kind kind;
    uint64_t len;
    unsigned depth;  /* in a file: which of the chain, 0 is the top one */
    uint64_t offset; /* and where in it; all of it lies before the file's end */
};

/* What the map is of. All is borrowed as long as the map lives. None of the files may
 * change meanwhile. */
struct cluster_image {
    const char *path; /* absolute, of a regular file */
    const char *qemu_format;
    bool direct; /* around the page cache: each file of the chain can be read so */
    uint64_t size;
    const uint64_t *file_sizes; /* of the chain */
    unsigned file_count;
    uint64_t min_part; /* what is shorter in a file, and far from what lies before, is not
                          worth to be read from there */
    size_t text_limit; /* bytes that are taken of one answer; 0: CLUSTER_MAP_TEXT */
};

/* Going to another place of a file costs as much CPU time as 100 KiB through qemu-nbd's
 * socket do, and qemu-nbd reads several places at a time, where we read one. */
#define CLUSTER_MAP_MIN_PART (UINT64_C(256) << 10)

/* Some 70,000 entries: 4 GiB of an image that has each cluster of 64 KiB somewhere else,
 * and 2 MiB of ours beside the text. */
#define CLUSTER_MAP_TEXT ((size_t)8 << 20)

struct cluster_map;

/* Runs nothing yet. */
struct cluster_map *cluster_map_new(const struct cluster_image *image);
/* What is at offset, which is below the image's size, and for how many bytes, at least 1,
 * never beyond the end. May run qemu-img. */
void cluster_map_find(struct cluster_map *map, uint64_t offset, struct cluster_part *ret);
/* Takes the place of what the map holds: what qemu-img has printed for the image from
 * `start` on, its head only if there was `more`. Fails if it is not a map of that; the
 * map is empty then. cluster_map_find does this. */
int cluster_map_load(struct cluster_map *map, uint64_t start, const char *text, size_t len,
                     bool more, struct err *err);
/* How often qemu-img was run, and entries held now. */
unsigned cluster_map_runs(const struct cluster_map *map);
size_t cluster_map_count(const struct cluster_map *map);
void cluster_map_free(struct cluster_map *map);
DEFINE_CLEANUP(struct cluster_map *, cluster_map_freep, cluster_map_free)
