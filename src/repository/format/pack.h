/* SPDX-License-Identifier: LGPL-2.1-or-later
 *
 * Packs, the objects that hold the blocks of images: a head, frames, an index of them
 * (repository/format/pack_index.h) and a tail. See PACKS in virt-backup-repository(5). What is inside a
 * frame, a result (codec/result.h), is not looked at here.
 *
 * A pack is kept in memory until it is closed, and is then written by one call of the store. Packs
 * that are encrypted are not written, and are refused (unsupported).
 */
#pragma once

#include "base/digest.h"
#include "repository/format/pack_index.h"
#include "store/store.h"

#define PACK_HEAD_SIZE 64u
#define PACK_TAIL_SIZE 64u

/* Which pack it is: in its name, except for the repository, and in its head. */
struct pack_id {
    struct id repository;
    struct id session;
    uint32_t number; /* below LIMITS_PACK_NUMBER */
};

/* What a point knows of each of its packs. It fixes every byte of what the pack holds: the index
 * has the ids of the blocks. */
struct pack_digest {
    uint8_t index[DIGEST_SIZE]; /* SHA-256 of the index as stored */
    uint32_t size;              /* of the pack */
    uint32_t index_offset;
    uint32_t block_count;
};

/* Corrupt: no pack can be like that. */
int pack_digest_check(const struct pack_digest *digest, struct err *err);

/* ---- writing --------------------------------------------------------------------------------- */

struct pack_writer;

/* Takes LIMITS_PACK bytes in large pages, of which only those are really used that are written to. */
struct pack_writer *pack_writer_new(struct err *err);
void pack_writer_free(struct pack_writer *writer); /* accepts NULL */
DEFINE_CLEANUP(struct pack_writer *, pack_writer_freep, pack_writer_free)

/* Whether the pack has room for this frame; an empty one has room for any. */
bool pack_writer_fits(const struct pack_writer *writer, uint32_t stored_len, uint32_t block_count);
/* Where the bytes of the next frame go. */
uint8_t *pack_writer_room(const struct pack_writer *writer);
/* Copies frame->stored_len bytes of the frame, if they are not in pack_writer_room already, and its
 * ids. It fits. */
int pack_writer_add(struct pack_writer *writer, const void *data,
                    const struct pack_index_added *frame, struct err *err);
uint32_t pack_writer_frame_count(const struct pack_writer *writer);

struct pack_bytes {
    const void *data; /* borrowed from the writer until pack_writer_begin; at the start of a page */
    uint32_t len;
    struct pack_digest digest;
};

/* Makes the whole pack, which may have no frames. */
int pack_writer_close(struct pack_writer *writer, const struct pack_id *id, struct pack_bytes *ret,
                      struct err *err);
/* The next pack, with no frames. A new writer has begun. */
void pack_writer_begin(struct pack_writer *writer);

/* ---- reading --------------------------------------------------------------------------------- */

/* Of all bytes of a pack: what it says of itself, its index, and its SHA-256 are right. The digest
 * is what a point would know of it. ret_digest may be NULL. */
int pack_parse(const void *data, size_t len, const struct pack_id *id, struct pack_index *ret_index,
               struct pack_digest *ret_digest, struct err *err);

/* A pack in a store, of which only parts are read. */
struct pack {
    struct store *store; /* borrowed */
    char *name;          /* owned: of the object */
    struct pack_index index;
};

void pack_clear(struct pack *pack);
#define CLEANUP_PACK CLEANUP(pack_clear)

/* Reads head, index and tail, and compares them with what the point knows of the pack. Not found:
 * it is gone. Corrupt: it is not that pack. Frames are neither read nor checked: their digests
 * and the ids of their blocks tell. */
int pack_open(struct store *store, const char *scope, const struct pack_id *id,
              const struct pack_digest *digest, struct pack *ret, struct err *err);
/* Puts the frame's stored bytes, index.frames[number].stored_len of them, at data. */
int pack_read_frame(const struct pack *pack, uint32_t number, void *data, struct err *err);
