/* SPDX-License-Identifier: LGPL-2.1-or-later
 *
 * The loop of a child process, message by message.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <pthread.h>
#include <signal.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include <cmocka.h>

#include "../documented_digest.h"
#include "base/buf.h"
#include "harness.h"
#include "served.h"
#include "codec/result.h"

static uint8_t raw[CODEC_CHUNK_MIN];
static uint8_t back[CODEC_CHUNK_MIN];
static uint8_t result[2 * CODEC_CHUNK_MIN];

static int fill_raw(void **state)
{
    struct image image;

    (void)state;
    image_init(&image, "d", 1, 0);
    image_fill(&image, 0, raw);
    signal(SIGPIPE, SIG_IGN);
    return 0;
}

/* ---- the good ways --------------------------------------------------------- */

static void there_and_back(const char *codec)
{
    struct served encoder = {0}, decoder = {0};
    static const size_t lengths[] = {sizeof(raw), 1, 4096, 12345};

    start(&encoder, codec, false);
    start(&decoder, codec, true);
    hear(&encoder, 'I', 0);
    hear(&decoder, 'I', 0);
    for (size_t i = 0; i < sizeof(lengths) / sizeof(lengths[0]); i++) {
        uint64_t id = i * UINT64_C(0x0123456789abcdef);
        size_t len = do_chunk(&encoder, id, raw, lengths[i], result, sizeof(result));
        uint8_t digest[DIGEST_SIZE];
        documented_chunk_digest(raw, lengths[i], digest);
        assert_memory_equal(result, digest, DIGEST_SIZE);
        if (i % 2 == 1)
            memset(result, 0, DIGEST_SIZE); /* digest not known */
        assert_int_equal(do_chunk(&decoder, id, result, len, back, sizeof(back)), lengths[i]);
        assert_memory_equal(back, raw, lengths[i]);
    }
    finish(&encoder, 0, NULL);
    finish(&decoder, 0, NULL);
}

static void test_chunks_go_there_and_back(void **state)
{
    (void)state;
    there_and_back("none");
    there_and_back("lzma:0");
    there_and_back("zstd:1");
}

static void test_pipes_do_as_well_as_a_socket(void **state)
{
    struct served served = {0};
    int to[2], from[2];

    (void)state;
    assert_int_equal(pipe(to), 0);
    assert_int_equal(pipe(from), 0);
    served.child_in = to[0];
    served.out = to[1];
    served.in = from[0];
    served.child_out = from[1];
    start_thread(&served, "none", false);
    hear(&served, 'I', 0);
    size_t len = do_chunk(&served, 1, raw, sizeof(raw), result, sizeof(result));
    assert_int_equal(len, result_head_size(1) + sizeof(raw));
    finish(&served, 0, NULL);
}

static void test_m_works_in_each_area_of_the_segment_in_turn(void **state)
{
    static const uint64_t lengths[] = {sizeof(raw), 1000, 4096, 33333};
    struct served encoder = {.shared_size = 1}, decoder = {.shared_size = 1};
    uint8_t digest[DIGEST_SIZE], kept[2 * CODEC_CHUNK_MIN];
    size_t kept_len = 0;

    (void)state;
    start(&encoder, "zstd:1", false);
    start(&decoder, "zstd:1", true);
    hear(&encoder, 'I', 0);
    hear(&decoder, 'I', 0);
    for (unsigned i = 0; i < sizeof(lengths) / sizeof(lengths[0]); i++) {
        struct shared_area packed = area_of(&encoder, i % SHARED_AREAS);
        struct shared_area other = area_of(&encoder, (i + 1) % SHARED_AREAS);
        struct shared_area plain = area_of(&decoder, i % SHARED_AREAS);
        documented_chunk_digest(raw, lengths[i], digest);
        size_t len = do_m(&encoder, i, &packed, raw, lengths[i]);
        assert_memory_equal(packed.digest, digest, DIGEST_SIZE);
        assert_int_equal(do_m(&decoder, i, &plain, packed.output, len), lengths[i]);
        assert_memory_equal(plain.output, raw, lengths[i]);
        assert_memory_equal(plain.digest, digest, DIGEST_SIZE);
        if (i > 0) /* the last result is still there */
            assert_memory_equal(other.output, kept, kept_len);
        memcpy(kept, packed.output, len);
        kept_len = len;
    }
    finish(&encoder, 0, NULL);
    finish(&decoder, 0, NULL);
}

static void test_c_works_beside_a_shared_segment(void **state)
{
    struct served served = {.shared_size = 1};

    (void)state;
    start(&served, "none", false);
    hear(&served, 'I', 0);
    do_chunk(&served, 4, raw, sizeof(raw), result, sizeof(result));
    assert_true(io_is_zero(served.shared, served.shared_size));
    finish(&served, 0, NULL);
}

