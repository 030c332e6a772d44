/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include <fcntl.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>
#include <sys/stat.h>

#include <cmocka.h>

#include "archive/archive.h"
#include "base/io.h"
#include "sample.h"

static const char *const vda[] = {"vda", NULL};
static const char *const two[] = {"vda", "vdb", NULL};

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

static void a_folder_that_stays_empty_is_removed_by_its_maker(void **state)
{
    char *folder = sample_folder();
    CLEANUP_FREE char *inner = mem_printf("%s/archive", folder);
    CLEANUP_FREE char *deep = mem_printf("%s/archive/deep", folder);
    struct archive_writer *writer = NULL;
    struct err err = ERR_INIT;

    (void)state;
    CHECK_FAILS(archive_writer_open(deep, &writer, &err), &err, ERR_NOT_FOUND, deep);
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
    CLEANUP(manifest_freep) struct manifest *again = NULL;
    struct err err = ERR_INIT;
    size_t len = 0;

    (void)state;
    free(manifest->memory->file.name);
    manifest->memory->file.name = mem_strdup("db.sav");
    CLEANUP_FREE char *text = sample_format(manifest, &len);
    sample_write(folder, "web.xml", text, len);
    reader = sample_open_reader(folder);
    CHECK_FAILS(archive_reader_manifest(reader, "web", &again, &err), &err, ERR_CORRUPT,
                "web.xml: is damaged: 'db.sav' is not a name for a file of guest 'web'");
    sample_check_list(folder, "web");
    sample_remove_folder(folder);
}

static void a_writer_works_alone_and_readers_together(void **state)
{
    char *folder = sample_folder();
    struct archive_reader *reader = sample_open_reader(folder);
    struct archive_reader *second = sample_open_reader(folder);
    struct archive_writer *writer = NULL;
    struct err err = ERR_INIT;

    (void)state;
    CHECK_FAILS(archive_writer_open(folder, &writer, &err), &err, ERR_BUSY, folder);
    archive_reader_close(reader);
    archive_reader_close(second);
    writer = sample_open_writer(folder);
    struct archive_writer *other = NULL;
    CHECK_FAILS(archive_writer_open(folder, &other, &err), &err, ERR_BUSY, "another virt-backup");
    CHECK_FAILS(archive_reader_open(folder, &reader, &err), &err, ERR_BUSY, "another virt-backup");
    archive_writer_close(writer);
    archive_reader_close(sample_open_reader(folder));
    sample_check_names(folder, "");
    sample_remove_folder(folder);
}

static void a_renamed_manifest_is_noticed(void **state)
{
    char *folder = sample_folder();
    CLEANUP_FREE char *from = mem_printf("%s/web.xml", folder);
    CLEANUP_FREE char *to = mem_printf("%s/db.xml", folder);
    struct manifest *manifest = NULL;
    struct err err = ERR_INIT;

    (void)state;
    sample_back_up(folder, "web", SAMPLE_UUID, "first", vda, false);
    assert_int_equal(rename(from, to), 0);
    CLEANUP(archive_reader_closep) struct archive_reader *reader = sample_open_reader(folder);
    CHECK_FAILS(archive_reader_manifest(reader, "db", &manifest, &err), &err, ERR_CORRUPT,
                "manifest of guest 'web'");
    CHECK_FAILS(archive_reader_manifest(reader, "web", &manifest, &err), &err, ERR_NOT_FOUND,
                "web.xml");
    sample_remove_folder(folder);
}

static void stored_files_are_checked_when_opened(void **state)
{
    char *folder = sample_folder();
    CLEANUP_FREE char *path = mem_printf("%s/web-vda.raw", folder);
    CLEANUP_FREE char *linked = mem_printf("%s/linked", folder);
    CLEANUP(manifest_freep) struct manifest *manifest = NULL;
    struct err err = ERR_INIT;
    int fd = -1;

    (void)state;
    sample_back_up(folder, "web", SAMPLE_UUID, "first", vda, false);
    CLEANUP(archive_reader_closep) struct archive_reader *reader = sample_open_reader(folder);
    CHECK(archive_reader_manifest(reader, "web", &manifest, &err), &err);
    struct manifest_stored *stored = &manifest->disks[0].stored;
    assert_int_equal(truncate(path, 5), 0);
    CHECK_FAILS(archive_reader_open_file(reader, stored, &fd, &err), &err, ERR_CORRUPT,
                "web-vda.raw: is 5 bytes long, the manifest says 9");
    assert_int_equal(truncate(path, 9), 0);
    assert_int_equal(rename(path, linked), 0);
    assert_int_equal(symlink("linked", path), 0);
    CHECK_FAILS(archive_reader_open_file(reader, stored, &fd, &err), &err, ERR_CORRUPT,
                "symbolic link");
    assert_int_equal(unlink(path), 0);
    CHECK_FAILS(archive_reader_open_file(reader, stored, &fd, &err), &err, ERR_NOT_FOUND,
                "web-vda.raw");
    free(stored->file.name);
    stored->file.name = mem_strdup("../passwd");
    CHECK_FAILS(archive_reader_open_file(reader, stored, &fd, &err), &err, ERR_CORRUPT, "'/'");
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
        cmocka_unit_test(a_folder_that_stays_empty_is_removed_by_its_maker),
        cmocka_unit_test(a_manifest_that_lays_claim_to_others_files_is_damaged),
        cmocka_unit_test(a_writer_works_alone_and_readers_together),
        cmocka_unit_test(a_renamed_manifest_is_noticed),
        cmocka_unit_test(stored_files_are_checked_when_opened),
        cmocka_unit_test(guests_are_listed_sorted_with_all_their_names),
        cmocka_unit_test(what_dead_runs_left_is_removed_but_never_a_scratch_file),
    };

    return cmocka_run_group_tests_name("archive", tests, NULL, NULL);
}
