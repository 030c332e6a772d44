/* SPDX-License-Identifier: LGPL-2.1-or-later
 *
 * Crashes in the exchange: every state that the folder can be in is built by
 * hand, with a journal written from the manual page, and a real commit is killed
 * at each of its system calls.
 */
#include <errno.h>
#include <fcntl.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>
#include <sys/file.h>
#include <sys/ptrace.h>
#include <sys/stat.h>
#include <sys/wait.h>

#include <cmocka.h>

#include "archive/archive.h"
#include "base/digest.h"
#include "base/io.h"
#include "sample.h"

#define JOURNAL ".virt-backup-exchange"
#define PART(n) ".virt-backup-00112233445566aa." n ".part"

static const char *const old_targets[] = {"vda", "vdb", "vdc", NULL};
static const char *const new_targets[] = {"vda", "vdb", NULL};

static void rename_in(const char *folder, const char *from, const char *to)
{
    CLEANUP_FREE char *old_path = mem_printf("%s/%s", folder, from);
    CLEANUP_FREE char *new_path = mem_printf("%s/%s", folder, to);

    assert_int_equal(rename(old_path, new_path), 0);
}

static void remove_in(const char *folder, const char *name)
{
    CLEANUP_FREE char *path = mem_printf("%s/%s", folder, name);

    assert_int_equal(unlink(path), 0);
}

/* The journal's text with its last line. */
static char *sign(const char *body)
{
    uint8_t sha256[DIGEST_SIZE];
    char hex[DIGEST_HEX_SIZE];

    digest_of(body, strlen(body), sha256);
    digest_to_hex(sha256, hex);
    return mem_printf("%ssha256 %s\n", body, hex);
}

static char *journal_body(const char *manifest_sha256)
{
    return mem_printf(
        "virt-backup exchange 1\n"
        "domain web\n"
        "file 7 " PART("1") " web-vda.raw\n"
                            "file 7 " PART("2") " web-vdb.raw\n"
                                                "manifest %s " PART("3") " web.xml\n"
                                                                         "remove web-vdc.raw\n",
        manifest_sha256);
}

/* A folder just after the decision: the old backup under its names, the new one
 * under temporary names, and the journal. */
static char *decided_folder(bool with_old, char **ret_body)
{
    char *folder = sample_folder();
    uint8_t sha256[DIGEST_SIZE];
    char hex[DIGEST_HEX_SIZE];
    size_t len = 0;

    sample_back_up(folder, "web", SAMPLE_UUID, "new", new_targets, true);
    CLEANUP_FREE char *manifest = sample_read(folder, "web.xml", &len);
    digest_of(manifest, len, sha256);
    digest_to_hex(sha256, hex);
    rename_in(folder, "web-vda.raw", PART("1"));
    rename_in(folder, "web-vdb.raw", PART("2"));
    rename_in(folder, "web.xml", PART("3"));
    if (with_old) {
        /* Opening for writing would take the parts away as a dead run's. */
        char *other = sample_folder();
        static const char *const names[] = {"web-vda.raw", "web-vdb.raw", "web-vdc.raw", "web.xml"};
        sample_back_up(other, "web", SAMPLE_UUID, "old", old_targets, true);
        for (size_t i = 0; i < 4; i++) {
            CLEANUP_FREE char *data = sample_read(other, names[i], &len);
            sample_write(folder, names[i], data, len);
        }
        sample_remove_folder(other);
    }
    CLEANUP_FREE char *body = journal_body(hex);
    CLEANUP_FREE char *text = sign(body);
    sample_write(folder, JOURNAL, text, strlen(text));
    if (ret_body)
        *ret_body = TAKE_PTR(body);
    return folder;
}

static void check_new(const char *folder)
{
    sample_check_backup(folder, "web", "new", new_targets);
    sample_check_names(folder, "web-vda.raw web-vdb.raw web.xml");
}

/* Steps of the exchange that were done before the crash. */
static void take_steps(const char *folder, bool with_old, int steps)
{
    if (steps > 0)
        rename_in(folder, PART("1"), "web-vda.raw");
    if (steps > 1)
        rename_in(folder, PART("2"), "web-vdb.raw");
    if (steps > 2)
        rename_in(folder, PART("3"), "web.xml");
    if (steps > 3 && with_old)
        remove_in(folder, "web-vdc.raw");
}

static void a_decided_exchange_is_finished_from_every_step(void **state)
{
    (void)state;
    for (int with_old = 0; with_old < 2; with_old++) {
        for (int steps = 0; steps <= 4; steps++) {
            for (int by_reader = 0; by_reader < 2; by_reader++) {
                CLEANUP_ERR struct err err = ERR_INIT;
                CLEANUP(archive_writer_closep) struct archive_writer *writer = NULL;
                char *folder = decided_folder(with_old, NULL);

                take_steps(folder, with_old, steps);
                if (!by_reader)
                    CHECK(archive_writer_open(folder, &writer, &err), &err);
                archive_writer_close(TAKE_PTR(writer));
                check_new(folder);
                sample_remove_folder(folder);
            }
        }
    }
}

