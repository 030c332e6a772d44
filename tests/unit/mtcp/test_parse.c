/* SPDX-License-Identifier: LGPL-2.1-or-later
 *
 * Bytes that are parsed in a process of their own.
 */
#include <errno.h>
#include <fcntl.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

#include "base/buf.h"
#include "base/digest.h"
#include "base/json.h"
#include "base/sandbox_filter.h"
#include "mtcp/spawner.h"
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
    ret->data = malloc(5 * (size_t)MAX);
    return ret->data ? 0 : err_set_errno(err, ENOMEM, "cannot get memory");
}

static int parse_apart(spawner_parser *parser, const void *data, size_t len, struct buf *ret,
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

static int take_answer(const struct spawner_index_head *head, const char *text, struct err *err)
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
    struct spawner_index_head head = {.count = 10};
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

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(what_is_parsed_apart_is_the_same),
        cmocka_unit_test(errors_are_told_as_far_as_they_can_be_believed),
        cmocka_unit_test(nothing_else_can_be_done_there),
        cmocka_unit_test(a_lying_answer_is_refused),
    };

    return cmocka_run_group_tests_name("mtcp parse", tests, NULL, NULL);
}
