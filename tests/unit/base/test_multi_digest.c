/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "unit.h"

#include <malloc.h>
#include <sys/mman.h>

#include "base/digest.h"
#include "base/multi_digest.h"

#define LEN_MAX MULTI_DIGEST_LEN_MAX

struct job {
    uint8_t *data; /* MULTI_DIGEST_MAX messages of LEN_MAX bytes each */
    uint8_t (*ret)[DIGEST_SIZE];
    struct multi_digest *multi;
};

static struct job begin(void)
{
    struct job job = {mem_array(MULTI_DIGEST_MAX, LEN_MAX),
                      mem_array(MULTI_DIGEST_MAX + 1, DIGEST_SIZE), multi_digest_new()};

    for (size_t i = 0; i < (size_t)MULTI_DIGEST_MAX * LEN_MAX; i++)
        job.data[i] = (uint8_t)((i * 2654435761U) >> 17);
    return job;
}

static void end(struct job *job)
{
    multi_digest_free(job->multi);
    free(job->ret);
    free(job->data);
}

/* Message i has the length len - i * less. */
static void check(struct job *job, size_t count, size_t len, size_t less)
{
    static const uint8_t untouched[DIGEST_SIZE] = {0xa5};
    struct multi_digest_message messages[MULTI_DIGEST_MAX];
    uint8_t expected[DIGEST_SIZE];

    for (size_t i = 0; i < count; i++)
        messages[i] =
            (struct multi_digest_message){job->data + i * LEN_MAX, len - i * less, job->ret[i]};
    memcpy(job->ret[count], untouched, DIGEST_SIZE);
    multi_digest_of(job->multi, messages, count);
    for (size_t i = 0; i < count; i++) {
        digest_of(messages[i].data, messages[i].len, expected);
        if (memcmp(expected, job->ret[i], DIGEST_SIZE) != 0)
            fail_msg("message %zu of %zu, %zu bytes: wrong", i, count, messages[i].len);
    }
    assert_memory_equal(job->ret[count], untouched, DIGEST_SIZE);
}

/* The same message 16 times. */
static void check_one(struct job *job, size_t len)
{
    struct multi_digest_message messages[16];
    uint8_t expected[DIGEST_SIZE];

    memset(job->data, 0x5a, len);
    digest_of(job->data, len, expected);
    for (size_t i = 0; i < 16; i++)
        messages[i] = (struct multi_digest_message){job->data, len, job->ret[i]};
    multi_digest_of(job->multi, messages, 16);
    for (size_t i = 0; i < 16; i++)
        assert_memory_equal(job->ret[i], expected, DIGEST_SIZE);
}

static void any_number_of_messages(void **state)
{
    struct job job = begin();

    (void)state;
    for (size_t count = 0; count <= MULTI_DIGEST_MAX; count++)
        check(&job, count, 200, 0);
    check(&job, MULTI_DIGEST_MAX, LEN_MAX, 0);
    end(&job);
}

static void of_any_length(void **state)
{
    struct job job = begin();

    (void)state;
    for (size_t len = 1; len < 300; len++)
        check(&job, 16, len, 0);
    check(&job, MULTI_DIGEST_MAX, LEN_MAX, 1);
    check(&job, MULTI_DIGEST_MAX, LEN_MAX, 255);
    end(&job);
}

static void they_may_lie_at_any_address(void **state)
{
    struct job job = begin();

    (void)state;
    for (size_t i = 0; i < 64; i++) {
        job.data++;
        check(&job, 20, 1000, 0);
    }
    job.data -= 64;
    end(&job);
}

/* What lies before and behind the messages cannot be read: a library that no sanitizer looks
 * into would die of it. */
static void nothing_but_the_message_is_read(void **state)
{
    static const size_t lengths[] = {1, 55, 56, 63, 64, 65, 119, 120, 128, 4096, LEN_MAX};
    size_t page = (size_t)sysconf(_SC_PAGESIZE);
    struct job job = begin();
    uint8_t *own = job.data;
    uint8_t *range = mmap(NULL, LEN_MAX + 2 * page, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);

    (void)state;
    assert_true(range != MAP_FAILED);
    assert_int_equal(mprotect(range + page, LEN_MAX, PROT_READ | PROT_WRITE), 0);
    for (size_t i = 0; i < sizeof(lengths) / sizeof(*lengths); i++) {
        job.data = range + page;
        check_one(&job, lengths[i]);
        job.data = range + page + LEN_MAX - lengths[i];
        check_one(&job, lengths[i]);
    }
    munmap(range, LEN_MAX + 2 * page);
    job.data = own;
    end(&job);
}

#if defined(__SANITIZE_ADDRESS__)
#define MALLOC_IS_SEEN 0 /* mallinfo2 knows nothing of a sanitizer's allocator */
#elif defined(__has_feature)
#if __has_feature(address_sanitizer)
#define MALLOC_IS_SEEN 0
#endif
#endif
#ifndef MALLOC_IS_SEEN
#define MALLOC_IS_SEEN 1
#endif

static void one_is_within_its_figure(void **state)
{
    struct mallinfo2 before = mallinfo2();
    struct job job = {.multi = multi_digest_new()};
    struct mallinfo2 after = mallinfo2();
    size_t taken = after.uordblks + after.hblkhd - before.uordblks - before.hblkhd;

    (void)state;
    multi_digest_free(job.multi);
    if (!MALLOC_IS_SEEN)
        skip();
    if (taken > multi_digest_memory() + 4096)
        fail_msg("%zu bytes are allocated, the figure is %llu", taken,
                 (unsigned long long)multi_digest_memory());
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(any_number_of_messages),
        cmocka_unit_test(of_any_length),
        cmocka_unit_test(they_may_lie_at_any_address),
        cmocka_unit_test(nothing_but_the_message_is_read),
        cmocka_unit_test(one_is_within_its_figure),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
