/* SPDX-License-Identifier: LGPL-2.1-or-later
 *
 * Bytes that are parsed in a process of their own.
 */
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stddef.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

#include "../fast_clock.h"
#include "base/buf.h"
#include "base/digest.h"
#include "base/json.h"
#include "base/sandbox_filter.h"
#include "base/stall.h"
#include "mtcp/spawner_parse.h"

#define MAX 100000000u

/* Each byte thrice, behind what libraries have made of all of them: they must be able to work there. */
static int parse_thrice(const void *data, size_t len, struct buf *ret, struct err *err)
{
    CLEANUP(json_freep) struct json *json = json_new_object();
    uint8_t digest[DIGEST_SIZE];

    (void)err;
    json_set_u64(json, "bytes", len);
    CLEANUP_FREE char *text = json_format(json);
    digest_of(data, len, digest);
    buf_append_str(ret, text);
    buf_append(ret, digest, sizeof(digest));
    for (unsigned i = 0; i < 3; i++)
        buf_append(ret, data, len);
    return 0;
}

static int parse_not(const void *data, size_t len, struct buf *ret, struct err *err)
{
    (void)ret;
    return err_set(err,
                   len == 1   ? ERR_UNSUPPORTED
                   : len == 2 ? ERR_DENIED
                              : ERR_CORRUPT,
                   "is not what '%s' is", (const char *)data);
}

static int parse_files(const void *data, size_t len, struct buf *ret, struct err *err)
{
    (void)ret;
    (void)len;
    return open(data, O_RDONLY | O_CLOEXEC) < 0 ? err_set_errno(err, errno, "cannot open") : 0;
}

static int parse_memory(const void *data, size_t len, struct buf *ret, struct err *err)
{
    (void)data;
    (void)len;
    ret->data = malloc(10 * (size_t)MAX);
    return ret->data ? 0 : err_set_errno(err, ENOMEM, "cannot get memory");
}

static int parse_apart(parser_function *parser, const void *data, size_t len, struct buf *ret,
                       struct err *err)
{
    CLEANUP(spawner_freep) struct spawner *spawner = spawner_start(NULL, NULL);
    const struct spawner_parse what = {.parser = parser, .size = len, .max = MAX};

    assert_non_null(spawner);
    return spawner_parse_apart(spawner, &what, data, ret, err);
}

static void what_is_parsed_apart_is_the_same(void **state)
{
    static const size_t lens[] = {0, 1, 1000, 5000000};
    CLEANUP_FREE uint8_t *data = mem_alloc(5000000);

    (void)state;
    for (size_t i = 0; i < 5000000; i++)
        data[i] = (uint8_t)(i * 31 >> 3);
    for (size_t i = 0; i < 4; i++) {
        CLEANUP_BUF struct buf here = {0}, there = {0};
        CLEANUP_ERR struct err err = ERR_INIT;
        assert_int_equal(parse_thrice(data, lens[i], &here, NULL), 0);
        if (parse_apart(parse_thrice, data, lens[i], &there, &err) < 0)
            fail_msg("%s", err.text);
        assert_int_equal(there.len, here.len);
        assert_memory_equal(there.data, here.data, here.len);
    }
}

static void errors_are_told_as_far_as_they_can_be_believed(void **state)
{
    static const enum err_kind kinds[] = {ERR_UNSUPPORTED, ERR_CORRUPT, ERR_CORRUPT};

    (void)state;
    for (size_t i = 0; i < 3; i++) {
        CLEANUP_ERR struct err err = ERR_INIT;
        CLEANUP_BUF struct buf made = {0};
        assert_int_equal(parse_apart(parse_not, &"ab\0"[2 - i], i + 1, &made, &err), -1);
        assert_int_equal(err.kind, kinds[i]);
        assert_non_null(strstr(err.text, "is not what '"));
    }
}

static void nothing_else_can_be_done_there(void **state)
{
    static const char path[] = "/etc/passwd";
    CLEANUP_ERR struct err err = ERR_INIT, memory = ERR_INIT;
    CLEANUP_BUF struct buf made = {0};

    (void)state;
    assert_int_equal(parse_files(path, sizeof(path), &made, NULL), 0);
    assert_int_equal(parse_apart(parse_files, path, sizeof(path), &made, &err), -1);
    assert_int_equal(err.kind, ERR_IO);
    /* A sanitizer is not killed, for it opens files, and its memory cannot be limited. */
    if (SANDBOX_FILTER_SANITIZED)
        return;
    assert_non_null(strstr(err.text, "killed by signal 31"));
    assert_int_equal(parse_apart(parse_memory, path, sizeof(path), &made, &memory), -1);
    assert_non_null(strstr(memory.text, "cannot get memory"));
}

