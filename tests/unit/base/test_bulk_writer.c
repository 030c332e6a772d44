/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "unit.h"

#include <errno.h>
#include <fcntl.h>
#include <sys/mman.h>
#include <sys/mount.h>
#include <time.h>

#include "base/bulk_writer.h"
#include "base/io.h"
#include "base/large_pages.h"

#define SIZE ((size_t)9 << 20)
#define PAGE ((size_t)4096)

/* What the file is to be, and one that is written. */
struct copy {
    uint8_t *data; /* of SIZE bytes, aligned to a page */
    int fd;
    struct bulk_writer *writer;
};

/* Direct writes. With offsets of 64 bits, pwrite is called by another name. */
static struct {
    const void *data;
    size_t len;
    off_t offset;
} writes[8];
static size_t write_count;

ssize_t __real_pwrite64(int fd, const void *data, size_t len, off_t offset);
ssize_t __wrap_pwrite64(int fd, const void *data, size_t len, off_t offset);

ssize_t __wrap_pwrite64(int fd, const void *data, size_t len, off_t offset)
{
    if (fcntl(fd, F_GETFL) & O_DIRECT && write_count < sizeof(writes) / sizeof(*writes)) {
        writes[write_count].data = data;
        writes[write_count].len = len;
        writes[write_count++].offset = offset;
    }
    return __real_pwrite64(fd, data, len, offset);
}

static uint64_t seed;

/* Below `limit`. */
static size_t draw(size_t limit)
{
    seed = seed * UINT64_C(6364136223846793005) + 1;
    return (size_t)(seed >> 33) % limit;
}

static void make_copy(struct copy *copy, int folder_fd)
{
    seed = (uint64_t)time(NULL);
    print_message("# seed %llu\n", (unsigned long long)seed);
    copy->data = aligned_alloc(PAGE, SIZE);
    for (size_t i = 0; i < SIZE; i += sizeof(int))
        *(int *)(copy->data + i) = (int)draw(INT32_MAX) | 1;
    assert_int_equal(
        io_open_in(folder_fd, "copy", O_RDWR | O_CREAT | O_EXCL, 0600, &copy->fd, NULL), 0);
    copy->writer = bulk_writer_new(copy->fd, NULL);
    assert_non_null(copy->writer);
}

static void put(struct copy *copy, size_t offset, size_t len)
{
    assert_int_equal(bulk_writer_write(copy->writer, copy->data + offset, len, offset, NULL), 0);
}

/* Flushes, and looks at all bytes. */
static void check_copy(struct copy *copy)
{
    uint8_t *back = malloc(SIZE + 1);
    size_t len = 0;

    assert_int_equal(bulk_writer_flush(copy->writer, NULL), 0);
    assert_int_equal(fcntl(copy->fd, F_GETFL) & O_DIRECT, 0);
    assert_int_equal(io_pread_some(copy->fd, back, SIZE + 1, 0, &len, NULL), 0);
    assert_int_equal(len, SIZE);
    for (size_t i = 0; i < SIZE; i++)
        if (back[i] != copy->data[i])
            fail_msg("byte %zu is wrong", i);
    free(back);
}

static void end_copy(struct copy *copy)
{
    bulk_writer_free(copy->writer);
    close(copy->fd);
    free(copy->data);
}

static size_t cached_bytes(int fd)
{
    static unsigned char resident[SIZE / PAGE];
    size_t count = 0;
    void *map = mmap(NULL, SIZE, PROT_READ, MAP_SHARED, fd, 0);

    assert_ptr_not_equal(map, MAP_FAILED);
    assert_int_equal(mincore(map, SIZE, resident), 0);
    munmap(map, SIZE);
    for (size_t i = 0; i < SIZE / PAGE; i++)
        count += resident[i] & 1;
    return count * PAGE;
}

