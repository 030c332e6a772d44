/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "points_fixture.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

int fixture_setup(void **state)
{
    struct fixture *fixture = mem_alloc(sizeof(*fixture));

    fixture->suite = *state;
    fixture->place = fixture->suite->make();
    *state = fixture;
    return 0;
}

int fixture_teardown(void **state)
{
    struct fixture *fixture = *state;

    fixture->suite->remove(fixture->place);
    err_clear(&fixture->err);
    free(fixture);
    return 0;
}

uint8_t *fixture_content(size_t len, unsigned seed)
{
    uint8_t *data = mem_alloc(len);
    uint32_t noise = seed;

    for (size_t i = 0; i < len; i++) {
        noise = noise * 1664525 + 1013904223;
        data[i] = i / CHUNK == 1 ? 0 : (uint8_t)(noise >> 24);
    }
    return data;
}

/* ---- writing ---------------------------------------------------------------------------- */

const struct codec_spec fixture_none = {.type = CODEC_NONE};
const struct codec_spec fixture_lzma = {.type = CODEC_LZMA, .level = 0};
const struct codec_spec fixture_zstd = {.type = CODEC_ZSTD, .level = 1};

struct points_writer *fixture_open_writer(struct fixture *fixture)
{
    struct points_writer *writer = NULL;

    CHECK(points_writer_open(fixture->place, &writer, &fixture->err), &fixture->err);
    return writer;
}

int fixture_begin(struct points_writer *writer, const char *guest, enum points_replace replace,
                  struct points_set **ret, struct err *err)
{
    const struct points_request request = {
        .guest = guest, .uuid = SAMPLE_UUID, .host = "host.example", .replace = replace};

    return points_begin(writer, &request, ret, err);
}

struct points_set *fixture_begin_new(struct fixture *fixture, struct points_writer *writer)
{
    struct points_set *set = NULL;

    CHECK(fixture_begin(writer, "web", POINTS_KEEP, &set, &fixture->err), &fixture->err);
    return set;
}

void fixture_put_chunks(const struct chunk_sink *sink, const struct codec_spec *codec,
                        const uint8_t *data, size_t len, struct err *err)
{
    CLEANUP(encoder_freep) struct encoder *encoder = encoder_new(codec, CHUNK, err);
    size_t cap = codec_result_bound(codec, CHUNK);
    CLEANUP_FREE uint8_t *result = mem_alloc(cap);

    assert_non_null(encoder);
    for (size_t at = 0; at < len; at += CHUNK) {
        size_t piece = len - at < CHUNK ? len - at : CHUNK;
        struct codec_room room = {result, cap};
        CHECK(encoder_encode(encoder, data + at, piece, &room, err), err);
        const struct chunk_output output = {.id = at / CHUNK,
                                            .count = 1,
                                            .raw_len = (uint32_t)piece,
                                            .data = result,
                                            .len = room.len,
                                            .digest = result};
        CHECK(sink->put(sink->opaque, &output, err), err);
        sink->chain(sink->opaque, result, 1);
    }
}

static void put_image(struct fixture *fixture, struct points_set *set,
                      const struct points_facts *facts, const uint8_t *data,
                      struct manifest_stored *ret)
{
    struct chunk_sink sink;
    uint64_t usage = UINT64_MAX;

    CHECK(points_create_image(set, facts, &sink, &fixture->err), &fixture->err);
    fixture_put_chunks(&sink, &facts->codec, data, (size_t)facts->raw_size, &fixture->err);
    CHECK(points_finish_image(set, ret, &usage, &fixture->err), &fixture->err);
    assert_true(usage <= ret->file.size);
    assert_int_equal(ret->image.raw_size, facts->raw_size);
    assert_int_equal(ret->image.chunk_size, facts->chunk_size);
    assert_int_equal(ret->codec.type, facts->codec.type);
}

