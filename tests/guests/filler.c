// SPDX-License-Identifier: LGPL-2.1-or-later
//
// usage: filler MIB SEED
//
// A memory with content: fills so many MiB with random bytes that the seed decides, and says "filled". From
// then on the memory is idle: once a second it looks at some of it and prints "token=X count=N"; what is wrong
// it says in a line that begins with "bad".

#include <inttypes.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <time.h>

enum { LOOKS = 1024 };

// splitmix64: the n-th number of a seed without those before it.
static uint64_t number(uint64_t seed, uint64_t n)
{
    uint64_t x = seed + (n + 1) * UINT64_C(0x9e3779b97f4a7c15);
    x = (x ^ (x >> 30)) * UINT64_C(0xbf58476d1ce4e5b9);
    x = (x ^ (x >> 27)) * UINT64_C(0x94d049bb133111eb);
    return x ^ (x >> 31);
}

int main(int argc, char **argv)
{
    if (argc != 3)
        return 2;
    uint64_t words = strtoull(argv[1], NULL, 10) * 1024 * 1024 / sizeof(uint64_t);
    uint64_t seed = strtoull(argv[2], NULL, 10);
    uint64_t *memory = malloc(words * sizeof *memory);

    setvbuf(stdout, NULL, _IOLBF, 0);
    if (words == 0 || memory == NULL) {
        printf("bad memory: %s MiB cannot be had\n", argv[1]);
        return 1;
    }
    for (uint64_t i = 0; i < words; i++)
        memory[i] = number(seed, i);
    printf("boot\nfilled\n");
    for (uint64_t count = 1;; count++) {
        for (uint64_t i = 0; i < LOOKS; i++) {
            uint64_t where = number(count, i) % words;
            if (memory[where] != number(seed, where))
                printf("bad word %" PRIu64 "\n", where);
        }
        printf("token=%016" PRIx64 " count=%" PRIu64 "\n", seed, count);
        nanosleep(&(struct timespec){.tv_sec = 1}, NULL);
    }
}
