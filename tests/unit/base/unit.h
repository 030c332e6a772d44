/* SPDX-License-Identifier: LGPL-2.1-or-later
 *
 * What the tests of this folder share: cmocka, an error to fill, a scratch folder.
 */
#pragma once

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <dirent.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/err.h"

#define assert_fails(call, err, expected_kind)                                                     \
    do {                                                                                           \
        assert_int_equal((call), -1);                                                              \
        assert_non_null((err)->text);                                                              \
        assert_int_equal((err)->kind, expected_kind);                                              \
    } while (0)

#define assert_text_has(text, part) assert_non_null(strstr((text), (part)))

struct scratch {
    char path[256];
    int fd;
};

static inline int scratch_setup(void **state)
{
    struct scratch *scratch = calloc(1, sizeof(*scratch));
    const char *base = getenv("TMPDIR");

    snprintf(scratch->path, sizeof(scratch->path), "%.200s/vb-unit-XXXXXX", base ? base : "/tmp");
    if (!mkdtemp(scratch->path))
        return -1;
    scratch->fd = open(scratch->path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    *state = scratch;
    return scratch->fd < 0 ? -1 : 0;
}

/* The tests make no folders inside it. */
static inline int scratch_teardown(void **state)
{
    struct scratch *scratch = *state;
    DIR *dir = opendir(scratch->path);
    const struct dirent *entry;

    while (dir && (entry = readdir(dir)))
        (void)unlinkat(scratch->fd, entry->d_name, 0);
    closedir(dir);
    close(scratch->fd);
    int failed = rmdir(scratch->path);
    free(scratch);
    return failed;
}

static inline size_t scratch_count(const struct scratch *scratch)
{
    DIR *dir = opendir(scratch->path);
    const struct dirent *entry;
    size_t count = 0;

    while (dir && (entry = readdir(dir)))
        count += strcmp(entry->d_name, ".") != 0 && strcmp(entry->d_name, "..") != 0;
    closedir(dir);
    return count;
}

static inline void scratch_write(const struct scratch *scratch, const char *name, const char *text)
{
    int fd = openat(scratch->fd, name, O_WRONLY | O_CREAT | O_TRUNC, 0600);

    assert_true(fd >= 0);
    assert_int_equal(write(fd, text, strlen(text)), (ssize_t)strlen(text));
    close(fd);
}

static inline void scratch_assert_text(const struct scratch *scratch, const char *name,
                                       const char *text)
{
    char data[512] = {0};
    int fd = openat(scratch->fd, name, O_RDONLY);

    assert_true(fd >= 0);
    assert_true(read(fd, data, sizeof(data) - 1) >= 0);
    close(fd);
    assert_string_equal(data, text);
}
