/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include <fcntl.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/stat.h>

#include <linux/fs.h>

#include <cmocka.h>

#include "archive/archive.h"
#include "base/io.h"
#include "sample.h"

static const struct backup_set_request web = {.domain = "web", .uuid = SAMPLE_UUID};
static const char *const vda[] = {"vda", NULL};
static const char *const two[] = {"vda", "vdb", NULL};

static void check_refused(const char *folder, const char *domain, const char *uuid,
                          const char *const *targets, bool replace, enum err_kind kind,
                          const char *part)
{
    CLEANUP(archive_writer_closep) struct archive_writer *writer = sample_open_writer(folder);
    CLEANUP_FREE char *before = sample_names(folder);
    struct err err = ERR_INIT;

    CHECK_FAILS(sample_backup(writer, domain, uuid, "refused", targets, replace, &err), &err, kind,
                part);
    CLEANUP_FREE char *after = sample_names(folder);
    assert_string_equal(after, before);
}

static void an_aborted_set_leaves_nothing(void **state)
{
    CLEANUP_ERR struct err err = ERR_INIT;
    char *folder = sample_folder();
    CLEANUP(archive_writer_closep) struct archive_writer *writer = sample_open_writer(folder);
    struct backup_set *set = NULL;
    int fd = -1;

    (void)state;
    CHECK(backup_set_begin(writer, &web, &set, &err), &err);
    CHECK(backup_set_create(set, "web-vda.raw", &fd, &err), &err);
    CHECK(io_write(fd, "abc", 3, &err), &err);
    assert_false(sample_exists(folder, "web-vda.raw"));
    backup_set_abort(set);
    sample_check_names(folder, "");
    sample_remove_folder(folder);
}

static void a_manifest_that_does_not_fit_the_set_is_refused(void **state)
{
    static const char *const parts[] = {"names 0 of 1", "is 3 bytes long, but the manifest says 4",
                                        "was never written", "belongs to another guest"};
    char *folder = sample_folder();
    CLEANUP(archive_writer_closep) struct archive_writer *writer = sample_open_writer(folder);

    (void)state;
    for (int i = 0; i < 4; i++) {
        CLEANUP(manifest_freep)
        struct manifest *manifest = sample_manifest("web", i == 3 ? OTHER_UUID : SAMPLE_UUID);
        struct backup_set *set = NULL;
        struct err err = ERR_INIT;
        int fd = -1;

        CHECK(backup_set_begin(writer, &web, &set, &err), &err);
        CHECK(backup_set_create(set, "web-vda.raw", &fd, &err), &err);
        CHECK(io_write(fd, "abc", 3, &err), &err);
        if (i > 0)
            sample_add_disk(manifest, i == 2 ? "vdb" : "vda", "abcd", i == 1 ? 4 : 3);
        CHECK_FAILS(backup_set_commit(set, manifest, &err), &err, ERR_INTERNAL, parts[i]);
        sample_check_names(folder, "");
    }
    sample_remove_folder(folder);
}

static void a_second_backup_needs_replace(void **state)
{
    char *folder = sample_folder();

    (void)state;
    sample_back_up(folder, "web", SAMPLE_UUID, "first", two, false);
    check_refused(folder, "web", SAMPLE_UUID, two, false, ERR_EXISTS, "--replace");
    sample_check_backup(folder, "web", "first", two);
    sample_back_up(folder, "web", SAMPLE_UUID, "second", two, true);
    sample_check_backup(folder, "web", "second", two);
    sample_check_names(folder, "web-vda.raw web-vdb.raw web.xml");
    sample_remove_folder(folder);
}

static void files_that_only_the_old_backup_had_are_removed(void **state)
{
    char *folder = sample_folder();

    (void)state;
    sample_back_up(folder, "web", SAMPLE_UUID, "first", two, false);
    sample_back_up(folder, "web", SAMPLE_UUID, "second", vda, true);
    sample_check_names(folder, "web-vda.raw web.xml");
    sample_check_backup(folder, "web", "second", vda);
    sample_remove_folder(folder);
}