/* ---- answers of a process that somebody else has taken over --------------------- */

static int take_answer(const struct spawner_apart_head *head, const char *text, struct err *err)
{
    const struct spawner_parse what = {.max = 10};
    CLEANUP_BUF struct buf made = {0};
    int ends[2];

    assert_int_equal(pipe2(ends, O_CLOEXEC), 0);
    CLEANUP_CLOSE int reading = ends[0];
    assert_int_equal(write(ends[1], head, sizeof(*head)), (ssize_t)sizeof(*head));
    assert_int_equal(write(ends[1], text, strlen(text)), (ssize_t)strlen(text));
    close(ends[1]);
    return spawner_parse_take(&what, getpid(), reading, &made, err);
}

static void a_lying_answer_is_refused(void **state)
{
    struct spawner_apart_head head = {.count = 10};
    CLEANUP_ERR struct err err = ERR_INIT;

    (void)state;
    assert_int_equal(take_answer(&head, "0123456789", &err), 0);
    assert_int_equal(take_answer(&head, "012345678", &err), -1);
    assert_int_equal(err.kind, ERR_IO);
    head.count = 11;
    assert_int_equal(take_answer(&head, "0123456789a", &err), -1);
    assert_int_equal(err.kind, ERR_CORRUPT);
    head.count = UINT64_MAX;
    assert_int_equal(take_answer(&head, "0123456789a", &err), -1);
    assert_int_equal(err.kind, ERR_CORRUPT);
    head.kind = ERR_UNSUPPORTED;
    memset(head.text, 'x', sizeof(head.text));
    assert_int_equal(take_answer(&head, "", &err), -1);
    assert_int_equal(strlen(err.text), sizeof(head.text) - 1);
}

/* ---- the process that serves many ------------------------------------------------ */

/* What the first byte of the data tells. */
enum { COUNT, ALONE, FAIL, DIE, HANG, FAIL_LATER, DIE_LATER, SAY_MORE, SAY_LESS };

/* How many this process has parsed, and then the data. */
static int parse_as_told(const void *data, size_t len, struct buf *ret, struct err *err)
{
    static const struct spawner_apart_head more = {.count = 4};
    static uint8_t count;
    uint8_t what = *(const uint8_t *)data;
    bool later = what == FAIL_LATER || what == DIE_LATER;

    if (later && count++ > 0)
        what -= FAIL_LATER - FAIL;
    else if (!later)
        count++;
    if (what == FAIL)
        return err_set(err, ERR_CORRUPT, "is damaged");
    if (what == DIE)
        raise(SIGUSR1); /* no sanitizer has a handler for it */
    while (what == HANG)
        poll(NULL, 0, -1);
    if (what == SAY_MORE && (write(SPAWNER_APART_SOCK, &more, sizeof(more)) < 0 ||
                             write(SPAWNER_APART_SOCK, "more", 4) < 0))
        return err_set(err, ERR_CORRUPT, "cannot say more");
    if (what == SAY_LESS)
        return write(SPAWNER_APART_SOCK, &more, sizeof(more)) < 0 ? -1 : (raise(SIGKILL), -1);
    buf_put_u8(ret, count);
    buf_append(ret, data, len);
    return 0;
}

static int ask_one(struct spawner *spawner, uint8_t what, size_t len, struct buf *ret,
                   struct err *err)
{
    CLEANUP_FREE uint8_t *data = mem_alloc(len);
    /* Most of these calls are not made in the sandbox, which has none to hang or die with. */
    const struct spawner_parse asked = {.parser = parse_as_told,
                                        .size = len,
                                        .max = UINT64_C(250000000),
                                        .alone = what == ALONE,
                                        .unconfined = what > ALONE};

    memset(data, what, len);
    return spawner_parse_apart(spawner, &asked, data, ret, err);
}

static void expect_count(struct spawner *spawner, uint8_t what, size_t len, uint8_t count)
{
    CLEANUP_BUF struct buf made = {0};
    CLEANUP_ERR struct err err = ERR_INIT;

    if (ask_one(spawner, what, len, &made, &err) < 0)
        fail_msg("%s", err.text);
    assert_int_equal(made.len, 1 + len);
    assert_int_equal(made.data[0], count);
    for (size_t i = 0; i < len; i++)
        assert_int_equal(made.data[1 + i], what);
}

