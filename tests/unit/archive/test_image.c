/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include <fcntl.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>

#include <cmocka.h>

#include "../documented_digest.h"
#include "archive/image.h"
#include "base/io.h"
#include "codec/result.h"
#include "record/content_digest.h"
#include "sample.h"

#define CHUNK SAMPLE_CHUNK

static const struct codec_spec specs[] = {
    {.type = CODEC_NONE},
    {.type = CODEC_LZMA, .level = 0},
    {.type = CODEC_ZSTD, .level = 1},
};
#define SPEC_COUNT (sizeof(specs) / sizeof(*specs))

/* Chunks of text, of noise and of zeros by turns; the last is short and zero. */
static uint8_t *make_image(size_t *ret_len)
{
    size_t len = 7 * CHUNK + 5000;
    uint8_t *image = mem_alloc(len);
    uint32_t noise = 12345;

    for (size_t i = 0; i < 6 * CHUNK; i++) {
        noise = noise * 1664525 + 1013904223;
        image[i] = i / CHUNK % 3 == 0   ? (uint8_t)(i / 7)
                   : i / CHUNK % 3 == 1 ? (uint8_t)(noise >> 24)
                                        : 0;
    }
    /* Data in the midst of a chunk that is zero elsewhere. */
    memset(image + 6 * CHUNK + 20000, 'x', 300);
    *ret_len = len;
    return image;
}

static void check_image(int fd, const struct manifest_stored *stored, uint64_t start,
                        const uint8_t *image)
{
    CLEANUP_ERR struct err err = ERR_INIT;
    CLEANUP(image_reader_freep) struct image_reader *reader = NULL;
    CLEANUP(decoder_freep)
    struct decoder *decoder = decoder_new(stored->codec.type, CHUNK, UINT64_C(64) << 20, &err);
    CLEANUP(content_digest_freep) struct content_digest *content = content_digest_new();
    size_t cap = codec_result_bound(&stored->codec, CHUNK);
    CLEANUP_FREE uint8_t *result = mem_alloc(cap);
    CLEANUP_FREE uint8_t *raw = mem_alloc(CHUNK);
    uint8_t sha256[DIGEST_SIZE];

    const struct image_file file = {fd, "image"};
    CHECK(image_reader_new(&file, stored, start, NULL, &reader, &err), &err);
    image_reader_hash(reader);
    const struct chunk_source source = image_reader_source(reader);
    assert_int_equal(source.count, (stored->image.raw_size + CHUNK - 1) / CHUNK);
    for (uint64_t id = 0; id < source.count; id++) {
        enum chunk_kind kind = CHUNK_ZERO;
        size_t len = 0;
        struct codec_room room = {raw, CHUNK};
        CHECK(source.read(source.opaque, id, result, cap, &len, &kind, &err), &err);
        assert_int_equal(kind, CHUNK_DATA);
        CHECK(decoder_decode(decoder, result, len, &room, sha256, &err), &err);
        assert_memory_equal(raw, image + id * CHUNK, room.len);
        content_digest_add(content, sha256, 1);
    }
    content_digest_finish(content, sha256);
    assert_memory_equal(sha256, stored->image.content, DIGEST_SIZE);
    CHECK(source.check(source.opaque, &err), &err);
}

/* The formula of the manual page, without our code. */
static void documented_content_digest(const uint8_t *image, size_t len, uint8_t *ret)
{
    uint8_t digests[64 * DIGEST_SIZE];
    size_t count = 0;

    for (size_t offset = 0; offset < len; offset += CHUNK)
        documented_chunk_digest(image + offset, len - offset < CHUNK ? len - offset : CHUNK,
                                digests + DIGEST_SIZE * count++);
    digest_of(digests, DIGEST_SIZE * count, ret);
}

