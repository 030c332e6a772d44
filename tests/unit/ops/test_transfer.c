/* SPDX-License-Identifier: LGPL-2.1-or-later
 *
 * Images on their way through real children into a store. Each step fails once, and the error is that
 * of the step, with the file's name in it once.
 */
#include "../mtcp/pids.h"
#include "base/units.h"
#include "transfer_world.h"

/* ---- into a store ------------------------------------------------------------------------ */

static int file_in(uint64_t shrunk_to, struct err *err)
{
    write_content(from, START);
    CLEANUP_CLOSE int fd = open(from, O_RDONLY | O_CLOEXEC);
    struct file_chunks file = {from, fd, START, CHUNK, stored.raw_size};

    if (shrunk_to)
        assert_int_equal(truncate(from, (off_t)shrunk_to), 0);
    const struct chunk_source source = file_chunks_source(&file);
    return put_in(&source, err);
}

static void a_disk_goes_in(void **state)
{
    CLEANUP_ERR struct err err = ERR_INIT;

    (void)state;
    if (disk_in(0, &err) < 0)
        fail_msg("%s", err.text);
    assert_true(image_encoded_right(&stored, "zstd:1"));
    /* the last report is of the whole */
    assert_true(ticks > 0);
    assert_string_equal(last.guest, "web");
    assert_string_equal(last.what, "vda");
    assert_int_equal(last.done, stored.raw_size);
    assert_int_equal(last.total, stored.raw_size);
    assert_int_equal(last.stored, stored.puts);
    assert_true(children.work.capacity_ms > 0);
}

/* A chunk with a single block of data, at its begin or its end, between runs of zeros. */
static void data_at_the_edges_of_chunks_is_found(void **state)
{
    CLEANUP(disk_reader_closep) struct disk_reader *reader = NULL;
    CLEANUP_ERR struct err err = ERR_INIT;
    CLEANUP_CLOSE int fd = open(from, O_WRONLY | O_CREAT | O_CLOEXEC, 0600);
    struct disk_chunks disk;
    uint8_t block[4096];

    (void)state;
    memset(block, 0x55, sizeof(block));
    assert_int_equal(ftruncate(fd, (off_t)stored.raw_size), 0);
    assert_int_equal(pwrite(fd, block, sizeof(block), 7 * CHUNK), sizeof(block));
    assert_int_equal(pwrite(fd, block, sizeof(block), 11 * CHUNK - 4096), sizeof(block));
    assert_int_equal(disk_reader_open(from, "raw", &reader, &err), 0);
    const struct chunk_source source = disk_chunks_source(&disk, reader, CHUNK, false);
    if (put_in(&source, &err) < 0)
        fail_msg("%s", err.text);
    for (uint64_t id = 0; id < image_chunks(&stored); id++)
        assert_int_equal(stored.stored[id].kind, id == 7 || id == 10 ? CHUNK_DATA : CHUNK_ZERO);
}

static void a_file_goes_in(void **state)
{
    CLEANUP_ERR struct err err = ERR_INIT;

    (void)state;
    if (file_in(0, &err) < 0)
        fail_msg("%s", err.text);
    assert_true(image_encoded_right(&stored, "zstd:1"));
}

static void what_is_read_is_limited(void **state)
{
    static const struct children_options slow = {.children = 2,
                                                 .bandwidth_limit.rate = UINT64_C(1) << 40};
    CLEANUP_ERR struct err err = ERR_INIT;

    (void)state;
    children.options = &slow;
    assert_int_equal(disk_in(0, &err), 0);
    assert_true(children.limit.due_ns > 0);
}

static int read_part_of_chunk(void *opaque, uint64_t id, void *data, size_t cap, size_t *ret_len,
                              enum chunk_kind *ret_kind, struct err *err)
{
    (void)opaque;
    (void)id;
    (void)err;
    memset(data, 0x55, cap < 1000 ? cap : 1000);
    *ret_len = 1000;
    *ret_kind = CHUNK_DATA;
    return 0;
}

static uint32_t part_of_chunk(void *opaque, uint64_t id)
{
    (void)opaque;
    (void)id;
    return 1000;
}

static int look_for_data(void *opaque, uint64_t id, struct chunk_run *ret, struct err *err)
{
    (void)opaque;
    (void)id;
    (void)err;
    *ret = (struct chunk_run){.kind = CHUNK_DATA, .count = 1};
    return 0;
}

static uint64_t whole_chunk(void *opaque, uint64_t id)
{
    (void)opaque;
    (void)id;
    return CHUNK;
}

