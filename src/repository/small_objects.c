/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "repository/small_objects.h"

/* What of each is open at a time. */
#define OBJECTS_AT_ONCE 256u

/* Objects whose bytes are read, and which are then parsed together. */
struct small_objects_look {
    size_t count;
    struct buf *bytes; /* owned, as all; all of `count` */
    struct parser_task *tasks;
    struct parser_result *results;
    size_t *numbers; /* of their names */
};

static void small_objects_look_clear(struct small_objects_look *look)
{
    for (size_t i = 0; i < look->count; i++)
        buf_clear(&look->bytes[i]);
    parser_results_clear(look->results, look->count);
    free(look->bytes);
    free(look->tasks);
    free(look->results);
    free(look->numbers);
}

bool small_objects_can_do_without(const struct err *err)
{
    return err->kind == ERR_CORRUPT || err->kind == ERR_NOT_FOUND || err->kind == ERR_UNSUPPORTED ||
           err->kind == ERR_IO;
}

static int look_at_small_object(const struct stored_scope *scope, const char *name, size_t number,
                                enum small_object_kind kind, struct small_objects_look *look,
                                struct err *err)
{
    CLEANUP_ERR struct err why = ERR_INIT;
    CLEANUP_BUF struct buf bytes = {0};

    if (store_read(scope->store, name, small_object_max(kind), &bytes, &why) < 0)
        return small_objects_can_do_without(&why) ? 0 : err_move(err, &why);
    look->tasks[look->count] = small_object_task(kind, &bytes, &look->bytes[look->count]);
    look->tasks[look->count].alone = true;
    look->numbers[look->count++] = number;
    return 0;
}

static int give_small_object(const struct small_objects_each *each, size_t number,
                             struct parser_result *result, struct err *err)
{
    CLEANUP_SMALL_OBJECT struct small_object object = {0};

    if (result->err.kind != ERR_NONE)
        return small_objects_can_do_without(&result->err) ? 0 : err_move(err, &result->err);
    if (small_object_take(each->kind, &result->made, &object, NULL) < 0)
        return 0;
    return each->call(each->opaque, number, &object, err);
}

static int read_some_small_objects(const struct stored_scope *scope, const char *const *names,
                                   size_t first, size_t count,
                                   const struct small_objects_each *each, struct err *err)
{
    struct small_objects_look look CLEANUP(small_objects_look_clear) = {
        .bytes = mem_array(count, sizeof(*look.bytes)),
        .tasks = mem_array(count, sizeof(*look.tasks)),
        .results = mem_array(count, sizeof(*look.results)),
        .numbers = mem_array(count, sizeof(*look.numbers)),
    };

    for (size_t i = first; i < first + count; i++)
        if (look_at_small_object(scope, names[i], i, each->kind, &look, err) < 0)
            return -1;
    parser_run_each(scope->parser, look.tasks, look.count, look.results);
    for (size_t i = 0; i < look.count; i++)
        if (give_small_object(each, look.numbers[i], &look.results[i], err) < 0)
            return -1;
    return 0;
}

int small_objects_read(const struct stored_scope *scope, const char *const *names, size_t count,
                       const struct small_objects_each *each, struct err *err)
{
    for (size_t i = 0, some = 0; i < count; i += some) {
        some = count - i < OBJECTS_AT_ONCE ? count - i : OBJECTS_AT_ONCE;
        if (read_some_small_objects(scope, names, i, some, each, err) < 0)
            return -1;
    }
    return 0;
}
