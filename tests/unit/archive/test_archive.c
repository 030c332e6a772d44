/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include <fcntl.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>

#include <cmocka.h>

#include "archive/archive.h"
#include "base/io.h"
#include "sample.h"

static const char *const vda[] = {"vda", NULL};
static const char *const two[] = {"vda", "vdb", NULL};

static unsigned parsed; /* manifests */

int __real_manifest_read(const struct xml_text *text, struct manifest **ret, struct err *err);
int __wrap_manifest_read(const struct xml_text *text, struct manifest **ret, struct err *err);

int __wrap_manifest_read(const struct xml_text *text, struct manifest **ret, struct err *err)
{
    parsed++;
    return __real_manifest_read(text, ret, err);
}

static void a_backup_is_its_files_and_its_manifest(void **state)
{
    char *folder = sample_folder();
    CLEANUP_FREE char *inner = mem_printf("%s/archive", folder);
    CLEANUP_FREE char *manifest = mem_printf("%s/web.xml", inner);
    CLEANUP_FREE char *image = mem_printf("%s/web-vda.raw", inner);
    struct stat st;

    (void)state;
    sample_back_up(inner, "web", SAMPLE_UUID, "first", two, false);
    sample_check_names(inner, "web-vda.raw web-vdb.raw web.xml");
    sample_check_backup(inner, "web", "first", two);
    sample_check_list(inner, "web");
    assert_int_equal(stat(inner, &st), 0);
    assert_int_equal(st.st_mode & 07777, 0700);
    assert_int_equal(stat(manifest, &st), 0);
    assert_int_equal(st.st_mode & 07777, 0600);
    assert_int_equal(stat(image, &st), 0);
    assert_int_equal(st.st_mode & 07777, 0600);
    sample_remove_folder(folder);
}

static void each_manifest_is_parsed_once(void **state)
{
    char *folder = sample_folder();
    CLEANUP(archive_reader_closep) struct archive_reader *reader = NULL;
    static const char *const domains[] = {"db", "web"};
    CLEANUP_STRINGS struct strings names = {0};

    (void)state;
    for (size_t i = 0; i < 2; i++)
        sample_back_up(folder, domains[i], i ? SAMPLE_UUID : OTHER_UUID, "first", vda, false);
    reader = sample_open_reader(folder);
    parsed = 0;
    assert_int_equal(archive_reader_list(reader, &names, NULL), 0);
    assert_int_equal(names.count, 2);
    for (size_t i = 0; i < names.count; i++) {
        CLEANUP(archive_backup_closep) struct archive_backup *backup = NULL;
        assert_int_equal(archive_backup_open(reader, names.items[i], &backup, NULL), 0);
    }
    assert_int_equal(parsed, 2);
    sample_remove_folder(folder);
}

static void a_folder_that_stays_empty_is_removed_by_its_maker(void **state)
{
    char *folder = sample_folder();
    CLEANUP_FREE char *inner = mem_printf("%s/archive", folder);
    CLEANUP_FREE char *deep = mem_printf("%s/archive/deep", folder);
    struct archive_writer *writer = NULL;
    struct err err = ERR_INIT;

    (void)state;
    CHECK_FAILS(archive_writer_open(deep, NULL, &writer, &err), &err, ERR_NOT_FOUND, deep);
    archive_writer_close(sample_open_writer(inner));
    sample_check_names(folder, "");
    assert_int_equal(mkdir(inner, 0700), 0);
    archive_writer_close(sample_open_writer(inner));
    sample_check_names(folder, "archive");
    sample_remove_folder(folder);
}

