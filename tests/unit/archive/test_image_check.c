/* SPDX-License-Identifier: LGPL-2.1-or-later
 *
 * The SHA-256 of a stored file, computed while its chunks are read.
 */
#include <fcntl.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cmocka.h>

#include "archive/image.h"
#include "base/io.h"
#include "base/quit.h"
#include "sample.h"

#define CHUNK SAMPLE_CHUNK
#define HEAD_SIZE ((size_t)4096)
#define NONE_AGAIN (UINT64_MAX / 2)

static const struct codec_spec specs[] = {
    {.type = CODEC_NONE},
    {.type = CODEC_LZMA, .level = 0},
    {.type = CODEC_ZSTD, .level = 1},
};
#define SPEC_COUNT (sizeof(specs) / sizeof(*specs))

struct file {
    int fd;
    struct manifest_stored stored;
    struct container_indexer indexer; /* read is NULL: none */
};

/* Noise, but for every third page; behind a head of a page. */
static struct file make_file(const struct codec_spec *spec, size_t len)
{
    struct file file = {.fd = memfd_create("image", MFD_CLOEXEC)};
    CLEANUP_FREE uint8_t *image = mem_alloc(len);
    CLEANUP_FREE char *head = mem_printf("%*s", (int)HEAD_SIZE, "head");
    uint32_t noise = 12345;

    for (size_t i = 0; i < len; i++) {
        noise = noise * 1664525 + 1013904223;
        image[i] = i / 4096 % 3 == 2 ? 0 : (uint8_t)(noise >> 24);
    }
    sample_write_image(file.fd, spec, image, len, head, &file.stored);
    assert_true(file.stored.file.has_sha256);
    return file;
}

static int read_chunk(struct image_reader *reader, const struct file *file, uint64_t id,
                      struct err *err)
{
    size_t cap = codec_result_bound(&file->stored.codec, CHUNK);
    CLEANUP_FREE uint8_t *result = mem_alloc(cap);
    const struct chunk_source source = image_reader_source(reader);
    enum chunk_kind kind;
    size_t len = 0;
    struct chunk_run run = {0};

    if (source.look(source.opaque, id, &run, err) < 0)
        return -1;
    return run.kind == CHUNK_ZERO ? 0
                                  : source.read(source.opaque, id, result, cap, &len, &kind, err);
}

/* What verify does, but for the decoding. again: a chunk that is read twice. */
static int read_and_check(const struct file *file, uint64_t again, struct err *err)
{
    CLEANUP(image_reader_freep) struct image_reader *reader = NULL;
    const struct container_indexer *indexer = file->indexer.read ? &file->indexer : NULL;

    const struct image_file opened = {file->fd, "image"};
    if (image_reader_new(&opened, &file->stored, HEAD_SIZE, indexer, &reader, err) < 0)
        return -1;
    image_reader_hash(reader);
    const struct chunk_source source = image_reader_source(reader);
    for (uint64_t id = 0; id < source.count; id++) {
        if (read_chunk(reader, file, id, err) < 0)
            return -1;
        /* Its child has died when the next ones are under way. */
        if (id == again + 2 && read_chunk(reader, file, again, err) < 0)
            return -1;
    }
    return source.check(source.opaque, err);
}

/* Bytes that this process has read so far, from any file. */
static uint64_t bytes_read(void)
{
    CLEANUP_FCLOSE FILE *io = fopen("/proc/self/io", "re");
    unsigned long long bytes = 0;

    if (!io || fscanf(io, "rchar: %llu", &bytes) != 1)
        skip(); /* a kernel that does not count */
    return bytes;
}

static void a_stored_file_is_read_once(void **state)
{
    /* The index, which is read to find the blocks, and the count itself. */
    static const uint64_t more = 8192;
    struct err err = ERR_INIT;

    (void)state;
    for (size_t i = 0; i < SPEC_COUNT; i++) {
        struct file file = make_file(&specs[i], 20 * CHUNK + 5000);
        uint64_t before = bytes_read();
        CHECK(read_and_check(&file, NONE_AGAIN, &err), &err);
        uint64_t count = bytes_read() - before;
        assert_in_range(count, file.stored.file.size, file.stored.file.size + more);
        close(file.fd);
    }
}

