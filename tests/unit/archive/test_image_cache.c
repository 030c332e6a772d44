/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include <fcntl.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/vfs.h>

#include <cmocka.h>

#include "archive/image.h"
#include "codec/result.h"
#include "sample.h"

#define TMPFS_MAGIC_NUMBER 0x01021994
#define CHUNK ((size_t)8 << 20)
#define COUNT ((size_t)12)

/* Bytes of the file in the page cache. */
static size_t cached_bytes(int fd, size_t len)
{
    size_t page = (size_t)sysconf(_SC_PAGESIZE);
    size_t pages = (len + page - 1) / page;
    CLEANUP_FREE unsigned char *resident = mem_alloc(pages);
    void *map = mmap(NULL, len, PROT_READ, MAP_SHARED, fd, 0);
    size_t count = 0;

    assert_ptr_not_equal(map, MAP_FAILED);
    assert_int_equal(mincore(map, len, resident), 0);
    munmap(map, len);
    for (size_t i = 0; i < pages; i++)
        count += resident[i] & 1;
    return count * page;
}

/* A result for codec none, all of it data. */
static size_t make_result(uint8_t *result)
{
    static const uint8_t digest[DIGEST_SIZE] = {1};
    size_t head = result_head_size(1);

    result_put_head(result, digest, CHUNK, 1);
    result_put_entry(result, 0, CHUNK, CHUNK);
    memset(result + head, 'x', CHUNK);
    return head + CHUNK;
}

static void what_is_written_does_not_pile_up_in_the_page_cache(void **state)
{
    CLEANUP_ERR struct err err = ERR_INIT;
    CLEANUP(image_writer_freep) struct image_writer *writer = NULL;
    CLEANUP_FREE uint8_t *result = mem_alloc(CHUNK + 100);
    char *folder = sample_folder();
    CLEANUP_FREE char *path = mem_printf("%s/image", folder);
    CLEANUP_CLOSE int fd = open(path, O_RDWR | O_CREAT | O_EXCL | O_CLOEXEC, 0600);
    const struct image_file file = {fd, path};
    const struct image_layout layout = {{.type = CODEC_NONE}, CHUNK, CHUNK * COUNT, NULL, 0};
    struct statfs fs;

    (void)state;
    assert_int_equal(fstatfs(fd, &fs), 0);
    if (fs.f_type == TMPFS_MAGIC_NUMBER) {
        sample_remove_folder(folder);
        skip();
    }
    CHECK(image_writer_new(&file, &layout, &writer, &err), &err);
    const struct chunk_sink sink = image_writer_sink(writer);
    struct chunk_output output = {.count = 1, .data = result, .len = make_result(result)};
    for (output.id = 0; output.id < COUNT; output.id++)
        CHECK(sink.put(sink.opaque, &output, &err), &err);
    size_t cached = cached_bytes(fd, CHUNK * COUNT);
    sample_remove_folder(folder);
    assert_in_range(cached, 0, 40 << 20);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(what_is_written_does_not_pile_up_in_the_page_cache),
    };

    return cmocka_run_group_tests_name("image_cache", tests, NULL, NULL);
}
