/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "unit.h"

#include <sys/wait.h>
#include <wchar.h>

#include "base/buf.h"

static void numbers_are_written_in_their_byte_order(void **state)
{
    static const uint8_t expected[] = {0x7f, 4, 3, 2, 1};
    CLEANUP_BUF struct buf buf = {0};

    (void)state;
    buf_put_u8(&buf, 0x7f);
    buf_put_le32(&buf, 0x01020304);
    assert_int_equal(buf.len, sizeof(expected));
    assert_memory_equal(buf.data, expected, sizeof(expected));
}

static void growing_keeps_the_contents(void **state)
{
    CLEANUP_BUF struct buf buf = {0};

    (void)state;
    for (uint32_t i = 0; i < 100000; i++)
        buf_put_le32(&buf, i);
    assert_int_equal(buf.len, 400000);
    for (uint32_t i = 0; i < 100000; i++)
        assert_int_equal(get_le32(buf.data + (size_t)4 * i), i);
}

static void text_is_taken_out_whole(void **state)
{
    CLEANUP_BUF struct buf buf = {0};

    (void)state;
    buf_printf(&buf, "%d-%s", 7, "x");
    buf_append_str(&buf, "yz");
    char *text = buf_take_str(&buf);
    assert_string_equal(text, "7-xyz");
    assert_null(buf.data);
    assert_int_equal(buf.len, 0);
    free(text);
    text = buf_take_str(&buf); /* of an empty one */
    assert_string_equal(text, "");
    free(text);
}

static void reserved_room_counts_when_len_is_raised(void **state)
{
    CLEANUP_BUF struct buf buf = {0};

    (void)state;
    buf_append(&buf, "ab", 2);
    memcpy(buf_reserve(&buf, 1000), "cd", 2);
    assert_true(buf.cap - buf.len >= 1000);
    assert_int_equal(buf.len, 2);
    buf.len += 2;
    assert_memory_equal(buf.data, "abcd", 4);
}

static void reader_gives_back_what_was_written(void **state)
{
    uint8_t data[1 + 4 + 8 + 4 + 4] = {200};

    (void)state;
    set_be32(data + 1, 0xfffefdfc);
    set_be64(data + 5, UINT64_MAX - 1);
    set_le32(data + 13, 0x80000001);
    memcpy(data + 17, "tail", 4);
    struct reader reader = reader_of(data, sizeof(data));
    assert_int_equal(reader_u8(&reader), 200);
    assert_int_equal(reader_be32(&reader), 0xfffefdfc);
    assert_true(reader_be64(&reader) == UINT64_MAX - 1);
    assert_int_equal(reader_le32(&reader), 0x80000001);
    assert_memory_equal(reader_bytes(&reader, 4), "tail", 4);
    assert_int_equal(reader.left, 0);
    assert_int_equal(reader_check(&reader, "message", NULL), 0);
}

static void reading_beyond_the_end_fails_and_stays_failed(void **state)
{
    static const uint8_t data[] = {1, 2, 3, 4, 5};
    CLEANUP_ERR struct err err = ERR_INIT;
    struct reader reader = reader_of(data, sizeof(data));

    (void)state;
    assert_int_equal(reader_be32(&reader), 0x01020304);
    assert_int_equal(reader_be32(&reader), 0);
    /* One byte is left, but what stands before it in the format is missing. */
    assert_int_equal(reader_u8(&reader), 0);
    assert_null(reader_bytes(&reader, 0));
    assert_fails(reader_check(&reader, "message", &err), &err, ERR_CORRUPT);
    assert_string_equal(err.text, "message is too short");
}

static void a_huge_length_is_too_short_and_no_overflow(void **state)
{
    static const uint8_t data[] = {1, 2, 3};
    struct reader reader = reader_of(data, sizeof(data));

    (void)state;
    assert_null(reader_bytes(&reader, SIZE_MAX));
    assert_true(reader.failed);
}

static void memory_access_round_trips(void **state)
{
    uint8_t bytes[8];

    (void)state;
    set_be32(bytes, 0xdeadbeef);
    assert_int_equal(bytes[0], 0xde);
    assert_int_equal(get_be32(bytes), 0xdeadbeef);
    set_le32(bytes, 0xdeadbeef);
    assert_int_equal(bytes[0], 0xef);
    assert_int_equal(get_le32(bytes), 0xdeadbeef);
    set_be64(bytes, UINT64_C(0xfedcba9876543210));
    assert_int_equal(bytes[7], 0x10);
    assert_true(get_be64(bytes) == UINT64_C(0xfedcba9876543210));
}

/* A line that is left out would go unseen: of a journal, say. In a process of its own, for
 * it ends it. */
static void text_that_can_not_be_made_ends_the_process(void **state)
{
    static const wchar_t not_a_character[] = {0xd800, 0};
    int status = 0;

    (void)state;
    pid_t pid = fork();
    if (pid == 0) {
        CLEANUP_BUF struct buf buf = {0};
        int null = open("/dev/null", O_WRONLY);
        dup2(null, STDERR_FILENO);
        buf_printf(&buf, "%ls", not_a_character);
        _exit(0);
    }
    assert_int_equal(waitpid(pid, &status, 0), pid);
    assert_true(WIFEXITED(status));
    assert_int_equal(WEXITSTATUS(status), EXIT_FAILURE);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(numbers_are_written_in_their_byte_order),
        cmocka_unit_test(growing_keeps_the_contents),
        cmocka_unit_test(text_is_taken_out_whole),
        cmocka_unit_test(reserved_room_counts_when_len_is_raised),
        cmocka_unit_test(reader_gives_back_what_was_written),
        cmocka_unit_test(reading_beyond_the_end_fails_and_stays_failed),
        cmocka_unit_test(a_huge_length_is_too_short_and_no_overflow),
        cmocka_unit_test(memory_access_round_trips),
        cmocka_unit_test(text_that_can_not_be_made_ends_the_process),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
