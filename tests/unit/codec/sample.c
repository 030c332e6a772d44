/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "sample.h"

#include <dirent.h>
#include <fcntl.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <malloc.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#include <cmocka.h>

#include "../chance.h"
#include "base/io.h"

const char *sample_name(enum sample_kind kind)
{
    static const char *const names[] = {"zeros", "random", "text", "code", "mixed"};

    return names[kind];
}

static void fill_random(uint64_t *state, uint8_t *data, size_t len)
{
    for (size_t i = 0; i < len; i += 8) {
        uint64_t value = chance_next(state);
        memcpy(data + i, &value, len - i < 8 ? len - i : 8);
    }
}

/* Words of one to twelve letters, common ones far more often than rare ones. */
static void fill_text(uint64_t *state, uint8_t *data, size_t len)
{
    for (size_t i = 0; i < len;) {
        uint64_t draw = chance_next(state);
        uint64_t word = (draw & 0xffff) >> (draw >> 60);
        size_t letters = 1 + word % 12;
        uint64_t letter = word * 2654435761u;
        for (size_t k = 0; k < letters && i < len; k++, letter = letter * 31 + 7)
            data[i++] = (uint8_t)('a' + (letter >> 3) % 26);
        if (i < len)
            data[i++] = (draw & 0xf0000000) ? ' ' : '\n';
    }
}

/* As an x86 compiler might make it: every 12 bytes one of 20 functions is called. */
static void fill_code(uint64_t *state, uint8_t *data, size_t len)
{
    fill_text(state, data, len);
    for (size_t i = 0; i + 12 <= len; i += 12) {
        uint32_t target = (uint32_t)(data[i + 9] % 20 * 4096);
        uint32_t distance = target - (uint32_t)(i + 5);
        data[i] = 0xe8;
        for (size_t b = 0; b < 4; b++)
            data[i + 1 + b] = (uint8_t)(distance >> (8 * b));
    }
}

/* What a disk looks like: runs of pages of all kinds, most of them short. */
static void fill_mixed(uint64_t *state, uint8_t *data, size_t len)
{
    for (size_t i = 0; i < len;) {
        uint64_t draw = chance_next(state);
        size_t run = 4096u << (draw % 8);
        if (run > len - i)
            run = len - i;
        switch ((draw >> 8) % 4) {
        case 0:
            memset(data + i, 0, run);
            break;
        case 1:
            fill_random(state, data + i, run);
            break;
        default:
            fill_text(state, data + i, run);
        }
        i += run;
    }
}

void sample_fill(enum sample_kind kind, uint64_t seed, void *data, size_t len)
{
    uint64_t state = seed;

    switch (kind) {
    case SAMPLE_RANDOM:
        fill_random(&state, data, len);
        break;
    case SAMPLE_TEXT:
        fill_text(&state, data, len);
        break;
    case SAMPLE_CODE:
        fill_code(&state, data, len);
        break;
    case SAMPLE_MIXED:
        fill_mixed(&state, data, len);
        break;
    default:
        memset(data, 0, len);
    }
}

uint8_t *sample_new(enum sample_kind kind, uint64_t seed, size_t len)
{
    uint8_t *data = malloc(len);

    assert_non_null(data);
    sample_fill(kind, seed, data, len);
    return data;
}

struct codec_spec sample_spec(const char *text)
{
    struct codec_spec spec;

    assert_int_equal(codec_parse(text, &spec, NULL), 0);
    return spec;
}

uint8_t *sample_encode(const struct codec_spec *spec, uint64_t chunk_size, const void *raw,
                       size_t raw_len, size_t *ret_len)
{
    struct err err CLEANUP_ERR = ERR_INIT;
    struct encoder *encoder CLEANUP(encoder_freep) = encoder_new(spec, chunk_size, &err);
    size_t cap = codec_result_bound(spec, chunk_size);
    uint8_t *result = malloc(cap);

    assert_non_null(encoder);
    assert_non_null(result);
    struct codec_room room = {result, cap};
    assert_int_equal(encoder_encode(encoder, raw, raw_len, &room, &err), 0);
    *ret_len = room.len;
    return result;
}

void sample_container(const struct codec_spec *spec, uint64_t chunk_size, const uint8_t *raw,
                      size_t raw_len, struct buf *out)
{
    struct container_writer *writer CLEANUP(container_writer_freep) =
        container_writer_new(spec->type);

    assert_int_equal(container_begin(writer, out, NULL), 0);
    for (size_t pos = 0; pos < raw_len; pos += chunk_size) {
        size_t len = raw_len - pos < chunk_size ? raw_len - pos : (size_t)chunk_size;
        size_t result_len;
        uint8_t *data CLEANUP_FREE = sample_encode(spec, chunk_size, raw + pos, len, &result_len);
        struct result result;
        struct result_cursor cursor = {0};
        struct result_block block;
        assert_int_equal(result_parse(data, result_len, &result, NULL), 0);
        while (result_next(&result, &cursor, &block)) {
            assert_int_equal(container_add(writer, &block, NULL), 0);
            buf_append(out, block.data, block.stored_len);
        }
    }
    assert_int_equal(container_end(writer, out, NULL), 0);
}

void sample_folder_make(struct sample_folder *ret)
{
    snprintf(ret->path, sizeof(ret->path), "/tmp/codec-test-XXXXXX");
    assert_non_null(mkdtemp(ret->path));
}

char *sample_folder_put(const struct sample_folder *folder, const char *name, const void *data,
                        size_t len)
{
    char *path = mem_printf("%s/%s", folder->path, name);
    int fd CLEANUP_CLOSE = open(path, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);

    assert_true(fd >= 0);
    assert_int_equal(io_write(fd, data, len, NULL), 0);
    return path;
}

void sample_folder_remove(struct sample_folder *folder)
{
    DIR *dir = opendir(folder->path);
    struct dirent *entry;

    assert_non_null(dir);
    while ((entry = readdir(dir)))
        unlinkat(dirfd(dir), entry->d_name, 0);
    closedir(dir);
    assert_int_equal(rmdir(folder->path), 0);
}

size_t sample_allocated(void)
{
    struct mallinfo2 info = mallinfo2();

    return info.uordblks + info.hblkhd;
}
