/* SPDX-License-Identifier: LGPL-2.1-or-later
 *
 * Of the files of a restore only those go that it has made, whatever has their names now.
 */
#include <fcntl.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cmocka.h>

#include "base/json.h"
#include "base/private_folder.h"
#include "ops/undo/files.h"

struct fixture {
    char top[64];
    char folder[80];
    struct intent intent;
};

static int setup(void **state)
{
    struct fixture *fixture = mem_alloc(sizeof(*fixture));

    *fixture = (struct fixture){.top = "/tmp/vb-undo-XXXXXX"};
    *state = fixture;
    if (!mkdtemp(fixture->top))
        return -1;
    snprintf(fixture->folder, sizeof(fixture->folder), "%s/images", fixture->top);
    return mkdir(fixture->folder, 0700);
}

static int teardown(void **state)
{
    struct fixture *fixture = *state;

    intent_clear(&fixture->intent);
    (void)rmdir(fixture->folder);
    int failed = rmdir(fixture->top);
    free(fixture);
    return failed;
}

static char *path_in(const struct fixture *fixture, const char *name)
{
    return mem_printf("%s/%s", fixture->folder, name);
}

static struct file_id make_file(const char *path)
{
    struct file_id id = {0};
    CLEANUP_CLOSE int fd = open(path, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0600);

    assert_true(fd >= 0);
    assert_int_equal(file_id_read(fd, &id, NULL), 0);
    return id;
}

static bool is_there(const char *path)
{
    return faccessat(AT_FDCWD, path, F_OK, AT_SYMLINK_NOFOLLOW) == 0;
}

static void undo_well(struct fixture *fixture)
{
    CLEANUP_ERR struct err err = ERR_INIT;

    if (undo_files(&fixture->intent, &err) < 0)
        fail_msg("%s", err.text);
    assert_int_equal(fixture->intent.file_count, 0);
}

/* A private folder with a file in it, as a run has it that was killed. */
static char *begin_restore(struct fixture *fixture)
{
    CLEANUP_PRIVATE_FOLDER struct private_folder folder = PRIVATE_FOLDER_INIT;

    assert_int_equal(private_folder_plan(fixture->folder, &folder, NULL), 0);
    assert_int_equal(private_folder_make(&folder, NULL), 0);
    char *path = path_in(fixture, folder.name);
    intent_add_private_folder(&fixture->intent, path, &folder.parent_id);
    fixture->intent.files[0].id = folder.id;
    CLEANUP_FREE char *inside = mem_printf("%s/disk", path);
    make_file(inside);
    return path;
}

static void what_was_made_goes(void **state)
{
    struct fixture *fixture = *state;
    CLEANUP_FREE char *private = begin_restore(fixture);
    CLEANUP_FREE char *folder = path_in(fixture, "state");
    CLEANUP_FREE char *file = path_in(fixture, "state/file");
    struct file_id id;

    assert_int_equal(mkdir(folder, 0700), 0);
    CLEANUP_CLOSE int fd = open(folder, O_RDONLY | O_CLOEXEC);
    assert_int_equal(file_id_read(fd, &id, NULL), 0);
    intent_add_file(&fixture->intent, folder, &id);
    id = make_file(file);
    intent_add_file(&fixture->intent, file, &id);
    undo_well(fixture);
    assert_false(is_there(private));
    assert_false(is_there(folder));
}

static void a_file_of_another_process_stays(void **state)
{
    struct fixture *fixture = *state;
    CLEANUP_FREE char *path = path_in(fixture, "disk");
    CLEANUP_FREE char *other = path_in(fixture, "other");
    struct file_id id = make_file(path);

    intent_add_file(&fixture->intent, path, &id);
    make_file(other);
    assert_int_equal(rename(other, path), 0);
    undo_well(fixture);
    assert_true(is_there(path));
    assert_int_equal(unlink(path), 0);
}

static void a_link_in_its_place_stays(void **state)
{
    struct fixture *fixture = *state;
    CLEANUP_FREE char *path = path_in(fixture, "disk");
    CLEANUP_FREE char *away = path_in(fixture, "away");
    struct file_id id = make_file(path);

    intent_add_file(&fixture->intent, path, &id);
    assert_int_equal(rename(path, away), 0);
    assert_int_equal(symlink("away", path), 0);
    undo_well(fixture);
    assert_true(is_there(path));
    assert_true(is_there(away));
    assert_int_equal(unlink(path), 0);
    assert_int_equal(unlink(away), 0);
}

static void a_folder_that_was_not_made_yet_is_no_obstacle(void **state)
{
    struct fixture *fixture = *state;
    CLEANUP_FREE char *path = path_in(fixture, ".virt-backup-0");
    CLEANUP_CLOSE int fd = open(fixture->folder, O_RDONLY | O_CLOEXEC);
    struct file_id parent;

    assert_int_equal(file_id_read(fd, &parent, NULL), 0);
    intent_add_private_folder(&fixture->intent, path, &parent);
    undo_well(fixture);
}

/* Its file system may come back: the journal has to stay. */
static void a_missing_folder_is_no_removal(void **state)
{
    struct fixture *fixture = *state;
    CLEANUP_FREE char *private = begin_restore(fixture);
    CLEANUP_FREE char *away = mem_printf("%s/away", fixture->top);

    assert_int_equal(rename(fixture->folder, away), 0);
    for (int covered = 0; covered < 2; covered++) {
        CLEANUP_ERR struct err err = ERR_INIT;
        if (covered)
            assert_int_equal(mkdir(fixture->folder, 0700), 0);
        assert_int_equal(undo_files(&fixture->intent, &err), -1);
        assert_non_null(strstr(err.text, "is its file system mounted?"));
        assert_int_equal(fixture->intent.file_count, 1);
    }
    assert_int_equal(rmdir(fixture->folder), 0);
    assert_int_equal(rename(away, fixture->folder), 0);
    undo_well(fixture);
    assert_false(is_there(private));
}

/* One of the former version names files and folders without their ids. */
static void a_journal_of_the_former_version_is_undone(void **state)
{
    struct fixture *fixture = *state;
    CLEANUP_ERR struct err err = ERR_INIT;
    CLEANUP_FREE char *folder = path_in(fixture, "state");
    CLEANUP_FREE char *file = path_in(fixture, "state/file");
    CLEANUP_FREE char *text = mem_printf(
        "{\"version\":1,\"pid\":1,\"pid-started\":1,\"uuid\":\"u\",\"name\":\"web\",\"files\":"
        "[{\"path\":\"%s\"},{\"path\":\"%s\"},{\"path\":\"%s/never-made\"}]}",
        folder, file, fixture->folder);

    assert_int_equal(mkdir(folder, 0700), 0);
    make_file(file);
    if (intent_parse(text, strlen(text), &fixture->intent, &err) < 0)
        fail_msg("%s", err.text);
    undo_well(fixture);
    assert_false(is_there(folder));
}

#define undo_test(f) cmocka_unit_test_setup_teardown(f, setup, teardown)

int main(void)
{
    const struct CMUnitTest tests[] = {
        undo_test(what_was_made_goes),
        undo_test(a_file_of_another_process_stays),
        undo_test(a_link_in_its_place_stays),
        undo_test(a_folder_that_was_not_made_yet_is_no_obstacle),
        undo_test(a_missing_folder_is_no_removal),
        undo_test(a_journal_of_the_former_version_is_undone),
    };

    return cmocka_run_group_tests_name("ops undo files", tests, NULL, NULL);
}