static void test_q_ends_it_when_idle_and_when_done(void **state)
{
    struct served idle = {0}, done = {0};

    (void)state;
    start(&idle, "none", false);
    hear(&idle, 'I', 0);
    say(&idle, 'Q', 0, 0);
    assert_int_equal(pthread_join(idle.thread, NULL), 0);
    assert_int_equal(idle.status, 0);
    close(idle.in);

    start(&done, "none", false);
    hear(&done, 'I', 0);
    say_chunk(&done, 1, raw, 100);
    hear(&done, 'D', 1);
    say(&done, 'Q', 0, 0);
    assert_int_equal(pthread_join(done.thread, NULL), 0);
    assert_int_equal(done.status, 0);
    close(done.in);
}

static void test_a_hang_up_ends_it_at_any_point(void **state)
{
    struct served first = {0}, done = {0};

    (void)state;
    start(&first, "none", false);
    finish(&first, 0, NULL);
    start(&done, "none", false);
    hear(&done, 'I', 0);
    say_chunk(&done, 1, raw, sizeof(raw));
    finish(&done, 0, NULL);
}

/* ---- chunks that cannot be done --------------------------------------------- */

static void test_chunks_that_cannot_be_done_get_e(void **state)
{
    struct served served = {0};
    CLEANUP_FREE uint8_t *large = mem_alloc(3 * CODEC_CHUNK_MIN);

    (void)state;
    start(&served, "none", false);
    hear(&served, 'I', 0);
    say_chunk(&served, 1, raw, 0);
    hear_error(&served, 1, "without data");
    say_chunk(&served, 2, large, CODEC_CHUNK_MIN + 1);
    hear_error(&served, 2, "65537 bytes of data, where at most 65536");
    say_chunk(&served, 3, large, 3 * CODEC_CHUNK_MIN);
    hear_error(&served, 3, "at most 65536");
    say(&served, 'M', 4, 100);
    hear_error(&served, 4, "no shared buffer");
    /* and the stream is in step */
    do_chunk(&served, 5, raw, sizeof(raw), result, sizeof(result));
    finish(&served, 0, NULL);
}

static void test_m_of_a_wrong_size_gets_e(void **state)
{
    struct served served = {.shared_size = 1};

    (void)state;
    start(&served, "none", false);
    hear(&served, 'I', 0);
    say(&served, 'M', 1, 0);
    hear_error(&served, 1, "without data");
    say(&served, 'M', 2, CODEC_CHUNK_MIN + 1);
    hear_error(&served, 2, "at most 65536");
    say(&served, 'M', 3, CODEC_CHUNK_MIN);
    hear(&served, 'D', 3);
    finish(&served, 0, NULL);
}

static void test_damaged_results_get_e(void **state)
{
    struct served encoder = {0}, decoder = {0};

    (void)state;
    start(&encoder, "lzma:0", false);
    hear(&encoder, 'I', 0);
    size_t len = do_chunk(&encoder, 1, raw, sizeof(raw), result, sizeof(result));
    finish(&encoder, 0, NULL);

    start(&decoder, "lzma:0", true);
    hear(&decoder, 'I', 0);
    say_chunk(&decoder, 1, result, len - 1);
    hear_error(&decoder, 1, "");
    say_chunk(&decoder, 2, result, 10);
    hear_error(&decoder, 2, "");
    result[len / 2] ^= 1;
    say_chunk(&decoder, 3, result, len);
    hear_error(&decoder, 3, "");
    result[len / 2] ^= 1;
    result[0] ^= 1; /* the digest */
    say_chunk(&decoder, 4, result, len);
    hear_error(&decoder, 4, "");
    result[0] ^= 1;
    assert_int_equal(do_chunk(&decoder, 5, result, len, back, sizeof(back)), sizeof(raw));
    finish(&decoder, 0, NULL);
}

static void test_a_decoder_over_its_memory_limit_says_e(void **state)
{
    struct served encoder = {0}, decoder = {0};

    (void)state;
    start(&encoder, "lzma:6", false);
    hear(&encoder, 'I', 0);
    size_t len = do_chunk(&encoder, 1, raw, sizeof(raw), result, sizeof(result));
    finish(&encoder, 0, NULL);
    start(&decoder, "lzma:6", true);
    decoder.settings.memory_limit = 1; /* not used before the first chunk */
    hear(&decoder, 'I', 0);
    say_chunk(&decoder, 1, result, len);
    hear_error(&decoder, 1, "memory");
    finish(&decoder, 0, NULL);
}

/* ---- what is not in the protocol ------------------------------------------- */

