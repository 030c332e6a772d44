/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "codec/fingerprint.h"

#include <xxhash.h>

#include "base/io.h"

uint64_t fingerprint_of(const void *data, size_t len)
{
    if (io_is_zero(data, len))
        return 0;
    uint64_t hash = XXH3_64bits(data, len);
    return hash ? hash : 1;
}
