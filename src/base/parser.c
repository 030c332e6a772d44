/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "base/parser.h"

#include <inttypes.h>
#include <string.h>

#include "base/units.h"

int parser_run(const struct parser *parser, const struct parser_task *task, struct buf *ret,
               struct err *err)
{
    CLEANUP_BUF struct buf made = {0};

    if ((parser ? parser->run(parser->opaque, task, &made, err)
                : task->function(task->data, task->len, &made, err)) < 0)
        return -1;
    if (made.len > task->max)
        return err_set(err, ERR_CORRUPT, "has more than %" PRIu64 " bytes when it is unpacked",
                       task->max);
    *ret = made;
    made = (struct buf){0};
    return 0;
}

/* ---- many in one request ------------------------------------------------------------------------ */

/* No more tasks than that in one request, nor more bytes than that in it or made of it. */
#define TOGETHER_COUNT 256u
#define TOGETHER_BYTES (256 * MIB)

/* Before the bytes of a task in the request. Who makes it and who reads it are one program image. */
struct together_task {
    parser_function *function;
    uint64_t len;
    uint64_t max;
};

/* Before what was made of it. */
#define TOGETHER_HEAD 9u

static void put_together_result(struct buf *ret, bool good, const struct buf *made)
{
    buf_put_u8(ret, good);
    buf_put_be64(ret, good ? made->len : 0);
    if (good && made->len > 0)
        buf_append(ret, made->data, made->len);
}

/* A parser_function. data: a struct together_task and its bytes, again and again. */
static int parse_together(const void *data, size_t len, struct buf *ret, struct err *err)
{
    struct reader reader = reader_of(data, len);

    while (reader.left > 0) {
        CLEANUP_BUF struct buf made = {0};
        struct together_task task;
        const uint8_t *head = reader_bytes(&reader, sizeof(task));
        if (head)
            memcpy(&task, head, sizeof(task));
        const uint8_t *bytes = head ? reader_bytes(&reader, (size_t)task.len) : NULL;
        if (!bytes)
            return err_set(err, ERR_INTERNAL, "a request of the parser is cut off");
        bool good = task.function(bytes, (size_t)task.len, &made, NULL) == 0;
        put_together_result(ret, good && made.len <= task.max, &made);
    }
    return 0;
}

/* How many of these fit into one request, one at least; *ret_max: the most bytes made of them. */
static size_t fit_together(const struct parser_task *tasks, size_t count, uint64_t *ret_max)
{
    uint64_t len = 0, max = 0;
    size_t i = 0;

    for (; i < count && i < TOGETHER_COUNT; i++) {
        len += tasks[i].len;
        if (i > 0 && (len > TOGETHER_BYTES || max + tasks[i].max > TOGETHER_BYTES))
            break;
        max += tasks[i].max + TOGETHER_HEAD;
    }
    *ret_max = max;
    return i;
}

/* False: the rest of the answer cannot be told apart. */
static bool take_together_result(struct reader *reader, const struct parser_task *task,
                                 struct parser_result *result, bool *ret_good)
{
    *ret_good = reader_u8(reader) == 1;
    uint64_t len = reader_be64(reader);
    const uint8_t *bytes = len <= reader->left ? reader_bytes(reader, (size_t)len) : NULL;

    if (reader->failed || !bytes || len > task->max)
        return false;
    if (*ret_good && len > 0)
        buf_append(&result->made, bytes, (size_t)len);
    return true;
}

static void run_together(const struct parser *parser, const struct parser_task *tasks, size_t count,
                         uint64_t max, struct parser_result *results)
{
    struct parser_task all = {.function = parse_together, .max = max, .alone = true};
    CLEANUP_BUF struct buf request = {0}, answer = {0};
    CLEANUP_ERR struct err why = ERR_INIT;
    bool left = count > 1;

    for (size_t i = 0; left && i < count; i++) {
        const struct together_task head = {tasks[i].function, tasks[i].len, tasks[i].max};
        buf_append(&request, &head, sizeof(head));
        if (tasks[i].len > 0)
            buf_append(&request, tasks[i].data, tasks[i].len);
        all.alone = all.alone && tasks[i].alone;
    }
    all.data = request.data;
    all.len = request.len;
    left = left && parser_run(parser, &all, &answer, &why) == 0;
    struct reader reader = reader_of(answer.data, answer.len);
    for (size_t i = 0; i < count; i++) {
        bool good = false;
        left = left && take_together_result(&reader, &tasks[i], &results[i], &good);
        if (!left || !good)
            (void)parser_run(parser, &tasks[i], &results[i].made, &results[i].err);
    }
}

void parser_run_each(const struct parser *parser, const struct parser_task *tasks, size_t count,
                     struct parser_result *results)
{
    for (size_t i = 0, some = 0; i < count; i += some) {
        uint64_t max = 0;
        some = parser ? fit_together(&tasks[i], count - i, &max) : 1;
        run_together(parser, &tasks[i], some, max, &results[i]);
    }
}

void parser_results_clear(struct parser_result *results, size_t count)
{
    for (size_t i = 0; i < count; i++) {
        buf_clear(&results[i].made);
        err_clear(&results[i].err);
    }
}
