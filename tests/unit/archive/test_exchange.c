/* SPDX-License-Identifier: LGPL-2.1-or-later
 *
 * Crashes in the exchange: every state that the folder can be in is built by
 * hand, with a journal written from the manual page.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>
#include <sys/stat.h>

#include <cmocka.h>

#include "archive/archive.h"
#include "base/digest.h"
#include "base/io.h"
#include "sample.h"

#define KEY "4b5e57f6eb2f42b9" /* of guest "web" */
#define JOURNAL ".virt-backup-" KEY ".exchange"
#define FORMER_JOURNAL ".virt-backup-exchange"
#define PART(n) ".virt-backup-" KEY "." n ".part"

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

/* Readers see the new backup as it stands; the next writer finishes it. */
static void check_new(const char *folder)
{
    sample_check_list(folder, "web");
    sample_check_backup(folder, "web", "new", new_targets);
    archive_writer_close(sample_open_writer(folder));
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
            char *folder = decided_folder(with_old, NULL);

            take_steps(folder, with_old, steps);
            check_new(folder);
            sample_remove_folder(folder);
        }
    }
}

static void the_journal_of_a_former_version_is_finished(void **state)
{
    (void)state;
    for (int steps = 0; steps <= 4; steps++) {
        char *folder = decided_folder(true, NULL);

        take_steps(folder, true, steps);
        rename_in(folder, JOURNAL, FORMER_JOURNAL);
        check_new(folder);
        sample_remove_folder(folder);
    }
}

static void readers_write_nothing(void **state)
{
    char *folder = decided_folder(true, NULL);
    CLEANUP_FREE char *before = sample_names(folder);

    (void)state;
    sample_check_list(folder, "web");
    sample_check_backup(folder, "web", "new", new_targets);
    sample_check_names(folder, before);
    sample_remove_folder(folder);
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
    CHECK(archive_writer_open(folder, NULL, &writer, &err), &err);
    archive_writer_close(TAKE_PTR(writer));
    sample_check_backup(folder, "web", "old", old_targets);
    sample_check_names(folder, "web-vda.raw web-vdb.raw web-vdc.raw web.xml");
    sample_remove_folder(folder);
}

static const struct backup_set_request web = {
    .domain = "web", .uuid = SAMPLE_UUID, .replace = BACKUP_SET_REPLACE};

/* The guest cannot be backed up, nothing of it changes, and the others are not held up. */
static void check_stuck(const char *folder, const char *part)
{
    static const char *const vda[] = {"vda", NULL};
    CLEANUP_FREE char *before = sample_names(folder);
    CLEANUP(archive_writer_closep) struct archive_writer *writer = sample_open_writer(folder);
    struct backup_set *set = NULL;
    struct err err = ERR_INIT;

    CHECK_FAILS(backup_set_begin(writer, &web, &set, &err), &err, ERR_CORRUPT, part);
    CLEANUP_FREE char *after = sample_names(folder);
    assert_string_equal(after, before);
    if (sample_exists(folder, "zoo.xml"))
        return;
    CHECK(sample_backup(writer, "zoo", OTHER_UUID, "other", vda, false, &err), &err);
    sample_check_backup(folder, "zoo", "other", vda);
    remove_in(folder, "zoo.xml");
    remove_in(folder, "zoo-vda.raw");
}

