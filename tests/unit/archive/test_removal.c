/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "archive/archive.h"
#include "archive/names.h"
#include "archive/removal.h"
#include "base/digest.h"
#include "sample.h"

static const char *const two[] = {"vda", "vdb", NULL};
static const char *const vda[] = {"vda", NULL};

static void hex_digest(const char *text, size_t len, char ret_hex[static DIGEST_HEX_SIZE])
{
    uint8_t sha256[DIGEST_SIZE];

    digest_of(text, len, sha256);
    digest_to_hex(sha256, ret_hex);
}

static void remove_in(const char *folder, const char *name)
{
    CLEANUP_FREE char *path = mem_printf("%s/%s", folder, name);

    assert_int_equal(unlink(path), 0);
}

/* A folder with a backup, and the journal of its removal as the manual page has it. */
static char *decided_folder(void)
{
    char *folder = sample_folder();
    char manifest_hex[DIGEST_HEX_SIZE];
    char hex[DIGEST_HEX_SIZE];
    char key[ARCHIVE_KEY_SIZE];
    size_t len = 0;

    sample_back_up(folder, "web", SAMPLE_UUID, "old", two, true);
    CLEANUP_FREE char *manifest = sample_read(folder, "web.xml", &len);
    hex_digest(manifest, len, manifest_hex);
    CLEANUP_FREE char *body = mem_printf("virt-backup exchange 1\n"
                                         "domain web\n"
                                         "remove-manifest %s web.xml\n"
                                         "remove web-vda.raw\n"
                                         "remove web-vdb.raw\n",
                                         manifest_hex);
    hex_digest(body, strlen(body), hex);
    CLEANUP_FREE char *text = mem_printf("%ssha256 %s\n", body, hex);
    archive_guest_key("web", key);
    CLEANUP_FREE char *journal = archive_journal_name(key);
    sample_write(folder, journal, text, strlen(text));
    return folder;
}

static void a_decided_removal_is_finished_from_every_step(void **state)
{
    static const char *const steps[] = {"web.xml", "web-vda.raw", "web-vdb.raw"};

    (void)state;
    for (size_t done = 0; done <= 3; done++) {
        char *folder = decided_folder();
        for (size_t i = 0; i < done; i++)
            remove_in(folder, steps[i]);
        sample_check_list(folder, ""); /* it counts no more */
        archive_writer_close(sample_open_writer(folder));
        sample_check_names(folder, "");
        sample_remove_folder(folder);
    }
}

static void a_journal_does_not_remove_another_backup(void **state)
{
    char *folder = decided_folder();
    char *other = sample_folder();
    size_t len = 0;

    (void)state;
    sample_back_up(other, "web", SAMPLE_UUID, "new", two, true);
    CLEANUP_FREE char *manifest = sample_read(other, "web.xml", &len);
    sample_write(folder, "web.xml", manifest, len);
    sample_remove_folder(other);
    archive_writer_close(sample_open_writer(folder));
    assert_true(sample_exists(folder, "web.xml"));
    assert_true(sample_exists(folder, "web-vda.raw"));
    sample_remove_folder(folder);
}

static void a_backup_is_removed_with_its_files_and_no_others(void **state)
{
    CLEANUP_ERR struct err err = ERR_INIT;
    char *folder = sample_folder();

    (void)state;
    sample_back_up(folder, "web", SAMPLE_UUID, "first", two, false);
    sample_back_up(folder, "web-db", OTHER_UUID, "theirs", vda, false);
    sample_write(folder, "web-notes.raw", "x", 1);
    {
        CLEANUP(archive_reader_closep) struct archive_reader *reader = sample_open_reader(folder);
        CLEANUP(archive_writer_closep) struct archive_writer *writer = sample_open_writer(folder);
        CLEANUP(archive_backup_closep) struct archive_backup *backup = NULL;
        CHECK(archive_backup_open(reader, "web", &backup, &err), &err);
        CHECK(removal_run(writer, backup, 0, &err), &err);
        assert_false(archive_backup_is_current(backup));
    }
    sample_check_names(folder, "web-db-vda.raw web-db.xml web-notes.raw");
    sample_check_backup(folder, "web-db", "theirs", vda);
    sample_remove_folder(folder);
}

static void a_backup_that_was_replaced_meanwhile_stays(void **state)
{
    struct err err = ERR_INIT;
    char *folder = sample_folder();

    (void)state;
    sample_back_up(folder, "web", SAMPLE_UUID, "first", two, false);
    {
        CLEANUP(archive_reader_closep) struct archive_reader *reader = sample_open_reader(folder);
        CLEANUP(archive_writer_closep) struct archive_writer *writer = sample_open_writer(folder);
        CLEANUP(archive_backup_closep) struct archive_backup *backup = NULL;
        CHECK(archive_backup_open(reader, "web", &backup, &err), &err);
        sample_back_up(folder, "web", SAMPLE_UUID, "second", two, true);
        CHECK_FAILS(removal_run(writer, backup, 0, &err), &err, ERR_BUSY, "replaced or removed");
    }
    sample_check_backup(folder, "web", "second", two);
    sample_remove_folder(folder);
}

static void files_that_no_manifest_names_are_orphans(void **state)
{
    CLEANUP_ERR struct err err = ERR_INIT;
    CLEANUP_STRINGS struct strings names = {0};
    char *folder = sample_folder();

    (void)state;
    sample_back_up(folder, "web", SAMPLE_UUID, "first", two, false);
    sample_back_up(folder, "db", OTHER_UUID, "first", vda, false);
    sample_write(folder, "README", "x", 1);
    sample_write(folder, "web.rescue.sav", "x", 1);
    CLEANUP(archive_reader_closep) struct archive_reader *reader = sample_open_reader(folder);
    CHECK(archive_reader_orphans(reader, &names, &err), &err);
    assert_int_equal(names.count, 0);
    remove_in(folder, "web.xml");
    sample_write(folder, "db.xml", "<vb:backup ", 11); /* may name anything */
    sample_write(folder, "old.sav", "x", 1);
    CHECK(archive_reader_orphans(reader, &names, &err), &err);
    assert_int_equal(names.count, 3);
    assert_string_equal(names.items[0], "old.sav");
    assert_string_equal(names.items[1], "web-vda.raw");
    assert_string_equal(names.items[2], "web-vdb.raw");
    sample_remove_folder(folder);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_decided_removal_is_finished_from_every_step),
        cmocka_unit_test(a_journal_does_not_remove_another_backup),
        cmocka_unit_test(a_backup_is_removed_with_its_files_and_no_others),
        cmocka_unit_test(a_backup_that_was_replaced_meanwhile_stays),
        cmocka_unit_test(files_that_no_manifest_names_are_orphans),
    };

    return cmocka_run_group_tests_name("removal", tests, NULL, NULL);
}