static void images_come_back_with_and_without_a_head(void **state)
{
    static const char *const heads[] = {"", "a head of odd length"};
    size_t len = 0;
    CLEANUP_FREE uint8_t *image = make_image(&len);

    (void)state;
    for (size_t i = 0; i < SPEC_COUNT * 2; i++) {
        const struct codec_spec *spec = &specs[i / 2];
        size_t head_len = strlen(heads[i % 2]);
        CLEANUP_CLOSE int fd = memfd_create("image", MFD_CLOEXEC);
        CLEANUP_ERR struct err err = ERR_INIT;
        struct manifest_stored stored = {0};
        uint8_t sha256[DIGEST_SIZE];

        sample_write_image(fd, spec, image, len, heads[i % 2], &stored);
        CLEANUP_FREE uint8_t *file = mem_alloc(stored.file.size);
        CHECK(io_pread(fd, file, stored.file.size, 0, &err), &err);
        assert_int_equal(lseek(fd, 0, SEEK_END), stored.file.size);
        assert_memory_equal(file, heads[i % 2], head_len);
        assert_int_equal(stored.file.has_sha256, i != 0);
        digest_of(file, stored.file.size, sha256);
        if (stored.file.has_sha256)
            assert_memory_equal(stored.file.sha256, sha256, DIGEST_SIZE);
        documented_content_digest(image, len, sha256);
        assert_memory_equal(stored.image.content, sha256, DIGEST_SIZE);
        assert_int_equal(stored.image.raw_size, len);
        assert_int_equal(stored.image.chunk_size, CHUNK);
        assert_int_equal(stored.codec.type, spec->type);
        assert_null(stored.file.name);
        check_image(fd, &stored, head_len, image);
        if (spec->type == CODEC_NONE)
            assert_memory_equal(file + head_len, image, len);
    }
}

static void an_empty_image_is_an_image(void **state)
{
    (void)state;
    for (size_t i = 0; i < SPEC_COUNT; i++) {
        CLEANUP_CLOSE int fd = memfd_create("image", MFD_CLOEXEC);
        struct manifest_stored stored = {0};

        sample_write_image(fd, &specs[i], (const uint8_t *)"", 0, "", &stored);
        check_image(fd, &stored, 0, (const uint8_t *)"");
    }
}

static void a_raw_image_keeps_its_holes(void **state)
{
    static const bool zero[] = {false, false, true, false, false, true, false, true};
    CLEANUP_ERR struct err err = ERR_INIT;
    CLEANUP_CLOSE int fd = memfd_create("image", MFD_CLOEXEC);
    CLEANUP(image_reader_freep) struct image_reader *reader = NULL;
    struct manifest_stored stored = {0};
    struct stat st;
    size_t len = 0;
    CLEANUP_FREE uint8_t *image = make_image(&len);

    (void)state;
    sample_write_image(fd, &specs[0], image, len, "", &stored);
    assert_int_equal(fstat(fd, &st), 0);
    assert_int_equal(st.st_size, len);
    assert_true((size_t)st.st_blocks * 512 <= 5 * CHUNK);
    const struct image_file file = {fd, "image"};
    CHECK(image_reader_new(&file, &stored, 0, NULL, &reader, &err), &err);
    const struct chunk_source source = image_reader_source(reader);
    for (uint64_t id = 0; id < 8; id++) {
        struct chunk_run run = {0};
        uint64_t expected = 0;
        CHECK(source.look(source.opaque, id, &run, &err), &err);
        while (id + expected < 8 && zero[id + expected])
            expected++;
        assert_int_equal(sample_zeros(&run), expected);
    }
}

static void a_chunk_that_does_not_exist_is_refused(void **state)
{
    CLEANUP_CLOSE int fd = memfd_create("image", MFD_CLOEXEC);
    CLEANUP(image_reader_freep) struct image_reader *reader = NULL;
    struct manifest_stored stored = {0};
    struct err err = ERR_INIT;
    enum chunk_kind kind;
    uint8_t result[100];
    size_t len = 0;
    struct chunk_run run = {0};

    (void)state;
    sample_write_image(fd, &specs[1], (const uint8_t *)"abc", 3, "", &stored);
    const struct image_file file = {fd, "image"};
    CHECK(image_reader_new(&file, &stored, 0, NULL, &reader, &err), &err);
    const struct chunk_source source = image_reader_source(reader);
    CHECK_FAILS(source.read(source.opaque, 1, result, sizeof(result), &len, &kind, &err), &err,
                ERR_INTERNAL, "no chunk 1");
    CHECK_FAILS(source.look(source.opaque, 1, &run, &err), &err, ERR_INTERNAL, "no chunk 1");
    CHECK_FAILS(source.read(source.opaque, 0, result, 50, &len, &kind, &err), &err, ERR_CORRUPT,
                "image: chunk 0 is");
}

/* A result for codec none with one block, by hand. */
static size_t make_result(uint8_t *result, uint32_t raw_len, uint32_t stored_len, bool digest)
{
    uint8_t sha256[DIGEST_SIZE] = {0};
    size_t head = result_head_size(1);

    memset(sha256, digest, sizeof(sha256));
    result_put_head(result, sha256, raw_len, 1);
    result_put_entry(result, 0, stored_len, raw_len);
    memset(result + head, 'x', stored_len);
    return head + stored_len;
}