struct points_facts fixture_disk_facts(const char *target, const struct codec_spec *codec)
{
    return (struct points_facts){
        .item = {.kind = POINTS_DISK, .target = target},
        .codec = *codec,
        .chunk_size = CHUNK,
        .raw_size = IMAGE_SIZE,
    };
}

struct manifest_disk *fixture_put_disk(struct fixture *fixture, struct points_set *set,
                                       struct manifest *manifest, const char *target,
                                       const struct codec_spec *codec, unsigned seed)
{
    CLEANUP_FREE uint8_t *data = fixture_content(IMAGE_SIZE, seed);
    const struct points_facts facts = fixture_disk_facts(target, codec);
    struct manifest_disk *disk = sample_add_disk(manifest, target, "", 0);

    free(disk->stored.file.name);
    disk->stored = (struct manifest_stored){0};
    put_image(fixture, set, &facts, data, &disk->stored);
    return disk;
}

void fixture_put_nvram(struct fixture *fixture, struct points_set *set, struct manifest *manifest,
                       unsigned seed)
{
    CLEANUP_FREE uint8_t *data = fixture_content(NVRAM_SIZE, seed);
    struct manifest_extra *extra = manifest_add_extra(manifest);

    extra->kind = EXTRA_NVRAM;
    extra->path = mem_strdup("/nvram/web.fd");
    CHECK(points_put_small(set, EXTRA_NVRAM, data, NVRAM_SIZE, &extra->stored, &fixture->err),
          &fixture->err);
    extra->stored.image.raw_size = NVRAM_SIZE;
    extra->stored.image.chunk_size = CHUNK;
    extra->stored.image.has_content = true;
}

void fixture_put_memory(struct fixture *fixture, struct points_set *set, struct manifest *manifest,
                        const struct codec_spec *codec, const struct points_head *head,
                        const uint8_t *data)
{
    const struct points_facts facts = {
        .item = {.kind = POINTS_MEMORY},
        .codec = *codec,
        .chunk_size = CHUNK,
        .raw_size = IMAGE_SIZE,
        .head = head,
    };

    manifest->live = xml_copy(manifest->definition);
    manifest->memory = mem_alloc(sizeof(*manifest->memory));
    put_image(fixture, set, &facts, data, manifest->memory);
}

void fixture_write_point(struct fixture *fixture, const char *guest, enum points_replace replace,
                         unsigned seed)
{
    CLEANUP(points_writer_closep) struct points_writer *writer = fixture_open_writer(fixture);
    CLEANUP(manifest_freep) struct manifest *manifest = sample_manifest(guest, SAMPLE_UUID);
    struct points_set *set = NULL;

    CHECK(fixture_begin(writer, guest, replace, &set, &fixture->err), &fixture->err);
    fixture_put_disk(fixture, set, manifest, "vda", &fixture_zstd, seed);
    fixture_put_nvram(fixture, set, manifest, seed);
    CHECK(points_commit(set, manifest, &fixture->err), &fixture->err);
}

/* ---- reading ----------------------------------------------------------------------------- */

static int read_index(void *opaque, enum codec_type type, int fd, uint64_t start, uint64_t size,
                      struct container_index *ret, struct err *err)
{
    (void)opaque;
    return container_read(type, fd, start, size, ret, err);
}

static const struct container_indexer indexer = {NULL, read_index};

struct points_store *fixture_open_store(struct fixture *fixture)
{
    struct points_store *store = NULL;

    CHECK(points_store_open(fixture->place, &store, &fixture->err), &fixture->err);
    return store;
}

struct point *fixture_open_point(struct fixture *fixture, struct points_store *store,
                                 const char *guest)
{
    struct point *point = NULL;

    CHECK(points_open(store, guest, NULL, &point, &fixture->err), &fixture->err);
    return point;
}

int fixture_open_image(const struct point *point, const struct manifest_stored *stored,
                       struct points_image **ret, struct err *err)
{
    const struct points_image_request request = {stored, &indexer, .whole = true};