static void another_guest_of_the_same_name_is_never_replaced(void **state)
{
    char *folder = sample_folder();

    (void)state;
    sample_back_up(folder, "web", SAMPLE_UUID, "first", two, false);
    check_refused(folder, "web", OTHER_UUID, two, true, ERR_EXISTS, SAMPLE_UUID);
    sample_check_backup(folder, "web", "first", two);
    sample_remove_folder(folder);
}

static void a_backup_of_another_host_is_replaced_only_if_asked_for(void **state)
{
    static const struct seal_key ours = {"the key of this host"};
    static const struct seal_key other = {"the key of another one"};
    static const struct {
        const char *host, *uuid;
        enum backup_set_replace replace;
        bool good;
        const struct seal_key *key;
    } cases[] = {
        {"vm2", "22222222-0000-4000-8000-000000000000", BACKUP_SET_REPLACE, true, &ours},
        {"vm2", "22222222-0000-4000-8000-000000000000", BACKUP_SET_REPLACE, false, &other},
        {"vm2", "22222222-0000-4000-8000-000000000000", BACKUP_SET_REPLACE, false},
        {"vm2", "22222222-0000-4000-8000-000000000000", BACKUP_SET_REPLACE_ANY_HOST, true},
        {"renamed", "6A1B2C3D-0000-4000-8000-00000000000A", BACKUP_SET_REPLACE, true},
        {"vm2", NULL, BACKUP_SET_REPLACE, false},
        {"host.example", NULL, BACKUP_SET_REPLACE, true},
    };
    char *folder = sample_folder();

    (void)state;
    CLEANUP(manifest_freep) struct manifest *manifest = sample_manifest("web", SAMPLE_UUID);
    size_t len = 0;
    free(manifest->host_uuid);
    manifest->host_uuid = mem_strdup("6a1b2c3d-0000-4000-8000-00000000000a");
    free(manifest->host);
    manifest->host = mem_strdup("host.example");
    manifest->seal_key = &ours;
    CLEANUP_FREE char *text = sample_format(manifest, &len);
    sample_write(folder, "web.xml", text, len);
    CLEANUP(archive_writer_closep) struct archive_writer *writer = sample_open_writer(folder);
    for (size_t i = 0; i < sizeof(cases) / sizeof(*cases); i++) {
        const struct backup_set_request request = {
            .domain = "web",
            .uuid = SAMPLE_UUID,
            .host = cases[i].host,
            .host_uuid = cases[i].uuid,
            .key = cases[i].key,
            .replace = cases[i].replace,
        };
        struct backup_set *set = NULL;
        struct err err = ERR_INIT;
        if (cases[i].good)
            CHECK(backup_set_begin(writer, &request, &set, &err), &err);
        else
            CHECK_FAILS(backup_set_begin(writer, &request, &set, &err), &err, ERR_EXISTS,
                        "host 'host.example' (UUID 6a1b2c3d-0000-4000-8000-00000000000a)");
        backup_set_abort(set);
    }
    sample_remove_folder(folder);
}

static void guests_with_names_that_begin_alike_keep_their_files(void **state)
{
    static const char *const odd[] = {"db-vda", NULL};
    char *folder = sample_folder();

    (void)state;
    sample_back_up(folder, "web-db", OTHER_UUID, "theirs", vda, false);
    check_refused(folder, "web", SAMPLE_UUID, odd, false, ERR_EXISTS, "another guest");
    check_refused(folder, "web", SAMPLE_UUID, odd, true, ERR_EXISTS, "another guest");
    sample_back_up(folder, "web", SAMPLE_UUID, "first", two, false);
    sample_back_up(folder, "web", SAMPLE_UUID, "second", vda, true);
    sample_check_backup(folder, "web-db", "theirs", vda);
    /* Nobody can tell what a damaged manifest claims. */
    sample_write(folder, "web-db.xml", "<vb:backup ", 11);
    check_refused(folder, "web", SAMPLE_UUID, odd, true, ERR_EXISTS, "another guest");
    sample_check_list(folder, "web web-db");
    sample_remove_folder(folder);
}