/* Ten chunks, of which some bytes each are wanted: half a second, less what is given in advance. */
static void what_is_read_for_a_part_of_it_is_limited(void **state)
{
    static const struct children_options slow = {.children = 2, .bandwidth_limit.rate = 20 * CHUNK};
    const struct chunk_source source = {.count = 10,
                                        .chunk_size = CHUNK,
                                        .raw_size = 10 * CHUNK,
                                        .look = look_for_data,
                                        .read = read_part_of_chunk,
                                        .gathered = part_of_chunk,
                                        .counted = whole_chunk};
    CLEANUP_ERR struct err err = ERR_INIT;
    uint64_t start_ms = units_now_ms();

    (void)state;
    children.options = &slow;
    stored.raw_size = 10 * CHUNK;
    if (put_in(&source, &err) < 0)
        fail_msg("%s", err.text);
    assert_true(children.limit.due_ns / 1000000 >= start_ms + 500 - 100);
}

static void a_disk_that_cannot_be_read_is_named(void **state)
{
    CLEANUP_ERR struct err err = ERR_INIT;

    (void)state;
    assert_int_equal(disk_in(9 * CHUNK, &err), -1);
    expect_error(&err, ERR_IO, from);
    assert_true(stored.puts <= 9);
}

static void a_file_that_ends_early_is_no_file_of_zeros(void **state)
{
    CLEANUP_ERR struct err err = ERR_INIT;

    (void)state;
    assert_int_equal(file_in(START + 9 * CHUNK + 1, &err), -1);
    expect_error(&err, err.kind, from);
    assert_true(stored.puts <= 9);
}

static void a_store_that_is_full_ends_it(void **state)
{
    CLEANUP_ERR struct err err = ERR_INIT;

    (void)state;
    stored.put_error_at = 5;
    assert_int_equal(disk_in(0, &err), -1);
    expect_error(&err, ERR_NO_SPACE, "the sink is full");
    assert_true(stored.puts < CHUNKS);
}

/* ---- children and signals ------------------------------------------------------------------ */

static unsigned kills;

static void kill_children(struct image *image, uint64_t id)
{
    pid_t pids[2];

    (void)image;
    if (id < 4 || kills == 0)
        return;
    kills--;
    size_t count = pool_pids(children.pool, pids, 2);
    for (size_t i = 0; i < count; i++)
        kill(pids[i], SIGKILL);
}

static void children_that_die_cost_nothing(void **state)
{
    CLEANUP_ERR struct err err = ERR_INIT;

    (void)state;
    kills = 1;
    stored.on_put = kill_children;
    if (disk_in(0, &err) < 0)
        fail_msg("%s", err.text);
    assert_true(image_encoded_right(&stored, "zstd:1"));
}

static void children_that_die_again_and_again_end_it(void **state)
{
    CLEANUP_ERR struct err err = ERR_INIT;

    (void)state;
    assert_int_equal(disk_in(0, &err), 0);
    kills = UINT32_MAX;
    stored.on_read = kill_children;
    assert_int_equal(out_in_memory(&err), -1);
    expect_error(&err, ERR_TRANSIENT, "killed by signal 9");
    /* with new ones it goes on */
    children_end(&children);
    stored.on_read = NULL;
    err_clear(&err);
    if (out_in_memory(&err) < 0)
        fail_msg("%s", err.text);
}

static void send_signal(struct image *image, uint64_t id)
{
    (void)image;
    if (id == 6)
        raise(SIGTERM);
}

static void a_signal_ends_it(void **state)
{
    CLEANUP_ERR struct err err = ERR_INIT;

    (void)state;
    assert_int_equal(disk_in(0, &err), 0);
    stored.on_read = send_signal;
    assert_int_equal(out_in_memory(&err), -1);
    assert_int_equal(err.kind, ERR_CANCELLED);
}

#define TEST(function) cmocka_unit_test_setup_teardown(function, set_up, tear_down)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(a_disk_goes_in),
        TEST(data_at_the_edges_of_chunks_is_found),
        TEST(a_file_goes_in),
        TEST(what_is_read_is_limited),
        TEST(what_is_read_for_a_part_of_it_is_limited),
        TEST(a_disk_that_cannot_be_read_is_named),
        TEST(a_file_that_ends_early_is_no_file_of_zeros),
        TEST(a_store_that_is_full_ends_it),
        TEST(children_that_die_cost_nothing),
        TEST(children_that_die_again_and_again_end_it),
        TEST(a_signal_ends_it),
    };

    return cmocka_run_group_tests_name("ops transfer", tests, start_all, end_all);
}
