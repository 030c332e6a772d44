/* SPDX-License-Identifier: LGPL-2.1-or-later
 *
 * The two plugs of a transfer: where chunks come from and where results go. Disks and files offer
 * them on one side, stored images on the other (archive/image.h); the pool (mtcp/pool.h) stands
 * between. Both are called in the control process: the source by the caller of pool_run, the sink
 * by a thread of its own (mtcp/putter.h), at the same time. When pool_run has returned, neither is
 * called any more. What `opaque` points to is borrowed until then.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/digest.h"
#include "base/err.h"

enum chunk_kind {
    CHUNK_DATA, /* to be sent to a child */
    CHUNK_ZERO, /* all zeros: not sent */
    CHUNK_SAME, /* the sink needs nothing of it, having it from an earlier time: not sent */
};

/* What is known of chunks without reading them. */
struct chunk_run {
    enum chunk_kind kind; /* DATA: nothing, the first must be read; the rest is not looked at */
    uint64_t count;       /* chunks, at least 1 */
    /* SAME: DIGEST_SIZE bytes for each chunk, borrowed for the whole run; NULL, for a sink without
     * `chain`: not known. */
    const uint8_t *digests;
};

struct chunk_sink;

/* Encoding: a chunk's raw bytes. Decoding: a chunk's result (codec/result.h). */
struct chunk_source {
    void *opaque;
    const char *name; /* goes before messages about a chunk that a child cannot do; may be NULL */
    uint64_t count;   /* chunks, numbered 0 to count-1 */
    /* The raw length of chunk id: chunk_size for all but the last. */
    uint64_t chunk_size;
    uint64_t raw_size;
    /* What is known of the chunks from id on. Called in id order, not for each. SAME only for a
     * sink that takes it. */
    int (*look)(void *opaque, uint64_t id, struct chunk_run *ret, struct err *err);
    /* Puts what a child needs for chunk id at `data` (room: cap bytes). May find
     * that a chunk to be encoded is all zeros and say so, or that it is SAME, of unknown digest: then
     * *ret_len is how much was read. Called in id order, but again for a chunk that a child could
     * not do, or was lost with. */
    int (*read)(void *opaque, uint64_t id, void *data, size_t cap, size_t *ret_len,
                enum chunk_kind *ret_kind, struct err *err);
    /* A source of which only parts of a chunk are wanted: how many bytes of chunk id read has given,
     * 1 to its raw length; encoding, they are put one after the other. A chunk of zeros is always
     * whole. Called by the thread that reads, after each read. NULL: all of it. */
    uint32_t (*gathered)(void *opaque, uint64_t id);
    /* Encoding: how many bytes that were read for chunk id count for a limit of the rate. Called by the
     * thread that reads, after each read. NULL: those that read has given. */
    uint64_t (*counted)(void *opaque, uint64_t id);
    /* An increment, of which whoever reads it has the rest from an earlier time: bit n of *ret_same is
     * set if block n (CHUNK_DIGEST_BLOCK) of chunk id is as it was then. Its chunks have at most 64
     * blocks. Called in id order, before the chunk is read, not for each. NULL: nothing is known of
     * single blocks. */
    int (*find_same)(void *opaque, uint64_t id, uint64_t *ret_same, struct err *err);
    /* With find_same: like read, but of the chunk only these blocks, to their places in it; the rest of
     * `data` is not touched. */
    int (*read_blocks)(void *opaque, uint64_t id, uint64_t blocks, void *data, struct err *err);
    /* Decoding: which 64 KiB blocks of chunk id are wanted, bit n for block n; at least one. Of others
     * neither bytes nor digests need come, and the chunk's own digest is zeros. Called by the thread that
     * reads, after each read. NULL: all. */
    uint64_t (*wanted)(void *opaque, uint64_t id);
    /* Decoding, a source whose chunks are pieces of the image in some other order: *ret is the sink
     * for them, which makes the image's chunks of them and puts those into `sink`, in order, as they
     * are complete, and tells it their digests. Called once, before the first read; *ret belongs to the
     * source. NULL: they are the image's chunks. */
    int (*unpack)(void *opaque, const struct chunk_sink *sink, struct chunk_sink *ret,
                  struct err *err);
    /* Called by whoever runs the transfer when all chunks are done: whether what was read is what
     * was stored (else corrupt). NULL: there is nothing to check. */
    int (*check)(void *opaque, struct err *err);
};

/* What a child has made of a chunk. Borrowed for the duration of the call.
 * Encoding: `data` is a result. Decoding: `data` is the raw chunk. */
struct chunk_output {
    uint64_t id;
    uint64_t count; /* of chunks, from id on: more than 1 only if the sink takes runs, or if SAME */
    uint32_t raw_len; /* of each; of a chunk of which the source gathers parts: theirs */
    enum chunk_kind kind;
    const uint8_t *data; /* NULL if kind is SAME, or, decoding, ZERO */
    size_t len;
    const uint8_t *raw; /* the chunk, if `data` is an outline of it; else NULL */
    /* Of the raw chunk. SAME: of each of them, one after the other; NULL: not known. Zeros, if the sink
     * knows it and the child did not say it. */
    const uint8_t *digest;
    /* DATA, if the sink wants them: of each block of the raw chunk (codec/chunk_digest.h), one
     * after the other; else NULL. */
    const uint8_t *block_digests;
    const uint8_t *leaf_digests; /* with these, if it was decoded: of each leaf; else NULL */
};

struct chunk_sink {
    void *opaque;
    /* True: put is called in id order. False: in any order, as chunks are done. */
    bool ordered;
    /* True: chunks of zeros that follow each other, all of full length and with the same result,
     * come as one. */
    bool runs;
    bool same;          /* CHUNK_SAME may be put */
    bool block_digests; /* are wanted: the pool's children must be told so when they start */
    /* Encoding: it knows the digests of what it gets, so that children who are told so when they
     * start need not make any; then a result has zeros in that place. */
    bool digests_known;
    int (*put)(void *opaque, const struct chunk_output *output, struct err *err);
    /* Called for each chunk after its put, in id order whatever the order of the puts, with
     * the digest of the raw chunk; once for `count` chunks of zeros. NULL: not wanted. */
    void (*chain)(void *opaque, const uint8_t *digest, uint64_t count);
    /* Encoding: bytes stored so far, without framing. Called at any time, by the thread that runs
     * the pool. */
    uint64_t (*stored)(void *opaque);
};

/* The length of chunk id of an image; 0 if it has no such chunk. */
static inline uint64_t chunk_raw_len(uint64_t id, uint64_t chunk_size, uint64_t raw_size)
{
    if (id >= raw_size / chunk_size + (raw_size % chunk_size != 0))
        return 0;
    uint64_t left = raw_size - id * chunk_size;
    return left < chunk_size ? left : chunk_size;
}
