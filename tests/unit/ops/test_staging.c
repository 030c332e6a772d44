/* SPDX-License-Identifier: LGPL-2.1-or-later
 *
 * The staging folder: who may be able to change it, and what becomes of what is in it.
 */
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stdint.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cmocka.h>

#include "ops/staging.h"

#define UUID "11111111-2222-4333-8444-555555555555"
#define SOMEBODY 4242 /* neither root nor who runs this */

struct fixture {
    char folder[64]; /* 0700 */
    char path[128];  /* base, below it */
    struct err err;
};

static int setup(void **state)
{
    struct fixture *fixture = mem_alloc(sizeof(*fixture));

    *fixture = (struct fixture){.folder = "/tmp/vb-staging-XXXXXX", .err = ERR_INIT};
    if (!mkdtemp(fixture->folder))
        return -1;
    snprintf(fixture->path, sizeof(fixture->path), "%s/base", fixture->folder);
    *state = fixture;
    return mkdir(fixture->path, 0755);
}

/* Two folders deep. */
static void remove_all(const char *path, unsigned depth)
{
    DIR *dir = opendir(path);

    for (const struct dirent *entry; dir && (entry = readdir(dir));) {
        CLEANUP_FREE char *name = mem_printf("%s/%s", path, entry->d_name);
        if (strcmp(entry->d_name, ".") == 0 || strcmp(entry->d_name, "..") == 0)
            continue;
        if (unlink(name) < 0 && depth < 4)
            remove_all(name, depth + 1);
    }
    if (dir)
        closedir(dir);
    (void)rmdir(path);
}

static int teardown(void **state)
{
    struct fixture *fixture = *state;

    remove_all(fixture->folder, 0);
    err_clear(&fixture->err);
    free(fixture);
    return 0;
}

static bool there(const char *path)
{
    return access(path, F_OK) == 0;
}

static void write_file(const char *path)
{
    int fd = open(path, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0600);

    assert_true(fd >= 0);
    assert_int_equal(write(fd, "memory", 6), 6);
    close(fd);
}

static void check_refused(struct fixture *fixture, const char *path, const char *says)
{
    char *real = NULL;

    assert_int_equal(staging_check_hands(path, (uid_t)-1, &real, &fixture->err), -1);
    assert_int_equal(fixture->err.kind, ERR_DENIED);
    if (!strstr(fixture->err.text, says))
        fail_msg("'%s' is not in '%s'", says, fixture->err.text);
    err_clear(&fixture->err);
}

static void check_good(struct fixture *fixture, const char *path, uid_t also)
{
    CLEANUP_FREE char *real = NULL;

    if (staging_check_hands(path, also, &real, &fixture->err) < 0)
        fail_msg("%s", fixture->err.text);
    assert_string_equal(real, fixture->path);
}

/* ---- whose hands ------------------------------------------------------------------------- */

static void own_folder_below_a_sticky_one_is_good(void **state)
{
    check_good(*state, ((struct fixture *)*state)->path, (uid_t)-1);
}

static void folder_that_others_can_write_to_is_refused(void **state)
{
    struct fixture *fixture = *state;
    static const mode_t modes[] = {0775, 0757, 01777};

    for (size_t i = 0; i < sizeof(modes) / sizeof(*modes); i++) {
        chmod(fixture->path, modes[i]);
        check_refused(fixture, fixture->path, "others can write to");
    }
}

static void folder_below_one_that_others_can_write_to_is_refused(void **state)
{
    struct fixture *fixture = *state;

    chmod(fixture->folder, 0777);
    check_refused(fixture, fixture->path, "others can write to");
    chmod(fixture->folder, 01777);
    check_good(fixture, fixture->path, (uid_t)-1);
}

static void folder_of_somebody_else_is_refused(void **state)
{
    struct fixture *fixture = *state;

    if (chown(fixture->path, SOMEBODY, (gid_t)-1) < 0)
        skip();
    check_refused(fixture, fixture->path, "belongs to user 4242");
    check_good(fixture, fixture->path, SOMEBODY);
    assert_int_equal(chown(fixture->path, 0, (gid_t)-1), 0);
    assert_int_equal(chown(fixture->folder, SOMEBODY, (gid_t)-1), 0);
    check_refused(fixture, fixture->path, "belongs to user 4242");
}

