/* SPDX-License-Identifier: LGPL-2.1-or-later
 *
 * Where backups are: a store keeps points, each of which is what one guest was at one instant - a
 * manifest, the images of disks and memory, small items. Verbs know stores only by this header;
 * what a store is made of is the business of its implementation (ops/points/points_impl.h). There are two:
 * the archive, a folder with at most one point of a guest (ops/points/archive.h), and the repository,
 * in which each backup adds a point (ops/points/repository.h).
 *
 * An item of a point that is read is named by its entry in the point's manifest ("stored"), which
 * must be one of that very manifest.
 */
#pragma once

#include <stdbool.h>
#include <stdint.h>

#include "base/cleanup.h"
#include "base/err.h"
#include "base/parser.h"
#include "base/strings.h"
#include "codec/chunks.h"
#include "codec/codec.h"
#include "codec/container.h"
#include "record/manifest.h"
#include "record/sav.h"
#include "record/seal.h"
#include "record/trust.h"

/* Where a store is. All borrowed. */
struct points_place {
    const char *path; /* an archive's folder; what stands for a repository, which may be a URL */
    bool is_repository;
    const char *scope;           /* of a repository; NULL: points_usual_scope */
    const struct parser *parser; /* of what is in it, borrowed; NULL: this process parses */
};

extern const char points_usual_scope[];

/* ---- a store, open for reading ------------------------------------------------------- */

struct points_store;

/* Opens the store that is at this place. Reading takes no lock and writes nothing. */
int points_store_open(const struct points_place *place, struct points_store **ret, struct err *err);
void points_store_close(struct points_store *store);
DEFINE_CLEANUP(struct points_store *, points_store_closep, points_store_close)
/* As the user gave it; borrowed. */
const char *points_store_place(const struct points_store *store);
/* Whether it may have several points of a guest. */
bool points_store_has_many(const struct points_store *store);
/* For messages: "archive /srv/backups"; borrowed. */
const char *points_store_title(const struct points_store *store);

/* Appends the names of the guests that have a point here, sorted. A point that cannot be opened is
 * listed too, under the name that it seems to have. */
int points_store_guests(struct points_store *store, struct strings *ret, struct err *err);
/* Appends the names of those all of whose points are in the trash, as they were when the guests were
 * last listed; points_store_guests leaves them out. */
void points_store_trashed_guests(const struct points_store *store, struct strings *ret);
/* The UUID of a guest, as they were when the guests were last listed, which the caller frees. NULL:
 * only the manifests of its points have it. */
char *points_store_guest_uuid(const struct points_store *store, const char *guest);
/* Appends what looks like part of a point although no point has it: the point that it belonged to
 * cannot be restored. */
int points_store_orphans(struct points_store *store, struct strings *ret, struct err *err);

/* ---- which points ---------------------------------------------------------------------- */

#define POINTS_ID_DIGITS 8u

/* A point as a list has it, which does not read its manifest if there may be many. All owned. */
struct points_entry {
    char *id;
    unsigned id_digits; /* of its start that no other point of the guest shares, 8 at least */
    int64_t time_ms; /* that it shows, since 1970; of one that cannot be read, when it was begun */
    char *problem;   /* why it cannot be read: nothing below is known then; else NULL */
    char *host;
    enum manifest_state state;
    enum manifest_consistency consistency;
    size_t disk_count;
    bool memory;
    uint64_t size;       /* bytes of its images */
    uint64_t stored;     /* what its backup added to the store */
    bool complete;       /* false: of a backup that has not come to its end */
    bool derived;        /* made from another point, not by a backup */
    bool verified;       /* somebody has found it good, and nobody bad since */
    int64_t verified_ms; /* when it was last found good, all its bytes having been read; 0: never */
    bool damaged;        /* it was found damaged, or something that it needs was */
    bool held;           /* it is not removed */
    char *held_by;       /* with `held`, like the next two; NULL: the hold cannot be read */
    char *held_why;
    int64_t held_ms;      /* since */
    bool held_by_restore; /* which releases it at its end */
    bool trashed;         /* it is to be removed */
    struct strings tags;
};

struct points_list {
    struct points_entry *all; /* owned; the newest is the last */
    size_t count;
};

void points_list_clear(struct points_list *list);
#define CLEANUP_POINTS_LIST CLEANUP(points_list_clear)

/* Not found: the store has no such guest. */
int points_list(struct points_store *store, const char *guest, struct points_list *ret,
                struct err *err);
