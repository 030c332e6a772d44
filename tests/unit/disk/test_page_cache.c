/* SPDX-License-Identifier: LGPL-2.1-or-later
 *
 * The host's page cache is left as it was found.
 */
#include "support.h"

#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/vfs.h>
#include <unistd.h>

#include "base/io.h"
#include "disk/reader.h"
#include "disk/writer.h"

#define TMPFS_MAGIC 0x01021994
#define SIZE ((size_t)40 << 20)
#define MIB ((size_t)1 << 20)

static uint8_t data[MIB];

static void need_real_file_system(void)
{
    struct statfs fs;

    assert_int_equal(statfs(at(""), &fs), 0);
    if (fs.f_type == TMPFS_MAGIC)
        skip_because("the temporary folder is a tmpfs, which has nothing but its cache");
}

static size_t cached_bytes(const char *path, size_t start, size_t len)
{
    size_t page = (size_t)sysconf(_SC_PAGESIZE);
    size_t count = 0;
    int fd = open(path, O_RDONLY | O_CLOEXEC);
    unsigned char *in = calloc(len / page + 1, 1);
    void *map = mmap(NULL, len, PROT_READ, MAP_SHARED, fd, (off_t)start);

    assert_true(map != MAP_FAILED && mincore(map, len, in) == 0);
    for (size_t i = 0; i < len / page; i++)
        count += in[i] & 1 ? page : 0;
    munmap(map, len);
    free(in);
    close(fd);
    return count;
}

static size_t file_size(const char *path)
{
    struct stat st;

    assert_int_equal(stat(path, &st), 0);
    return (size_t)st.st_size;
}

/* All of it was cached before. A kernel that looks for pages that nobody uses may have taken a
 * few of them itself. */
static void assert_still_cached(const char *path, size_t start, size_t len)
{
    assert_in_range(cached_bytes(path, start, len), len - len / 8, len);
}

/* A file of so many bytes with data all over, nothing of it cached. */
static const char *uncached_file_of(const char *name, size_t size)
{
    const char *path = at(name);
    int fd = open(path, O_RDWR | O_CREAT | O_CLOEXEC, 0600);

    memset(data, 7, sizeof(data));
    for (size_t offset = 0; offset < SIZE; offset += MIB)
        assert_int_equal(pwrite(fd, data, MIB, (off_t)offset), MIB);
    assert_int_equal(ftruncate(fd, (off_t)size), 0);
    assert_int_equal(fsync(fd), 0);
    assert_int_equal(posix_fadvise(fd, 0, 0, POSIX_FADV_DONTNEED), 0);
    close(fd);
    if (cached_bytes(path, 0, SIZE) > 0)
        skip_because("the kernel keeps this file system's pages");
    return path;
}

static const char *uncached_file(const char *name)
{
    return uncached_file_of(name, SIZE);
}

static void warm(const char *path, size_t start, size_t len)
{
    int fd = open(path, O_RDONLY | O_CLOEXEC);

    posix_fadvise(fd, 0, 0, POSIX_FADV_RANDOM); /* no more than what is read */
    for (size_t offset = start; offset < start + len; offset += 4096)
        assert_int_equal(pread(fd, data, 4096, (off_t)offset), 4096);
    close(fd);
}

static void read_part(const char *path, size_t step, size_t size)
{
    struct disk_reader *reader = NULL;
    struct err err = ERR_INIT;

    assert_ok(disk_reader_open(path, "raw", &reader, &err), &err);
    for (size_t offset = 0; offset < size; offset += step) {
        size_t len = size - offset < step ? size - offset : step;
        assert_ok(disk_reader_read(reader, offset, data, len, &err), &err);
    }
    /* While reading no more than what it reads and the window in front of it. */
    assert_true(cached_bytes(path, 0, SIZE) <= 20 * MIB);
    disk_reader_close(reader);
}

static void read_all(const char *path, size_t step)
{
    read_part(path, step, SIZE);
}

static void what_was_not_cached_does_not_stay(void **state)
{
    static const size_t steps[] = {64 << 10, 100 * 1000, 1 << 20};

    (void)state;
    need_real_file_system();
    const char *path = uncached_file("cold");
    for (size_t i = 0; i < sizeof(steps) / sizeof(*steps); i++) {
        read_all(path, steps[i]);
        assert_int_equal(cached_bytes(path, 0, SIZE), 0);
    }
}

static void what_was_cached_stays(void **state)
{
    (void)state;
    need_real_file_system();
    const char *path = uncached_file("warm");
    warm(path, 3 * MIB, MIB);
    warm(path, 15 * MIB + 8192, 2 * MIB);
    warm(path, 39 * MIB, MIB);
    size_t before = cached_bytes(path, 0, SIZE);
    read_all(path, MIB);
    assert_still_cached(path, 3 * MIB, MIB);
    assert_still_cached(path, 15 * MIB + 8192, 2 * MIB);
    assert_still_cached(path, 39 * MIB, MIB);
    assert_true(cached_bytes(path, 0, SIZE) <= before);
}