static void expect_broken(const void *bytes, size_t len, const char *why)
{
    struct served served = {0};

    start(&served, "none", false);
    hear(&served, 'I', 0);
    assert_int_equal(io_write(served.out, bytes, len, NULL), 0);
    assert_int_equal(shutdown(served.out, SHUT_WR), 0);
    finish(&served, -1, why);
}

static void expect_message_broken(uint32_t pid, char command, uint64_t id, uint32_t size,
                                  const char *why)
{
    struct message message = {.pid = pid, .command = command, .id = id, .size = size};
    uint8_t head[MESSAGE_HEAD_MAX];

    expect_broken(head, message_encode(&message, head), why);
}

static void test_what_is_not_in_the_protocol_ends_it(void **state)
{
    uint32_t pid = (uint32_t)getpid();
    uint8_t head[MESSAGE_HEAD_MAX];
    struct message message = {.pid = pid, .command = 'C', .id = 1, .size = 1};

    (void)state;
    expect_message_broken(pid + 1, 'Q', 0, 0, "a message for process");
    expect_message_broken(pid + 1, 'C', 1, 5, "a message for process");
    expect_message_broken(pid, 'I', 0, 0, "unexpected command");
    expect_message_broken(pid, 'D', 1, 0, "unexpected command");
    expect_message_broken(pid, 'F', 1, 0, "F for chunk 1, which this child does not have");
    expect_broken("hello, child", 12, "unexpected command");
    message_encode(&message, head);
    head[13] = 'T';
    expect_broken(head, sizeof(head), "no 'S'");
    head[13] = 'S';
    memset(head + 14, 0xff, 4);
    expect_broken(head, sizeof(head), "exceeds the limit");
}

static void test_a_message_cut_short_at_each_byte_ends_it(void **state)
{
    struct message message = {.pid = (uint32_t)getpid(), .command = 'C', .id = 1, .size = 10};
    uint8_t bytes[MESSAGE_HEAD_MAX + 10] = {0};
    size_t head_len = message_encode(&message, bytes);

    (void)state;
    for (size_t len = 1; len < head_len + 10; len++)
        expect_broken(bytes, len, "in the middle of a message");
}

static void expect_broken_when_done(char command, uint64_t id, uint32_t size, const char *why)
{
    struct served served = {0};

    start(&served, "none", false);
    hear(&served, 'I', 0);
    say_chunk(&served, 7, raw, 100);
    hear(&served, 'D', 7);
    say(&served, command, id, size);
    assert_int_equal(pthread_join(served.thread, NULL), 0);
    assert_int_equal(served.status, -1);
    if (!strstr(served.err.text, why))
        fail_msg("'%s' is expected in: %s", why, served.err.text);
    err_clear(&served.err);
    close(served.in);
}

static void test_nothing_but_f_of_its_chunk_follows_d(void **state)
{
    (void)state;
    expect_broken_when_done('F', 8, 0, "got F 8, expected F 7");
    expect_broken_when_done('C', 7, 100, "got C 7, expected F 7");
    expect_broken_when_done('M', 8, 100, "got M 8, expected F 7");
}

static void test_a_chunk_size_that_is_none_is_refused(void **state)
{
    struct child_settings settings = {.chunk_size = 65537};
    CLEANUP_ERR struct err err = ERR_INIT;

    (void)state;
    assert_int_equal(child_serve(&settings, &(struct child_place){.in_fd = -1, .out_fd = -1}, &err),
                     -1);
    assert_int_equal(err.kind, ERR_USAGE);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_chunks_go_there_and_back),
        cmocka_unit_test(test_pipes_do_as_well_as_a_socket),
        cmocka_unit_test(test_m_works_in_each_area_of_the_segment_in_turn),
        cmocka_unit_test(test_c_works_beside_a_shared_segment),
        cmocka_unit_test(test_q_ends_it_when_idle_and_when_done),
        cmocka_unit_test(test_a_hang_up_ends_it_at_any_point),
        cmocka_unit_test(test_chunks_that_cannot_be_done_get_e),
        cmocka_unit_test(test_m_of_a_wrong_size_gets_e),
        cmocka_unit_test(test_damaged_results_get_e),
        cmocka_unit_test(test_a_decoder_over_its_memory_limit_says_e),
        cmocka_unit_test(test_what_is_not_in_the_protocol_ends_it),
        cmocka_unit_test(test_a_message_cut_short_at_each_byte_ends_it),
        cmocka_unit_test(test_nothing_but_f_of_its_chunk_follows_d),
        cmocka_unit_test(test_a_chunk_size_that_is_none_is_refused),
    };

    return cmocka_run_group_tests_name("mtcp child", tests, fill_raw, NULL);
}
