/* SPDX-License-Identifier: LGPL-2.1-or-later
 *
 * The small objects of a repository, and what a parser that was taken over may say of them. The first
 * byte chooses the kind, and which of the two.
 */
#include "fuzz.h"
#include "repository/format/small_object.h"

#define KINDS (SMALL_VERIFICATION + 1)

static int say(void *opaque, const struct parser_task *task, struct buf *ret, struct err *err)
{
    const struct fuzz_input *said = opaque;

    (void)task;
    (void)err;
    buf_append(ret, said->p, said->left);
    return 0;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct fuzz_input input = {data, size};
    const struct parser parser = {&input, say};
    unsigned choice = fuzz_u8(&input);
    enum small_object_kind kind = (enum small_object_kind)(choice % KINDS);
    CLEANUP_SMALL_OBJECT struct small_object object = {0}, again = {0};
    CLEANUP_BUF struct buf empty = {0}, bytes = {0};
    CLEANUP_ERR struct err err = ERR_INIT;

    if ((choice / KINDS % 2 ? small_object_read(&parser, kind, &empty, &object, &err)
                            : small_object_parse(kind, input.p, input.left, &object, &err)) < 0) {
        FUZZ_CHECK(err.text && (err.kind == ERR_CORRUPT || err.kind == ERR_UNSUPPORTED));
        return 0;
    }
    FUZZ_CHECK(object.kind == kind);
    /* Escapes may make it longer than it may be. */
    if (small_object_format(&object, &bytes, &err) == 0)
        FUZZ_CHECK(small_object_parse(kind, bytes.data, bytes.len, &again, NULL) == 0 &&
                   again.when_ms == object.when_ms);
    else
        FUZZ_CHECK(err.kind == ERR_UNSUPPORTED);
    return 0;
}
