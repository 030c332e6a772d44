/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "mtcp/message.h"
#include "mtcp/shared.h"

static const struct sample {
    struct message message;
    const char *bytes;
    size_t len;
} samples[] = {
    {{.pid = 0x01020304, .command = 'I'}, "\1\2\3\4I", 5},
    {{.pid = 0x01020304, .command = 'Q'}, "\1\2\3\4Q", 5},
    {{.pid = 1, .command = 'D', .id = 0x1122334455667788},
     "\0\0\0\1D\x11\x22\x33\x44\x55\x66\x77\x88",
     13},
    {{.pid = 0xffffffff, .command = 'F', .id = UINT64_MAX},
     "\xff\xff\xff\xff"
     "F\xff\xff\xff\xff\xff\xff\xff\xff",
     13},
    {{.pid = 1, .command = 'C', .id = 2, .size = 0x00010000},
     "\0\0\0\1C\0\0\0\0\0\0\0\2S\0\1\0\0",
     18},
    {{.pid = 1, .command = 'M', .id = 3, .size = 7}, "\0\0\0\1M\0\0\0\0\0\0\0\3S\0\0\0\7", 18},
    {{.pid = 1, .command = 'B', .id = 3, .size = 64}, "\0\0\0\1B\0\0\0\0\0\0\0\3S\0\0\0\x40", 18},
    {{.pid = 1, .command = 'E', .id = 4, .size = 4096}, "\0\0\0\1E\0\0\0\0\0\0\0\4S\0\0\x10\0", 18},
};

#define SAMPLE_COUNT (sizeof(samples) / sizeof(samples[0]))
#define ALL_COMMANDS "IBCMDFEQ"

static void test_each_message_has_its_bytes(void **state)
{
    (void)state;
    for (size_t i = 0; i < SAMPLE_COUNT; i++) {
        uint8_t head[MESSAGE_HEAD_MAX];
        assert_int_equal(message_encode(&samples[i].message, head), samples[i].len);
        assert_memory_equal(head, samples[i].bytes, samples[i].len);
    }
}

static void test_each_message_comes_back_a_byte_at_a_time(void **state)
{
    (void)state;
    for (size_t i = 0; i < SAMPLE_COUNT; i++) {
        const uint8_t *bytes = (const uint8_t *)samples[i].bytes;
        struct message message = {.command = '-'};
        for (size_t len = 0; len < samples[i].len; len++) {
            CLEANUP_ERR struct err err = ERR_INIT;
            int missing = message_decode(bytes, len, ALL_COMMANDS, &message, &err);
            /* never more than what belongs to this message */
            assert_in_range(missing, 1, samples[i].len - len);
            assert_int_equal(message.command, '-');
        }
        assert_int_equal(message_decode(bytes, samples[i].len, ALL_COMMANDS, &message, NULL), 0);
        assert_int_equal(message.pid, samples[i].message.pid);
        assert_int_equal(message.command, samples[i].message.command);
        assert_true(message.id == samples[i].message.id);
        assert_int_equal(message.size, samples[i].message.size);
    }
}

static void expect_refused(const char *bytes, size_t len, const char *commands, const char *why)
{
    CLEANUP_ERR struct err err = ERR_INIT;
    struct message message;

    assert_int_equal(message_decode((const uint8_t *)bytes, len, commands, &message, &err), -1);
    assert_int_equal(err.kind, ERR_CORRUPT);
    assert_non_null(strstr(err.text, why));
}

static void test_unknown_commands_are_refused(void **state)
{
    (void)state;
    for (unsigned command = 0; command < 256; command++) {
        char head[5] = {0, 0, 0, 1, (char)command};
        if (!command || !strchr(ALL_COMMANDS, (int)command))
            expect_refused(head, 5, ALL_COMMANDS, "unexpected command");
    }
}

