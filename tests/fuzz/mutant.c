/* SPDX-License-Identifier: LGPL-2.1-or-later
 *
 * A known mistake, linked into one target to see that a run finds it: bytes are taken from
 * a message without a look at how many there are.
 */
#include "base/buf.h"

const uint8_t *__wrap_reader_bytes(struct reader *reader, size_t len);

const uint8_t *__wrap_reader_bytes(struct reader *reader, size_t len)
{
    const uint8_t *bytes = reader->p;

    reader->p += len;
    reader->left -= len;
    return bytes;
}