    return points_open_image(point, &request, ret, err);
}

static void decode_chunk(const struct chunk_source *source, const struct manifest_stored *stored,
                         uint64_t id, uint8_t *raw, struct err *err)
{
    struct codec_spec spec = stored->codec;
    size_t cap = codec_result_bound(&spec, CHUNK);
    CLEANUP_FREE uint8_t *result = mem_alloc(cap);
    enum chunk_kind kind = CHUNK_DATA;
    uint8_t digest[DIGEST_SIZE];
    size_t len = 0;
    struct codec_room room = {raw, CHUNK};

    spec.dict_size = CHUNK;
    CLEANUP(decoder_freep)
    struct decoder *decoder = decoder_new(spec.type, CHUNK, codec_decoder_memory(&spec), err);
    assert_non_null(decoder);
    CHECK(source->read(source->opaque, id, result, cap, &len, &kind, err), err);
    assert_int_equal(kind, CHUNK_DATA);
    CHECK(decoder_decode(decoder, result, len, &room, digest, err), err);
    assert_int_equal(room.len, chunk_raw_len(id, CHUNK, source->raw_size));
}

void fixture_check_image(struct fixture *fixture, const struct point *point,
                         const struct manifest_stored *stored, const uint8_t *expected)
{
    CLEANUP(points_close_imagep) struct points_image *image = NULL;
    CLEANUP_FREE uint8_t *raw = mem_alloc((size_t)(4 * CHUNK));
    uint64_t usage = 0;

    CHECK(points_item_usage(point, stored, &usage, &fixture->err), &fixture->err);
    assert_true(usage <= stored->file.size);
    CHECK(fixture_open_image(point, stored, &image, &fixture->err), &fixture->err);
    const struct chunk_source source = points_image_source(image);
    assert_int_equal(source.count, 4);
    assert_int_equal(source.raw_size, IMAGE_SIZE);
    for (uint64_t id = 0; id < source.count;) {
        struct chunk_run run = {0};
        CHECK(source.look(source.opaque, id, &run, &fixture->err), &fixture->err);
        assert_true(run.count >= 1 && run.kind != CHUNK_SAME);
        if (run.kind == CHUNK_DATA) {
            decode_chunk(&source, stored, id, raw + id * CHUNK, &fixture->err);
            run.count = 1;
        }
        id += run.count;
    }
    assert_memory_equal(raw, expected, IMAGE_SIZE);
    CHECK(source.check(source.opaque, &fixture->err), &fixture->err);
}

void fixture_check_point(struct fixture *fixture, const struct point *point, unsigned seed)
{
    const struct manifest *manifest = points_manifest(point);
    CLEANUP_FREE uint8_t *disk = fixture_content(IMAGE_SIZE, seed);
    CLEANUP_FREE uint8_t *nvram = fixture_content(NVRAM_SIZE, seed);
    CLEANUP_FREE uint8_t *stored = NULL;

    assert_int_equal(manifest->disk_count, 1);
    assert_int_equal(manifest->extra_count, 1);
    fixture_check_image(fixture, point, &manifest->disks[0].stored, disk);
    CHECK(points_read_small(point, &manifest->extras[0].stored, &stored, &fixture->err),
          &fixture->err);
    assert_memory_equal(stored, nvram, NVRAM_SIZE);
}

void fixture_check_guests(struct fixture *fixture, const char *expected)
{
    CLEANUP(points_store_closep) struct points_store *store = fixture_open_store(fixture);
    CLEANUP_STRINGS struct strings guests = {0};
    CLEANUP_BUF struct buf text = {0};

    CHECK(points_store_guests(store, &guests, &fixture->err), &fixture->err);
    for (size_t i = 0; i < guests.count; i++)
        buf_printf(&text, "%s%s", i ? " " : "", guests.items[i]);
    buf_put_u8(&text, '\0');
    assert_string_equal((const char *)text.data, expected);
}