/* Writes without O_DIRECT come into the cache in any case here, but on tmpfs they are the file. */
static bool has_direct(int folder_fd)
{
    void *page = aligned_alloc(PAGE, PAGE);
    int fd = openat(folder_fd, "direct", O_RDWR | O_CREAT | O_DIRECT, 0600);
    bool works = fd >= 0 && pwrite(fd, memset(page, 1, PAGE), PAGE, 0) == (ssize_t)PAGE;
    bool cached = false;

    if (works) {
        unsigned char resident = 0;
        void *map = mmap(NULL, PAGE, PROT_READ, MAP_SHARED, fd, 0);
        assert_ptr_not_equal(map, MAP_FAILED);
        assert_int_equal(mincore(map, PAGE, &resident), 0);
        munmap(map, PAGE);
        cached = resident & 1;
    }
    if (fd >= 0)
        close(fd);
    unlinkat(folder_fd, "direct", 0);
    free(page);
    return works && !cached;
}

static void a_stream_of_odd_pieces_arrives_whole(void **state)
{
    const struct scratch *scratch = *state;
    struct copy copy;

    make_copy(&copy, scratch->fd);
    for (size_t at = 0, len; at < SIZE; at += len) {
        len = draw(3) == 0 ? 1 + draw(2 << 20) : 1 + draw(9000);
        len = len < SIZE - at ? len : SIZE - at;
        put(&copy, at, len);
    }
    check_copy(&copy);
    end_copy(&copy);
}

static void pieces_in_any_order_arrive_where_they_belong(void **state)
{
    const struct scratch *scratch = *state;
    enum { PIECES = 64 };
    size_t cuts[PIECES + 1] = {0}, order[PIECES];
    struct copy copy;

    make_copy(&copy, scratch->fd);
    for (size_t i = 0; i < PIECES; i++) {
        size_t cut = SIZE / PIECES * (i + 1);
        /* every second border lies within a page */
        cuts[i + 1] = i + 1 == PIECES ? SIZE : i % 2 ? cut : cut - 1 - draw(4000);
        order[i] = i;
    }
    for (size_t i = PIECES - 1; i > 0; i--) {
        size_t other = draw(i + 1), kept = order[i];
        order[i] = order[other];
        order[other] = kept;
    }
    for (size_t i = 0; i < PIECES; i++)
        put(&copy, cuts[order[i]], cuts[order[i] + 1] - cuts[order[i]]);
    check_copy(&copy);
    end_copy(&copy);
}

static void large_writes_do_not_come_into_the_cache(void **state)
{
    const struct scratch *scratch = *state;
    struct copy copy;

    if (!has_direct(scratch->fd))
        skip();
    make_copy(&copy, scratch->fd);
    put(&copy, 0, 100);
    put(&copy, 100, (5 << 20) - 100); /* a stream whose pieces are not aligned */
    put(&copy, 5 << 20, SIZE - (5 << 20));
    size_t early = cached_bytes(copy.fd);
    assert_int_equal(bulk_writer_flush(copy.writer, NULL), 0);
    assert_int_equal(early, 0);
    assert_int_equal(cached_bytes(copy.fd), 0);
    check_copy(&copy);
    end_copy(&copy);
}

static void expect_write(size_t number, const void *data, off_t offset, size_t len)
{
    assert_true(number < write_count);
    assert_true(large_pages_begin_at(writes[number].data));
    if (data)
        assert_ptr_equal(writes[number].data, data);
    assert_int_equal(writes[number].offset, offset);
    assert_int_equal(writes[number].len, len);
}

/* A disk does more with few large requests. */
static void pieces_are_written_together_from_large_pages(void **state)
{
    const struct scratch *scratch = *state;
    struct copy copy;

    if (!has_direct(scratch->fd))
        skip();
    make_copy(&copy, scratch->fd);
    write_count = 0;
    for (size_t at = 0; at < 8 << 20; at += 1 << 20)
        put(&copy, at, 1 << 20);
    put(&copy, 8 << 20, SIZE - (8 << 20));
    check_copy(&copy);
    assert_int_equal(write_count, 3);
    expect_write(0, NULL, 0, 4 << 20);
    expect_write(1, NULL, 4 << 20, 4 << 20);
    expect_write(2, NULL, 8 << 20, SIZE - (8 << 20));
    end_copy(&copy);
}

