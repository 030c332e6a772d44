/* SPDX-License-Identifier: LGPL-2.1-or-later
 *
 * A real commit is killed at each of its system calls: what is there afterwards is
 * whole, for readers at once, and under its names after the next writer.
 */
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>
#include <sys/ptrace.h>
#include <sys/wait.h>

#include <cmocka.h>

#include "archive/archive.h"
#include "base/digest.h"
#include "base/io.h"
#include "sample.h"

static const char *const old_targets[] = {"vda", "vdb", "vdc", NULL};
static const char *const new_targets[] = {"vda", "vdb", NULL};

static void check_new(const char *folder)
{
    sample_check_backup(folder, "web", "new", new_targets);
    sample_check_names(folder, "web-vda.raw web-vdb.raw web.xml");
}

/* In the child: no cmocka. */
static void run_child(const char *folder)
{
    struct archive_writer *writer = NULL;

    if (ptrace(PTRACE_TRACEME, 0, NULL, NULL) < 0)
        _exit(2);
    raise(SIGSTOP);
    if (archive_writer_open(folder, NULL, &writer, NULL) < 0 ||
        sample_backup(writer, "web", SAMPLE_UUID, "new", new_targets, true, NULL) < 0)
        _exit(1);
    archive_writer_close(writer);
    _exit(0);
}

/* Runs a backup in a child and kills it at its count-th stop: each system call
 * stops twice, before and after it. Returns its wait status. */
static int run_and_kill(const char *folder, int count)
{
    int status = 0;
    pid_t pid = fork();

    if (pid == 0)
        run_child(folder);
    assert_true(pid > 0);
    assert_int_equal(waitpid(pid, &status, 0), pid);
    while (WIFSTOPPED(status)) {
        if (count-- == 0)
            assert_int_equal(kill(pid, SIGKILL), 0);
        else
            assert_int_equal(ptrace(PTRACE_SYSCALL, pid, NULL, NULL), 0);
        assert_int_equal(waitpid(pid, &status, 0), pid);
    }
    return status;
}

/* A reader sees the guest's backup, and all of it. */
static bool is_listed(const char *folder)
{
    CLEANUP(archive_reader_closep) struct archive_reader *reader = sample_open_reader(folder);
    CLEANUP(archive_backup_closep) struct archive_backup *backup = NULL;
    CLEANUP_ERR struct err err = ERR_INIT;

    if (archive_backup_open(reader, "web", &backup, &err) < 0) {
        assert_int_equal(err.kind, ERR_NOT_FOUND);
        return false;
    }
    const struct manifest *manifest = archive_backup_manifest(backup);
    for (size_t i = 0; i < manifest->disk_count; i++) {
        CLEANUP_CLOSE int fd = -1;
        uint8_t content[DIGEST_SIZE];
        char bytes[7];
        CHECK(archive_backup_open_file(backup, &manifest->disks[i].stored, &fd, &err), &err);
        CHECK(io_pread(fd, bytes, sizeof(bytes), 0, &err), &err);
        digest_of(bytes, sizeof(bytes), content);
        assert_memory_equal(content, manifest->disks[i].stored.image.content, DIGEST_SIZE);
    }
    return true;
}

/* "old", "new" or "" - and whatever it is, it is whole. */
static const char *which_backup(const char *folder)
{
    size_t len = 0;

    const bool before = is_listed(folder);
    archive_writer_close(sample_open_writer(folder)); /* finishes or undoes */
    assert_int_equal(before, sample_exists(folder, "web.xml"));
    if (!sample_exists(folder, "web.xml")) {
        sample_check_names(folder, "");
        return "";
    }
    CLEANUP_FREE char *image = sample_read(folder, "web-vda.raw", &len);
    assert_non_null(image);
    if (strncmp(image, "old", 3) == 0) {
        sample_check_backup(folder, "web", "old", old_targets);
        sample_check_names(folder, "web-vda.raw web-vdb.raw web-vdc.raw web.xml");
        return "old";
    }
    check_new(folder);
    return "new";
}

static void check_killed_at_each_call(bool with_old)
{
    const char *before = with_old ? "old" : "";
    const char *now = before;
    int finished = 0;

    for (int count = 0; !finished; count++) {
        char *folder = sample_folder();

        if (with_old)
            sample_back_up(folder, "web", SAMPLE_UUID, "old", old_targets, true);
        int status = run_and_kill(folder, count);
        if (WIFEXITED(status) && WEXITSTATUS(status) == 2) {
            sample_remove_folder(folder);
            skip(); /* no ptrace here */
        }
        finished = WIFEXITED(status);
        if (finished)
            assert_int_equal(WEXITSTATUS(status), 0);
        const char *found = which_backup(folder);
        assert_true(strcmp(found, before) == 0 || strcmp(found, "new") == 0);
        now = found;
        sample_back_up(folder, "web", SAMPLE_UUID, "new", new_targets, true);
        check_new(folder);
        sample_remove_folder(folder);
    }
    assert_string_equal(now, "new");
}

static void a_first_backup_is_whole_or_not_there_when_killed_anywhere(void **state)
{
    (void)state;
    check_killed_at_each_call(false);
}

static void one_of_two_backups_is_whole_when_killed_anywhere(void **state)
{
    (void)state;
    check_killed_at_each_call(true);
}

/* fsync on disk would take most of the time; a memory file system will do. */
static int use_memory(void **state)
{
    (void)state;
    if (!getenv("TMPDIR") && access("/dev/shm", W_OK) == 0)
        return setenv("TMPDIR", "/dev/shm", 1);
    return 0;
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_first_backup_is_whole_or_not_there_when_killed_anywhere),
        cmocka_unit_test(one_of_two_backups_is_whole_when_killed_anywhere),
    };

    return cmocka_run_group_tests_name("exchange killed", tests, use_memory, NULL);
}
