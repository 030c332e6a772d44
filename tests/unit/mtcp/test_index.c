/* SPDX-License-Identifier: LGPL-2.1-or-later
 *
 * Indexes of compressed files, read in a process of their own.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cmocka.h>

#include "../fast_clock.h"
#include "base/buf.h"
#include "base/io.h"
#include "base/stall.h"
#include "codec/result.h"
#include "harness.h"
#include "mtcp/spawner.h"
#include "mtcp/spawner_index.h"

#define CHUNKS 40
#define BEFORE 100 /* bytes in front of the container, as in a save image */

/* A file with a container of CHUNKS chunks. */
static int make_file(const char *codec, uint64_t *ret_size)
{
    struct child_settings settings = {.chunk_size = CODEC_CHUNK_MIN};
    CLEANUP_BUF struct buf out = {0};
    CLEANUP_FREE uint8_t *raw = mem_alloc(CODEC_CHUNK_MIN);
    int fd = memfd_create("container", MFD_CLOEXEC);

    assert_true(fd >= 0);
    assert_int_equal(codec_parse(codec, &settings.codec, NULL), 0);
    CLEANUP(encoder_freep)
    struct encoder *encoder = encoder_new(&settings.codec, CODEC_CHUNK_MIN, NULL);
    CLEANUP(container_writer_freep)
    struct container_writer *writer = container_writer_new(settings.codec.type);
    size_t cap = codec_result_bound(&settings.codec, CODEC_CHUNK_MIN);
    CLEANUP_FREE uint8_t *data = mem_alloc(cap);

    assert_int_equal(container_begin(writer, &out, NULL), 0);
    for (unsigned id = 0; id < CHUNKS; id++) {
        struct result result;
        struct result_cursor cursor = {0};
        struct result_block block;
        struct codec_room room = {data, cap};
        memset(raw, (int)id, CODEC_CHUNK_MIN / 2);
        assert_int_equal(encoder_encode(encoder, raw, CODEC_CHUNK_MIN, &room, NULL), 0);
        assert_int_equal(result_parse(data, room.len, &result, NULL), 0);
        while (result_next(&result, &cursor, &block)) {
            assert_int_equal(container_add(writer, &block, NULL), 0);
            buf_append(&out, block.data, block.stored_len);
        }
    }
    assert_int_equal(container_end(writer, &out, NULL), 0);
    assert_int_equal(io_pwrite(fd, out.data, out.len, BEFORE, NULL), 0);
    *ret_size = out.len;
    return fd;
}

static struct spawner_index where(const char *codec, uint64_t size)
{
    struct codec_spec spec;

    assert_int_equal(codec_parse(codec, &spec, NULL), 0);
    return (struct spawner_index){.type = spec.type, .start = BEFORE, .size = size};
}

static void read_both_ways(const char *codec, bool unconfined)
{
    CLEANUP(spawner_freep) struct spawner *spawner = spawner_start(NULL, NULL);
    CLEANUP_CONTAINER_INDEX struct container_index here = {0};
    CLEANUP_CONTAINER_INDEX struct container_index there = {0};
    CLEANUP_ERR struct err err = ERR_INIT;
    uint64_t size = 0;
    CLEANUP_CLOSE int fd = make_file(codec, &size);
    struct spawner_index what = where(codec, size);

    what.unconfined = unconfined;
    assert_int_equal(container_read(what.type, fd, what.start, what.size, &here, NULL), 0);
    if (spawner_read_index(spawner, &what, fd, &there, &err) < 0)
        fail_msg("%s: %s", codec, err.text);
    assert_true(here.count >= CHUNKS);
    assert_int_equal(there.count, here.count);
    assert_int_equal(there.raw_size, (uint64_t)CHUNKS * CODEC_CHUNK_MIN);
    assert_memory_equal(there.blocks, here.blocks, here.count * sizeof(*here.blocks));
}

static void test_an_index_read_apart_is_the_same(void **state)
{
    (void)state;
    read_both_ways("lzma:1", false);
    read_both_ways("zstd:1", false);
    read_both_ways("lzma:1", true);
}

static void test_damage_is_told_with_its_reason(void **state)
{
    CLEANUP(spawner_freep) struct spawner *spawner = spawner_start(NULL, NULL);
    static const char *const codecs[] = {"lzma:1", "zstd:1"};

    (void)state;
    for (size_t i = 0; i < 2; i++) {
        CLEANUP_CONTAINER_INDEX struct container_index index = {0};
        CLEANUP_ERR struct err here = ERR_INIT;
        CLEANUP_ERR struct err there = ERR_INIT;
        uint64_t size = 0;
        CLEANUP_CLOSE int fd = make_file(codecs[i], &size);
        struct spawner_index what = where(codecs[i], size - 1);
        assert_int_equal(container_read(what.type, fd, what.start, what.size, &index, &here), -1);
        assert_int_equal(spawner_read_index(spawner, &what, fd, &index, &there), -1);
        assert_int_equal(there.kind, ERR_CORRUPT);
        assert_string_equal(there.text, here.text);
    }
}

