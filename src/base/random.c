/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "base/random.h"

#include <errno.h>
#include <stdint.h>
#include <stdio.h>
#include <sys/random.h>
#include <sys/types.h>

int random_bytes(void *ret, size_t len, struct err *err)
{
    uint8_t *bytes = ret;

    while (len > 0) {
        ssize_t n = getrandom(bytes, len, 0);
        if (n < 0 && errno == EINTR)
            continue;
        if (n <= 0)
            return err_set_errno(err, errno, "cannot get random bytes");
        bytes += n;
        len -= (size_t)n;
    }
    return 0;
}

int random_hex(size_t len, char *ret, struct err *err)
{
    for (size_t i = 0; i < len; i++) {
        uint8_t byte = 0;
        if (random_bytes(&byte, 1, err) < 0)
            return -1;
        snprintf(ret + 2 * i, 3, "%02x", byte);
    }
    return 0;
}