/* The guest's point that a word names: "latest"; 8 or more digits with which its id begins; or a
 * time as when_parse takes it. Sets *ret_id, which the caller frees. What is the latest, and what a
 * time means, is in record/latest.h.
 * Usage: the word fits several points, or is in none of these forms. Not found: the guest has no such point,
 * or, with the remedy undelete, the point is in the trash.
 * Unsupported: it is of a backup that was not completed.
 * Corrupt: "latest" or a time means one that cannot be read. */
int points_find(struct points_store *store, const char *guest, const char *word, char **ret_id,
                struct err *err);
/* The same of "latest", with errors that do not name the guest. */
int points_find_latest(struct points_store *store, const char *guest, char **ret_id,
                       struct err *err);

/* ---- one point ------------------------------------------------------------------------- */

struct point;

/* Opens a guest's point, by its id, or the one that "latest" names (NULL). Not found: it has no such point. Corrupt,
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
/* How much room the item takes in the store; where it shares that with others, how much of it is not
 * zeros. Fails if the item is missing (not found), or is
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

/* Of a store with many points: from when this succeeds until points_release, the point is not removed.
 * *ret_made is false if somebody holds it already; then it is theirs to release. by: a host. */
int points_hold(struct points_store *store, const char *guest, const char *id, const char *by,
                bool *ret_made, struct err *err);
int points_release(struct points_store *store, const char *guest, const char *id, struct err *err);

/* Of what is in the point: that of its place. */
const struct parser *points_parser(const struct point *point);

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
/* Gives results for decoding children, of what points_image_codec says and of chunks of the source's
 * size. May be called once. */
struct chunk_source points_image_source(struct points_image *image);
struct codec_spec points_image_codec(const struct points_image *image);
/* Of the memory image, what the source's stream belongs to; NULL: of a disk. Borrowed. With `whole`
 * it is what was stored once the source's check has succeeded. */
const struct points_head *points_image_head(const struct points_image *image);

/* ---- its small items ----------------------------------------------------------------------- */

/* Reads an item of stored->image.raw_size bytes, which the caller has found to be small; the caller
 * frees. What is not as it was stored is corrupt. Errors do not say where it is. */
int points_read_small(const struct point *point, const struct manifest_stored *stored,
                      uint8_t **ret, struct err *err);

/* ---- a store, open for writing ------------------------------------------------------------- */

struct points_writer;

/* Opens the store that is at this place. An archive is made if it is missing, and what dead writers
 * have left there is put right; busy: somebody uses it who excludes others. */
int points_writer_open(const struct points_place *place, struct points_writer **ret,
                       struct err *err);
void points_writer_close(struct points_writer *writer);
DEFINE_CLEANUP(struct points_writer *, points_writer_closep, points_writer_close)
/* As the user gave it; borrowed. */
const char *points_writer_place(const struct points_writer *writer);
/* The type of its file system if writers on other hosts may not be seen there; else NULL. The caller
 * frees. */
char *points_writer_lone_file_system(const struct points_writer *writer);

/* The id of a point that was made from the one of another store with this id, is not in the trash and
 * was not found damaged; NULL: no such point, or the store has one point of a guest. The caller frees. */
int points_writer_find_copy(const struct points_writer *writer, const char *uuid,
                            const char *derived_from, char **ret_id, struct err *err);

/* Removes a point of the same store that is open for reading: all of it, or nothing. Of a repository
 * it goes into the trash. Busy: it was replaced or removed in the meantime, it is held, or another
 * writer of the guest is still at work after wait_ms (LOCK_FILE_FOREVER: no limit). */
int points_remove(struct points_writer *writer, const struct point *point, uint64_t wait_ms,
                  struct err *err);

/* ---- a point in the making -------------------------------------------------------------------- */

struct points_set;

/* The id that the point will have; borrowed from the set. NULL: the store has one point of a guest. */
const char *points_set_id(const struct points_set *set);

enum points_replace {
    POINTS_KEEP,             /* only if the store has no point that would have to go */
    POINTS_REPLACE,          /* or if it has one that this host made */
    POINTS_REPLACE_ANY_HOST, /* or any other with the same UUID: the guest may have moved */
};

struct points_request {
    const char *guest;
    const char *uuid;
    const char *host;      /* the one that makes the backup */
    const char *host_uuid; /* NULL: not known */
    const struct seal_key
        *key; /* the host's; a point that it has sealed is this host's; NULL: none */
    enum points_replace replace; /* of an archive */
    uint64_t wait_ms;            /* for another writer of the same guest; LOCK_FILE_FOREVER */
    /* Of a repository: */
    const char *like; /* name or UUID of a guest whose images have much in common with it; NULL */
    bool no_refresh;  /* packs of which the newest point uses little stay in use */
    uint64_t memory;  /* bytes that the store may take; 0: all that is of use */
    const char *const *tags;
    size_t tag_count;
    const char *derived_from; /* NULL, or the id of the point that it is made from, */
    int64_t taken_ms;         /* which was taken then, in milliseconds since 1970 */
};

