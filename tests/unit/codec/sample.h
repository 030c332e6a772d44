/* SPDX-License-Identifier: LGPL-2.1-or-later
 *
 * Data for the tests of the codecs, and a whole container made of it.
 */
#pragma once

#include <stddef.h>
#include <stdint.h>

#include "codec/codec.h"
#include "codec/container.h"

/* mallinfo2 sees nothing of what a sanitizer's allocator gives out. */
#if defined(__SANITIZE_ADDRESS__)
#define SANITIZED 1
#elif defined(__has_feature)
#if __has_feature(address_sanitizer)
#define SANITIZED 1
#endif
#endif
#ifndef SANITIZED
#define SANITIZED 0
#endif

enum sample_kind {
    SAMPLE_ZEROS,
    SAMPLE_RANDOM,
    SAMPLE_TEXT,
    SAMPLE_CODE,
    SAMPLE_MIXED,
    SAMPLE_KINDS
};

const char *sample_name(enum sample_kind kind);
/* The same bytes for the same seed. */
void sample_fill(enum sample_kind kind, uint64_t seed, void *data, size_t len);
/* Fills a new allocation, which the caller frees. */
uint8_t *sample_new(enum sample_kind kind, uint64_t seed, size_t len);

/* Encodes one chunk with an encoder made for it; fails the test if it cannot. The
 * caller frees. */
uint8_t *sample_encode(const struct codec_spec *spec, uint64_t chunk_size, const void *raw,
                       size_t raw_len, size_t *ret_len);
struct codec_spec sample_spec(const char *text);

/* raw cut into chunks, encoded, and framed, appended to *out. */
void sample_container(const struct codec_spec *spec, uint64_t chunk_size, const uint8_t *raw,
                      size_t raw_len, struct buf *out);

/* A temporary folder, and a file in it; both fail the test if they cannot. */
struct sample_folder {
    char path[64];
};
void sample_folder_make(struct sample_folder *ret);
char *sample_folder_put(const struct sample_folder *folder, const char *name, const void *data,
                        size_t len);
/* Removes the folder and the files in it. */
void sample_folder_remove(struct sample_folder *folder);

/* Bytes that malloc has given out. */
size_t sample_allocated(void);