static struct image_writer *new_writer(int fd, const struct codec_spec *spec, uint64_t raw_size,
                                       const char *head)
{
    const struct image_file file = {fd, "image"};
    const struct image_layout layout = {*spec, CHUNK, raw_size, head, strlen(head)};
    struct image_writer *writer = NULL;
    struct err err = ERR_INIT;

    CHECK(image_writer_new(&file, &layout, &writer, &err), &err);
    return writer;
}

static int put_run(struct image_writer *writer, uint64_t id, uint64_t count, const void *data,
                   size_t len, struct err *err)
{
    const struct chunk_sink sink = image_writer_sink(writer);
    const struct chunk_output output = {.id = id, .count = count, .data = data, .len = len};

    return sink.put(sink.opaque, &output, err);
}

static int put(struct image_writer *writer, uint64_t id, const void *data, size_t len,
               struct err *err)
{
    return put_run(writer, id, 1, data, len, err);
}

static void chain(struct image_writer *writer, const uint8_t *digest, uint64_t count)
{
    const struct chunk_sink sink = image_writer_sink(writer);

    sink.chain(sink.opaque, digest, count);
}

static void results_of_a_foreign_child_are_not_trusted(void **state)
{
    CLEANUP_FREE uint8_t *result = mem_alloc(2 * CHUNK);
    struct err err = ERR_INIT;

    (void)state;
    for (size_t i = 0; i < SPEC_COUNT; i++) {
        CLEANUP_CLOSE int fd = memfd_create("image", MFD_CLOEXEC);
        CLEANUP(image_writer_freep)
        struct image_writer *writer = new_writer(fd, &specs[i], CHUNK + 10, "");

        size_t len = make_result(result, 10, 10, true);
        CHECK_FAILS(put(writer, 0, result, len, &err), &err, ERR_CORRUPT,
                    "is for 10 bytes, but the chunk has 65536");
        len = make_result(result, CHUNK, CHUNK, false);
        CHECK_FAILS(put(writer, 0, result, len, &err), &err, ERR_CORRUPT, "no digest");
        len = make_result(result, CHUNK, 100, true);
        CHECK_FAILS(put(writer, 0, result, len, &err), &err, ERR_CORRUPT, "");
        CHECK_FAILS(put(writer, 0, result, len - 1, &err), &err, ERR_CORRUPT, "");
        CHECK_FAILS(put(writer, 0, result, 3, &err), &err, ERR_CORRUPT, "");
    }
}

static void an_image_is_only_finished_when_it_is_whole(void **state)
{
    CLEANUP_FREE uint8_t *result = mem_alloc(2 * CHUNK);
    CLEANUP_CLOSE int fd = memfd_create("image", MFD_CLOEXEC);
    CLEANUP(image_writer_freep)
    struct image_writer *writer = new_writer(fd, &specs[0], CHUNK + 10, "");
    struct manifest_stored stored = {0};
    struct err err = ERR_INIT;

    (void)state;
    size_t len = make_result(result, CHUNK, 0, true);
    CHECK(put(writer, 0, result, len, &err), &err);
    chain(writer, result, 1);
    CHECK_FAILS(image_writer_finish(writer, &stored, &err), &err, ERR_INTERNAL,
                "image: 65536 of 65546");
    len = make_result(result, 10, 0, true);
    CHECK(put(writer, 1, result, len, &err), &err);
    chain(writer, result, 1);
    CHECK_FAILS(put(writer, 2, result, len, &err), &err, ERR_INTERNAL,
                "image: the image has no chunk 2");
    CHECK(image_writer_finish(writer, &stored, &err), &err);
    assert_int_equal(lseek(fd, 0, SEEK_END), CHUNK + 10);
}

