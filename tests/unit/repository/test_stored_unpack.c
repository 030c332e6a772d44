/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <string.h>

#include <cmocka.h>

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

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(facts_of_a_parser_are_checked_like_others),
    };

    return cmocka_run_group_tests_name("repository stored_unpack", tests, NULL, NULL);
}