static void a_chunk_that_is_read_again_is_hashed_once(void **state)
{
    struct err err = ERR_INIT;

    (void)state;
    for (size_t i = 0; i < SPEC_COUNT; i++) {
        struct file file = make_file(&specs[i], 8 * CHUNK + 5000);
        for (uint64_t id = 0; id < 7; id++)
            CHECK(read_and_check(&file, id, &err), &err);
        close(file.fd);
    }
}

static void change(int fd, uint64_t offset)
{
    uint8_t byte = 0;

    assert_int_equal(io_pread(fd, &byte, 1, offset, NULL), 0);
    byte ^= 1;
    assert_int_equal(io_pwrite(fd, &byte, 1, offset, NULL), 0);
}

/* What comes after byte i. The inside of a head is all alike. */
static uint64_t next_change(uint64_t i, uint64_t step)
{
    return i + (step == 1 && i >= 8 && i + 64 < HEAD_SIZE ? 7 : step);
}

static void check_changes(struct file *file, uint64_t step)
{
    struct err err = ERR_INIT;

    for (uint64_t i = 0; i < file->stored.file.size; i = next_change(i, step)) {
        change(file->fd, i);
        assert_int_equal(read_and_check(file, 0, &err), -1);
        assert_int_equal(err.kind, ERR_CORRUPT);
        err_clear(&err);
        change(file->fd, i);
    }
    CHECK(read_and_check(file, 0, &err), &err);
}

/* Head, framing, blocks, padding, index and seek table. */
static void changed_bytes_are_found(void **state)
{
    (void)state;
    for (size_t i = 0; i < SPEC_COUNT; i++) {
        CLEANUP_FREE char *head = mem_printf("%*s", (int)HEAD_SIZE, "head");
        struct file file = {.fd = memfd_create("image", MFD_CLOEXEC)};
        sample_write_image(file.fd, &specs[i], (const uint8_t *)"hello, world", 12, head,
                           &file.stored);
        check_changes(&file, 1);
        close(file.fd);
    }
}

/* A file whose blocks do not lie as they are numbered. */
enum order { BACKWARDS, ALL_THE_SAME, OVERLAPPING, WITH_GAPS, ORDERS };

static int lying_index(void *opaque, enum codec_type type, int fd, uint64_t start, uint64_t size,
                       struct container_index *ret, struct err *err)
{
    const enum order *order = opaque;

    if (container_read(type, fd, start, size, ret, err) < 0)
        return -1;
    size_t last = ret->count - 1;
    for (size_t i = 0; i < ret->count; i++) {
        struct container_block *block = &ret->blocks[i];
        if (*order == BACKWARDS && i < last - i) {
            struct container_block *other = &ret->blocks[last - i];
            struct container_block was = *block;
            block->offset = other->offset;
            block->stored_len = other->stored_len;
            other->offset = was.offset;
            other->stored_len = was.stored_len;
        }
        if (*order == ALL_THE_SAME)
            block->offset = 100;
        if (*order == OVERLAPPING && i > 0)
            block->offset -= 1000;
        if (*order == WITH_GAPS)
            block->stored_len -= i % 2 ? 1 : block->stored_len / 2;
    }
    return 0;
}

static void an_index_that_lies_does_not_hide_a_byte(void **state)
{
    (void)state;
    for (size_t i = 1; i < SPEC_COUNT; i++) {
        for (enum order order = 0; order < ORDERS; order++) {
            struct file file = make_file(&specs[i], 8 * CHUNK + 5000);
            file.indexer = (struct container_indexer){&order, lying_index};
            check_changes(&file, 9973);
            close(file.fd);
        }
    }
}