static void chunks_of_a_sparse_file_come_in_any_order(void **state)
{
    CLEANUP_FREE uint8_t *result = mem_alloc(2 * CHUNK);
    CLEANUP_CLOSE int fd = memfd_create("image", MFD_CLOEXEC);
    CLEANUP_CLOSE int packed_fd = memfd_create("image", MFD_CLOEXEC);
    CLEANUP(image_writer_freep)
    struct image_writer *sparse = new_writer(fd, &specs[0], CHUNK + 10, "");
    CLEANUP(image_writer_freep)
    struct image_writer *packed = new_writer(packed_fd, &specs[1], CHUNK + 10, "");
    struct manifest_stored stored = {0};
    struct err err = ERR_INIT;
    uint8_t byte;

    (void)state;
    assert_false(image_writer_sink(sparse).ordered);
    for (int id = 1; id >= 0; id--) {
        size_t raw_len = id == 0 ? CHUNK : 10;
        size_t len = make_result(result, (uint32_t)raw_len, (uint32_t)raw_len, true);
        memset(result + len - raw_len, 'a' + id, raw_len);
        CHECK(put(sparse, (uint64_t)id, result, len, &err), &err);
        chain(sparse, result, 1);
    }
    CHECK(image_writer_finish(sparse, &stored, &err), &err);
    assert_int_equal(pread(fd, &byte, 1, CHUNK - 1), 1);
    assert_int_equal(byte, 'a');
    assert_int_equal(pread(fd, &byte, 1, CHUNK), 1);
    assert_int_equal(byte, 'b');

    assert_true(image_writer_sink(packed).ordered);
    size_t len = make_result(result, 10, 10, true);
    CHECK_FAILS(put(packed, 1, result, len, &err), &err, ERR_INTERNAL, "out of turn");
}

/* Writes a chunk of zeros seven times and a short one, as single chunks or the first ones as a
 * run; returns the file. */
static int write_zeros(const struct codec_spec *spec, const uint8_t *result, size_t len,
                       const uint8_t *last, size_t last_len, const char *head, bool run,
                       struct manifest_stored *ret)
{
    int fd = memfd_create("image", MFD_CLOEXEC);
    CLEANUP(image_writer_freep)
    struct image_writer *writer = new_writer(fd, spec, 7 * CHUNK + 10, head);
    struct err err = ERR_INIT;

    assert_int_equal(image_writer_sink(writer).runs, spec->type != CODEC_NONE || !*head);
    if (run) {
        CHECK_FAILS(put_run(writer, 0, 8, result, len, &err), &err, ERR_INTERNAL,
                    "no 8 full chunks");
        CHECK(put_run(writer, 0, 3, result, len, &err), &err);
        CHECK(put_run(writer, 3, 4, result, len, &err), &err);
        chain(writer, result, 7);
    }
    for (uint64_t id = 0; !run && id < 7; id++) {
        CHECK(put(writer, id, result, len, &err), &err);
        chain(writer, result, 1);
    }
    CHECK(put(writer, 7, last, last_len, &err), &err);
    chain(writer, last, 1);
    CHECK(image_writer_finish(writer, ret, &err), &err);
    return fd;
}

static void a_run_of_zeros_is_as_good_as_its_chunks(void **state)
{
    CLEANUP_FREE uint8_t *zeros = mem_alloc(CHUNK);
    struct err err = ERR_INIT;

    (void)state;
    for (size_t i = 0; i < 2 * SPEC_COUNT; i++) {
        const struct codec_spec *spec = &specs[i / 2];
        const char *head = i % 2 ? "head" : "";
        CLEANUP(encoder_freep) struct encoder *encoder = encoder_new(spec, CHUNK, &err);
        size_t cap = codec_result_bound(spec, CHUNK);
        CLEANUP_FREE uint8_t *result = mem_alloc(cap);
        CLEANUP_FREE uint8_t *last = mem_alloc(cap);
        struct manifest_stored single = {0}, run = {0};
        struct codec_room whole = {result, cap}, part = {last, cap};
        CHECK(encoder_encode(encoder, zeros, CHUNK, &whole, &err), &err);
        CHECK(encoder_encode(encoder, zeros, 10, &part, &err), &err);
        CLEANUP_CLOSE int a =
            write_zeros(spec, result, whole.len, last, part.len, head, false, &single);
        CLEANUP_CLOSE int b =
            write_zeros(spec, result, whole.len, last, part.len, head, true, &run);
        assert_int_equal(single.file.size, run.file.size);
        assert_memory_equal(single.file.sha256, run.file.sha256, DIGEST_SIZE);
        assert_memory_equal(single.image.content, run.image.content, DIGEST_SIZE);
        assert_int_equal(lseek(a, 0, SEEK_END), lseek(b, 0, SEEK_END));
    }
}