/* Its own digest fits: the names are what is wrong with it. */
static void a_manifest_that_lays_claim_to_others_files_is_damaged(void **state)
{
    char *folder = sample_folder();
    CLEANUP(archive_reader_closep) struct archive_reader *reader = NULL;
    CLEANUP(manifest_freep) struct manifest *manifest = sample_full_manifest();
    CLEANUP(archive_backup_closep) struct archive_backup *again = NULL;
    struct err err = ERR_INIT;
    size_t len = 0;

    (void)state;
    free(manifest->memory->file.name);
    manifest->memory->file.name = mem_strdup("db.sav");
    CLEANUP_FREE char *text = sample_format(manifest, &len);
    sample_write(folder, "web.xml", text, len);
    reader = sample_open_reader(folder);
    CHECK_FAILS(archive_backup_open(reader, "web", &again, &err), &err, ERR_CORRUPT,
                "web.xml: is damaged: 'db.sav' is not a name for a file of guest 'web'");
    sample_check_list(folder, "web");
    sample_remove_folder(folder);
}

static struct backup_set *begin(struct archive_writer *writer, const char *domain, const char *uuid,
                                enum err_kind kind)
{
    const struct backup_set_request request = {
        .domain = domain, .uuid = uuid, .replace = BACKUP_SET_REPLACE};
    struct backup_set *set = NULL;
    struct err err = ERR_INIT;

    if (kind == ERR_NONE)
        CHECK(backup_set_begin(writer, &request, &set, &err), &err);
    else
        CHECK_FAILS(backup_set_begin(writer, &request, &set, &err), &err, kind, "in use since");
    return set;
}

static void writers_exclude_each_other_by_guest(void **state)
{
    char *folder = sample_folder();
    CLEANUP(archive_writer_closep) struct archive_writer *writer = sample_open_writer(folder);
    CLEANUP(archive_writer_closep) struct archive_writer *other = sample_open_writer(folder);
    struct backup_set *web = begin(writer, "web", SAMPLE_UUID, ERR_NONE);

    (void)state;
    (void)begin(other, "web", SAMPLE_UUID, ERR_BUSY);
    backup_set_abort(begin(other, "db", OTHER_UUID, ERR_NONE));
    backup_set_abort(web);
    backup_set_abort(begin(other, "web", SAMPLE_UUID, ERR_NONE));
    sample_check_names(folder, "");
    sample_remove_folder(folder);
}

static void a_writer_leaves_the_files_of_another_that_is_at_work(void **state)
{
    char *folder = sample_folder();
    CLEANUP(archive_writer_closep) struct archive_writer *writer = sample_open_writer(folder);
    struct backup_set *set = begin(writer, "web", SAMPLE_UUID, ERR_NONE);
    CLEANUP(manifest_freep) struct manifest *manifest = sample_manifest("web", SAMPLE_UUID);
    CLEANUP_ERR struct err err = ERR_INIT;
    int fd = -1;

    (void)state;
    CHECK(backup_set_create(set, "web-vda.raw", &fd, &err), &err);
    CHECK(io_write(fd, "abc", 3, &err), &err);
    CLEANUP_FREE char *before = sample_names(folder);
    archive_writer_close(sample_open_writer(folder));
    sample_check_names(folder, before);
    sample_add_disk(manifest, "vda", "abc", 3);
    CHECK(backup_set_commit(set, manifest, &err), &err);
    sample_check_names(folder, "web-vda.raw web.xml");
    sample_remove_folder(folder);
}

static void a_reader_and_a_writer_do_not_wait_for_each_other(void **state)
{
    char *folder = sample_folder();

    (void)state;
    sample_back_up(folder, "web", SAMPLE_UUID, "first", two, false);
    CLEANUP(archive_reader_closep) struct archive_reader *reader = sample_open_reader(folder);
    CLEANUP(archive_writer_closep) struct archive_writer *writer = sample_open_writer(folder);
    struct backup_set *set = begin(writer, "web", SAMPLE_UUID, ERR_NONE);
    assert_non_null(reader);
    sample_check_list(folder, "web");
    sample_check_backup(folder, "web", "first", two);
    backup_set_abort(set);
    sample_remove_folder(folder);
}