static void holes_that_a_copy_has_made_are_hashed(void **state)
{
    CLEANUP(image_reader_freep) struct image_reader *reader = NULL;
    CLEANUP_FREE char *head = mem_printf("%*s", (int)HEAD_SIZE, "head");
    CLEANUP_FREE uint8_t *image = mem_alloc(4 * CHUNK);
    struct file file = {.fd = memfd_create("image", MFD_CLOEXEC)};
    struct err err = ERR_INIT;
    struct chunk_run run = {0};

    (void)state;
    memset(image, 'x', CHUNK);
    memset(image + 2 * CHUNK, 'y', CHUNK);
    sample_write_image(file.fd, &specs[0], image, 4 * CHUNK, head, &file.stored);
    for (size_t id = 1; id < 4; id += 2)
        assert_int_equal(fallocate(file.fd, FALLOC_FL_PUNCH_HOLE | FALLOC_FL_KEEP_SIZE,
                                   (off_t)(HEAD_SIZE + id * CHUNK), (off_t)CHUNK),
                         0);
    const struct image_file opened = {file.fd, "image"};
    CHECK(image_reader_new(&opened, &file.stored, HEAD_SIZE, NULL, &reader, &err), &err);
    const struct chunk_source source = image_reader_source(reader);
    for (uint64_t id = 0; id < 4; id++) {
        CHECK(source.look(source.opaque, id, &run, &err), &err);
        assert_int_equal(sample_zeros(&run), id % 2);
    }
    image_reader_free(TAKE_PTR(reader));
    check_changes(&file, 4099);
    close(file.fd);
}

static void holes_are_as_long_as_they_are(void **state)
{
    CLEANUP_ERR struct err err = ERR_INIT;
    CLEANUP_CLOSE int fd = memfd_create("image", MFD_CLOEXEC);
    CLEANUP(image_reader_freep) struct image_reader *reader = NULL;
    struct manifest_stored stored = {0};
    size_t len = 20 * CHUNK + 5000;
    CLEANUP_FREE uint8_t *image = mem_alloc(len);

    (void)state;
    image[7 * CHUNK + 9000] = 1;
    sample_write_image(fd, &specs[0], image, len, "", &stored);
    const struct image_file file = {fd, "image"};
    CHECK(image_reader_new(&file, &stored, 0, NULL, &reader, &err), &err);
    const struct chunk_source source = image_reader_source(reader);
    for (uint64_t id = 0; id <= 20; id++) {
        struct chunk_run run = {0};
        CHECK(source.look(source.opaque, id, &run, &err), &err);
        assert_int_equal(sample_zeros(&run), id <= 7 ? 7 - id : 21 - id);
    }
}

static void a_file_of_another_length_is_corrupt(void **state)
{
    struct file file = make_file(&specs[2], 100);
    struct err err = ERR_INIT;

    (void)state;
    assert_int_equal(ftruncate(file.fd, (off_t)file.stored.file.size + 1), 0);
    CHECK_FAILS(read_and_check(&file, 0, &err), &err, ERR_CORRUPT, "bytes long");
    close(file.fd);
}

static void a_check_stops_when_a_signal_asks_for_it(void **state)
{
    struct file file = make_file(&specs[1], 100);
    int status = 0;

    (void)state;
    pid_t pid = fork();
    if (pid == 0) {
        struct err err = ERR_INIT;
        if (quit_install(NULL) < 0 || raise(SIGTERM) != 0)
            _exit(1);
        _exit(read_and_check(&file, 0, &err) < 0 && err.kind == ERR_CANCELLED ? 0 : 2);
    }
    assert_int_equal(waitpid(pid, &status, 0), pid);
    assert_int_equal(status, 0);
    close(file.fd);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(holes_are_as_long_as_they_are),
        cmocka_unit_test(a_stored_file_is_read_once),
        cmocka_unit_test(a_chunk_that_is_read_again_is_hashed_once),
        cmocka_unit_test(changed_bytes_are_found),
        cmocka_unit_test(an_index_that_lies_does_not_hide_a_byte),
        cmocka_unit_test(holes_that_a_copy_has_made_are_hashed),
        cmocka_unit_test(a_file_of_another_length_is_corrupt),
        cmocka_unit_test(a_check_stops_when_a_signal_asks_for_it),
    };

    return cmocka_run_group_tests_name("image check", tests, NULL, NULL);
}
