/* SPDX-License-Identifier: LGPL-2.1-or-later
 *
 * What the tests with foreign children share: the files by which the peer is told how to
 * misbehave, runs of an image.
 */
#pragma once

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <dirent.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cmocka.h>

#include "harness.h"

#define PEER TEST_PEER_DIR "/mtcp_child.py"

static char *once_path; /* what VB_CHILD_FAULT_ONCE names */
static char *release_path;

static inline int name_files(void **state)
{
    (void)state;
    once_path = test_path("foreign-once");
    release_path = test_path("foreign-release");
    return setenv("VB_CHILD_RELEASE", release_path, 1);
}

static inline int free_names(void **state)
{
    (void)state;
    free(once_path);
    free(release_path);
    return 0;
}

static inline int remove_files(void **state)
{
    (void)state;
    unlink(once_path);
    unlink(release_path);
    unsetenv("VB_CHILD_FAULT");
    unsetenv("VB_CHILD_FAULT_ONCE");
    unsetenv("VB_CHILD_PLAIN");
    return 0;
}

struct foreign {
    bool together; /* all children are ready before the first chunk is given */
    struct spawner *spawner;
    struct pool *pool;
    struct pool_stats stats;
    struct err err;
};

static inline void foreign_clear(struct foreign *foreign)
{
    pool_free(foreign->pool);
    spawner_free(foreign->spawner);
    err_clear(&foreign->err);
}

static inline char *make_folder(const char *name)
{
    char *path = test_path(name);

    assert_int_equal(mkdir(path, 0700), 0);
    return path;
}

/* Counts the files in it, or removes them. */
static inline size_t files_of(const char *folder, bool keep)
{
    DIR *dir = opendir(folder);
    const struct dirent *entry;
    size_t count = 0;

    assert_non_null(dir);
    while ((entry = readdir(dir))) {
        if (entry->d_name[0] == '.')
            continue;
        count++;
        if (!keep)
            assert_int_equal(unlinkat(dirfd(dir), entry->d_name, 0), 0);
    }
    closedir(dir);
    return count;
}

static inline void remove_folder(const char *folder)
{
    files_of(folder, false);
    assert_int_equal(rmdir(folder), 0);
}

static inline void wait_until_ready(const char *folder, unsigned children)
{
    for (int i = 0; i < 60000 && files_of(folder, true) < children; i++)
        usleep(1000);
    assert_int_equal(files_of(folder, true), children);
}

/* Runs the image with foreign children; the environment is what the spawner inherits. */
static inline int run(struct foreign *foreign, struct image *image, const char *command,
                      const char *codec, bool decode, unsigned children)
{
    struct child_settings settings = image_settings(image, codec, decode);
    CLEANUP_FREE char *folder = foreign->together ? make_folder("foreign-up") : NULL;

    settings.foreign = true;
    if (folder)
        setenv("VB_CHILD_UP", folder, 1);
    foreign->spawner = spawner_start(command, NULL);
    assert_non_null(foreign->spawner);
    foreign->pool = pool_new(foreign->spawner, &settings, children, &foreign->err);
    unsetenv("VB_CHILD_UP");
    if (!foreign->pool)
        return -1;
    if (folder) {
        wait_until_ready(folder, children);
        remove_folder(folder);
    }
    return image_run(image, foreign->pool, &foreign->stats, &foreign->err);
}

#define CLEANUP_FOREIGN CLEANUP(foreign_clear)

static inline void run_well(struct foreign *foreign, struct image *image, const char *command,
                            const char *codec, bool decode, unsigned children)
{
    if (run(foreign, image, command, codec, decode, children) < 0)
        fail_msg("%s", foreign->err.text);
    assert_true(!image->ordered || image->puts_in_order);
}

#define FOREIGN_TEST(test) cmocka_unit_test_setup_teardown(test, NULL, remove_files)

/* What the other child is given while chunk 0 is not done: chunk 1, then 2 or 3, of which one may
 * have been read ahead for the first child. */
#define RELEASE_AT_SECOND "release-at:2,release-at:3"
