/* SPDX-License-Identifier: LGPL-2.1-or-later
 *
 * How runs of equal chunks reach the sink, without any child.
 */
#include "mtcp/putter.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <cmocka.h>

struct seen {
    uint64_t next_id;
    uint64_t puts;
    uint64_t longest;
    uint64_t chained;
};

static int on_put(void *opaque, const struct chunk_output *output, struct err *err)
{
    struct seen *seen = opaque;

    if (output->id != seen->next_id || output->count < 1)
        return err_set(err, ERR_INTERNAL, "a chunk is left out or comes twice");
    seen->next_id += output->count;
    seen->puts++;
    seen->longest = output->count > seen->longest ? output->count : seen->longest;
    return 0;
}

static void on_chain(void *opaque, const uint8_t *digest, uint64_t count)
{
    struct seen *seen = opaque;

    (void)digest;
    seen->chained += count;
}

/* Puts 1000 equal chunks whose result has so many bytes, and chains their digests. */
static struct seen put_run(bool runs, size_t len)
{
    struct seen seen = {0};
    struct err err = ERR_INIT;
    const struct chunk_sink sink = {
        .opaque = &seen, .ordered = true, .runs = runs, .put = on_put, .chain = on_chain};
    const struct put_job job = {.output = {.raw_len = 65536, .kind = CHUNK_ZERO, .len = len},
                                .count = 1000};
    const struct put_job digests = {.chain = true, .count = 1000};
    uint64_t id = 7;

    CLEANUP(putter_freep) struct putter *putter = putter_new(1, NULL);
    assert_non_null(putter);
    putter_begin(putter, &sink);
    putter_post(putter, &job);
    putter_post(putter, &digests);
    putter_drain(putter);
    assert_int_equal(putter_collect(putter, &id, &err), 1);
    assert_int_equal(id, 0);
    assert_int_equal(putter_collect(putter, &id, &err), 0);
    assert_int_equal(putter_raw_done(putter), 1000 * 65536);
    putter_end(putter);
    assert_int_equal(seen.next_id, 1000);
    assert_int_equal(seen.chained, 1000);
    return seen;
}

static void small_results_are_put_at_once(void **state)
{
    (void)state;
    assert_int_equal(put_run(true, 48).puts, 1);
    assert_int_equal(put_run(true, 0).puts, 1);
}

static void large_ones_in_parts_that_do_not_take_long(void **state)
{
    (void)state;
    assert_int_equal(put_run(true, PUTTER_RUN_BYTES / 16).longest, 16);
    assert_int_equal(put_run(true, PUTTER_RUN_BYTES / 3).longest, 3);
    assert_int_equal(put_run(true, PUTTER_RUN_BYTES).longest, 1);
    assert_int_equal(put_run(true, 2 * PUTTER_RUN_BYTES).longest, 1);
}

static void who_takes_no_runs_gets_single_chunks(void **state)
{
    (void)state;
    assert_int_equal(put_run(false, 48).longest, 1);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(small_results_are_put_at_once),
        cmocka_unit_test(large_ones_in_parts_that_do_not_take_long),
        cmocka_unit_test(who_takes_no_runs_gets_single_chunks),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
