/* SPDX-License-Identifier: LGPL-2.1-or-later
 *
 * The archive as a store of points.
 */
#include <dirent.h>
#include <fcntl.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <string.h>
#include <sys/stat.h>

#include <cmocka.h>

#include "../record/record_sample.h"
#include "base/io.h"
#include "points_suite.h"

static char *make(void)
{
    CLEANUP_FREE char *folder = sample_folder();

    return mem_printf("%s/archive", folder);
}

/* The folder that it is in, too. */
static void remove_it(char *place)
{
    *strrchr(place, '/') = '\0';
    sample_remove_folder(place);
}

/* Nothing but locks, which stay for the next writer. */
static bool is_clean(const char *place)
{
    DIR *dir = opendir(place);
    bool clean = dir != NULL;

    for (const struct dirent *entry; dir && (entry = readdir(dir));)
        clean = clean && (entry->d_name[0] == '.' && !strstr(entry->d_name, ".part"));
    if (dir)
        closedir(dir);
    return clean;
}

static int open_stored(const char *place, const struct manifest_stored *stored)
{
    CLEANUP_FREE char *path = mem_printf("%s/%s", place, stored->file.name);
    int fd = open(path, O_RDWR | O_CLOEXEC);

    assert_true(fd >= 0);
    return fd;
}

static void lose(const char *place, const struct manifest_stored *stored)
{
    CLEANUP_FREE char *path = mem_printf("%s/%s", place, stored->file.name);

    assert_int_equal(unlink(path), 0);
}

/* Twice: as it was. */
static void damage(const char *place, const struct manifest_stored *stored, unsigned where)
{
    const uint64_t offsets[SUITE_DAMAGES] = {0, stored->file.size / 2, stored->file.size - 1};
    CLEANUP_CLOSE int fd = open_stored(place, stored);
    uint64_t offset = offsets[where];
    uint8_t byte = 0;

    assert_int_equal(pread(fd, &byte, 1, (off_t)offset), 1);
    byte ^= 0x10;
    assert_int_equal(pwrite(fd, &byte, 1, (off_t)offset), 1);
}

int main(void)
{
    static const struct points_suite archive = {
        .name = "points of an archive",
        .make = make,
        .remove = remove_it,
        .is_clean = is_clean,
        .lose = lose,
        .damage = damage,
    };

    return points_suite_run(&archive);
}
