/* SPDX-License-Identifier: LGPL-2.1-or-later
 *
 * A source and a sink in memory for the tests of the pool. The raw bytes of a
 * chunk follow from seed and id, so that nothing has to be kept to be compared.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "mtcp/pool.h"

#define NOWHERE UINT64_MAX

/* What one chunk became, copied out of the sink's output. */
struct stored {
    bool put;
    enum chunk_kind kind;
    uint32_t raw_len;
    uint8_t *data; /* NULL where the output had none */
    size_t len;
    uint8_t digest[32];
    uint8_t *block_digests; /* NULL where the output had none */
    uint8_t *leaf_digests;
};

struct image {
    uint64_t seed;
    uint64_t chunk_size;
    uint64_t raw_size;
    /* One letter a chunk, repeated: d data, g data of which the source gathers half, z zeros known to look, r zeros found by read, s the
     * same as before, k found by read to be. */
    const char *pattern;

    /* As source. */
    const char *name;             /* for messages */
    const uint8_t *same_digests;  /* of all chunks; given with those that are the same */
    const struct stored *results; /* decoding: what is read; NULL: raw bytes */
    const uint32_t *gathered;     /* what a source that is wrong says of all chunks */
    bool unpacks;                 /* its chunks are said not to be the image's */
    uint64_t read_error_at;
    void (*on_read)(struct image *image, uint64_t id); /* may be NULL */
    uint64_t looks;
    _Atomic uint64_t reads; /* looked at by on_put, which is another thread */
    uint64_t next_look;
    bool looks_in_order;

    /* As sink. */
    bool ordered;
    bool runs;            /* is given runs of zeros as one */
    uint64_t longest_run; /* that was put */
    bool block_digests;   /* are wanted */
    bool digests_known;   /* children make none */
    bool keep;            /* copies into `stored`; else only counts */
    struct stored *stored;
    uint64_t put_error_at;
    void (*on_put)(struct image *image, uint64_t id); /* may be NULL */
    _Atomic uint64_t puts;                            /* and on_read at these */
    uint64_t zero_puts;
    bool puts_in_order;
    bool chain; /* the digests are wanted in order */
    uint64_t chained;
    bool chained_right; /* each was the next chunk's, which had been put */

    void *opaque; /* the test's own */
};

/* Chunk size 64 KiB, everything kept, ordered; `chunks` whole chunks and `extra` bytes. */
void image_init(struct image *image, const char *pattern, uint64_t chunks, uint64_t extra);
void image_clear(struct image *image);
uint64_t image_chunks(const struct image *image);
char image_kind(const struct image *image, uint64_t id);
/* Of what the source gives. */
uint32_t image_raw_len(const struct image *image, uint64_t id);
/* The raw bytes of a chunk. */
void image_fill(const struct image *image, uint64_t id, uint8_t *data);

struct chunk_source image_source(struct image *image);
struct chunk_sink image_sink(struct image *image);
/* Runs the image through the pool. */
int image_run(struct image *image, struct pool *pool, struct pool_stats *ret_stats,
              struct err *err);
/* The settings of a child for this image. */
struct child_settings image_settings(const struct image *image, const char *codec, bool decode);

/* Everything was put once, and decodes (in this process) to the raw bytes; for a
 * decoded image: is the raw bytes. Prints what is wrong. */
bool image_encoded_right(const struct image *image, const char *codec);
bool image_decoded_right(const struct image *image);

/* "$TMPDIR/vb-NAME-PID", where nothing is yet; the caller frees it. */
char *test_path(const char *name);
/* Writes an executable script; returns its path, which the caller frees. */
char *test_script(const char *name, const char *text);
/* Runs in a forked process; returns its exit status, 255 if a signal ended it. */
int run_apart(int (*function)(void *opaque), void *opaque);
/* From the environment (TEST_SEED) or the clock; printed once. */
uint64_t test_seed(void);