static void symbolic_link_counts_as_where_it_leads(void **state)
{
    struct fixture *fixture = *state;
    CLEANUP_FREE char *link = mem_printf("%s/link", fixture->folder);

    assert_int_equal(symlink(fixture->path, link), 0);
    check_good(fixture, link, (uid_t)-1);
    chmod(fixture->path, 0777);
    check_refused(fixture, link, "/base");
}

/* ---- which place -------------------------------------------------------------------------- */

static struct staging *open_good(struct fixture *fixture, const struct staging_request *request)
{
    struct staging *staging = NULL;

    if (staging_open(request, &staging, &fixture->err) < 0)
        fail_msg("%s", fixture->err.text);
    return staging;
}

static void usual_folder_is_made(void **state)
{
    struct fixture *fixture = *state;
    CLEANUP_FREE char *usual = mem_printf("%s/usual", fixture->folder);
    const struct staging_request request = {.usual = usual, .uuid = UUID};
    CLEANUP_FREE char *expected = mem_printf("%s/vb-" UUID "/memory-1.sav", usual);
    struct stat st;

    struct staging *staging = open_good(fixture, &request);
    assert_string_equal(staging_memory_path(staging), expected);
    assert_int_equal(stat(usual, &st), 0);
    assert_int_equal(st.st_mode & 07777, 0700);
    staging_close(staging);
}

static void destination_takes_the_place_of_a_full_folder(void **state)
{
    struct fixture *fixture = *state;
    /* sysfs takes no byte. */
    struct staging_request request = {
        .usual = "/sys/kernel", .destination = fixture->path, .uuid = UUID, .needed = 1};
    struct staging *staging = open_good(fixture, &request);

    assert_memory_equal(staging_memory_path(staging), fixture->path, strlen(fixture->path));
    staging_close(TAKE_PTR(staging));
    chmod(fixture->path, 0777);
    assert_int_equal(staging_open(&request, &staging, &fixture->err), -1);
    assert_non_null(strstr(fixture->err.text, "free"));
    assert_non_null(strstr(fixture->err.text, "others can write to"));
    assert_non_null(strstr(fixture->err.text, "--staging-path"));
}

static void place_that_the_user_names_is_the_only_one(void **state)
{
    struct fixture *fixture = *state;
    CLEANUP_FREE char *missing = mem_printf("%s/missing", fixture->folder);
    const struct staging_request request = {
        .path = missing, .usual = fixture->path, .destination = fixture->path, .uuid = UUID};
    struct staging *staging = NULL;

    assert_int_equal(staging_open(&request, &staging, &fixture->err), -1);
    assert_int_equal(fixture->err.kind, ERR_NOT_FOUND);
    assert_non_null(strstr(fixture->err.text, "--staging-path"));
}

/* ---- files ---------------------------------------------------------------------------------- */

static struct staging *make_good(struct fixture *fixture)
{
    const struct staging_request request = {.path = fixture->path, .uuid = UUID};
    struct staging *staging = open_good(fixture, &request);

    if (staging_make(staging, &fixture->err) < 0)
        fail_msg("%s", fixture->err.text);
    return staging;
}

static void folder_of_the_guest_goes_with_its_image(void **state)
{
    struct fixture *fixture = *state;
    CLEANUP_FREE char *folder = mem_printf("%s/vb-" UUID, fixture->path);
    struct staging *staging = make_good(fixture);
    CLEANUP_FREE char *memory = mem_strdup(staging_memory_path(staging));
    struct stat st;

    assert_int_equal(stat(folder, &st), 0);
    assert_int_equal(st.st_mode & 07777, 0700);
    staging_close(TAKE_PTR(staging));
    assert_false(there(folder));

    staging = make_good(fixture);
    write_file(memory);
    staging_close(TAKE_PTR(staging));
    assert_true(there(memory));
    assert_int_equal(staging_remove(memory, NULL), 0);
    assert_false(there(folder));
    assert_true(there(fixture->path));
}

static void image_that_is_kept_is_in_nobodys_way(void **state)
{
    struct fixture *fixture = *state;

    for (unsigned i = 1; i <= 2; i++) {
        struct staging *staging = make_good(fixture);
        const char *memory = staging_memory_path(staging);
        CLEANUP_FREE char *expected =
            mem_printf("%s/vb-" UUID "/web.rescue%s.sav", fixture->path, i == 1 ? "" : ".2");
        write_file(memory);
        CLEANUP_FREE char *kept = staging_keep(memory, "web");
        assert_string_equal(kept, expected);
        assert_int_equal(staging_remove(memory, NULL), 0);
        staging_close(staging);
        assert_true(there(kept));
    }
}