static void check_first_bytes(const struct archive_backup *backup, const char *expected)
{
    CLEANUP_ERR struct err err = ERR_INIT;
    CLEANUP_CLOSE int fd = -1;
    char bytes[64] = "";

    CHECK(archive_backup_open_file(backup, &archive_backup_manifest(backup)->disks[0].stored, &fd,
                                   &err),
          &err);
    CHECK(io_pread(fd, bytes, strlen(expected), 0, &err), &err);
    assert_string_equal(bytes, expected);
}

static void a_reader_keeps_the_backup_that_it_began_with(void **state)
{
    CLEANUP_ERR struct err err = ERR_INIT;
    CLEANUP(archive_backup_closep) struct archive_backup *first = NULL;
    CLEANUP(archive_backup_closep) struct archive_backup *second = NULL;
    char *folder = sample_folder();

    (void)state;
    sample_back_up(folder, "web", SAMPLE_UUID, "first", two, false);
    CLEANUP(archive_reader_closep) struct archive_reader *reader = sample_open_reader(folder);
    CHECK(archive_backup_open(reader, "web", &first, &err), &err);
    assert_true(archive_backup_is_current(first));
    sample_back_up(folder, "web", SAMPLE_UUID, "second", two, true);
    assert_false(archive_backup_is_current(first));
    check_first_bytes(first, "first vda");
    CHECK(archive_backup_open(reader, "web", &second, &err), &err);
    check_first_bytes(second, "second vda");
    sample_remove_folder(folder);
}

static void a_folder_that_another_writer_is_in_is_not_removed(void **state)
{
    char *folder = sample_folder();
    CLEANUP_FREE char *inner = mem_printf("%s/archive", folder);
    struct archive_writer *maker = sample_open_writer(inner);
    CLEANUP(archive_writer_closep) struct archive_writer *other = sample_open_writer(inner);
    CLEANUP_ERR struct err err = ERR_INIT;

    (void)state;
    archive_writer_close(maker);
    CHECK(sample_backup(other, "web", SAMPLE_UUID, "first", two, false, &err), &err);
    sample_check_backup(inner, "web", "first", two);
    sample_remove_folder(folder);
}

static void a_run_of_a_former_version_is_not_disturbed(void **state)
{
    char *folder = sample_folder();
    struct archive_writer *writer = NULL;
    struct err err = ERR_INIT;
    CLEANUP_CLOSE int fd = open(folder, O_RDONLY | O_DIRECTORY | O_CLOEXEC);

    (void)state;
    assert_int_equal(flock(fd, LOCK_EX), 0);
    CHECK_FAILS(archive_writer_open(folder, NULL, &writer, &err), &err, ERR_BUSY,
                "an older version");
    archive_reader_close(sample_open_reader(folder));
    sample_remove_folder(folder);
}

static void a_renamed_manifest_is_noticed(void **state)
{
    char *folder = sample_folder();
    CLEANUP_FREE char *from = mem_printf("%s/web.xml", folder);
    CLEANUP_FREE char *to = mem_printf("%s/db.xml", folder);
    struct archive_backup *backup = NULL;
    struct err err = ERR_INIT;

    (void)state;
    sample_back_up(folder, "web", SAMPLE_UUID, "first", vda, false);
    assert_int_equal(rename(from, to), 0);
    CLEANUP(archive_reader_closep) struct archive_reader *reader = sample_open_reader(folder);
    CHECK_FAILS(archive_backup_open(reader, "db", &backup, &err), &err, ERR_CORRUPT,
                "manifest of guest 'web'");
    CHECK_FAILS(archive_backup_open(reader, "web", &backup, &err), &err, ERR_NOT_FOUND, "web.xml");
    sample_remove_folder(folder);
}

/* Opens the backup anew: its files are opened with it. */
static void check_file_fails(const char *folder, enum err_kind kind, const char *part)
{
    CLEANUP(archive_reader_closep) struct archive_reader *reader = sample_open_reader(folder);
    CLEANUP(archive_backup_closep) struct archive_backup *backup = NULL;
    struct err err = ERR_INIT;
    int fd = -1;

    CHECK(archive_backup_open(reader, "web", &backup, &err), &err);
    CHECK_FAILS(archive_backup_open_file(backup, &archive_backup_manifest(backup)->disks[0].stored,
                                         &fd, &err),
                &err, kind, part);
}

