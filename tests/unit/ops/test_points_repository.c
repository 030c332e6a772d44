/* SPDX-License-Identifier: LGPL-2.1-or-later
 *
 * A repository as a store of points.
 */
#include <fcntl.h>
#include <ftw.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cmocka.h>

#include "../record/record_sample.h"
#include "points_suite.h"
#include "repository/repository.h"

static char *make(void)
{
    CLEANUP_FREE char *folder = sample_folder();
    CLEANUP(repository_closep) struct repository *repository = NULL;
    CLEANUP_ERR struct err err = ERR_INIT;
    char *place = mem_printf("%s/repository", folder);

    CHECK(repository_create(place, REPOSITORY_SCOPE, &repository, &err), &err);
    return place;
}

/* The folder that it is in, too. */
static void remove_it(char *place)
{
    *strrchr(place, '/') = '\0';
    sample_remove_folder(place);
}

/* ---- its files, of which there is one of a kind when something is done to them ------------------- */

static const char *sought;
static char found[512];

static int look_for(const char *path, const struct stat *st, int type, struct FTW *ftw)
{
    (void)ftw;
    if (type == FTW_F && strstr(path, sought) && (*sought != '/' || st->st_size > 128))
        snprintf(found, sizeof(found), "%s", path);
    return 0;
}

/* A file whose path has this in it; no tombstone. NULL if there is no such file. */
static const char *find_file(const char *place, const char *part)
{
    sought = part;
    found[0] = '\0';
    assert_int_equal(nftw(place, look_for, 16, FTW_PHYS), 0);
    return found[0] ? found : NULL;
}

/* Packs that nobody needs are for the collector, and so is a tombstone. */
static bool is_clean(const char *place)
{
    CLEANUP(points_store_closep) struct points_store *store = NULL;
    CLEANUP_STRINGS struct strings guests = {0};
    CLEANUP_ERR struct err err = ERR_INIT;
    const struct points_place where = {.path = place, .is_repository = true};

    CHECK(points_store_open(&where, &store, &err), &err);
    CHECK(points_store_guests(store, &guests, &err), &err);
    return guests.count == 0 && !find_file(place, "/repository/tmp/");
}

static const char *holder(const char *place, const struct manifest_stored *stored)
{
    const char *path = find_file(place, stored->place == PLACE_MAP ? "/d/" : "/p/");

    assert_non_null(path);
    return path;
}

static void lose(const char *place, const struct manifest_stored *stored)
{
    assert_int_equal(unlink(holder(place, stored)), 0);
}

#define PACK_HEAD 64

/* Of a pack: in its frames, and in its index, which ends 64 bytes before it does. */
static void damage(const char *place, const struct manifest_stored *stored, unsigned where)
{
    CLEANUP_CLOSE int fd = open(holder(place, stored), O_RDWR | O_CLOEXEC);
    uint8_t byte = 0;
    struct stat st;

    assert_true(fd >= 0);
    assert_int_equal(fstat(fd, &st), 0);
    const off_t offsets[SUITE_DAMAGES] = {PACK_HEAD, st.st_size / 2, st.st_size - 64 - 1};
    assert_int_equal(pread(fd, &byte, 1, offsets[where]), 1);
    byte ^= 0x10;
    assert_int_equal(pwrite(fd, &byte, 1, offsets[where]), 1);
}

int main(void)
{
    static const struct points_suite repository = {
        .name = "points of a repository",
        .is_repository = true,
        .make = make,
        .remove = remove_it,
        .is_clean = is_clean,
        .lose = lose,
        .damage = damage,
    };

    return points_suite_run(&repository);
}
