/* SPDX-License-Identifier: LGPL-2.1-or-later
 *
 * The pool with foreign children: the peer in Python, well-behaved and not.
 */
#include "foreign_fixture.h"

static void there_and_back(const char *command, const char *codec, bool ordered)
{
    CLEANUP_FOREIGN struct foreign encoding = {0}, decoding = {0};
    struct image there, back;

    image_init(&there, "dzdd", 10, 500);
    there.ordered = ordered;
    run_well(&encoding, &there, command, codec, false, 2);
    assert_int_equal(encoding.stats.children_lost, 0);
    assert_true(image_encoded_right(&there, codec));
    image_init(&back, "dzdd", 10, 500);
    back.ordered = ordered;
    back.results = there.stored;
    run_well(&decoding, &back, command, codec, true, 2);
    assert_true(image_decoded_right(&back));
    image_clear(&there);
    image_clear(&back);
}

static void test_foreign_children_encode_and_decode(void **state)
{
    (void)state;
    there_and_back(PEER, "none", true);
    there_and_back(PEER, "lzma:1", false);
}

static void test_a_wrapper_that_forks_may_stand_between(void **state)
{
    CLEANUP_FREE char *path =
        test_script("foreign-wrapper", "#!/bin/sh\npython3 '" PEER "'\nexit $?\n");

    (void)state;
    there_and_back(path, "none", true);
    unlink(path);
}

/* Chunks of 4 MiB are more than any socket buffer holds, both ways. */
static void test_chunks_larger_than_socket_buffers(void **state)
{
    CLEANUP_FOREIGN struct foreign foreign = {0};
    struct image image;

    (void)state;
    image_init(&image, "d", 0, 0);
    image.chunk_size = (uint64_t)4 << 20;
    image.raw_size = 6 * image.chunk_size + 3;
    run_well(&foreign, &image, PEER, "none", false, 2);
    assert_true(image_encoded_right(&image, "none"));
    image_clear(&image);
}

/* ---- one slow chunk -------------------------------------------------------- */

static void release(void)
{
    close(open(release_path, O_CREAT | O_WRONLY, 0600));
}

static void test_a_slow_chunk_does_not_stop_the_other_children(void **state)
{
    CLEANUP_FOREIGN struct foreign foreign = {.together = true};
    struct image image;

    (void)state;
    setenv("VB_CHILD_FAULT", "wait-at:0," RELEASE_AT_SECOND, 1);
    image_init(&image, "d", 20, 0);
    run_well(&foreign, &image, PEER, "none", false, 2);
    assert_true(image_encoded_right(&image, "none"));
    image_clear(&image);
}

/* Chunk 0 is being worked on, 3 others are in the other areas of the two children: there is room
 * for nothing more until chunk 0 is done. */
static void release_soon(struct image *image, uint64_t id)
{
    if (image->puts == 0)
        assert_true(id <= 3);
    if (id == 3 && fork() == 0) {
        usleep(200000); /* time in which a fifth chunk would be read if there were room */
        release();
        _exit(0);
    }
}

static void test_the_window_is_bounded(void **state)
{
    CLEANUP_FOREIGN struct foreign foreign = {.together = true};
    struct image image;

    (void)state;
    setenv("VB_CHILD_FAULT", "wait-at:0", 1);
    image_init(&image, "d", 20, 0);
    image.on_read = release_soon;
    run_well(&foreign, &image, PEER, "none", false, 2);
    image_clear(&image);
}

/* Chunk 0 is the zero chunk whose result all others need. */
static void release_at_21(struct image *image, uint64_t id)
{
    if (id == 21) {
        assert_int_equal(image->zero_puts, 0);
        release();
    }
}

static void test_zeros_wait_for_the_first_of_them(void **state)
{
    CLEANUP_FOREIGN struct foreign foreign = {0};
    struct image image;

    (void)state;
    setenv("VB_CHILD_FAULT", "wait-at:0", 1);
    image_init(&image, "zd", 30, 0);
    image.ordered = false;
    image.on_read = release_at_21;
    run_well(&foreign, &image, PEER, "none", false, 2);
    assert_int_equal(image.zero_puts, 15);
    assert_true(image_encoded_right(&image, "none"));
    image_clear(&image);
}

/* ---- faults ---------------------------------------------------------------- */

static const struct fault {
    const char *kind;
    unsigned lost;    /* children, when it happens once */
    const char *text; /* when it happens again */
} faults[] = {
    {"die", 1, ": killed by signal 9 (Killed)"},
    {"exit", 1, ": exited with status 3"},
    {"error", 0, ": told to fail  [1m"},
    {"garbage", 1, "unexpected command 0x20 in a message"},
    {"stranger", 1, "sent a message as process "},
    {"wrong", 1, "sent D for chunk 6 out of turn"},
    {"huge", 1, "sent a result of 1073741824 bytes, where at most "},
    {"long", 1, "SIZE 4097 in message E exceeds the limit of 4096"},
    {"bad", 1, "sent a bad result"},
};

