/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "repository/format/flags.h"

#include <inttypes.h>

int flags_check(uint32_t flags, uint32_t allowed, struct err *err)
{
    uint32_t other = flags & ~(allowed | FLAG_ENCRYPTED | FLAG_CHACHA20);

    if (other)
        return err_set(err, ERR_UNSUPPORTED, "has unknown flags: %" PRIx32, other);
    if (flags & FLAG_ENCRYPTED)
        return err_set(err, ERR_UNSUPPORTED,
                       "encrypted repositories are not supported by this version");
    if (flags & FLAG_CHACHA20)
        return err_set(err, ERR_CORRUPT, "names a cipher, but is not encrypted");
    return 0;
}
