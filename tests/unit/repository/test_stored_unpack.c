/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <string.h>
#include <sys/mman.h>

#include <cmocka.h>

#include "made_point.h"
#include "repository/stored_unpack.h"

static void put_claim(struct buf *ret, const char *text)
{
    buf_put_be32(ret, (uint32_t)strlen(text));
    buf_append_str(ret, text);
}

/* Facts as a parser gives them, with these tags and disks; extra: bytes behind them. */
static int claim_facts(uint64_t taken_ms, const char *const *tags, const char *const *disks,
                       const char *extra)
{
    CLEANUP_BUF struct buf claim = {0};
    CLEANUP_INFO struct info info = {0};
    const struct id guest = {{1}};
    uint32_t counts[2] = {0};

    put_claim(&claim, "web");
    put_claim(&claim, "alpha");
    put_claim(&claim, "virt-backup");
    buf_put_be64(&claim, taken_ms);
    for (unsigned i = 0; i < 3; i++) /* state, consistency, memory */
        buf_put_u8(&claim, 0);
    buf_put_be64(&claim, 2);
    buf_put_u8(&claim, 0);
    buf_put_u8(&claim, 0);
    while (tags[counts[0]])
        counts[0]++;
    while (disks[counts[1]])
        counts[1]++;
    buf_put_be32(&claim, counts[0]);
    for (uint32_t i = 0; i < counts[0]; i++)
        put_claim(&claim, tags[i]);
    buf_put_be32(&claim, counts[1]);
    for (uint32_t i = 0; i < counts[1]; i++) {
        put_claim(&claim, disks[i]);
        buf_put_be64(&claim, i);
    }
    buf_append_str(&claim, extra);
    return stored_unpack_take_info(claim.data, claim.len, &guest, &info, NULL);
}

static void facts_of_a_parser_are_checked_like_others(void **state)
{
    static const char *const none[] = {NULL}, *const some[] = {"a", "b", NULL};
    static const char *const twice[] = {"a", "a", NULL}, *const empty[] = {"", NULL};
    static const char *const slash[] = {"a/b", NULL}, *const binary[] = {"\xff", NULL};

    (void)state;
    assert_int_equal(claim_facts(1, none, none, ""), 0);
    assert_int_equal(claim_facts(1, some, some, ""), 0);
    assert_int_equal(claim_facts(1, twice, none, ""), -1);
    assert_int_equal(claim_facts(1, none, twice, ""), -1);
    assert_int_equal(claim_facts(1, empty, none, ""), -1);
    assert_int_equal(claim_facts(1, none, empty, ""), -1);
    assert_int_equal(claim_facts(1, slash, none, ""), -1);
    assert_int_equal(claim_facts(1, none, slash, ""), 0);
    assert_int_equal(claim_facts(1, none, binary, ""), -1);
    assert_int_equal(claim_facts(1, none, none, "x"), -1);
    assert_int_equal(claim_facts(UINT64_C(253402300799999), none, none, ""), 0);
    assert_int_equal(claim_facts(UINT64_C(253402300800000), none, none, ""), -1);
}

static int unpack_point(const struct made_point *made, const struct buf *bytes, struct err *err)
{
    CLEANUP_BUF struct buf input = {0}, ret = {0};

    buf_append(&input, &made->id, sizeof(made->id));
    buf_append(&input, bytes->data, bytes->len);
    return stored_unpack_point(input.data, input.len, &ret, err);
}

/* Not even if it compresses a thousandfold. */
static void whatever_is_written_can_be_read(void **state)
{
    CLEANUP_MADE_POINT struct made_point made = made_point_usual();
    const size_t most = (size_t)381 << 20, more = (size_t)2 << 20;
    void *zeros = mmap(NULL, most, PROT_READ, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
    CLEANUP_SLOT struct slot slot = {0};
    CLEANUP_ERR struct err err = ERR_INIT;

    (void)state;
    assert_ptr_not_equal(zeros, MAP_FAILED);
    /* Of types that are passed over, so that nothing is unpacked. */
    made.more[made.more_count++] = (struct slot_added){0x8000, 0, zeros, most, true};
    made.more[made.more_count++] = (struct slot_added){0x8001, 0, zeros, more, true};
    CLEANUP_BUF struct buf bytes = made_point_bytes(&made);
    if (unpack_point(&made, &bytes, &err) < 0)
        fail_msg("%s", err.text);
    assert_int_equal(slot_parse(bytes.data, bytes.len, &made.id, &slot, NULL), 0);
    assert_true(slot_find(&slot, 0x8000, 0)->compressed);
    assert_false(slot_find(&slot, 0x8001, 0)->compressed);
    assert_in_range(bytes.len, more, more + 100000);
    munmap(zeros, most);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(facts_of_a_parser_are_checked_like_others),
        cmocka_unit_test(whatever_is_written_can_be_read),
    };

    return cmocka_run_group_tests_name("repository stored_unpack", tests, NULL, NULL);
}
