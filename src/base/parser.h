/* SPDX-License-Identifier: LGPL-2.1-or-later
 *
 * Bytes from outside that take a library to be parsed - JSON, XML, what is compressed - are parsed
 * by functions from bytes to bytes, so that a process that can do nothing else can call them: who
 * has written hostile bytes gains no more than that process. What such a function makes is flat:
 * arrays, lengths and texts, which take no library to be read.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/buf.h"
#include "base/err.h"

/* Makes other bytes of some bytes, in *ret, which is empty. */
typedef int parser_function(const void *data, size_t len, struct buf *ret, struct err *err);

struct parser_task {
    parser_function *function;
    const void *data; /* borrowed */
    size_t len;
    uint64_t max; /* bytes of what it makes */
    /* By a process that has parsed nothing else, so that nothing else has a say in what comes of it. */
    bool alone;
};

/* Who calls these functions. */
struct parser {
    void *opaque;
    int (*run)(void *opaque, const struct parser_task *task, struct buf *ret, struct err *err);
};

/* Has the task done by the parser, or, if it is NULL, by this process. What it makes comes into *ret,
 * which is empty. Nothing is to be believed of that, nor of the error. Corrupt: more than task->max
 * bytes. */
int parser_run(const struct parser *parser, const struct parser_task *task, struct buf *ret,
               struct err *err);

/* What comes of one of many tasks. Both owned; err.kind is ERR_NONE if it was done. */
struct parser_result {
    struct buf made;
    struct err err;
};

void parser_results_clear(struct parser_result *results, size_t count);

/* parser_run for each of these, which a parser gets in one request for many; that is alone if all of
 * them are. Results: zeroed. One that cannot be done in company is tried once more by itself. */
void parser_run_each(const struct parser *parser, const struct parser_task *tasks, size_t count,
                     struct parser_result *results);
