/* SPDX-License-Identifier: LGPL-2.1-or-later
 *
 * Stored images: a sink that writes the results of chunks to a file, and a source that reads them
 * back. Knows the codecs' framing, but never compresses. Used for disks and for memory streams
 * (which come after a save image's header). What is written does not pile up in the page cache, and
 * reading leaves the cache as it was.
 */
#pragma once

#include <stdint.h>

#include "codec/chunks.h"
#include "codec/codec.h"
#include "codec/container.h"
#include "record/manifest.h"

/* Both borrowed for as long as the writer or reader exists. */
struct image_file {
    int fd;
    const char *path; /* every error begins with it */
};

/* ---- writing --------------------------------------------------------------- */

struct image_writer;

struct image_layout {
    struct codec_spec codec;
    uint64_t chunk_size;
    uint64_t raw_size;
    const void
        *head;       /* written before the image, and counted in the size and SHA-256 of the file */
    size_t head_len; /* may be 0 */
};

/* Writes to an empty file, whose offset is not used. Without a head, an image of codec none becomes
 * a sparse file, which has no SHA-256 (holes would have to be hashed; the content digest covers
 * every byte). With a head it is written in full, and has one. */
int image_writer_new(const struct image_file *file, const struct image_layout *layout,
                     struct image_writer **ret, struct err *err);
/* Takes each chunk once. A sparse file accepts any order, others are ordered; runs of zeros are not
 * taken where they would be written in full. A result may come from a foreign child: one that does
 * not match codec/result.h or the chunk's length, or that has no digest, is refused (corrupt).
 * After a failure only image_writer_free may be called. */
struct chunk_sink image_writer_sink(struct image_writer *writer);
/* Refused (internal) unless exactly raw_size bytes were put. Fills in everything except file.name,
 * which is not changed. */
int image_writer_finish(struct image_writer *writer, struct manifest_stored *ret, struct err *err);
void image_writer_free(struct image_writer *writer);
DEFINE_CLEANUP(struct image_writer *, image_writer_freep, image_writer_free)

/* ---- reading --------------------------------------------------------------- */

struct image_reader;

/* Reads the image at [start, stored->file.size) of the file, whose offset is moved, as the manifest
 * describes it; stored is copied. The indexer reads the index of the file (NULL: this process
 * does), which is checked against raw_size and chunk_size: every chunk must consist of whole blocks
 * (else corrupt). */
int image_reader_new(const struct image_file *file, const struct manifest_stored *stored,
                     uint64_t start, const struct container_indexer *indexer,
                     struct image_reader **ret, struct err *err);
/* From here on, hashes what is read, for the source's check. Does nothing if the manifest has no
 * SHA-256 of the file. Call this before the first read, or what was read before is read again. */
void image_reader_hash(struct image_reader *reader);
/* Gives each chunk as a result, ready for a decoding child; its digest is not known (all zeros).
 * Reading needs room for codec_result_bound bytes; a chunk that needs more is corrupt. Holes of a
 * raw image are known to be zeros.
 * check compares the SHA-256 of the whole file with the manifest (corrupt if they differ); without
 * image_reader_hash it does nothing. It reads what was not read yet: the framing, and chunks that
 * nobody asked for. It stops if a signal asks for it. Until it has succeeded, nothing that was
 * read, including the index, is known to be what was stored. */
struct chunk_source image_reader_source(struct image_reader *reader);
void image_reader_free(struct image_reader *reader);
DEFINE_CLEANUP(struct image_reader *, image_reader_freep, image_reader_free)