static void test_commands_of_the_other_direction_are_refused(void **state)
{
    (void)state;
    expect_refused("\0\0\0\1I", 5, MESSAGE_TO_CHILD, "unexpected command 0x49");
    expect_refused("\0\0\0\1D", 5, MESSAGE_TO_CHILD, "unexpected command");
    expect_refused("\0\0\0\1E", 5, MESSAGE_TO_CHILD, "unexpected command");
    expect_refused("\0\0\0\1B", 5, MESSAGE_TO_CHILD, "unexpected command");
    expect_refused("\0\0\0\1F", 5, MESSAGE_TO_CONTROL, "unexpected command");
    expect_refused("\0\0\0\1Q", 5, MESSAGE_TO_CONTROL, "unexpected command");
}

static void test_sizes_above_their_limit_are_refused(void **state)
{
    struct message message;

    (void)state;
    expect_refused("\0\0\0\1E\0\0\0\0\0\0\0\4S\0\0\x10\1", 18, ALL_COMMANDS, "limit of 4096");
    expect_refused("\0\0\0\1B\0\0\0\0\0\0\0\4S\0\4\0\1", 18, ALL_COMMANDS, "limit of 262144");
    expect_refused("\0\0\0\1C\0\0\0\0\0\0\0\4S\x40\0\0\1", 18, ALL_COMMANDS, "exceeds the limit");
    expect_refused("\0\0\0\1M\0\0\0\0\0\0\0\4S\xff\xff\xff\xff", 18, ALL_COMMANDS,
                   "exceeds the limit");
    assert_int_equal(message_decode((const uint8_t *)"\0\0\0\1C\0\0\0\0\0\0\0\4S\x40\0\0\0", 18,
                                    ALL_COMMANDS, &message, NULL),
                     0);
    assert_int_equal(message.size, MESSAGE_DATA_MAX);
}

static void test_a_missing_s_is_refused(void **state)
{
    (void)state;
    expect_refused("\0\0\0\1C\0\0\0\0\0\0\0\4s\0\0\0\1", 18, ALL_COMMANDS, "no 'S' in message C");
}

static void test_the_digests_of_all_blocks_fit_in_one_message(void **state)
{
    struct child_settings settings = {.chunk_size = CODEC_CHUNK_MAX, .block_digests = true};
    struct shared_layout layout;

    (void)state;
    shared_layout(&settings, &layout);
    assert_int_equal(layout.blocks_size, CODEC_CHUNK_MAX / 65536 * 32);
    assert_true(layout.blocks_size <= MESSAGE_BLOCKS_MAX);
    assert_true(DIGEST_SIZE + layout.blocks_size <= layout.input_offset);
}

/* virt-backup-mtcp(7), LIMITS */
static void test_results_have_the_room_that_is_promised(void **state)
{
    static const char *const codecs[] = {"none", "lzma:0", "lzma:9", "zstd:1", "zstd:19"};

    (void)state;
    for (size_t i = 0; i < sizeof(codecs) / sizeof(codecs[0]); i++) {
        struct child_settings settings = {.decode = i % 2};
        assert_int_equal(codec_parse(codecs[i], &settings.codec, NULL), 0);
        for (uint64_t size = CODEC_CHUNK_MIN; size <= CODEC_CHUNK_MAX; size *= 2) {
            struct shared_layout layout;
            uint64_t promised = size + (i == 0 ? size / 512 + 40 : size / 32768 + 1024);
            settings.chunk_size = size;
            shared_layout(&settings, &layout);
            uint64_t room = settings.decode ? layout.input_size : layout.output_size;
            assert_true(room >= promised && room <= MESSAGE_DATA_MAX);
        }
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_each_message_has_its_bytes),
        cmocka_unit_test(test_each_message_comes_back_a_byte_at_a_time),
        cmocka_unit_test(test_unknown_commands_are_refused),
        cmocka_unit_test(test_commands_of_the_other_direction_are_refused),
        cmocka_unit_test(test_sizes_above_their_limit_are_refused),
        cmocka_unit_test(test_a_missing_s_is_refused),
        cmocka_unit_test(test_the_digests_of_all_blocks_fit_in_one_message),
        cmocka_unit_test(test_results_have_the_room_that_is_promised),
    };

    return cmocka_run_group_tests_name("mtcp message", tests, NULL, NULL);
}
