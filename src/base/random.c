/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "base/random.h"

#include <errno.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
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

/* splitmix64, of Steele, Lea and Flood, "Fast splittable pseudorandom number generators", 2014. */
static uint64_t next_number(uint64_t *state)
{
    uint64_t z = *state += 0x9e3779b97f4a7c15;

    z = (z ^ z >> 30) * 0xbf58476d1ce4e5b9;
    z = (z ^ z >> 27) * 0x94d049bb133111eb;
    return z ^ z >> 31;
}

int random_noise(void *ret, size_t len, struct err *err)
{
    uint8_t *bytes = ret;
    uint64_t state = 0;

    if (random_bytes(&state, sizeof(state), err) < 0)
        return -1;
    while (len > 0) {
        uint64_t number = next_number(&state);
        size_t part = len < sizeof(number) ? len : sizeof(number);
        memcpy(bytes, &number, part);
        bytes += part;
        len -= part;
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