static void stored_files_are_checked_when_opened(void **state)
{
    char *folder = sample_folder();
    CLEANUP_FREE char *path = mem_printf("%s/web-vda.raw", folder);
    CLEANUP_FREE char *linked = mem_printf("%s/linked", folder);

    (void)state;
    sample_back_up(folder, "web", SAMPLE_UUID, "first", vda, false);
    assert_int_equal(truncate(path, 5), 0);
    check_file_fails(folder, ERR_CORRUPT, "web-vda.raw: is 5 bytes long, but the manifest says 9");
    assert_int_equal(truncate(path, 9), 0);
    assert_int_equal(rename(path, linked), 0);
    assert_int_equal(symlink("linked", path), 0);
    check_file_fails(folder, ERR_CORRUPT, "symbolic link");
    assert_int_equal(unlink(path), 0);
    check_file_fails(folder, ERR_NOT_FOUND, "web-vda.raw");
    sample_remove_folder(folder);
}

static void guests_are_listed_sorted_with_all_their_names(void **state)
{
    static const char *const names[] = {"web", ".hidden", "a b'c\"d%s,e", "gr\xc3\xbc\xc3\x9f",
                                        "web-db"};
    char *folder = sample_folder();

    (void)state;
    for (size_t i = 0; i < 5; i++)
        sample_back_up(folder, names[i], SAMPLE_UUID, names[i], two, false);
    sample_write(folder, "notes.txt", "x", 1);
    sample_write(folder, ".xml", "x", 1);
    sample_check_list(folder, ".hidden a b'c\"d%s,e gr\xc3\xbc\xc3\x9f web web-db");
    for (size_t i = 0; i < 5; i++)
        sample_check_backup(folder, names[i], names[i], two);
    sample_remove_folder(folder);
}

static void what_dead_runs_left_is_removed_but_never_a_scratch_file(void **state)
{
    char *folder = sample_folder();

    (void)state;
    sample_write(folder, ".virt-backup-0123456789abcdef.1.part", "x", 1);
    sample_write(folder, ".virt-backup-0123456789abcdef.memory.scratch", "x", 1);
    sample_write(folder, ".virt-backup-notes", "x", 1);
    archive_reader_close(sample_open_reader(folder));
    assert_true(sample_exists(folder, ".virt-backup-0123456789abcdef.1.part"));
    archive_writer_close(sample_open_writer(folder));
    sample_check_names(folder, ".virt-backup-0123456789abcdef.memory.scratch .virt-backup-notes");
    sample_remove_folder(folder);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_backup_is_its_files_and_its_manifest),
        cmocka_unit_test(each_manifest_is_parsed_once),
        cmocka_unit_test(a_folder_that_stays_empty_is_removed_by_its_maker),
        cmocka_unit_test(a_manifest_that_lays_claim_to_others_files_is_damaged),
        cmocka_unit_test(writers_exclude_each_other_by_guest),
        cmocka_unit_test(a_writer_leaves_the_files_of_another_that_is_at_work),
        cmocka_unit_test(a_reader_and_a_writer_do_not_wait_for_each_other),
        cmocka_unit_test(a_reader_keeps_the_backup_that_it_began_with),
        cmocka_unit_test(a_folder_that_another_writer_is_in_is_not_removed),
        cmocka_unit_test(a_run_of_a_former_version_is_not_disturbed),
        cmocka_unit_test(a_renamed_manifest_is_noticed),
        cmocka_unit_test(stored_files_are_checked_when_opened),
        cmocka_unit_test(guests_are_listed_sorted_with_all_their_names),
        cmocka_unit_test(what_dead_runs_left_is_removed_but_never_a_scratch_file),
    };

    return cmocka_run_group_tests_name("archive", tests, NULL, NULL);
}
