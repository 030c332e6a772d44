/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "base/parser.h"

#include <inttypes.h>

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
