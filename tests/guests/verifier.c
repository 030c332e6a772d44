// SPDX-License-Identifier: LGPL-2.1-or-later
//
// Tells whether the guest's memory and its disks are of one and the same instant. It writes to the first
// blocks of /dev/vda and /dev/vdb all the time, past the page cache, one thread a disk, and keeps in its
// memory what it last wrote to each block. With every step it
//   - re-reads one stretch of blocks, so that sweep after sweep all of them are compared with the memory,
//   - re-reads one block drawn at random, and writes it anew.
// The whole of each block is compared. A few times a second it prints "token=X sweep=N writes=N ok=N bad=N":
// sweeps are those that both disks have finished, ok and bad count compared blocks. What is wrong it says in a
// line that begins with "bad"; after a number of such lines it only counts.

#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/random.h>
#include <time.h>
#include <unistd.h>

enum {
    BLOCK_SIZE = 4096,
    BLOCKS = 1024,
    STRETCH = 16, // blocks that are re-read at once
    STEPS_PER_FLUSH = 32,
    STEP_US = 1000, // leaves the host some of its processor
    MAX_LINES = 20, // of what is wrong; the rest is only counted
};

struct disk {
    const char *path;
    int fd;
    uint64_t written[BLOCKS]; // the number that each block was last filled with; 0: never
    uint64_t last;
    uint64_t random;
    unsigned char *buffer;
    atomic_ullong sweeps, writes, ok, bad;
};

static struct disk disks[] = {{.path = "/dev/vda"}, {.path = "/dev/vdb"}};
static uint64_t token;
static atomic_int lines;

static void die(const char *what)
{
    printf("bad %s: %s\n", what, strerror(errno));
    exit(1);
}

// xorshift64*: only has to differ from block to block.
static uint64_t draw(uint64_t *state)
{
    *state ^= *state >> 12;
    *state ^= *state << 25;
    *state ^= *state >> 27;
    return *state * UINT64_C(0x2545f4914f6cdd1d);
}

static void fill(unsigned char *data, unsigned block, uint64_t number)
{
    uint64_t *words = (uint64_t *)data;
    uint64_t state = token ^ (number << 16) ^ (block + 1);

    words[0] = token;
    words[1] = number;
    for (size_t i = 2; i < BLOCK_SIZE / sizeof *words; i++)
        words[i] = draw(&state);
}

static void compare(struct disk *disk, const unsigned char *data, unsigned block)
{
    static _Thread_local unsigned char expected[BLOCK_SIZE] __attribute__((aligned(8)));
    const uint64_t *words = (const uint64_t *)data;

    fill(expected, block, disk->written[block]);
    if (memcmp(data, expected, BLOCK_SIZE) == 0) {
        atomic_fetch_add(&disk->ok, 1);
        return;
    }
    atomic_fetch_add(&disk->bad, 1);
    if (atomic_fetch_add(&lines, 1) < MAX_LINES)
        printf("bad block %u of %s: holds %016" PRIx64 " %" PRIu64 ", must hold %016" PRIx64
               " %" PRIu64 "\n",
               block, disk->path, words[0], words[1], token, disk->written[block]);
}

static void read_blocks(struct disk *disk, unsigned first, unsigned count)
{
    size_t size = (size_t)count * BLOCK_SIZE;

    if (pread(disk->fd, disk->buffer, size, (off_t)first * BLOCK_SIZE) != (ssize_t)size)
        die(disk->path);
    for (unsigned i = 0; i < count; i++)
        compare(disk, disk->buffer + (size_t)i * BLOCK_SIZE, first + i);
}

static void write_block(struct disk *disk, unsigned block)
{
    uint64_t number = ++disk->last;

    fill(disk->buffer, block, number);
    if (pwrite(disk->fd, disk->buffer, BLOCK_SIZE, (off_t)block * BLOCK_SIZE) != BLOCK_SIZE)
        die(disk->path);
    disk->written[block] = number;
    atomic_fetch_add(&disk->writes, 1);
}

static void *work(void *opaque)
{
    struct disk *disk = opaque;

    for (unsigned step = 0;; step++) {
        unsigned first = step * STRETCH % BLOCKS;
        unsigned block = (unsigned)(draw(&disk->random) % BLOCKS);
        read_blocks(disk, first, STRETCH);
        read_blocks(disk, block, 1);
        write_block(disk, block);
        if (step % STEPS_PER_FLUSH == 0 && fdatasync(disk->fd) != 0)
            die(disk->path);
        if (first + STRETCH == BLOCKS)
            atomic_fetch_add(&disk->sweeps, 1);
        nanosleep(&(struct timespec){.tv_nsec = STEP_US * 1000L}, NULL);
    }
    return NULL;
}

static void prepare(struct disk *disk)
{
    disk->fd = open(disk->path, O_RDWR | O_DIRECT | O_CLOEXEC);
    if (disk->fd < 0)
        die(disk->path);
    disk->buffer = aligned_alloc(BLOCK_SIZE, (size_t)STRETCH * BLOCK_SIZE);
    if (disk->buffer == NULL ||
        getrandom(&disk->random, sizeof disk->random, 0) != sizeof disk->random)
        die("memory");
    disk->random |= 1;
    for (unsigned block = 0; block < BLOCKS; block++)
        write_block(disk, block);
}

static void report(void)
{
    unsigned long long sweeps =
        disks[0].sweeps < disks[1].sweeps ? disks[0].sweeps : disks[1].sweeps;

    printf("token=%016" PRIx64 " sweep=%llu writes=%llu ok=%llu bad=%llu\n", token, sweeps,
           disks[0].writes + disks[1].writes, disks[0].ok + disks[1].ok,
           disks[0].bad + disks[1].bad);
}

int main(void)
{
    setvbuf(stdout, NULL, _IOLBF, 0);
    if (getrandom(&token, sizeof token, 0) != sizeof token)
        die("getrandom");
    for (size_t i = 0; i < 2; i++)
        prepare(&disks[i]);
    printf("boot\n");
    for (size_t i = 0; i < 2; i++) {
        pthread_t thread;
        if (pthread_create(&thread, NULL, work, &disks[i]) != 0)
            die("thread");
    }
    for (;;) {
        nanosleep(&(struct timespec){.tv_nsec = 300 * 1000000L}, NULL);
        report();
    }
}
