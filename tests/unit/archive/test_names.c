/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "archive/names.h"
#include "base/cleanup.h"
#include "sample.h"

static void check_name(char *name, const char *expected)
{
    assert_non_null(name);
    assert_string_equal(name, expected);
    free(name);
}

static void names_follow_the_layout(void **state)
{
    (void)state;
    check_name(archive_manifest_name("web", NULL), "web.xml");
    check_name(archive_memory_name("web", NULL), "web.sav");
    check_name(archive_disk_name("web", "vda", CODEC_NONE, NULL), "web-vda.raw");
    check_name(archive_disk_name("web", "vda", CODEC_LZMA, NULL), "web-vda.raw.xz");
    check_name(archive_disk_name("web", "vda", CODEC_ZSTD, NULL), "web-vda.raw.zst");
    check_name(archive_extra_name("web", EXTRA_NVRAM, NULL), "web-nvram.fd");
    check_name(archive_extra_name("web", EXTRA_TPM, NULL), "web-tpm.state");
}

static void odd_guest_names_are_kept_as_they_are(void **state)
{
    (void)state;
    check_name(archive_manifest_name(".hidden", NULL), ".hidden.xml");
    check_name(archive_manifest_name("..", NULL), "...xml");
    check_name(archive_manifest_name("a b'c\"d%s,e", NULL), "a b'c\"d%s,e.xml");
    check_name(archive_memory_name("gr\xc3\xbc\xc3\x9f", NULL), "gr\xc3\xbc\xc3\x9f.sav");
}

static void names_that_no_file_can_have_are_refused(void **state)
{
    static const char *const bad[] = {
        "", "a/b", "a\nb", "a\x1b[0m", "a\x7f", "a\xffg", ".virt-backup-exchange"};
    struct err err = ERR_INIT;
    char name[260];

    (void)state;
    for (size_t i = 0; i < sizeof(bad) / sizeof(*bad); i++) {
        assert_null(archive_manifest_name(bad[i], &err));
        sample_check_error(&err, ERR_UNSUPPORTED, "guest's name");
        assert_null(archive_disk_name("web", bad[i], CODEC_NONE, &err));
        sample_check_error(&err, ERR_UNSUPPORTED, "target");
    }
    memset(name, 'a', sizeof(name));
    name[251] = '\0';
    free(archive_manifest_name(name, &err));
    assert_null(err.text);
    name[251] = 'a';
    name[252] = '\0';
    assert_null(archive_manifest_name(name, &err));
    sample_check_error(&err, ERR_UNSUPPORTED, "too long");
}

static void stored_names_stay_in_the_folder(void **state)
{
    static const char *const bad[] = {
        "", ".", "..", "../x", "a/b", "/etc/x", "a\tb", ".virt-backup-exchange", "\xc3("};
    struct err err = ERR_INIT;

    (void)state;
    for (size_t i = 0; i < sizeof(bad) / sizeof(*bad); i++)
        CHECK_FAILS(archive_check_name(bad[i], &err), &err, ERR_CORRUPT, "");
    assert_int_equal(archive_check_name("..a", &err), 0);
    assert_int_equal(archive_check_name("web-vda.raw", &err), 0);
}

static void a_guest_owns_only_files_that_begin_with_its_name(void **state)
{
    static const char *const good[] = {"web.sav", "web-vda.raw", "web-db-vda.raw.xz",
                                       "web-nvram.fd"};
    static const char *const bad[] = {"web.xml",  "web",        "web-db.xml",
                                      "webb.sav", "db-vda.raw", "web.raw"};

    (void)state;
    for (size_t i = 0; i < sizeof(good) / sizeof(*good); i++)
        assert_int_equal(archive_check_owned_name("web", good[i], NULL), 0);
    for (size_t i = 0; i < sizeof(bad) / sizeof(*bad); i++)
        assert_int_equal(archive_check_owned_name("web", bad[i], NULL), -1);
}