/* Longer than what is hashed at once. */
static void a_digest_can_be_added_many_times(void **state)
{
    static const uint64_t counts[] = {0, 1, 127, 128, 129, 1000};
    static const uint8_t chunk[DIGEST_SIZE] = {1, 2, 3};
    uint8_t at_once[DIGEST_SIZE], singly[DIGEST_SIZE];

    (void)state;
    for (size_t i = 0; i < sizeof(counts) / sizeof(counts[0]); i++) {
        CLEANUP(content_digest_freep) struct content_digest *a = content_digest_new();
        CLEANUP(content_digest_freep) struct content_digest *b = content_digest_new();
        content_digest_add(a, chunk, counts[i]);
        for (uint64_t n = 0; n < counts[i]; n++)
            content_digest_add(b, chunk, 1);
        content_digest_finish(a, at_once);
        content_digest_finish(b, singly);
        assert_memory_equal(at_once, singly, DIGEST_SIZE);
    }
}

static void a_file_that_is_not_empty_is_not_overwritten(void **state)
{
    CLEANUP_CLOSE int fd = memfd_create("image", MFD_CLOEXEC);
    struct image_writer *writer = NULL;
    struct err err = ERR_INIT;

    (void)state;
    assert_int_equal(io_write(fd, "x", 1, NULL), 0);
    const struct image_file file = {fd, "image"};
    const struct image_layout layout = {specs[0], CHUNK, 10, NULL, 0};
    CHECK_FAILS(image_writer_new(&file, &layout, &writer, &err), &err, ERR_INTERNAL, "not empty");
}

static void check_unreadable(int fd, const struct manifest_stored *stored, uint64_t start,
                             const char *part)
{
    struct image_reader *reader = NULL;
    struct err err = ERR_INIT;

    const struct image_file file = {fd, "image"};
    CHECK_FAILS(image_reader_new(&file, stored, start, NULL, &reader, &err), &err, ERR_CORRUPT,
                part);
}

static void a_file_that_contradicts_the_manifest_is_corrupt(void **state)
{
    size_t len = 0;
    CLEANUP_FREE uint8_t *image = make_image(&len);

    (void)state;
    for (size_t i = 0; i < SPEC_COUNT; i++) {
        CLEANUP_CLOSE int fd = memfd_create("image", MFD_CLOEXEC);
        struct manifest_stored stored = {0};

        sample_write_image(fd, &specs[i], image, len, "", &stored);
        struct manifest_stored other = stored;
        other.image.raw_size++;
        check_unreadable(fd, &other, 0, "bytes of image");
        other = stored;
        other.file.size++;
        check_unreadable(fd, &other, 0, "bytes long");
        check_unreadable(fd, &stored, stored.file.size + 1, "");
        check_unreadable(fd, &stored, 1, "");
        assert_int_equal(ftruncate(fd, (off_t)stored.file.size - 1), 0);
        other = stored;
        other.file.size--;
        check_unreadable(fd, &other, 0, "");
    }
}

static void blocks_that_reach_over_a_chunk_are_corrupt(void **state)
{
    CLEANUP_FREE uint8_t *image = mem_alloc(2 * CHUNK);

    (void)state;
    memset(image, 'x', 2 * CHUNK);
    for (size_t i = 1; i < SPEC_COUNT; i++) {
        CLEANUP_CLOSE int fd = memfd_create("image", MFD_CLOEXEC);
        struct manifest_stored stored = {0};

        sample_write_image(fd, &specs[i], image, 2 * CHUNK, "", &stored);
        stored.image.chunk_size = CHUNK / 2;
        check_unreadable(fd, &stored, 0, "do not fit");
        stored.image.chunk_size = CHUNK;
        check_image(fd, &stored, 0, image);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(images_come_back_with_and_without_a_head),
        cmocka_unit_test(an_empty_image_is_an_image),
        cmocka_unit_test(a_raw_image_keeps_its_holes),
        cmocka_unit_test(a_chunk_that_does_not_exist_is_refused),
        cmocka_unit_test(results_of_a_foreign_child_are_not_trusted),
        cmocka_unit_test(an_image_is_only_finished_when_it_is_whole),
        cmocka_unit_test(chunks_of_a_sparse_file_come_in_any_order),
        cmocka_unit_test(a_run_of_zeros_is_as_good_as_its_chunks),
        cmocka_unit_test(a_digest_can_be_added_many_times),
        cmocka_unit_test(a_file_that_is_not_empty_is_not_overwritten),
        cmocka_unit_test(a_file_that_contradicts_the_manifest_is_corrupt),
        cmocka_unit_test(blocks_that_reach_over_a_chunk_are_corrupt),
    };

    return cmocka_run_group_tests_name("image", tests, NULL, NULL);
}