static void set_fault(const struct fault *fault, bool once)
{
    CLEANUP_FREE char *text = mem_printf("%s-at:5", fault->kind);

    unlink(once_path);
    setenv("VB_CHILD_FAULT", text, 1);
    if (once)
        setenv("VB_CHILD_FAULT_ONCE", once_path, 1);
    else
        unsetenv("VB_CHILD_FAULT_ONCE");
}

static void test_each_fault_is_survived_once(void **state)
{
    (void)state;
    for (size_t i = 0; i < sizeof(faults) / sizeof(faults[0]); i++) {
        CLEANUP_FOREIGN struct foreign foreign = {0};
        struct image image;
        image_init(&image, "d", 8, 0);
        set_fault(&faults[i], true);
        run_well(&foreign, &image, PEER, "none", false, 1 + (unsigned)i % 2);
        assert_int_equal(foreign.stats.children_lost, faults[i].lost);
        /* one of them again, and perhaps one that was in the child's other area */
        assert_in_range(image.reads, 9, 10);
        assert_true(image_encoded_right(&image, "none"));
        image_clear(&image);
    }
}

static void test_each_fault_ends_the_run_the_second_time(void **state)
{
    (void)state;
    for (size_t i = 0; i < sizeof(faults) / sizeof(faults[0]); i++) {
        CLEANUP_FOREIGN struct foreign foreign = {0};
        struct image image;
        image_init(&image, "d", 8, 0);
        set_fault(&faults[i], false);
        assert_int_equal(run(&foreign, &image, PEER, "none", false, 2 - (unsigned)i % 2), -1);
        assert_int_equal(foreign.err.kind,
                         strcmp(faults[i].kind, "die") == 0 ? ERR_TRANSIENT : ERR_IO);
        if (!strstr(foreign.err.text, "chunk 5 (from byte 327680): child process ") ||
            !strstr(foreign.err.text, faults[i].text))
            fail_msg("'%s' is expected in: %s", faults[i].text, foreign.err.text);
        image_clear(&image);
    }
}

/* ---- digests of blocks ------------------------------------------------------ */

#define BLOCKS_CHUNK (4 * CODEC_CHUNK_MIN)

static struct image image_with_blocks(uint64_t extra)
{
    struct image image;

    image_init(&image, "dzdrdgd", 0, 0);
    image.chunk_size = BLOCKS_CHUNK;
    image.raw_size = 7 * BLOCKS_CHUNK + extra;
    image.block_digests = true;
    return image;
}

static void blocks_there_and_back(const char *codec)
{
    CLEANUP_FOREIGN struct foreign encoding = {0}, decoding = {0};
    struct image there = image_with_blocks(100000), back = image_with_blocks(100000);

    run_well(&encoding, &there, PEER, codec, false, 2);
    assert_int_equal(encoding.stats.children_lost, 0);
    assert_true(image_encoded_right(&there, codec));
    back.results = there.stored;
    run_well(&decoding, &back, PEER, codec, true, 2);
    assert_int_equal(decoding.stats.children_lost, 0);
    assert_true(image_decoded_right(&back));
    image_clear(&there);
    image_clear(&back);
}

static void test_foreign_children_may_give_digests_of_blocks_or_not(void **state)
{
    (void)state;
    blocks_there_and_back("none");
    setenv("VB_CHILD_PLAIN", "1", 1);
    blocks_there_and_back("none");
    blocks_there_and_back("lzma:1");
}

/* It is what the child says that is used, where it can be: it is trusted with the digest of the
 * chunk, too. */
static void test_the_digests_that_a_foreign_child_gives_are_used(void **state)
{
    CLEANUP_FOREIGN struct foreign foreign = {0};
    struct image image = image_with_blocks(0);
    uint8_t said[DIGEST_SIZE] = {[DIGEST_SIZE - 1] = 'x'};

    (void)state;
    setenv("VB_CHILD_FAULT", "other-blocks-at:2", 1);
    run_well(&foreign, &image, PEER, "none", false, 1);
    assert_int_equal(foreign.stats.children_lost, 0);
    assert_memory_equal(image.stored[2].block_digests + 3 * DIGEST_SIZE, said, DIGEST_SIZE);
    image_clear(&image);
}

static const struct fault block_faults[] = {
    {"more-blocks", 1, "sent 160 bytes as digests of blocks, where 1 to 4 digests of 32 are"},
    {"fewer-blocks", 1, "sent the digests of 3 blocks, where the chunk has 4"},
    {"odd-blocks", 1, "sent 127 bytes as digests of blocks"},
    {"no-blocks", 1, "sent 0 bytes as digests of blocks"},
    {"empty-blocks", 1, "gave no digest of block 1"},
    {"twice-blocks", 1, "sent B twice"},
    {"early-blocks", 1, "sent B for chunk 4 out of turn"},
    {"stray-blocks", 1, "sent B for chunk 5 out of turn"},
    {"huge-blocks", 1, "SIZE 262176 in message B exceeds the limit of 262144"},
};

