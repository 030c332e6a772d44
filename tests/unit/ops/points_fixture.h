/* SPDX-License-Identifier: LGPL-2.1-or-later
 *
 * What points_suite.c works with: a store of its own for each test, points of known content. A
 * failure of one of these fails the test.
 */
#pragma once

#include <stddef.h>
#include <stdint.h>

#include "../record/record_sample.h"
#include "points_suite.h"

#define CHUNK CODEC_CHUNK_MIN
#define IMAGE_SIZE (3 * CHUNK + 5000)
#define NVRAM_SIZE ((size_t)3000)

struct fixture {
    const struct points_suite *suite;
    char *place;
    struct err err;
};

/* Of the whole program: what the children of transfers need. */
int fixture_start(void **state);
int fixture_end(void **state);
/* The state before is the suite. */
int fixture_setup(void **state);
int fixture_teardown(void **state);

extern const struct codec_spec fixture_none;
extern const struct codec_spec fixture_lzma;
extern const struct codec_spec fixture_zstd;

/* Noise, but for a chunk of zeros. */
uint8_t *fixture_content(size_t len, unsigned seed);

struct points_place fixture_place(const struct fixture *fixture);
/* The guest's UUID, which depends on its name. */
const char *fixture_uuid(const char *guest);

/* ---- writing ---- */

struct points_writer *fixture_open_writer(struct fixture *fixture);
/* What points_begin returns. */
int fixture_begin(struct points_writer *writer, const char *guest, enum points_replace replace,
                  struct points_set **ret, struct err *err);
/* Of guest "web", which has no point. */
struct points_set *fixture_begin_new(struct fixture *fixture, struct points_writer *writer);
/* Begins an image of IMAGE_SIZE bytes on vdX, which cannot be read to its end. */
void fixture_put_part(struct fixture *fixture, struct points_set *set, const char *target);
/* An image of IMAGE_SIZE bytes, stored and in the manifest. */
struct manifest_disk *fixture_put_disk(struct fixture *fixture, struct points_set *set,
                                       struct manifest *manifest, const char *target,
                                       const struct codec_spec *codec, unsigned seed);
void fixture_put_nvram(struct fixture *fixture, struct points_set *set, struct manifest *manifest,
                       unsigned seed);
/* data: IMAGE_SIZE bytes. */
void fixture_put_memory(struct fixture *fixture, struct points_set *set, struct manifest *manifest,
                        const struct codec_spec *codec, const struct points_head *head,
                        const uint8_t *data);
/* One disk and NVRAM, of content that depends on the seed. */
void fixture_write_point(struct fixture *fixture, const char *guest, enum points_replace replace,
                         unsigned seed);

/* ---- reading ---- */

struct points_store *fixture_open_store(struct fixture *fixture);
struct point *fixture_open_point(struct fixture *fixture, struct points_store *store,
                                 const char *guest);
/* Decodes the image, to nowhere. */
int fixture_read_image(const struct point *point, const struct manifest_stored *stored,
                       struct err *err);
/* What points_open_image returns. */
int fixture_open_image(const struct point *point, const struct manifest_stored *stored,
                       struct points_image **ret, struct err *err);
/* As memory_restore, untrusted. */
void fixture_restore_memory(struct fixture *fixture, const struct point *point, int fd,
                            const char *xml);
/* An image of IMAGE_SIZE bytes. */
void fixture_check_image(struct fixture *fixture, const struct point *point,
                         const struct manifest_stored *stored, const uint8_t *expected);
/* What fixture_write_point has written. */
void fixture_check_point(struct fixture *fixture, const struct point *point, unsigned seed);
/* The guests that the store lists, with a blank between them. */
void fixture_check_guests(struct fixture *fixture, const char *expected);