/* ---- what a point builds on ----
 * A store may keep of each disk how it can be followed to the next point (record/trust.h), so that
 * this need only read what is written until then. */

/* For whom checkpoints of guests are made, as guest/checkpoint.h has it; borrowed from the set. NULL:
 * the store keeps nothing of the kind. */
const char *points_set_owner(const struct points_set *set);
/* The id of the newest point, on which this one builds; borrowed. NULL: the guest has no point yet. */
const char *points_set_base(const struct points_set *set);
/* What that point keeps of a disk; borrowed. NULL: nothing. */
const struct trust *points_base_trust(const struct points_set *set, const char *target);
/* The blocks by which to see whether the disk is still the one that it was: the n-th, from 0, is of *ret_len
 * bytes at *ret_offset. False: there are no more. */
bool points_witness(const struct points_set *set, const char *target, size_t n,
                    uint64_t *ret_offset, size_t *ret_len);
/* Whether that block has these bytes. */
bool points_witness_fits(const struct points_set *set, const char *target, size_t n,
                         const void *data);
/* To be kept of a disk of this point, which was stored; copied. */
void points_keep_trust(struct points_set *set, const char *target, const struct trust *trust);

enum points_kind { POINTS_DISK, POINTS_MEMORY, POINTS_SMALL };

struct points_item {
    enum points_kind kind;
    const char *target;             /* of a disk */
    enum manifest_extra_kind extra; /* of a small item */
};

/* The chunk size that images of this codec must have in the store at this place; 0: any. */
uint64_t points_chunk_size(const struct points_place *place, enum codec_type codec);

/* Takes the guest's place in an archive (busy), and puts right what a dead writer of the guest left.
 * Refused (exists, corrupt, unsupported): the point could not be committed beside or instead of what
 * is there. The writer must outlive the set. */
int points_begin(struct points_writer *writer, const struct points_request *request,
                 struct points_set **ret, struct err *err);
/* Refused if the store cannot take such an item. This avoids reading data for one that cannot be
 * stored. codec: of an image. */
int points_expect(struct points_set *set, const struct points_item *item, enum codec_type codec,
                  struct err *err);

struct points_facts {
    struct points_item item; /* a disk or the memory */
    struct codec_spec codec;
    uint64_t chunk_size;
    uint64_t raw_size;
    /* Memory: what comes before the stream: its XML, its cookie, whether the guest was running.
     * Copied. NULL: of a disk. */
    const struct points_head *head;
};

/* To be called now and then while work on the set takes long and no image is being written. Stores
 * something when the store would soon take the set for dead. */
int points_show_life(struct points_set *set, struct err *err);
/* Begins an image, one at a time. A source that tells what is the same means: as in the newest point, which
 * must keep something of the disk, and have it in the same size. The sink is for an encoder's results, and belongs to the set.
 * *source reads the image; a store that may have parts of it already puts a source of its own before
 * it. The caller keeps what it was until the image is finished. */
int points_create_image(struct points_set *set, const struct points_facts *facts,
                        struct chunk_source *source, struct chunk_sink *ret, struct err *err);
/* Ends it. Refused (internal) unless exactly raw_size bytes were put. Fills in *ret for the
 * manifest; *ret_usage: how much room the image takes, as far as that can be told yet. */
int points_finish_image(struct points_set *set, struct manifest_stored *ret, uint64_t *ret_usage,
                        struct err *err);
/* Stores a small item, uncompressed. Fills in where it is: ret->place and ret->file or ret->number;
 * the caller knows the rest. */
int points_put_small(struct points_set *set, enum manifest_extra_kind kind, const void *data,
                     size_t len, struct manifest_stored *ret, struct err *err);

/* Makes it a point, which has all its items or does not exist. The manifest must name exactly those
 * that were stored (internal if not). After a failure everything is as it was before the set was
 * begun, unless the error says otherwise. Frees the set in any case. */
int points_commit(struct points_set *set, const struct manifest *manifest, struct err *err);
/* Removes everything. Accepts NULL. */
void points_abort(struct points_set *set);
DEFINE_CLEANUP(struct points_set *, points_abortp, points_abort)

/* What the item would be called in the store at this place, for people; the place need not exist
 * yet. The caller frees; NULL: it has no name there, or, and only then *err is set, it cannot be
 * stored under one (unsupported). */
char *points_item_name(const struct points_place *place, const char *guest,
                       const struct points_item *item, enum codec_type codec, struct err *err);