static void renames_in_any_order_are_finished(void **state)
{
    char *folder = decided_folder(true, NULL);

    (void)state;
    /* A file system may have written the second rename and not the first. */
    rename_in(folder, PART("2"), "web-vdb.raw");
    check_new(folder);
    sample_remove_folder(folder);
}

static void what_was_not_decided_is_undone(void **state)
{
    CLEANUP_ERR struct err err = ERR_INIT;
    CLEANUP(archive_writer_closep) struct archive_writer *writer = NULL;
    char *folder = decided_folder(true, NULL);

    (void)state;
    /* The journal was written and flushed, but did not have its name yet. */
    rename_in(folder, JOURNAL, PART("4"));
    sample_check_backup(folder, "web", "old", old_targets);
    CHECK(archive_writer_open(folder, &writer, &err), &err);
    archive_writer_close(TAKE_PTR(writer));
    sample_check_backup(folder, "web", "old", old_targets);
    sample_check_names(folder, "web-vda.raw web-vdb.raw web-vdc.raw web.xml");
    sample_remove_folder(folder);
}

/* Nobody can open the archive, and nothing in it has changed. */
static void check_stuck(const char *folder, const char *part)
{
    CLEANUP_FREE char *before = sample_names(folder);
    struct archive_writer *writer = NULL;
    struct archive_reader *reader = NULL;
    struct err err = ERR_INIT;

    CHECK_FAILS(archive_writer_open(folder, &writer, &err), &err, ERR_CORRUPT, part);
    CHECK_FAILS(archive_reader_open(folder, &reader, &err), &err, ERR_CORRUPT,
                "see INTERRUPTED BACKUPS in virt-backup-archive(5)");
    CLEANUP_FREE char *after = sample_names(folder);
    assert_string_equal(after, before);
}

static void every_flipped_bit_of_the_journal_is_found(void **state)
{
    char *folder = decided_folder(true, NULL);
    size_t len = 0;
    CLEANUP_FREE char *text = sample_read(folder, JOURNAL, &len);

    (void)state;
    for (size_t bit = 0; bit < 8 * len; bit++) {
        text[bit / 8] ^= (char)(1 << bit % 8);
        sample_write(folder, JOURNAL, text, len);
        text[bit / 8] ^= (char)(1 << bit % 8);
        check_stuck(folder, JOURNAL ": is damaged");
    }
    for (size_t cut = 0; cut < len; cut += 3) {
        sample_write(folder, JOURNAL, text, cut);
        check_stuck(folder, JOURNAL ": is damaged");
    }
    sample_write(folder, JOURNAL, text, len);
    check_new(folder);
    sample_remove_folder(folder);
}

/* The body with one piece replaced, signed again. */
static void forge(const char *folder, const char *body, const char *from, const char *to)
{
    const char *at = strstr(body, from);

    assert_non_null(at);
    CLEANUP_FREE char *forged =
        mem_printf("%.*s%s%s", (int)(at - body), body, to, at + strlen(from));
    CLEANUP_FREE char *text = sign(forged);
    sample_write(folder, JOURNAL, text, strlen(text));
}

static void a_hostile_journal_is_refused(void **state)
{
    static const struct {
        const char *from, *to;
    } cases[] = {
        {"exchange 1", "exchange 2"},
        {"exchange 1", "exchange 1 "},
        {"domain web", "domain ../web"},
        {"domain web", "domain db"},
        {PART("1"), "/etc/passwd"},
        {PART("1"), "web-vdb.raw"},
        {PART("1"), PART("2")},
        {PART("1"), PART("3")},
        {"web-vda.raw", "../web-vda.raw"},
        {"web-vda.raw", "db-vda.raw"},
        {"web-vda.raw", "web-db.xml"},
        {"web-vda.raw", "web-vdb.raw"},
        {"web.xml", "db.xml"},
        {"file 7", "file -7"},
        {"file 7", "file 07"},
        {"remove web-vdc.raw", "remove /etc/passwd"},
        {"remove web-vdc.raw", "remove web.xml"},
        {"remove web-vdc.raw", "remove db.xml"},
        {"remove web-vdc.raw", "remove web-vda.raw"},
        {"remove web-vdc.raw", "exec web-vdc.raw"},
        {"manifest ", "manifest 0"},
    };
    char *body_text = NULL;
    char *folder = decided_folder(true, &body_text);
    CLEANUP_FREE char *body = body_text;

    (void)state;
    for (size_t i = 0; i < sizeof(cases) / sizeof(*cases); i++) {
        forge(folder, body, cases[i].from, cases[i].to);
        check_stuck(folder, JOURNAL ": is damaged");
    }
    forge(folder, body, "web", "web");
    check_new(folder);
    sample_remove_folder(folder);
}

