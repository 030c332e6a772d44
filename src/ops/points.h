/* SPDX-License-Identifier: LGPL-2.1-or-later
 *
 * Where backups are: a store keeps points, each of which is what one guest was at one instant - a
 * manifest, the images of disks and memory, small items. Verbs know stores only by this header;
 * what a store is made of is the business of its implementation (ops/points_impl.h). There is one:
 * the archive, a folder with at most one point of a guest (ops/points_archive.h).
 *
 * An item of a point is meant by its entry in the point's manifest ("stored"), which must be one of
 * that very manifest.
 */
#pragma once

#include <stdbool.h>
#include <stdint.h>

#include "base/cleanup.h"
#include "base/err.h"
#include "base/strings.h"
#include "codec/chunks.h"
#include "codec/container.h"
#include "record/manifest.h"
#include "record/sav.h"

/* ---- a store, open for reading ------------------------------------------------------- */

struct points_store;

/* Opens the store that is at this place. Reading takes no lock and writes nothing. */
int points_store_open(const char *place, struct points_store **ret, struct err *err);
void points_store_close(struct points_store *store);
DEFINE_CLEANUP(struct points_store *, points_store_closep, points_store_close)
/* As the user gave it; borrowed. */
const char *points_store_place(const struct points_store *store);
/* For messages: "archive /srv/backups"; borrowed. */
const char *points_store_title(const struct points_store *store);

/* Appends the names of the guests that have a point here, sorted. A point that cannot be opened is
 * listed too, under the name that it seems to have. */
int points_store_guests(struct points_store *store, struct strings *ret, struct err *err);
/* Appends what looks like part of a point although no point has it: the point that it belonged to
 * cannot be restored. */
int points_store_orphans(struct points_store *store, struct strings *ret, struct err *err);

/* ---- one point ------------------------------------------------------------------------- */

struct point;

/* Opens a guest's point, by its id, or the newest of them (NULL). Not found: there is none. Corrupt,
 * unsupported: its manifest is damaged or too new. Busy: it keeps being replaced. An item that is
 * missing is not an error yet. What is read later is the point that was opened, even if the store
 * has another by then. The store must outlive the point. */
int points_open(struct points_store *store, const char *guest, const char *id, struct point **ret,
                struct err *err);
void points_close(struct point *point);
DEFINE_CLEANUP(struct point *, points_closep, points_close)

/* Borrowed from the point. */
const struct manifest *points_manifest(const struct point *point);
const char *points_id(const struct point *point); /* no other point of the store has it */
const char *points_place(const struct point *point);

/* False if the store has replaced or removed the point: errors since then need not be damage. */
bool points_is_current(const struct point *point);

/* Where the item is, for messages; the caller frees. */
char *points_item_text(const struct point *point, const struct manifest_stored *stored);
/* How much room the item takes in the store. Fails if the item is missing (not found), or is
 * obviously not what was stored (corrupt). The error says where it is. */
int points_item_usage(const struct point *point, const struct manifest_stored *stored,
                      uint64_t *ret, struct err *err);

/* ---- its images -------------------------------------------------------------------------- */

/* What comes before QEMU's stream in libvirt's save image. */
struct points_head {
    bool known; /* false: of unknown layout; the image is the whole file */
    struct sav sav;
};

void points_head_clear(struct points_head *head);
#define CLEANUP_POINTS_HEAD CLEANUP(points_head_clear)

/* Reads the head of the memory image and nothing else. It is not known yet to be what was stored. */
int points_read_head(const struct point *point, struct points_head *ret, struct err *err);

struct points_image;

struct points_image_request {
    const struct manifest_stored *stored;    /* of a disk, or the memory */
    const struct container_indexer *indexer; /* parses what the store says about where chunks are */
    bool whole; /* the source's check covers every byte that is stored, not only the image */
};

/* The point must outlive the image. Errors, now and of the source, say where it is. */
int points_open_image(const struct point *point, const struct points_image_request *request,
                      struct points_image **ret, struct err *err);
void points_close_image(struct points_image *image);
DEFINE_CLEANUP(struct points_image *, points_close_imagep, points_close_image)
/* Gives each chunk as a result for a decoding child. May be called once. */
struct chunk_source points_image_source(struct points_image *image);
/* Of the memory image, what the source's stream belongs to; NULL: of a disk. Borrowed. With `whole`
 * it is what was stored once the source's check has succeeded. */
const struct points_head *points_image_head(const struct points_image *image);

/* ---- its small items ----------------------------------------------------------------------- */

/* Reads an item of stored->file.size bytes, which the caller has found to be small; the caller
 * frees. What is not as it was stored is corrupt. Errors do not say where it is. */
int points_read_small(const struct point *point, const struct manifest_stored *stored,
                      uint8_t **ret, struct err *err);

/* ---- a store, open for writing ------------------------------------------------------------- */

struct points_writer;

/* Opens the store that is at this place, makes it if it is missing, and puts right what dead
 * writers have left. Busy: somebody uses it who excludes others. */
int points_writer_open(const char *place, struct points_writer **ret, struct err *err);
void points_writer_close(struct points_writer *writer);
DEFINE_CLEANUP(struct points_writer *, points_writer_closep, points_writer_close)

/* Removes a point of the same store that is open for reading: all of it, or nothing. Busy: it was
 * replaced or removed in the meantime, or another writer of the guest is still at work after
 * wait_ms (LOCK_FILE_FOREVER: no limit). */
int points_remove(struct points_writer *writer, const struct point *point, uint64_t wait_ms,
                  struct err *err);
