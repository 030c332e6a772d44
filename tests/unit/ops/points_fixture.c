/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "points_fixture.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "base/io.h"
#include "base/quit.h"
#include "base/units.h"
#include "ops/memory.h"
#include "ops/transfer/transfer.h"

static struct spawner *spawner;

int fixture_start(void **state)
{
    (void)state;
    spawner = spawner_start(NULL, NULL);
    return spawner && quit_install(NULL) == 0 ? 0 : -1;
}

int fixture_end(void **state)
{
    (void)state;
    spawner_free(spawner);
    return 0;
}

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

struct points_place fixture_place(const struct fixture *fixture)
{
    return (struct points_place){
        .path = fixture->place,
        .is_repository = fixture->suite->is_repository,
    };
}

const char *fixture_uuid(const char *guest)
{
    static char uuid[sizeof(SAMPLE_UUID)] = SAMPLE_UUID;
    uint8_t digest[DIGEST_SIZE];

    digest_of(guest, strlen(guest), digest);
    snprintf(uuid + 24, sizeof(uuid) - 24, "%02x%02x%02x%02x%02x%02x", digest[0], digest[1],
             digest[2], digest[3], digest[4], digest[5]);
    return uuid;
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

/* ---- transfers ---------------------------------------------------------------------------- */

static void ignore_event(void *opaque, const struct event *event)
{
    (void)opaque;
    (void)event;
}

static void ignore_progress(void *opaque, const struct progress *progress)
{
    (void)opaque;
    (void)progress;
}

static const struct report report = {.event = ignore_event, .progress = ignore_progress};
static const struct children_options options = {.children = 1};

static struct transfer transfer_with(struct children *children)
{
    return (struct transfer){children, &report, "web", "vda"};
}

struct content {
    const uint8_t *data;
    uint64_t size;
    uint64_t chunk_size;
    uint64_t end; /* it cannot be read from there on */
};

static int content_look(void *opaque, uint64_t id, struct chunk_run *ret, struct err *err)
{
    (void)opaque;
    (void)id;
    (void)err;
    *ret = (struct chunk_run){.kind = CHUNK_DATA, .count = 1};
    return 0;
}

static int content_read(void *opaque, uint64_t id, void *data, size_t cap, size_t *ret_len,
                        enum chunk_kind *ret_kind, struct err *err)
{
    const struct content *content = opaque;
    uint64_t start = id * content->chunk_size;
    size_t len = (size_t)chunk_raw_len(id, content->chunk_size, content->size);

    assert_true(len <= cap);
    if (start + len > content->end)
        return err_set(err, ERR_IO, "the test ends it here");
    memcpy(data, content->data + start, len);
    *ret_len = len;
    *ret_kind = io_is_zero(data, len) ? CHUNK_ZERO : CHUNK_DATA;
    return 0;
}

static struct chunk_source content_source(struct content *content)
{
    return (struct chunk_source){
        .opaque = content,
        .name = "the content",
        .count = units_div_up(content->size, content->chunk_size),
        .chunk_size = content->chunk_size,
        .raw_size = content->size,
        .look = content_look,
        .read = content_read,
    };
}

/* ---- writing ---------------------------------------------------------------------------- */

const struct codec_spec fixture_none = {.type = CODEC_NONE};
const struct codec_spec fixture_lzma = {.type = CODEC_LZMA, .level = 0};
const struct codec_spec fixture_zstd = {.type = CODEC_ZSTD, .level = 1};

struct points_writer *fixture_open_writer(struct fixture *fixture)
{
    const struct points_place place = fixture_place(fixture);
    struct points_writer *writer = NULL;

    CHECK(points_writer_open(&place, &writer, &fixture->err), &fixture->err);
    return writer;
}

int fixture_begin(struct points_writer *writer, const char *guest, enum points_replace replace,
                  struct points_set **ret, struct err *err)
{
    static const char *const tags[] = {"weekly", "by-hand"};
    const struct points_request request = {
        .guest = guest,
        .uuid = fixture_uuid(guest),
        .host = "host.example",
        .replace = replace,
        .tags = tags,
        .tag_count = 2,
    };

    return points_begin(writer, &request, ret, err);
}

struct points_set *fixture_begin_new(struct fixture *fixture, struct points_writer *writer)
{
    struct points_set *set = NULL;

    CHECK(fixture_begin(writer, "web", POINTS_KEEP, &set, &fixture->err), &fixture->err);
    return set;
}

/* end: how much of it can be read. */
static int put_content(struct fixture *fixture, struct points_set *set,
                       const struct points_facts *facts, const uint8_t *data, uint64_t end,
                       struct err *err)
{
    struct content content = {data, facts->raw_size, facts->chunk_size, end};
    struct chunk_source source = content_source(&content);
    struct chunk_sink sink;
    struct children children CLEANUP(children_end) = {
        .spawner = spawner,
        .options = &options,
        .digests_known = fixture->suite->is_repository,
    };
    struct transfer transfer = transfer_with(&children);

    CHECK(points_create_image(set, facts, &source, &sink, err), err);
    CHECK(children_pool(&children, &facts->codec, facts->chunk_size, 0, err), err);
    return transfer_in(&transfer, &source, &sink, err);
}

static uint64_t chunk_size_of(const struct fixture *fixture, const struct codec_spec *codec)
{
    const struct points_place place = fixture_place(fixture);
    uint64_t required = points_chunk_size(&place, codec->type);

    return required ? required : CHUNK;
}

static void put_image(struct fixture *fixture, struct points_set *set,
                      const struct points_facts *facts, const uint8_t *data,
                      struct manifest_stored *ret)
{
    bool repository = fixture->suite->is_repository;
    uint64_t usage = UINT64_MAX;

    CHECK(put_content(fixture, set, facts, data, facts->raw_size, &fixture->err), &fixture->err);
    CHECK(points_finish_image(set, ret, &usage, &fixture->err), &fixture->err);
    assert_true(usage <= (repository ? 2 * facts->raw_size : ret->file.size));
    assert_int_equal(ret->place, repository ? PLACE_MAP : PLACE_FILE);
    assert_true(ret->image.has_content);
    assert_int_equal(ret->image.raw_size, facts->raw_size);
    assert_int_equal(ret->image.chunk_size, repository ? MANIFEST_MAP_CHUNK : facts->chunk_size);
    assert_int_equal(ret->codec.type, facts->codec.type);
}

static struct points_facts disk_facts(const struct fixture *fixture, const char *target,
                                      const struct codec_spec *codec)
{
    return (struct points_facts){
        .item = {.kind = POINTS_DISK, .target = target},
        .codec = *codec,
        .chunk_size = chunk_size_of(fixture, codec),
        .raw_size = IMAGE_SIZE,
    };
}

void fixture_put_part(struct fixture *fixture, struct points_set *set, const char *target)
{
    const struct points_facts facts = disk_facts(fixture, target, &fixture_zstd);
    CLEANUP_FREE uint8_t *data = fixture_content(IMAGE_SIZE, 1);

    CHECK_FAILS(put_content(fixture, set, &facts, data, 2 * CHUNK, &fixture->err), &fixture->err,
                ERR_IO, "the test ends it here");
}

struct manifest_disk *fixture_put_disk(struct fixture *fixture, struct points_set *set,
                                       struct manifest *manifest, const char *target,
                                       const struct codec_spec *codec, unsigned seed)
{
    CLEANUP_FREE uint8_t *data = fixture_content(IMAGE_SIZE, seed);
    const struct points_facts facts = disk_facts(fixture, target, codec);
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
        .chunk_size = chunk_size_of(fixture, codec),
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
    CLEANUP(manifest_freep) struct manifest *manifest = sample_manifest(guest, fixture_uuid(guest));
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
    const struct points_place place = fixture_place(fixture);
    struct points_store *store = NULL;

    CHECK(points_store_open(&place, &store, &fixture->err), &fixture->err);
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

struct collected {
    uint8_t *data;
    uint64_t chunk_size;
};

static int collect(void *opaque, const struct chunk_output *output, struct err *err)
{
    const struct collected *collected = opaque;

    (void)err;
    if (output->data)
        memcpy(collected->data + output->id * collected->chunk_size, output->data, output->len);
    return 0;
}

static int take_image(const struct point *point, const struct manifest_stored *stored,
                      const struct chunk_sink *sink, struct err *err)
{
    CLEANUP(points_close_imagep) struct points_image *image = NULL;
    struct children children CLEANUP(children_end) = {
        .spawner = spawner,
        .options = &options,
        .decode = true,
        .block_digests = stored->place == PLACE_MAP,
    };
    struct transfer transfer = transfer_with(&children);

    if (fixture_open_image(point, stored, &image, err) < 0)
        return -1;
    const struct chunk_source source = points_image_source(image);
    const struct codec_spec codec = points_image_codec(image);
    if (children_pool(&children, &codec, source.chunk_size, 0, err) < 0)
        return -1;
    return transfer_out(&transfer, &source, sink, &stored->image, err);
}

int fixture_read_image(const struct point *point, const struct manifest_stored *stored,
                       struct err *err)
{
    return take_image(point, stored, NULL, err);
}

void fixture_restore_memory(struct fixture *fixture, const struct point *point, int fd,
                            const char *xml)
{
    struct children children CLEANUP(children_end) = {
        .spawner = spawner,
        .options = &options,
        .decode = true,
        .block_digests = fixture->suite->is_repository,
    };
    const struct memory_restore restore = {
        .children = &children,
        .report = &report,
        .guest = "web",
        .backup = point,
        .path = "memory",
    };

    CHECK(memory_restore(&restore, fd, xml, true, &fixture->err), &fixture->err);
}

void fixture_check_image(struct fixture *fixture, const struct point *point,
                         const struct manifest_stored *stored, const uint8_t *expected)
{
    CLEANUP_FREE uint8_t *raw = mem_alloc((size_t)(4 * CHUNK));
    struct collected collected = {raw, stored->image.chunk_size};
    const struct chunk_sink sink = {.opaque = &collected, .put = collect};
    uint64_t usage = 0;

    CHECK(points_item_usage(point, stored, &usage, &fixture->err), &fixture->err);
    assert_true(usage <= (stored->place == PLACE_FILE ? stored->file.size : IMAGE_SIZE));
    CHECK(take_image(point, stored, &sink, &fixture->err), &fixture->err);
    assert_memory_equal(raw, expected, IMAGE_SIZE);
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