static void expect_block_fault(const struct fault *fault, uint64_t at, bool wanted)
{
    CLEANUP_FOREIGN struct foreign once = {0}, always = {0};
    CLEANUP_FREE char *text = mem_printf("%s-at:%d", fault->kind, (int)at);
    struct image good = image_with_blocks(100000), bad = image_with_blocks(100000);

    good.block_digests = bad.block_digests = wanted;
    unlink(once_path);
    setenv("VB_CHILD_FAULT", text, 1);
    setenv("VB_CHILD_FAULT_ONCE", once_path, 1);
    run_well(&once, &good, PEER, "none", false, 2);
    assert_int_equal(once.stats.children_lost, fault->lost);
    assert_true(image_encoded_right(&good, "none"));
    unsetenv("VB_CHILD_FAULT_ONCE");
    assert_int_equal(run(&always, &bad, PEER, "none", false, 2), -1);
    if (!strstr(always.err.text, fault->text))
        fail_msg("'%s' is expected in: %s", fault->text, always.err.text);
    image_clear(&good);
    image_clear(&bad);
}

static void test_a_child_that_lies_about_blocks_is_replaced(void **state)
{
    static const struct fault too_many = {"more-blocks", 1,
                                          "sent the digests of 3 blocks, where the chunk has 2"};
    static const struct fault too_few = {"fewer-blocks", 1,
                                         "sent the digests of 1 blocks, where the chunk has 2"};
    static const struct fault again = {"error", 0, "told to fail"};
    static const struct fault uncalled = {"twice-blocks", 1, "sent B, which was not asked for"};

    (void)state;
    for (size_t i = 0; i < sizeof(block_faults) / sizeof(block_faults[0]); i++)
        expect_block_fault(&block_faults[i], 4, true);
    expect_block_fault(&too_many, 7, true); /* of the last chunk, for which there is room */
    expect_block_fault(&too_few, 5, true);  /* of one whose parts are gathered */
    expect_block_fault(&again, 5, true);
    expect_block_fault(&uncalled, 4, false);
}

static void test_a_block_that_is_the_chunk_has_the_digest_of_the_chunk(void **state)
{
    CLEANUP_FOREIGN struct foreign foreign = {0};
    struct image image;

    (void)state;
    setenv("VB_CHILD_FAULT", "other-blocks-at:5", 1);
    image_init(&image, "d", 8, 0);
    image.block_digests = true;
    assert_int_equal(run(&foreign, &image, PEER, "none", false, 2), -1);
    assert_non_null(strstr(foreign.err.text, "gave a block another digest than the chunk"));
    image_clear(&image);
}

/* ---- no children at all ----------------------------------------------------- */

static void test_a_program_that_is_no_child_ends_the_run(void **state)
{
    CLEANUP_FOREIGN struct foreign missing = {0}, useless = {0}, silent = {0};
    struct image image;

    (void)state;
    image_init(&image, "d", 8, 0);
    assert_int_equal(run(&missing, &image, "/nonexistent/child", "none", false, 2), -1);
    assert_non_null(strstr(missing.err.text, "/nonexistent/child: cannot run it"));
    assert_int_equal(run(&useless, &image, "/bin/true", "none", false, 2), -1);
    assert_non_null(strstr(useless.err.text, ": exited with status 0"));
    assert_int_equal(run(&silent, &image, "/bin/false", "none", false, 1), -1);
    assert_non_null(strstr(silent.err.text, ": exited with status 1"));
    image_clear(&image);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        FOREIGN_TEST(test_foreign_children_encode_and_decode),
        FOREIGN_TEST(test_a_wrapper_that_forks_may_stand_between),
        FOREIGN_TEST(test_chunks_larger_than_socket_buffers),
        FOREIGN_TEST(test_a_slow_chunk_does_not_stop_the_other_children),
        FOREIGN_TEST(test_the_window_is_bounded),
        FOREIGN_TEST(test_zeros_wait_for_the_first_of_them),
        FOREIGN_TEST(test_each_fault_is_survived_once),
        FOREIGN_TEST(test_each_fault_ends_the_run_the_second_time),
        FOREIGN_TEST(test_foreign_children_may_give_digests_of_blocks_or_not),
        FOREIGN_TEST(test_the_digests_that_a_foreign_child_gives_are_used),
        FOREIGN_TEST(test_a_child_that_lies_about_blocks_is_replaced),
        FOREIGN_TEST(test_a_block_that_is_the_chunk_has_the_digest_of_the_chunk),
        FOREIGN_TEST(test_a_program_that_is_no_child_ends_the_run),
    };

    return cmocka_run_group_tests_name("mtcp foreign children", tests, name_files, free_names);
}