/* Any bit of its digest, of which two letters may stand for the same; one bit of any other byte, each of eight in turn. */
static void flipped_bits_of_the_journal_are_found(void **state)
{
    char *folder = decided_folder(true, NULL);
    size_t len = 0;
    CLEANUP_FREE char *text = sample_read(folder, JOURNAL, &len);

    (void)state;
    const size_t last = 8 * (len - strlen("sha256 \n") - 2 * (size_t)DIGEST_SIZE);
    for (size_t bit = 0; bit < 8 * len; bit += bit < last ? 9 : 1) {
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
    archive_writer_close(sample_open_writer(folder));
    assert_true(sample_exists(folder, JOURNAL));
    sample_check_backup(folder, "web-db", "theirs", vda);
    forge(folder, body, "remove web-vdc.raw", "remove web-db-vda.raw");
    archive_writer_close(sample_open_writer(folder));
    sample_check_backup(folder, "web", "new", new_targets);
    sample_check_backup(folder, "web-db", "theirs", vda);
    sample_remove_folder(folder);
}

static void a_missing_file_stops_the_exchange(void **state)
{
    static const char *const names[] = {PART("1"), PART("2")};

    (void)state;
    for (size_t i = 0; i < 2; i++) {
        /* Without an old backup: else the old file stands where the new one is looked for. */
        char *folder = decided_folder(false, NULL);
        size_t len = 0;
        CLEANUP_FREE char *data = sample_read(folder, names[i], &len);

        remove_in(folder, names[i]);
        check_stuck(folder, "is missing");
        sample_write(folder, names[i], data, len);
        check_new(folder);
        sample_remove_folder(folder);
    }
}

/* The old backup is whole, and the new one cannot be: nothing was renamed yet. */
static void an_exchange_of_damaged_files_is_taken_back(void **state)
{
    (void)state;
    for (int i = 0; i < 3; i++) {
        CLEANUP_ERR struct err err = ERR_INIT;
        char *folder = decided_folder(true, NULL);
        struct backup_set *set = NULL;

        if (i == 0)
            remove_in(folder, PART("3"));
        else
            sample_write(folder, i == 1 ? PART("3") : PART("1"), "x", 1);
        CLEANUP(archive_writer_closep) struct archive_writer *writer = sample_open_writer(folder);
        assert_true(sample_exists(folder, JOURNAL));
        CHECK(backup_set_begin(writer, &web, &set, &err), &err);
        backup_set_abort(set);
        sample_check_backup(folder, "web", "old", old_targets);
        sample_check_names(folder, "web-vda.raw web-vdb.raw web-vdc.raw web.xml");
        sample_remove_folder(folder);
    }
}

static void a_damaged_former_journal_holds_nobody_up(void **state)
{
    static const char *const vda[] = {"vda", NULL};
    char *folder = decided_folder(true, NULL);

    (void)state;
    sample_write(folder, FORMER_JOURNAL, "x", 1);
    remove_in(folder, JOURNAL);
    sample_back_up(folder, "zoo", OTHER_UUID, "other", vda, false);
    sample_check_backup(folder, "zoo", "other", vda);
    sample_check_list(folder, "web zoo");
    /* It may need them. */
    assert_true(sample_exists(folder, PART("1")));
    sample_remove_folder(folder);
}

/* ---- taken back ------------------------------------------------------------------ */

/* A file system that does not take the last of the names, or a lasting error. */
static void an_exchange_that_can_not_begin_is_taken_back(void **state)
{
    CLEANUP_ERR struct err err = ERR_INIT;
    char *folder = decided_folder(true, NULL);
    CLEANUP_FREE char *path = mem_printf("%s/web-vda.raw", folder);

    (void)state;
    remove_in(folder, "web-vda.raw");
    assert_int_equal(mkdir(path, 0700), 0); /* a file cannot be renamed over it */
    archive_writer_close(sample_open_writer(folder));
    assert_true(sample_exists(folder, JOURNAL));
    CLEANUP(archive_writer_closep) struct archive_writer *writer = sample_open_writer(folder);
    struct backup_set *set = NULL;
    CHECK(backup_set_begin(writer, &web, &set, &err), &err);
    backup_set_abort(set);
    assert_int_equal(rmdir(path), 0);
    sample_check_names(folder, "web-vdb.raw web-vdc.raw web.xml");
    sample_remove_folder(folder);
}

static void a_set_whose_names_are_refused_leaves_the_former_backup(void **state)
{
    CLEANUP_ERR struct err err = ERR_INIT;
    char *folder = sample_folder();
    CLEANUP_FREE char *path = mem_printf("%s/web-vdb.raw", folder);
    CLEANUP(archive_writer_closep) struct archive_writer *writer = NULL;
    CLEANUP(manifest_freep) struct manifest *manifest = sample_manifest("web", SAMPLE_UUID);
    struct backup_set *set = NULL;
    int fd = -1;

    (void)state;
    sample_back_up(folder, "web", SAMPLE_UUID, "old", old_targets, true);
    writer = sample_open_writer(folder);
    CHECK(backup_set_begin(writer, &web, &set, &err), &err);
    CHECK(backup_set_create(set, "web-vdb.raw", &fd, &err), &err);
    /* In the way of the only file, once its name has been looked at. */
    remove_in(folder, "web-vdb.raw");
    assert_int_equal(mkdir(path, 0700), 0);
    sample_add_disk(manifest, "vdb", "", 0);
    CHECK_FAILS(backup_set_commit(set, manifest, &err), &err, ERR_EXISTS, "web-vdb.raw");
    assert_int_equal(rmdir(path), 0);
    sample_check_names(folder, "web-vda.raw web-vdc.raw web.xml");
    sample_remove_folder(folder);
}

/* Two guests whose files have the same name, at the same instant: the other's manifest
 * is not there yet. */
static void a_name_in_the_journal_of_another_guest_is_its_own(void **state)
{
    static const struct backup_set_request db = {.domain = "web-db", .uuid = OTHER_UUID};
    CLEANUP_ERR struct err err = ERR_INIT;
    CLEANUP(archive_writer_closep) struct archive_writer *writer = NULL;
    char *body_text = NULL;
    char *folder = decided_folder(false, &body_text);
    CLEANUP_FREE char *body = body_text;
    struct backup_set *set = NULL;
    int fd = -1;

    (void)state;
    forge(folder, body, "web-vda.raw", "web-db-vda.raw");
    remove_in(folder, PART("2")); /* so that nobody finishes it */
    writer = sample_open_writer(folder);
    CHECK(backup_set_begin(writer, &db, &set, &err), &err);
    CHECK_FAILS(backup_set_create(set, "web-db-vda.raw", &fd, &err), &err, ERR_EXISTS,
                "another guest");
    backup_set_abort(set);
    sample_remove_folder(folder);
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
        cmocka_unit_test(flipped_bits_of_the_journal_are_found),
        cmocka_unit_test(a_hostile_journal_is_refused),
        cmocka_unit_test(a_journal_does_not_reach_another_guests_files),
        cmocka_unit_test(a_missing_file_stops_the_exchange),
        cmocka_unit_test(an_exchange_of_damaged_files_is_taken_back),
        cmocka_unit_test(the_journal_of_a_former_version_is_finished),
        cmocka_unit_test(readers_write_nothing),
        cmocka_unit_test(a_damaged_former_journal_holds_nobody_up),
        cmocka_unit_test(an_exchange_that_can_not_begin_is_taken_back),
        cmocka_unit_test(a_set_whose_names_are_refused_leaves_the_former_backup),
        cmocka_unit_test(a_name_in_the_journal_of_another_guest_is_its_own),
    };

    return cmocka_run_group_tests_name("exchange", tests, use_memory, NULL);
}
