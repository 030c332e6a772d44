/* SPDX-License-Identifier: LGPL-2.1-or-later
 *
 * A storm: processes that write, prune, hold, collect and are killed, all in one repository, with the
 * code that backups use. Their images are small and have many packs: each MiB with new blocks makes
 * one. What an image contains follows from a few numbers, which are the manifest of its point; so
 * whoever has the repository can tell whether a point comes back as it was.
 */
#pragma once

#include "codec/chunks.h"
#include "codec/codec.h"
#include "repository/repository.h"
#include "repository/stored_scope.h"

#define STORM_CHUNK ((size_t)1 << 20)
#define STORM_CHUNKS 16u
#define STORM_SIZE (STORM_CHUNK * STORM_CHUNKS)
/* Blocks of each chunk that are not always zeros. */
#define STORM_BLOCKS 3u
#define STORM_VERSIONS 9u /* of a block; 0: zeros */

struct storm_image {
    uint8_t versions[STORM_CHUNKS][STORM_BLOCKS];
};

/* As text, which the caller frees; false: it is no such text. */
char *storm_image_text(const struct storm_image *image);
bool storm_image_parse(const char *text, size_t len, struct storm_image *ret);
/* Makes the chunk of that number. */
void storm_image_chunk(const struct storm_image *image, uint64_t chunk, uint8_t data[STORM_CHUNK]);

/* What a pool of children does, one chunk after the other. */
int storm_encode(const struct chunk_source *source, const struct chunk_sink *sink, struct err *err);
int storm_decode(const struct chunk_source *source, const struct chunk_sink *sink,
                 enum codec_type codec, struct err *err);

struct storm {
    struct repository *repository;
    struct stored_scope scope;
    uint64_t chance;
};

/* Each returns the status of the program. They print a line for each thing they did. */
int storm_write(struct storm *storm, unsigned guest, unsigned guests, unsigned rounds);
int storm_prune(struct storm *storm, unsigned rounds);
/* state: a folder of the collector's own. */
int storm_collect(struct storm *storm, const char *state, int64_t silence_ms, unsigned rounds);
int storm_check(struct storm *storm);

/* Prints it and returns 1. */
int storm_failed(const char *what, const struct err *err);