/* Not a file that pread works on: it is denied nothing, and says why it cannot. */
static void test_a_read_error_is_one(void **state)
{
    CLEANUP(spawner_freep) struct spawner *spawner = spawner_start(NULL, NULL);
    CLEANUP_CONTAINER_INDEX struct container_index index = {0};
    CLEANUP_ERR struct err err = ERR_INIT;
    CLEANUP_CLOSE int folder = open("/", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    struct spawner_index what = where("lzma:1", 1 << 20);

    (void)state;
    assert_int_equal(spawner_read_index(spawner, &what, folder, &index, &err), -1);
    assert_non_null(strstr(err.text, "Is a directory"));
}

/* ---- answers of a process that somebody else has taken over --------------------- */

struct answer {
    struct spawner_apart_head head;
    struct spawner_index_entry entries[3];
};

static int take(const struct answer *answer, size_t len, struct err *err)
{
    const struct spawner_index what = {.type = CODEC_ZSTD, .size = 1000};
    CLEANUP_CONTAINER_INDEX struct container_index index = {0};
    int ends[2];

    assert_int_equal(pipe2(ends, O_CLOEXEC), 0);
    CLEANUP_CLOSE int reading = ends[0];
    assert_int_equal(write(ends[1], answer, len), (ssize_t)len);
    close(ends[1]);
    return spawner_index_take(&what, getpid(), reading, &index, err);
}

static void expect_refused(const struct answer *answer, size_t len, enum err_kind kind,
                           const char *part)
{
    CLEANUP_ERR struct err err = ERR_INIT;

    assert_int_equal(take(answer, len, &err), -1);
    assert_int_equal(err.kind, kind);
    if (!strstr(err.text, part))
        fail_msg("'%s' is not in: %s", part, err.text);
}

static void test_a_lying_answer_is_refused(void **state)
{
    const struct answer good = {
        .head = {.count = 3},
        .entries = {{0, 300, 65536}, {300, 300, 65536}, {600, 400, 65536}},
    };
    CLEANUP_ERR struct err err = ERR_INIT;
    struct answer bad;

    (void)state;
    assert_int_equal(take(&good, sizeof(good), &err), 0);
    expect_refused(&good, sizeof(good) - 1, ERR_IO, "has ended");
    expect_refused(&good, sizeof(good.head) - 1, ERR_IO, "has ended");
    bad = good;
    bad.entries[2].stored_len = 401;
    expect_refused(&bad, sizeof(bad), ERR_CORRUPT, "block 2 outside");
    bad = good;
    bad.entries[2].offset = UINT64_MAX - 10;
    expect_refused(&bad, sizeof(bad), ERR_CORRUPT, "block 2 outside");
    bad = good;
    bad.entries[1].offset = 299;
    expect_refused(&bad, sizeof(bad), ERR_CORRUPT, "block 1 outside");
    bad = good;
    bad.entries[0].stored_len = 0;
    expect_refused(&bad, sizeof(bad), ERR_CORRUPT, "block 0");
    bad = good;
    bad.entries[0].raw_len = (uint32_t)CODEC_CHUNK_MAX + 1;
    expect_refused(&bad, sizeof(bad), ERR_CORRUPT, "block 0");
    bad = good;
    bad.head.count = 1001;
    expect_refused(&bad, sizeof(bad), ERR_CORRUPT, "more blocks than");
    bad.head.count = UINT64_MAX;
    expect_refused(&bad, sizeof(bad), ERR_CORRUPT, "more blocks than");
}

/* It has been stopped, or the file's storage hangs. */
static void test_one_that_makes_no_progress_is_not_waited_for(void **state)
{
    const struct spawner_index what = {.type = CODEC_ZSTD, .size = 1000};
    const struct spawner_apart_head head = {.count = 3};
    CLEANUP_CONTAINER_INDEX struct container_index index = {0};
    CLEANUP_ERR struct err err = ERR_INIT;
    int ends[2];

    (void)state;
    assert_int_equal(pipe2(ends, O_CLOEXEC), 0);
    assert_int_equal(write(ends[1], &head, sizeof(head)), sizeof(head));
    pid_t pid = fork();
    if (pid == 0)
        for (;;)
            pause();
    fast_clock_start(STALL_LOOK_MS);
    int result = spawner_index_take(&what, pid, ends[0], &index, &err);
    fast_clock_stop();
    kill(pid, SIGKILL);
    waitpid(pid, NULL, 0);
    close(ends[0]);
    close(ends[1]);
    assert_int_equal(result, -1);
    assert_int_equal(err.kind, ERR_IO);
    assert_int_equal(err.errnum, ETIMEDOUT);
    assert_non_null(strstr(err.text, "no progress for ten minutes"));
}

/* Of what kind an error is decides what the caller does: it is not for the reader
 * to say that the run was cancelled or the command line wrong. */
static void test_an_error_is_of_no_kind_that_stops_a_run(void **state)
{
    static const uint32_t kinds[] = {ERR_USAGE, ERR_CANCELLED, ERR_INTERNAL + 7, UINT32_MAX};
    struct answer bad = {.head = {.text = "for a reason"}};

    (void)state;
    for (size_t i = 0; i < sizeof(kinds) / sizeof(*kinds); i++) {
        bad.head.kind = kinds[i];
        expect_refused(&bad, sizeof(bad), ERR_CORRUPT, "for a reason");
    }
    memset(bad.head.text, 'x', sizeof(bad.head.text));
    expect_refused(&bad, sizeof(bad), ERR_CORRUPT, "xxx");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_an_index_read_apart_is_the_same),
        cmocka_unit_test(test_damage_is_told_with_its_reason),
        cmocka_unit_test(test_a_read_error_is_one),
        cmocka_unit_test(test_a_lying_answer_is_refused),
        cmocka_unit_test(test_one_that_makes_no_progress_is_not_waited_for),
        cmocka_unit_test(test_an_error_is_of_no_kind_that_stops_a_run),
    };

    return cmocka_run_group_tests_name("mtcp index", tests, NULL, NULL);
}