/* Here and there a page, on both sides of each border at which a look is halved too. */
static bool is_warmed(size_t page)
{
    return page % 37 == 5 || page % 1024 == 0 || page % 1024 == 1023;
}

static void single_pages_that_were_cached_stay(void **state)
{
    size_t size = SIZE - 3 * 4096 - 1024, kept = 0, count = 0;

    (void)state;
    need_real_file_system();
    const char *path = uncached_file_of("speckled", size);
    for (size_t page = 0; page < size / 4096; page++)
        if (is_warmed(page))
            warm(path, page * 4096, 4096);
    size_t before = cached_bytes(path, 0, SIZE);
    read_part(path, MIB, size);
    for (size_t page = 0; page < size / 4096; page++) {
        count += is_warmed(page);
        kept += is_warmed(page) && cached_bytes(path, page * 4096, 4096) > 0;
    }
    assert_in_range(kept, count - count / 8, count);
    assert_true(cached_bytes(path, 0, SIZE) <= before);
}

static void what_is_written_does_not_pile_up(void **state)
{
    struct disk_target target = {.path = at("written"), .format = "raw", .image_size = SIZE};
    struct disk_writer *writer = NULL;
    struct err err = ERR_INIT;

    (void)state;
    need_real_file_system();
    memset(data, 9, sizeof(data));
    assert_ok(disk_writer_create(&target, &writer, &err), &err);
    for (size_t offset = 0; offset < SIZE; offset += MIB)
        assert_ok(disk_writer_write(writer, offset, data, MIB, &err), &err);
    assert_true(cached_bytes(target.path, 0, SIZE) <= 24 * MIB);
    assert_ok(disk_writer_finish(writer, &err), &err);
    disk_writer_free(writer);
    assert_int_equal(cached_bytes(target.path, 0, SIZE), 0);
}

static void read_qcow2(const char *path)
{
    struct disk_reader *reader = NULL;
    struct err err = ERR_INIT;

    assert_ok(disk_reader_open(path, "qcow2", &reader, &err), &err);
    for (size_t offset = 0; offset < SIZE; offset += MIB)
        assert_ok(disk_reader_read(reader, offset, data, MIB, &err), &err);
    disk_reader_close(reader);
}

/* Neither what we read of it directly nor what QEMU's programs do. */
static void qcow2_does_not_stay_in_the_cache(void **state)
{
    static const char *const hows[] = {"-q", "-c"};

    (void)state;
    need_real_file_system();
    const char *raw = uncached_file("around.raw");
    for (unsigned i = 0; i < 2; i++) {
        const char *path = at_n("around.qcow2", i);
        run("qemu-img", "convert", hows[i], "-t", "unsafe", "-f", "raw", "-O", "qcow2", "-o",
            "cluster_size=1024", raw, path, NULL);
        int fd = open(path, O_RDONLY | O_CLOEXEC);
        assert_int_equal(fsync(fd), 0);
        posix_fadvise(fd, 0, 0, POSIX_FADV_DONTNEED);
        close(fd);
        read_qcow2(path);
        /* Its header, which is looked at first. */
        assert_true(cached_bytes(path, 0, file_size(path)) <= 128 << 10);
    }
}

static void what_was_cached_of_a_qcow2_stays(void **state)
{
    (void)state;
    need_real_file_system();
    const char *raw = uncached_file("known.raw");
    const char *path = at("known.qcow2");
    run("qemu-img", "convert", "-q", "-t", "none", "-f", "raw", "-O", "qcow2", raw, path, NULL);
    int fd = open(path, O_RDONLY | O_CLOEXEC);
    assert_int_equal(fsync(fd), 0);
    posix_fadvise(fd, 0, 0, POSIX_FADV_DONTNEED);
    close(fd);
    warm(path, 15 * MIB + 8192, 2 * MIB);
    read_qcow2(path);
    assert_still_cached(path, 15 * MIB + 8192, 2 * MIB);
    assert_true(cached_bytes(path, 0, file_size(path)) <= 2 * MIB + (128 << 10));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(what_was_not_cached_does_not_stay),
        cmocka_unit_test(what_was_cached_stays),
        cmocka_unit_test(single_pages_that_were_cached_stay),
        cmocka_unit_test(what_is_written_does_not_pile_up),
        cmocka_unit_test(qcow2_does_not_stay_in_the_cache),
        cmocka_unit_test(what_was_cached_of_a_qcow2_stays),
    };

    return cmocka_run_group_tests_name("disk page cache", tests, support_setup, support_teardown);
}
