// SPDX-License-Identifier: LGPL-2.1-or-later
//
// The one program of the small Linux guest. It keeps a random token and a counter in its memory, and with
// every step
//   - looks whether /run/token (a memory file system) still holds the token,
//   - reads one block of /data/blocks past the page cache, compares it with what it wrote there last, and
//     writes it anew: memory and disk of different instants cannot both be right,
//   - appends a line with a checksum to /data/log and waits until it is on the disk,
//   - prints "token=X count=N" on its output, the serial console.
// What is wrong it says in a line that begins with "bad".

#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/random.h>
#include <time.h>
#include <unistd.h>

enum { BLOCK_SIZE = 4096, BLOCKS = 16, STEP_MS = 100 };

static void die(const char *what)
{
    printf("bad %s: %s\n", what, strerror(errno));
    exit(1);
}

// FNV-1a: enough to tell a torn or foreign line.
static uint32_t checksum(const char *text, size_t length)
{
    uint32_t sum = 2166136261u;
    for (size_t i = 0; i < length; i++)
        sum = (sum ^ (unsigned char)text[i]) * 16777619u;
    return sum;
}

static void append_line(int fd, uint64_t token, uint64_t count)
{
    char line[128];
    int length = snprintf(line, sizeof line, "token=%016" PRIx64 " count=%" PRIu64, token, count);
    length += snprintf(line + length, sizeof line - (size_t)length, " sum=%08" PRIx32 "\n",
                       checksum(line, (size_t)length));
    if (write(fd, line, (size_t)length) != length || fsync(fd) != 0)
        die("/data/log");
}

static void step_block(int fd, unsigned char *buffer, uint64_t expected[BLOCKS], uint64_t token,
                       uint64_t count)
{
    unsigned slot = (unsigned)(count % BLOCKS);
    off_t where = (off_t)slot * BLOCK_SIZE;
    uint64_t *words = (uint64_t *)buffer;

    if (pread(fd, buffer, BLOCK_SIZE, where) != BLOCK_SIZE)
        die("/data/blocks");
    if (expected[slot] != 0 && (words[0] != token || words[1] != expected[slot]))
        printf("bad block %u: holds count %" PRIu64 ", must be %" PRIu64 "\n", slot, words[1],
               expected[slot]);
    for (size_t i = 0; i < BLOCK_SIZE / sizeof *words; i += 2) {
        words[i] = token;
        words[i + 1] = count;
    }
    if (pwrite(fd, buffer, BLOCK_SIZE, where) != BLOCK_SIZE)
        die("/data/blocks");
    expected[slot] = count;
}

static void check_token_file(uint64_t token)
{
    char text[32] = "";
    int fd = open("/run/token", O_RDONLY | O_CLOEXEC);
    if (fd < 0 || read(fd, text, sizeof text - 1) < 0)
        die("/run/token");
    close(fd);
    if (strtoull(text, NULL, 16) != token)
        printf("bad token in /run/token: %s\n", text);
}

static void write_token_file(uint64_t token)
{
    FILE *file = fopen("/run/token", "we");
    if (file == NULL || fprintf(file, "%016" PRIx64, token) < 0 || fclose(file) != 0)
        die("/run/token");
}

int main(void)
{
    static unsigned char buffer[BLOCK_SIZE] __attribute__((aligned(BLOCK_SIZE)));
    static uint64_t expected[BLOCKS];
    uint64_t token, count = 0;

    setvbuf(stdout, NULL, _IOLBF, 0);
    if (getrandom(&token, sizeof token, 0) != sizeof token)
        die("getrandom");
    write_token_file(token);

    int log = open("/data/log", O_WRONLY | O_APPEND | O_CREAT | O_CLOEXEC, 0644);
    if (log < 0)
        die("/data/log");
    int blocks = open("/data/blocks", O_RDWR | O_CREAT | O_DIRECT | O_DSYNC | O_CLOEXEC, 0644);
    if (blocks < 0 || ftruncate(blocks, (off_t)BLOCKS * BLOCK_SIZE) != 0)
        die("/data/blocks");
    printf("boot\n");

    for (;;) {
        count++;
        check_token_file(token);
        step_block(blocks, buffer, expected, token, count);
        append_line(log, token, count);
        printf("token=%016" PRIx64 " count=%" PRIu64 "\n", token, count);
        nanosleep(&(struct timespec){.tv_nsec = STEP_MS * 1000000L}, NULL);
    }
}
