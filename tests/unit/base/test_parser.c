/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "unit.h"

#include "base/parser.h"

#define COUNT 600u

/* Gives the bytes back; what begins with 'x' is damaged. */
static int echo(const void *data, size_t len, struct buf *ret, struct err *err)
{
    if (len > 0 && *(const char *)data == 'x')
        return err_set(err, ERR_CORRUPT, "begins with an x");
    if (len > 0)
        buf_append(ret, data, len);
    return 0;
}

/* Another process, in short. */
struct other {
    unsigned asked; /* requests */
    unsigned alone; /* of them */
    bool dies_together;
    size_t cut;   /* bytes that are missing at the end of what it says in company */
    int forged;   /* what it says of the first task in company, if it is not 0 */
    uint64_t max; /* the largest of a request */
};

static int ask_other(void *opaque, const struct parser_task *task, struct buf *ret, struct err *err)
{
    struct other *other = opaque;
    bool together = task->function != echo;

    other->asked++;
    other->alone += task->alone;
    other->max = task->max > other->max ? task->max : other->max;
    if (together && other->dies_together)
        return err_set(err, ERR_IO, "it has ended");
    int result = task->function(task->data, task->len, ret, err);
    if (result == 0 && together) {
        ret->len -= other->cut;
        if (other->forged)
            ret->data[0] = (uint8_t)other->forged;
    }
    return result;
}

static void run_all(struct other *other, struct parser_task *tasks, size_t count,
                    struct parser_result *results)
{
    const struct parser parser = {other, ask_other};

    memset(results, 0, count * sizeof(*results));
    parser_run_each(other ? &parser : NULL, tasks, count, results);
}

static void expect_results(const struct parser_task *tasks, size_t count,
                           struct parser_result *results)
{
    for (size_t i = 0; i < count; i++) {
        bool bad = tasks[i].len > 0 && *(const char *)tasks[i].data == 'x';
        assert_int_equal(results[i].err.kind, bad ? ERR_CORRUPT : ERR_NONE);
        if (bad)
            assert_string_equal(results[i].err.text, "begins with an x");
        assert_int_equal(results[i].made.len, bad ? 0 : tasks[i].len);
        if (!bad && tasks[i].len > 0)
            assert_memory_equal(results[i].made.data, tasks[i].data, tasks[i].len);
    }
    parser_results_clear(results, count);
}

static const char *const texts[] = {"one", "two", "", "x", "five", "x two"};
#define TEXTS (sizeof(texts) / sizeof(*texts))

static void make_tasks(struct parser_task tasks[static TEXTS])
{
    for (size_t i = 0; i < TEXTS; i++)
        tasks[i] = (struct parser_task){echo, texts[i], strlen(texts[i]), 10, true};
}

static void many_are_asked_for_at_once(void **state)
{
    struct parser_task tasks[TEXTS];
    struct parser_result results[TEXTS];
    struct other other = {0};

    (void)state;
    make_tasks(tasks);
    run_all(&other, tasks, TEXTS, results);
    expect_results(tasks, TEXTS, results);
    assert_int_equal(other.asked, 1 + 2); /* all, and the damaged ones again */
    assert_int_equal(other.alone, 3);
    run_all(NULL, tasks, TEXTS, results);
    expect_results(tasks, TEXTS, results);

    other = (struct other){0};
    tasks[1].alone = false;
    run_all(&other, tasks, TEXTS, results);
    expect_results(tasks, TEXTS, results);
    assert_int_equal(other.alone, 2);
}

static void who_fails_in_company_is_asked_for_each(void **state)
{
    struct parser_task tasks[TEXTS];
    struct parser_result results[TEXTS];
    struct other dies = {.dies_together = true}, forges = {.forged = 7};

    (void)state;
    make_tasks(tasks);
    run_all(&dies, tasks, TEXTS, results);
    expect_results(tasks, TEXTS, results);
    assert_int_equal(dies.asked, 1 + TEXTS);
    run_all(&forges, tasks, TEXTS, results);
    expect_results(tasks, TEXTS, results);
    assert_int_equal(forges.asked, 1 + 3);
    for (size_t cut = 1; cut < 60; cut++) {
        struct other cuts = {.cut = cut};
        run_all(&cuts, tasks, TEXTS, results);
        expect_results(tasks, TEXTS, results);
    }
}

static void one_alone_is_asked_for_as_it_is(void **state)
{
    const struct parser_task task = {echo, "one", 3, 10, false};
    struct parser_result result;
    struct other other = {.dies_together = true};

    (void)state;
    run_all(&other, (struct parser_task[]){task}, 1, &result);
    expect_results(&task, 1, &result);
    assert_int_equal(other.asked, 1);
    run_all(&other, NULL, 0, &result);
    assert_int_equal(other.asked, 1);
}

static void what_is_longer_than_it_may_be_is_refused(void **state)
{
    struct parser_task tasks[TEXTS];
    struct parser_result results[TEXTS];
    struct other other = {0};

    (void)state;
    make_tasks(tasks);
    tasks[0].max = 2;
    run_all(&other, tasks, TEXTS, results);
    assert_int_equal(results[0].err.kind, ERR_CORRUPT);
    assert_int_equal(results[0].made.len, 0);
    assert_int_equal(results[1].made.len, 3);
    parser_results_clear(results, TEXTS);
}

static void requests_have_a_limit(void **state)
{
    struct parser_task *tasks = mem_array(COUNT, sizeof(*tasks));
    struct parser_result *results = mem_array(COUNT, sizeof(*results));
    struct other many = {0}, large = {0};

    (void)state;
    for (size_t i = 0; i < COUNT; i++)
        tasks[i] = (struct parser_task){echo, "text", 4, 10, true};
    run_all(&many, tasks, COUNT, results);
    expect_results(tasks, COUNT, results);
    assert_int_equal(many.asked, 3);
    for (size_t i = 0; i < COUNT; i++)
        tasks[i].max = UINT64_C(64) << 20;
    run_all(&large, tasks, COUNT, results);
    expect_results(tasks, COUNT, results);
    assert_int_equal(large.asked, COUNT / 3); /* with what is added for each, four are too many */
    assert_true(large.max <= UINT64_C(256) << 20);
    free(results);
    free(tasks);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(many_are_asked_for_at_once),
        cmocka_unit_test(who_fails_in_company_is_asked_for_each),
        cmocka_unit_test(one_alone_is_asked_for_as_it_is),
        cmocka_unit_test(what_is_longer_than_it_may_be_is_refused),
        cmocka_unit_test(requests_have_a_limit),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