static void a_manifest_names_only_files_of_its_guest_each_once(void **state)
{
    static const struct {
        const char *name, *part;
    } cases[] = {
        {"../web-vda.raw", "contains a '/'"},
        {"db-vda.raw.xz", "not a name for a file of guest"},
        {"web-db.xml", "not a name for a file of guest"},
        {"web-vdb.raw", "duplicate file"},
        {"web.sav", "duplicate file"},
    };
    struct err err = ERR_INIT;

    (void)state;
    for (size_t i = 0; i < sizeof(cases) / sizeof(*cases); i++) {
        CLEANUP(manifest_freep) struct manifest *manifest = sample_full_manifest();
        CHECK(archive_check_manifest(manifest, &err), &err);
        free(manifest->disks[0].stored.file.name);
        manifest->disks[0].stored.file.name = mem_strdup(cases[i].name);
        CHECK_FAILS(archive_check_manifest(manifest, &err), &err, ERR_CORRUPT, cases[i].part);
    }
    CLEANUP(manifest_freep) struct manifest *named = sample_manifest("a/b", SAMPLE_UUID);
    CHECK_FAILS(archive_check_manifest(named, &err), &err, ERR_CORRUPT, "contains a '/'");

    CLEANUP(manifest_freep) struct manifest *in_point = sample_manifest("web", SAMPLE_UUID);
    sample_add_disk(in_point, "vda", "abc", 3)->stored.place = PLACE_MAP;
    CHECK_FAILS(archive_check_manifest(in_point, &err), &err, ERR_CORRUPT, "of a repository");
}

static void temporary_names_are_told_apart_exactly(void **state)
{
    char id[ARCHIVE_KEY_SIZE];
    char other[ARCHIVE_KEY_SIZE];

    (void)state;
    archive_guest_key("Web", other);
    archive_guest_key("web", id);
    assert_string_not_equal(id, other);
    CLEANUP_FREE char *part = archive_part_name(id, "17");
    CLEANUP_FREE char *tried = archive_try_name(id, "odd: 1?.xml");
    assert_int_equal(archive_own_kind(part, NULL), ARCHIVE_OWN_PART);
    assert_int_equal(archive_own_kind(tried, NULL), ARCHIVE_OWN_PART);
    assert_int_equal(archive_own_kind(".virt-backup-0123456789abcdef.1-memory.scratch", NULL),
                     ARCHIVE_OWN_SCRATCH);
    CLEANUP_FREE char *lock = archive_lock_name(id);
    CLEANUP_FREE char *journal = archive_journal_name(id);
    char key[ARCHIVE_KEY_SIZE] = "";
    assert_int_equal(archive_own_kind(lock, NULL), ARCHIVE_OWN_LOCK);
    assert_int_equal(archive_own_kind(journal, key), ARCHIVE_OWN_JOURNAL);
    assert_string_equal(key, id);
    assert_int_equal(archive_own_kind(ARCHIVE_FORMER_JOURNAL, NULL), ARCHIVE_OWN_JOURNAL);
    assert_int_equal(archive_check_name(part, NULL), -1);

    static const char *const none[] = {
        "web-vda.raw",
        ".virt-backup-0123456789abcdef.part",
        ".virt-backup-0123456789abcdef..part",
        ".virt-backup-0123456789abcde.1.part",
        ".virt-backup-0123456789abcdeg.1.part",
        ".virt-backup-0123456789abcdef.1.part.x",
        ".virt-backup-0123456789abcdef.1/2.part",
        ".virt-backup-0123456789abcdef0.1.part",
    };
    for (size_t i = 0; i < sizeof(none) / sizeof(*none); i++)
        assert_int_equal(archive_own_kind(none[i], NULL), ARCHIVE_OWN_NONE);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(names_follow_the_layout),
        cmocka_unit_test(odd_guest_names_are_kept_as_they_are),
        cmocka_unit_test(names_that_no_file_can_have_are_refused),
        cmocka_unit_test(stored_names_stay_in_the_folder),
        cmocka_unit_test(a_guest_owns_only_files_that_begin_with_its_name),
        cmocka_unit_test(a_manifest_names_only_files_of_its_guest_each_once),
        cmocka_unit_test(temporary_names_are_told_apart_exactly),
    };

    return cmocka_run_group_tests_name("archive names", tests, NULL, NULL);
}
