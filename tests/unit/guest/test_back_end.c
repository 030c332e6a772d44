/* SPDX-License-Identifier: LGPL-2.1-or-later
 *
 * Programs of vhost-user devices, in folders of our own.
 */
#include "guest/back_end.h"

#include <ftw.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "sample.h"

static char top[64];
static char *folders[2];

static const char *const looked_into[2] = {"packages", "administrators"};
/* libvirt's programs must be executable; this one is on every host. */
#define PRESENT "{\"type\": \"fs\", \"binary\": \"/bin/sh\"}"
#define ABSENT "{\"type\": \"fs\", \"binary\": \"/nonexistent/virtiofsd\"}"
#define GPU "{\"type\": \"gpu\", \"binary\": \"/bin/sh\"}"

static int make_folders(void **state)
{
    (void)state;
    snprintf(top, sizeof(top), "/tmp/test-back-end-XXXXXX");
    if (!mkdtemp(top))
        return -1;
    for (size_t i = 0; i < 2; i++) {
        folders[i] = mem_printf("%s/%s", top, looked_into[i]);
        if (mkdir(folders[i], 0700) < 0)
            return -1;
    }
    return 0;
}

static int remove_one(const char *path, const struct stat *st, int type, struct FTW *where)
{
    (void)st;
    (void)type;
    (void)where;
    return remove(path);
}

static int remove_folders(void **state)
{
    (void)state;
    free(folders[0]);
    free(folders[1]);
    return nftw(top, remove_one, 8, FTW_DEPTH | FTW_PHYS);
}

static void describe(size_t folder, const char *name, const char *text)
{
    CLEANUP_FREE char *path = mem_printf("%s/%s", folders[folder], name);
    FILE *file = fopen(path, "w");

    assert_non_null(file);
    fputs(text, file);
    assert_int_equal(fclose(file), 0);
}

static enum back_end look(void)
{
    return back_end_look((const char *const *)folders, 2, "fs");
}

static void without_a_description_there_is_none(void **state)
{
    static const char *const gone[] = {"/nonexistent/vhost-user"};

    (void)state;
    assert_int_equal(look(), BACK_END_ABSENT);
    assert_int_equal(back_end_look(gone, 1, "fs"), BACK_END_ABSENT);
    describe(0, "10-gpu.json", GPU);
    describe(0, ".50-hidden.json", PRESENT);
    assert_int_equal(look(), BACK_END_ABSENT);
}

static void the_first_of_its_type_must_be_there(void **state)
{
    (void)state;
    describe(0, "10-gpu.json", GPU);
    describe(0, "50-virtiofsd.json", PRESENT);
    assert_int_equal(look(), BACK_END_PRESENT);
    describe(0, "60-other.json", ABSENT);
    assert_int_equal(look(), BACK_END_PRESENT);
    describe(1, "40-newer.json", ABSENT);
    assert_int_equal(look(), BACK_END_ABSENT);
}

static void an_administrators_file_counts_more(void **state)
{
    (void)state;
    describe(0, "50-virtiofsd.json", ABSENT);
    describe(1, "50-virtiofsd.json", PRESENT);
    assert_int_equal(look(), BACK_END_PRESENT);
    describe(1, "50-virtiofsd.json", "");
    assert_int_equal(look(), BACK_END_ABSENT);
    describe(0, "50-virtiofsd.json", PRESENT);
    assert_int_equal(look(), BACK_END_ABSENT);
    CLEANUP_FREE char *path = mem_printf("%s/50-virtiofsd.json", folders[1]);
    assert_int_equal(unlink(path), 0);
    assert_int_equal(look(), BACK_END_PRESENT);
    assert_int_equal(symlink("/dev/null", path), 0);
    assert_int_equal(look(), BACK_END_ABSENT);
}

static void what_cannot_be_read_says_nothing(void **state)
{
    (void)state;
    describe(0, "50-virtiofsd.json", "{\"type\": \"fs\"");
    assert_int_equal(look(), BACK_END_UNKNOWN);
    describe(1, "50-virtiofsd.json", ABSENT);
    assert_int_equal(look(), BACK_END_ABSENT);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(without_a_description_there_is_none, make_folders,
                                        remove_folders),
        cmocka_unit_test_setup_teardown(the_first_of_its_type_must_be_there, make_folders,
                                        remove_folders),
        cmocka_unit_test_setup_teardown(an_administrators_file_counts_more, make_folders,
                                        remove_folders),
        cmocka_unit_test_setup_teardown(what_cannot_be_read_says_nothing, make_folders,
                                        remove_folders),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