static void a_journal_does_not_reach_another_guests_files(void **state)
{
    static const char *const vda[] = {"vda", NULL};
    CLEANUP_ERR struct err err = ERR_INIT;
    CLEANUP(archive_writer_closep) struct archive_writer *writer = NULL;
    char *body_text = NULL;
    char *folder = decided_folder(true, &body_text);
    CLEANUP_FREE char *body = body_text;
    char *other = sample_folder();
    size_t len = 0;

    (void)state;
    sample_back_up(other, "web-db", SAMPLE_UUID, "theirs", vda, true);
    CLEANUP_FREE char *manifest = sample_read(other, "web-db.xml", &len);
    sample_write(folder, "web-db.xml", manifest, len);
    CLEANUP_FREE char *image = sample_read(other, "web-db-vda.raw", &len);
    sample_write(folder, "web-db-vda.raw", image, len);
    sample_remove_folder(other);

    forge(folder, body, "web-vda.raw", "web-db-vda.raw");
    CHECK_FAILS(archive_writer_open(folder, &writer, &err), &err, ERR_EXISTS, "another guest");
    forge(folder, body, "remove web-vdc.raw", "remove web-db-vda.raw");
    CHECK(archive_writer_open(folder, &writer, &err), &err);
    archive_writer_close(TAKE_PTR(writer));
    sample_check_backup(folder, "web", "new", new_targets);
    sample_check_backup(folder, "web-db", "theirs", vda);
    sample_remove_folder(folder);
}

static void a_missing_or_changed_file_stops_the_exchange(void **state)
{
    static const char *const names[] = {PART("1"), PART("2"), PART("3")};

    (void)state;
    for (size_t i = 0; i < 3; i++) {
        /* Without an old backup: else the old file stands where the new one is looked for. */
        char *folder = decided_folder(false, NULL);
        size_t len = 0;
        CLEANUP_FREE char *data = sample_read(folder, names[i], &len);

        remove_in(folder, names[i]);
        check_stuck(folder, "is missing");
        sample_write(folder, names[i], data, len - 1);
        check_stuck(folder, i < 2 ? "bytes long" : "not what was written");
        sample_write(folder, names[i], data, len);
        check_new(folder);
        sample_remove_folder(folder);
    }
}

static void the_old_manifest_is_not_taken_for_the_new_one(void **state)
{
    char *folder = decided_folder(true, NULL);

    (void)state;
    remove_in(folder, PART("3"));
    check_stuck(folder, "not what was written");
    sample_remove_folder(folder);
}

static void a_reader_that_cannot_finish_says_how_to(void **state)
{
    char *folder = decided_folder(true, NULL);
    struct archive_reader *reader = NULL;
    struct err err = ERR_INIT;

    (void)state;
    CLEANUP_CLOSE int fd = open(folder, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    assert_int_equal(flock(fd, LOCK_SH), 0);
    CHECK_FAILS(archive_reader_open(folder, &reader, &err), &err, ERR_BUSY,
                "virt-backup list --source-path");
    assert_true(sample_exists(folder, JOURNAL));
    assert_int_equal(flock(fd, LOCK_UN), 0);
    check_new(folder);
    sample_remove_folder(folder);
}

/* ---- killed at each system call ------------------------------------------------- */

/* In the child: no cmocka. */
static void run_child(const char *folder)
{
    struct archive_writer *writer = NULL;

    if (ptrace(PTRACE_TRACEME, 0, NULL, NULL) < 0)
        _exit(2);
    raise(SIGSTOP);
    if (archive_writer_open(folder, &writer, NULL) < 0 ||
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

/* "old", "new" or "" - and whatever it is, it is whole. */
static const char *which_backup(const char *folder)
{
    CLEANUP_ERR struct err err = ERR_INIT;
    size_t len = 0;

    {
        /* Finishes or undoes. */
        CLEANUP(archive_writer_closep) struct archive_writer *writer = NULL;
        CHECK(archive_writer_open(folder, &writer, &err), &err);
    }
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
        cmocka_unit_test(a_decided_exchange_is_finished_from_every_step),
        cmocka_unit_test(renames_in_any_order_are_finished),
        cmocka_unit_test(what_was_not_decided_is_undone),
        cmocka_unit_test(every_flipped_bit_of_the_journal_is_found),
        cmocka_unit_test(a_hostile_journal_is_refused),
        cmocka_unit_test(a_journal_does_not_reach_another_guests_files),
        cmocka_unit_test(a_missing_or_changed_file_stops_the_exchange),
        cmocka_unit_test(the_old_manifest_is_not_taken_for_the_new_one),
        cmocka_unit_test(a_reader_that_cannot_finish_says_how_to),
        cmocka_unit_test(a_first_backup_is_whole_or_not_there_when_killed_anywhere),
        cmocka_unit_test(one_of_two_backups_is_whole_when_killed_anywhere),
    };

    return cmocka_run_group_tests_name("exchange", tests, use_memory, NULL);
}
