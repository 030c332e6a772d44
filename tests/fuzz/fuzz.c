/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "fuzz.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

void fuzz_broken(const char *file, int line, const char *condition)
{
    fprintf(stderr, "%s:%d: not so: %s\n", file, line, condition);
    abort();
}

int fuzz_file(const void *data, size_t len, uint64_t size)
{
    static int fd = -1;
    static size_t filled;

    if (fd < 0)
        fd = memfd_create("fuzz", MFD_CLOEXEC);
    /* What an earlier input has left behind this one goes, if it could be seen. */
    if (fd < 0 || (filled > len && size > len && ftruncate(fd, (off_t)len) < 0) ||
        pwrite(fd, data, len, 0) != (ssize_t)len || ftruncate(fd, (off_t)size) < 0)
        fuzz_broken(__FILE__, __LINE__, "the file in memory can be written");
    filled = len;
    return fd;
}

uint8_t fuzz_u8(struct fuzz_input *input)
{
    if (input->left == 0)
        return 0;
    input->left--;
    return *input->p++;
}

uint32_t fuzz_u32(struct fuzz_input *input)
{
    uint32_t value = 0;

    for (int i = 0; i < 4; i++)
        value = value << 8 | fuzz_u8(input);
    return value;
}

char *fuzz_text(struct fuzz_input *input)
{
    char *text = malloc(input->left + 1);

    if (!text)
        fuzz_broken(__FILE__, __LINE__, "there is memory");
    memcpy(text, input->p, input->left);
    text[input->left] = '\0';
    return text;
}