static void what_is_in_large_pages_is_not_copied(void **state)
{
    const struct scratch *scratch = *state;
    struct copy copy;

    if (!has_direct(scratch->fd))
        skip();
    make_copy(&copy, scratch->fd);
    uint8_t *data = large_pages_new(SIZE);
    assert_non_null(data);
    memcpy(data, copy.data, SIZE);
    write_count = 0;
    assert_int_equal(bulk_writer_write(copy.writer, data, SIZE, 0, NULL), 0);
    assert_int_equal(write_count, 1);
    expect_write(0, data, 0, SIZE);
    check_copy(&copy);
    large_pages_free(data, SIZE);
    end_copy(&copy);
}

static void small_writes_go_through_the_cache(void **state)
{
    const struct scratch *scratch = *state;
    struct copy copy;

    if (!has_direct(scratch->fd))
        skip();
    make_copy(&copy, scratch->fd);
    put(&copy, SIZE - PAGE, PAGE);
    assert_int_equal(bulk_writer_flush(copy.writer, NULL), 0);
    assert_int_equal(cached_bytes(copy.fd), PAGE);
    put(&copy, 0, SIZE - PAGE);
    check_copy(&copy);
    end_copy(&copy);
}

static void it_does_without_o_direct(void **state)
{
    const struct scratch *scratch = *state;
    struct copy copy;

    /* a file system that refuses it */
    if (geteuid() != 0 || mount("none", scratch->path, "ramfs", MS_NODEV | MS_NOSUID, NULL) < 0)
        skip();
    int folder_fd = open(scratch->path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    assert_int_equal(umount2(scratch->path, MNT_DETACH), 0); /* it lives as long as it is open */
    assert_true(folder_fd >= 0);
    make_copy(&copy, folder_fd);
    assert_int_equal(fcntl(copy.fd, F_SETFL, O_DIRECT), -1);
    assert_int_equal(errno, EINVAL);
    put(&copy, 0, 1 << 20);
    put(&copy, 1 << 20, 77);
    put(&copy, (1 << 20) + 77, SIZE - (1 << 20) - 77);
    check_copy(&copy);
    end_copy(&copy);
    close(folder_fd);
}

static void a_full_file_system_is_told_with_the_byte(void **state)
{
    struct err err CLEANUP_ERR = ERR_INIT;
    CLEANUP_CLOSE int fd = open("/dev/full", O_WRONLY | O_CLOEXEC);
    static const uint8_t data[SIZE];

    (void)state;
    struct bulk_writer *writer = bulk_writer_new(fd, NULL);
    assert_int_equal(bulk_writer_write(writer, data, SIZE, 512, &err), -1);
    assert_int_equal(err.kind, ERR_NO_SPACE);
    assert_non_null(strstr(err.text, "cannot write at byte 512"));
    bulk_writer_free(writer);
}

#define IN_FOLDER(test) cmocka_unit_test_setup_teardown(test, scratch_setup, scratch_teardown)

int main(void)
{
    const struct CMUnitTest tests[] = {
        IN_FOLDER(a_stream_of_odd_pieces_arrives_whole),
        IN_FOLDER(pieces_in_any_order_arrive_where_they_belong),
        IN_FOLDER(large_writes_do_not_come_into_the_cache),
        IN_FOLDER(pieces_are_written_together_from_large_pages),
        IN_FOLDER(what_is_in_large_pages_is_not_copied),
        IN_FOLDER(small_writes_go_through_the_cache),
        IN_FOLDER(it_does_without_o_direct),
        cmocka_unit_test(a_full_file_system_is_told_with_the_byte),
    };

    return cmocka_run_group_tests_name("base bulk writer", tests, NULL, NULL);
}
