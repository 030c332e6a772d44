/* SPDX-License-Identifier: LGPL-2.1-or-later
 *
 * Which child tries a chunk again that has failed, and that somebody always can.
 */
#include "foreign_fixture.h"

/* Chunk 0 fails while the other child is still busy with chunk 1. */
static void test_a_failed_chunk_goes_to_another_child(void **state)
{
    CLEANUP_FOREIGN struct foreign foreign = {.together = true};
    struct image image;

    (void)state;
    setenv("VB_CHILD_FAULT", "sick-at:0,nap-at:1", 1);
    setenv("VB_CHILD_FAULT_ONCE", once_path, 1);
    image_init(&image, "d", 12, 0);
    run_well(&foreign, &image, PEER, "none", false, 2);
    assert_true(image_encoded_right(&image, "none"));
    image_clear(&image);
}

/* Chunk 0 fails while the other child is busy with its second. That one cannot take it afterwards:
 * the results in its two areas wait behind this very chunk. */
static void test_a_failed_chunk_goes_to_the_same_child_where_it_must(void **state)
{
    CLEANUP_FOREIGN struct foreign foreign = {.together = true};
    struct image image;

    (void)state;
    setenv("VB_CHILD_FAULT", "late-error-at:0," RELEASE_AT_SECOND, 1);
    setenv("VB_CHILD_FAULT_ONCE", once_path, 1);
    image_init(&image, "d", 12, 0);
    run_well(&foreign, &image, PEER, "none", false, 2);
    assert_true(image_encoded_right(&image, "none"));
    image_clear(&image);
}

/* Chunk 0 is slow, and 2 is read ahead for the same child; 1 and 3 are the other child's. When 3
 * has failed, the first child goes on: it must do 2 before it tries 3. For if 2 fails as well, while
 * the other child does 4 and 5, the result of 3 is in the area that 2 needs, and must wait for 2. */
static void test_a_chunk_that_was_read_ahead_goes_before_one_that_has_failed(void **state)
{
    CLEANUP_FOREIGN struct foreign foreign = {.together = true};
    CLEANUP_FREE char *folder = make_folder("foreign-folder");
    struct image image;

    (void)state;
    setenv("VB_CHILD_FAULT", "wait-at:0,early-error-at:3,slow-error-at:2", 1);
    setenv("VB_CHILD_FAULT_ONCE", folder, 1);
    image_init(&image, "d", 12, 0);
    run_well(&foreign, &image, PEER, "none", false, 2);
    assert_true(image_encoded_right(&image, "none"));
    image_clear(&image);
    remove_folder(folder);
}

/* Whatever fails, in whichever order, somebody can do it: a chunk is never given to nobody because
 * all wait for it. */
static void any_chunk_may_fail_once(unsigned children, bool ordered, uint64_t seed)
{
    CLEANUP_FOREIGN struct foreign foreign = {0};
    CLEANUP_FREE char *folder = make_folder("foreign-folder");
    CLEANUP_FREE char *seed_text = mem_printf("%llu", (unsigned long long)seed);
    struct image image;

    setenv("VB_CHILD_SHY", folder, 1);
    setenv("VB_CHILD_SEED", seed_text, 1);
    image_init(&image, "dddddddz", 100, 5);
    image.ordered = ordered;
    run_well(&foreign, &image, PEER, "none", false, children);
    unsetenv("VB_CHILD_SHY");
    assert_true(foreign.stats.children_lost > 0);
    assert_true(image_encoded_right(&image, "none"));
    image_clear(&image);
    remove_folder(folder);
}

static void test_any_chunk_may_fail_once(void **state)
{
    (void)state;
    for (unsigned children = 1; children <= 4; children++)
        any_chunk_may_fail_once(children, children != 4, test_seed() + children);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        FOREIGN_TEST(test_a_failed_chunk_goes_to_another_child),
        FOREIGN_TEST(test_a_failed_chunk_goes_to_the_same_child_where_it_must),
        FOREIGN_TEST(test_a_chunk_that_was_read_ahead_goes_before_one_that_has_failed),
        FOREIGN_TEST(test_any_chunk_may_fail_once),
    };

    return cmocka_run_group_tests_name("mtcp foreign retry", tests, name_files, free_names);
}