static void image_of_a_dead_run_is_not_overwritten(void **state)
{
    struct fixture *fixture = *state;
    struct staging *staging = make_good(fixture);
    CLEANUP_FREE char *first = mem_strdup(staging_memory_path(staging));

    write_file(first);
    staging_close(staging);
    staging = make_good(fixture);
    assert_string_not_equal(staging_memory_path(staging), first);
    staging_close(staging);
    assert_int_equal(staging_remove(first, NULL), 0);
}

static void foreign_folder_in_the_guests_place_is_refused(void **state)
{
    struct fixture *fixture = *state;
    const struct staging_request request = {.path = fixture->path, .uuid = UUID};
    CLEANUP_FREE char *folder = mem_printf("%s/vb-" UUID, fixture->path);
    struct staging *staging = open_good(fixture, &request);

    assert_int_equal(mkdir(folder, 0755), 0);
    chmod(folder, 0755);
    assert_int_equal(staging_make(staging, &fixture->err), -1);
    assert_int_equal(rmdir(folder), 0);
    assert_int_equal(symlink(fixture->folder, folder), 0);
    assert_int_equal(staging_make(staging, &fixture->err), -1);
    staging_close(staging);
}

static void link_in_the_images_place_is_not_followed(void **state)
{
    struct fixture *fixture = *state;
    struct staging *staging = make_good(fixture);
    CLEANUP_FREE char *other = mem_printf("%s/other", fixture->folder);
    int fd = -1;

    write_file(other);
    assert_int_equal(symlink(other, staging_memory_path(staging)), 0);
    assert_int_equal(staging_open_file(staging_memory_path(staging), &fd, &fixture->err), -1);
    assert_int_equal(staging_flush(staging_memory_path(staging), &fixture->err), -1);
    assert_int_equal(staging_remove(staging_memory_path(staging), NULL), 0);
    assert_true(there(other));
    staging_close(staging);
}

static void nameless_file_can_be_written_and_leaves_nothing(void **state)
{
    struct fixture *fixture = *state;
    const struct staging_request request = {.path = fixture->path, .uuid = UUID};
    struct staging *staging = open_good(fixture, &request);
    char byte = 0;
    int fd = -1;

    assert_int_equal(staging_nameless(staging, &fd, &fixture->err), 0);
    assert_int_equal(pwrite(fd, "x", 1, 0), 1);
    assert_int_equal(pread(fd, &byte, 1, 0), 1);
    close(fd);
    staging_close(staging);
    assert_int_equal(rmdir(fixture->path), 0);
}

int main(void)
{
    static const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(own_folder_below_a_sticky_one_is_good, setup, teardown),
        cmocka_unit_test_setup_teardown(folder_that_others_can_write_to_is_refused, setup,
                                        teardown),
        cmocka_unit_test_setup_teardown(folder_below_one_that_others_can_write_to_is_refused, setup,
                                        teardown),
        cmocka_unit_test_setup_teardown(folder_of_somebody_else_is_refused, setup, teardown),
        cmocka_unit_test_setup_teardown(symbolic_link_counts_as_where_it_leads, setup, teardown),
        cmocka_unit_test_setup_teardown(usual_folder_is_made, setup, teardown),
        cmocka_unit_test_setup_teardown(destination_takes_the_place_of_a_full_folder, setup,
                                        teardown),
        cmocka_unit_test_setup_teardown(place_that_the_user_names_is_the_only_one, setup, teardown),
        cmocka_unit_test_setup_teardown(folder_of_the_guest_goes_with_its_image, setup, teardown),
        cmocka_unit_test_setup_teardown(image_that_is_kept_is_in_nobodys_way, setup, teardown),
        cmocka_unit_test_setup_teardown(image_of_a_dead_run_is_not_overwritten, setup, teardown),
        cmocka_unit_test_setup_teardown(foreign_folder_in_the_guests_place_is_refused, setup,
                                        teardown),
        cmocka_unit_test_setup_teardown(link_in_the_images_place_is_not_followed, setup, teardown),
        cmocka_unit_test_setup_teardown(nameless_file_can_be_written_and_leaves_nothing, setup,
                                        teardown),
    };

    umask(077);
    return cmocka_run_group_tests_name("staging", tests, NULL, NULL);
}
