/* SPDX-License-Identifier: LGPL-2.1-or-later
 *
 * A repository in a new folder below /tmp.
 */
#pragma once

#include <ftw.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>

#include <cmocka.h>

#include "repository/repository.h"

struct folder_repository {
    char *path; /* owned */
    struct repository *repository;
};

static inline int folder_remove_entry(const char *path, const struct stat *st, int type,
                                      struct FTW *ftw)
{
    (void)st;
    (void)type;
    (void)ftw;
    return remove(path);
}

static inline char *folder_new(void)
{
    char *path = mem_strdup("/tmp/repository-test.XXXXXX");

    assert_non_null(mkdtemp(path));
    return path;
}

static inline void folder_end(struct folder_repository *folder)
{
    repository_close(folder->repository);
    assert_int_equal(nftw(folder->path, folder_remove_entry, 16, FTW_DEPTH | FTW_PHYS), 0);
    free(folder->path);
}
#define CLEANUP_FOLDER CLEANUP(folder_end)

static inline void folder_begin(struct folder_repository *folder)
{
    CLEANUP_ERR struct err err = ERR_INIT;

    folder->path = folder_new();
    if (repository_create(folder->path, REPOSITORY_SCOPE, &folder->repository, &err) < 0)
        fail_msg("%s", err.text);
}