static void one_process_serves_many(void **state)
{
    CLEANUP(spawner_freep) struct spawner *spawner = spawner_start(NULL, NULL);
    struct spawner_parse_kept *kept = spawner_kept_parser(spawner);

    (void)state;
    expect_count(spawner, COUNT, 1, 1);
    expect_count(spawner, COUNT, 1000000, 2);
    expect_count(spawner, COUNT, 1, 3);
    /* one that needs more memory gets another process, and so does the one after the last */
    expect_count(spawner, COUNT, 30000000, 1);
    expect_count(spawner, COUNT, 1, 2);
    kept->served = SPAWNER_PARSE_SERVED - 1;
    expect_count(spawner, COUNT, 1, 3);
    expect_count(spawner, COUNT, 1, 1);
    kept->bytes = SPAWNER_PARSE_BYTES - 1;
    expect_count(spawner, COUNT, 1, 2);
    expect_count(spawner, COUNT, 1, 1);
}

/* What is in a process that has parsed something else is whatever that has made of it. */
static void what_is_parsed_alone_shares_its_process_with_nothing_before(void **state)
{
    CLEANUP(spawner_freep) struct spawner *spawner = spawner_start(NULL, NULL);

    (void)state;
    expect_count(spawner, ALONE, 1, 1);
    expect_count(spawner, ALONE, 1, 1);
    expect_count(spawner, COUNT, 1, 2);
    expect_count(spawner, ALONE, 1, 1);
}

/* Whatever was parsed before in the same process. */
static void the_last_word_has_a_process_that_served_no_other(void **state)
{
    CLEANUP(spawner_freep) struct spawner *spawner = spawner_start(NULL, NULL);

    (void)state;
    for (uint8_t what = FAIL_LATER; what <= DIE_LATER; what++) {
        expect_count(spawner, what, 2, 1);
        expect_count(spawner, what, 2, 1);
        expect_count(spawner, what, 2, 1);
    }
}

static void expect_failure(struct spawner *spawner, uint8_t what, enum err_kind kind,
                           const char *text)
{
    CLEANUP_BUF struct buf made = {0};
    CLEANUP_ERR struct err err = ERR_INIT;

    assert_int_equal(ask_one(spawner, what, 3, &made, &err), -1);
    assert_int_equal(err.kind, kind);
    if (!strstr(err.text, text))
        fail_msg("%s", err.text);
    assert_null(made.data);
    assert_int_equal(spawner_kept_parser(spawner)->process.sock, -1);
}

static void one_that_fails_is_not_asked_again(void **state)
{
    CLEANUP(spawner_freep) struct spawner *spawner = spawner_start(NULL, NULL);

    (void)state;
    for (int used = 0; used < 2; used++) {
        expect_failure(spawner, FAIL, ERR_CORRUPT, "is damaged");
        expect_count(spawner, COUNT, 1, 1);
        expect_failure(spawner, DIE, ERR_IO, "killed by signal 10");
        expect_count(spawner, COUNT, 1, 1);
        expect_failure(spawner, SAY_LESS, ERR_TRANSIENT, "killed by signal 9");
        expect_count(spawner, COUNT, 1, 1);
    }
}

/* An answer that nobody has asked for would be taken for that to the next question. */
static void one_that_says_more_is_not_asked_again(void **state)
{
    CLEANUP(spawner_freep) struct spawner *spawner = spawner_start(NULL, NULL);
    CLEANUP_BUF struct buf made = {0};

    (void)state;
    assert_int_equal(ask_one(spawner, SAY_MORE, 1, &made, NULL), 0);
    assert_int_equal(made.len, 4);
    struct pollfd more = {.fd = spawner_kept_parser(spawner)->process.sock, .events = POLLIN};
    assert_int_equal(poll(&more, 1, -1), 1);
    expect_count(spawner, FAIL_LATER, 1, 1);
}

static void one_that_hangs_is_ended(void **state)
{
    CLEANUP(spawner_freep) struct spawner *spawner = spawner_start(NULL, NULL);

    (void)state;
    fast_clock_start(STALL_LOOK_MS);
    expect_failure(spawner, HANG, ERR_IO, "no progress for ten minutes");
    fast_clock_stop();
    expect_count(spawner, COUNT, 1, 1);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(what_is_parsed_apart_is_the_same),
        cmocka_unit_test(errors_are_told_as_far_as_they_can_be_believed),
        cmocka_unit_test(nothing_else_can_be_done_there),
        cmocka_unit_test(a_lying_answer_is_refused),
        cmocka_unit_test(one_process_serves_many),
        cmocka_unit_test(what_is_parsed_alone_shares_its_process_with_nothing_before),
        cmocka_unit_test(the_last_word_has_a_process_that_served_no_other),
        cmocka_unit_test(one_that_fails_is_not_asked_again),
        cmocka_unit_test(one_that_says_more_is_not_asked_again),
        cmocka_unit_test(one_that_hangs_is_ended),
    };

    return cmocka_run_group_tests_name("mtcp parse", tests, NULL, NULL);
}
