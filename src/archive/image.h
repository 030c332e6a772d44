/* SPDX-License-Identifier: LGPL-2.1-or-later
 *
 * Stored images: takes results of chunks and writes the bytes of a file, and the reverse. Knows the
 * codecs' framing, but never compresses. Used for disks and for memory streams (which come after a
 * save image's header). What is written does not pile up in the page cache, and reading leaves the
 * cache as it was. Errors do not name the file: the caller adds a prefix.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "record/content_digest.h"
#include "record/manifest.h"
#include "codec/codec.h"
#include "codec/container.h"

/* ---- writing --------------------------------------------------------------- */

struct image_writer;

/* Writes to fd, an empty file (borrowed; its file offset is not used). `head` (head_len bytes, may
 * be 0) is written first, and counts in the size and SHA-256 of the stored file. Without a head, an
 * image of codec none becomes a sparse file, which has no SHA-256 (holes would have to be hashed;
 * the content digest covers every byte). With a head it is written in full, and has one. */
int image_writer_new(int fd, const struct codec_spec *codec, uint64_t chunk_size, uint64_t raw_size,
                     const void *head, size_t head_len, struct image_writer **ret, struct err *err);
/* True: chunks must be put in id order. A sparse file accepts any order. */
bool image_writer_is_ordered(const struct image_writer *writer);
/* False if zeros are written in full, so that a run of them would take long. */
bool image_writer_takes_runs(const struct image_writer *writer);
/* What a child has made from a chunk. */
struct image_result {
    const void *data; /* a result, or an outline (codec/result.h): */
    size_t len;
    const void *raw; /* the chunk that the outline refers to; else NULL */
};

/* Stores the result of chunk id; each id only once. It may come from a foreign child: a result that
 * does not match codec/result.h or the chunk's length, or that has no digest, is refused (corrupt).
 * After a failure only image_writer_free may be called. */
int image_writer_put(struct image_writer *writer, uint64_t id, const struct image_result *result,
                     struct err *err);
struct image_run {
    uint64_t id; /* of the first chunk */
    uint64_t count;
};

/* The same for consecutive chunks of zeros, all of full length and with the same result. */
int image_writer_put_zeros(struct image_writer *writer, const struct image_run *run,
                           const struct image_result *result, struct err *err);
/* Bytes of blocks put so far. */
uint64_t image_writer_stored(const struct image_writer *writer);
/* Adds the digests of the next `count` raw chunks, always in id order. */
void image_writer_chain(struct image_writer *writer, const uint8_t *digest, uint64_t count);
/* Refused (internal) unless exactly raw_size bytes were put. Fills in everything except file.name,
 * which is not changed. */
int image_writer_finish(struct image_writer *writer, struct manifest_stored *ret, struct err *err);
void image_writer_free(struct image_writer *writer);
DEFINE_CLEANUP(struct image_writer *, image_writer_freep, image_writer_free)

/* ---- reading --------------------------------------------------------------- */

struct image_reader;

/* Reads the image at [start, stored->file.size) of fd (borrowed until the reader is freed; its file
 * offset is moved), as the manifest describes it; stored is copied. The indexer reads the index of
 * the file (NULL: this process does), which is checked against raw_size and chunk_size: every chunk
 * must consist of whole blocks (else corrupt). */
int image_reader_new(int fd, const struct manifest_stored *stored, uint64_t start,
                     const struct container_indexer *indexer, struct image_reader **ret,
                     struct err *err);
uint64_t image_reader_chunk_count(const struct image_reader *reader);
/* The number of chunks from id on that are known to be all zeros without decoding (a hole). */
int image_reader_zeros(struct image_reader *reader, uint64_t id, uint64_t *ret_count,
                       struct err *err);
/* The chunk as a result, ready for a decoding child; its digest is not known (all zeros). cap:
 * codec_result_bound; a chunk that needs more is corrupt. */
int image_reader_read(struct image_reader *reader, uint64_t id, void *ret_result, size_t cap,
                      size_t *ret_len, struct err *err);
/* From here on, hashes what is read, for image_reader_check. Does nothing if the manifest has no
 * SHA-256 of the file. Call this before the first read, or what was read before is read again. */
void image_reader_hash(struct image_reader *reader);
/* Compares the SHA-256 of the whole file with the manifest (corrupt if they differ); returns 0
 * without image_reader_hash. Reads what was not read yet: the framing, and chunks that nobody asked
 * for. Stops if a signal asks for it. Until this has succeeded, nothing that was read, including
 * the index, is known to be what was stored. */
int image_reader_check(struct image_reader *reader, struct err *err);
void image_reader_free(struct image_reader *reader);
DEFINE_CLEANUP(struct image_reader *, image_reader_freep, image_reader_free)
