/* SPDX-License-Identifier: LGPL-2.1-or-later
 *
 * Images on their way through real children out of a store, each step failing once.
 */
#include "transfer_world.h"

#include <sys/resource.h>
#include <sys/stat.h>

static int disk_out(struct err *err)
{
    const struct disk_target target = {.path = to, .format = "raw", .image_size = stored.raw_size};
    CLEANUP(disk_writer_freep) struct disk_writer *writer = NULL;
    struct chunk_source source = store_source();
    struct disk_chunks disk;

    assert_int_equal(disk_writer_create(&target, &writer, err), 0);
    const struct chunk_sink sink = disk_chunks_sink(&disk, writer, CHUNK);
    if (take_out(&source, &sink, err) < 0)
        return -1;
    return disk_writer_finish(writer, err);
}

static void a_disk_comes_out_as_it_was(void **state)
{
    CLEANUP_ERR struct err err = ERR_INIT;
    struct stat st;

    (void)state;
    store_it();
    if (disk_out(&err) < 0)
        fail_msg("%s", err.text);
    assert_true(same_content(to, 0));
    assert_int_equal(stat(to, &st), 0);
    assert_int_equal(st.st_size, stored.raw_size);
    assert_true((uint64_t)st.st_blocks * 512 < stored.raw_size); /* zeros are holes */
    assert_int_equal(last.stored, stored.raw_size);
}

static void a_file_comes_out_as_it_was(void **state)
{
    CLEANUP_ERR struct err err = ERR_INIT;

    (void)state;
    store_it();
    CLEANUP_CLOSE int fd = open(to, O_RDWR | O_CREAT | O_CLOEXEC, 0600);
    assert_int_equal(ftruncate(fd, (off_t)(START + stored.raw_size)), 0);
    struct file_chunks file = {to, fd, START, CHUNK, stored.raw_size};
    const struct chunk_sink sink = file_chunks_sink(&file);
    struct chunk_source source = store_source();
    if (take_out(&source, &sink, &err) < 0)
        fail_msg("%s", err.text);
    assert_true(same_content(to, START));
}

static void a_store_that_cannot_be_read_ends_it(void **state)
{
    CLEANUP_ERR struct err err = ERR_INIT;

    (void)state;
    store_it();
    stored.read_error_at = 7;
    assert_int_equal(disk_out(&err), -1);
    expect_error(&err, ERR_NOT_FOUND, "the source is broken");
    assert_int_equal(access(to, F_OK), -1); /* the writer has removed what there was of it */
}

static void a_damaged_result_is_named(void **state)
{
    CLEANUP_ERR struct err err = ERR_INIT;

    (void)state;
    store_it();
    struct stored *chunk = &stored.stored[1];
    memset(chunk->data + chunk->len / 2, 0x55, chunk->len / 4);
    assert_int_equal(out_in_memory(&err), -1);
    expect_error(&err, ERR_CORRUPT, stored.name);
    assert_non_null(strstr(err.text, "chunk 1 (from byte 65536)"));
}

/* Each result is good, but they are not those of the backup. */
static void another_content_is_found(void **state)
{
    CLEANUP_ERR struct err err = ERR_INIT;

    (void)state;
    store_it();
    struct stored swapped = stored.stored[0];
    stored.stored[0] = stored.stored[1];
    stored.stored[1] = swapped;
    assert_int_equal(out_in_memory(&err), -1);
    expect_error(&err, ERR_CORRUPT, stored.name);
    assert_non_null(strstr(err.text, "content digest"));
}

static unsigned checks;

static int fail_check(void *opaque, struct err *err)
{
    (void)opaque;
    checks++;
    return err_set(err, ERR_CORRUPT, "%s: another file", stored.name);
}

static void the_store_itself_checks_what_was_read(void **state)
{
    CLEANUP_ERR struct err err = ERR_INIT;

    (void)state;
    store_it();
    struct chunk_source source = store_source();
    source.check = fail_check;
    checks = 0;
    assert_int_equal(take_out(&source, NULL, &err), -1);
    expect_error(&err, ERR_CORRUPT, "another file");
    assert_int_equal(checks, 1);
    /* not after an error: then it has not read all of it */
    stored.read_error_at = 7;
    err_clear(&err);
    assert_int_equal(take_out(&source, NULL, &err), -1);
    assert_int_equal(checks, 1);
}

/* RLIMIT_FSIZE is as good as a full file system. */
static void a_disk_that_cannot_be_written_is_named(void **state)
{
    CLEANUP_ERR struct err err = ERR_INIT;
    struct rlimit usual;

    (void)state;
    store_it();
    assert_int_equal(getrlimit(RLIMIT_FSIZE, &usual), 0);
    const struct disk_target target = {.path = to, .format = "raw", .image_size = stored.raw_size};
    CLEANUP(disk_writer_freep) struct disk_writer *writer = NULL;
    struct chunk_source source = store_source();
    struct disk_chunks disk;
    assert_int_equal(disk_writer_create(&target, &writer, &err), 0);
    const struct chunk_sink sink = disk_chunks_sink(&disk, writer, CHUNK);
    assert_int_equal(setrlimit(RLIMIT_FSIZE, &(struct rlimit){9 * CHUNK, usual.rlim_max}), 0);
    int result = take_out(&source, &sink, &err);
    assert_int_equal(setrlimit(RLIMIT_FSIZE, &usual), 0);
    assert_int_equal(result, -1);
    expect_error(&err, err.kind, to);
    assert_int_equal(err.errnum, EFBIG);
}

static void a_file_that_cannot_be_written_ends_it(void **state)
{
    CLEANUP_ERR struct err err = ERR_INIT;

    (void)state;
    store_it();
    CLEANUP_CLOSE int fd = open(from, O_RDONLY | O_CLOEXEC);
    struct file_chunks file = {from, fd, 0, CHUNK, stored.raw_size};
    const struct chunk_sink sink = file_chunks_sink(&file);
    struct chunk_source source = store_source();
    assert_int_equal(take_out(&source, &sink, &err), -1);
    expect_error(&err, err.kind, from);
    assert_int_equal(err.errnum, EBADF);
}

#define TEST(function) cmocka_unit_test_setup_teardown(function, set_up, tear_down)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(a_disk_comes_out_as_it_was),
        TEST(a_file_comes_out_as_it_was),
        TEST(a_store_that_cannot_be_read_ends_it),
        TEST(a_damaged_result_is_named),
        TEST(another_content_is_found),
        TEST(the_store_itself_checks_what_was_read),
        TEST(a_disk_that_cannot_be_written_is_named),
        TEST(a_file_that_cannot_be_written_ends_it),
    };

    return cmocka_run_group_tests_name("ops transfer out", tests, start_all, end_all);
}