static void a_file_in_the_way_is_only_overwritten_with_replace(void **state)
{
    char *folder = sample_folder();

    (void)state;
    sample_write(folder, "web-vda.raw", "mine", 4);
    check_refused(folder, "web", SAMPLE_UUID, vda, false, ERR_EXISTS, "web-vda.raw is in the way");
    sample_back_up(folder, "web", SAMPLE_UUID, "first", vda, true);
    sample_check_backup(folder, "web", "first", vda);
    sample_remove_folder(folder);

    folder = sample_folder();
    CLEANUP_FREE char *other = mem_printf("%s/web-vda.raw", folder);
    assert_int_equal(mkdir(other, 0700), 0);
    check_refused(folder, "web", SAMPLE_UUID, vda, true, ERR_EXISTS, "not a regular file");
    sample_remove_folder(folder);
}

static void a_damaged_or_newer_backup_is_not_replaced(void **state)
{
    static const char newer[] =
        "<domain><metadata><vb:backup xmlns:vb='" MANIFEST_NS "' format='9'/></metadata></domain>";
    char *folder = sample_folder();

    (void)state;
    sample_write(folder, "web.xml", "<vb:backup ", 11);
    sample_check_list(folder, "web");
    check_refused(folder, "web", SAMPLE_UUID, vda, true, ERR_CORRUPT, "move it away");
    sample_write(folder, "web.xml", "", 0);
    sample_check_list(folder, "web");
    sample_write(folder, "web.xml", newer, strlen(newer));
    sample_check_list(folder, "web");
    check_refused(folder, "web", SAMPLE_UUID, vda, true, ERR_UNSUPPORTED, "newer");
    sample_remove_folder(folder);
}

static void names_that_are_not_the_guests_are_refused(void **state)
{
    static const char *const bad[] = {"db-vda.raw", "web.xml", "../web-vda.raw", "web-db.xml"};
    char *folder = sample_folder();
    CLEANUP(archive_writer_closep) struct archive_writer *writer = sample_open_writer(folder);
    CLEANUP(backup_set_abortp) struct backup_set *set = NULL;
    struct err err = ERR_INIT;
    int fd = -1;

    (void)state;
    CHECK(backup_set_begin(writer, &web, &set, &err), &err);
    for (size_t i = 0; i < sizeof(bad) / sizeof(*bad); i++)
        CHECK_FAILS(backup_set_create(set, bad[i], &fd, &err), &err, ERR_INTERNAL, "");
    CHECK(backup_set_create(set, "web-vda.raw", &fd, &err), &err);
    CHECK_FAILS(backup_set_create(set, "web-vda.raw", &fd, &err), &err, ERR_INTERNAL, "twice");
    sample_remove_folder(folder);
}

/* False where this user or this file system cannot do it. */
static bool set_immutable(const char *folder, const char *name, bool immutable)
{
    CLEANUP_FREE char *path = mem_printf("%s/%s", folder, name);
    CLEANUP_CLOSE int fd = open(path, O_RDONLY | O_CLOEXEC);
    int flags = 0;

    if (ioctl(fd, FS_IOC_GETFLAGS, &flags) < 0)
        return false;
    flags = immutable ? flags | FS_IMMUTABLE_FL : flags & ~FS_IMMUTABLE_FL;
    return ioctl(fd, FS_IOC_SETFLAGS, &flags) == 0;
}

