/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "ops/points_repository_parser.h"

#include "repository/stored_unpack.h"

static int parse_apart(void *opaque, stored_parse *parse, const void *data, size_t len,
                       struct buf *ret, struct err *err)
{
    const struct children *children = opaque;
    const struct spawner_parse what = {
        .parser = parse,
        .size = len,
        .max = stored_unpack_most(len),
        .alone = parse == stored_unpack_point,
        .unconfined = children->options->no_sandbox,
    };

    return spawner_parse_apart(children->spawner, &what, data, ret, err);
}

struct stored_parser points_repository_parser(const struct children *children)
{
    return (struct stored_parser){.opaque = (void *)children, .run = parse_apart};
}