static void a_commit_that_fails_on_the_way_is_finished_by_the_next_writer(void **state)
{
    CLEANUP_ERR struct err err = ERR_INIT;
    char *folder = sample_folder();

    (void)state;
    sample_back_up(folder, "web", SAMPLE_UUID, "first", two, false);
    if (!set_immutable(folder, "web-vdb.raw", true)) {
        sample_remove_folder(folder);
        skip();
    }
    struct archive_writer *writer = sample_open_writer(folder);
    CHECK_FAILS(sample_backup(writer, "web", SAMPLE_UUID, "second", two, true, &err), &err,
                ERR_DENIED, "the next backup of this guest");
    archive_writer_close(writer);
    /* Half of it is done, and readers see all of it. Others are not held up. */
    sample_check_backup(folder, "web", "second", two);
    sample_back_up(folder, "db", OTHER_UUID, "other", vda, false);
    sample_check_backup(folder, "web", "second", two);
    assert_true(set_immutable(folder, "web-vdb.raw", false));
    archive_writer_close(sample_open_writer(folder));
    sample_check_backup(folder, "web", "second", two);
    sample_check_names(folder, "db-vda.raw db.xml web-vda.raw web-vdb.raw web.xml");
    sample_remove_folder(folder);
}

static void a_name_that_the_file_system_does_not_take_is_refused_before(void **state)
{
    CLEANUP_ERR struct err err = ERR_INIT;
    char *folder = sample_folder();
    CLEANUP(archive_writer_closep) struct archive_writer *writer = sample_open_writer(folder);
    struct backup_set *set = NULL;

    (void)state;
    sample_write(folder, "web-vdb.raw", "x", 1);
    CHECK(backup_set_begin(writer, &web, &set, &err), &err);
    CHECK(backup_set_expect(set, "web-vda.raw", &err), &err);
    CHECK_FAILS(backup_set_expect(set, "web-vdb.raw", &err), &err, ERR_EXISTS, "in the way");
    if (set_immutable(folder, ".", true)) {
        int result = backup_set_expect(set, "web-vda.raw", &err);
        assert_true(set_immutable(folder, ".", false));
        CHECK_FAILS(result, &err, ERR_DENIED, "cannot create a file of this name here");
    }
    backup_set_abort(set);
    sample_check_names(folder, "web-vdb.raw");
    sample_remove_folder(folder);
}

static void xml_of_somebody_else_is_only_overwritten_with_replace(void **state)
{
    static const char mine[] = "<domain><name>web</name></domain>";
    char *folder = sample_folder();
    CLEANUP_FREE char *path = mem_printf("%s/web.xml", folder);

    (void)state;
    sample_write(folder, "web.xml", mine, strlen(mine));
    sample_check_list(folder, "");
    check_refused(folder, "web", SAMPLE_UUID, vda, false, ERR_EXISTS, "web.xml is in the way");
    sample_back_up(folder, "web", SAMPLE_UUID, "first", vda, true);
    sample_check_backup(folder, "web", "first", vda);
    assert_int_equal(unlink(path), 0);
    assert_int_equal(symlink("elsewhere", path), 0);
    sample_check_list(folder, "");
    check_refused(folder, "web", SAMPLE_UUID, vda, true, ERR_EXISTS, "not a regular file");
    sample_remove_folder(folder);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(an_aborted_set_leaves_nothing),
        cmocka_unit_test(a_manifest_that_does_not_fit_the_set_is_refused),
        cmocka_unit_test(a_second_backup_needs_replace),
        cmocka_unit_test(files_that_only_the_old_backup_had_are_removed),
        cmocka_unit_test(another_guest_of_the_same_name_is_never_replaced),
        cmocka_unit_test(a_backup_of_another_host_is_replaced_only_if_asked_for),
        cmocka_unit_test(guests_with_names_that_begin_alike_keep_their_files),
        cmocka_unit_test(a_file_in_the_way_is_only_overwritten_with_replace),
        cmocka_unit_test(a_damaged_or_newer_backup_is_not_replaced),
        cmocka_unit_test(names_that_are_not_the_guests_are_refused),
        cmocka_unit_test(a_commit_that_fails_on_the_way_is_finished_by_the_next_writer),
        cmocka_unit_test(a_name_that_the_file_system_does_not_take_is_refused_before),
        cmocka_unit_test(xml_of_somebody_else_is_only_overwritten_with_replace),
    };

    return cmocka_run_group_tests_name("backup set", tests, NULL, NULL);
}
