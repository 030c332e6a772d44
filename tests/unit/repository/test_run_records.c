/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "folder_store.h"

#include <fcntl.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/io.h"
#include "repository/keep/objects.h"
#include "repository/run_records.h"

static const struct id web = {{1}}, db = {{2}};

static struct stored_scope scope_of(const struct folder_repository *folder)
{
    return (struct stored_scope){folder->repository->store, folder->repository->id,
                                 REPOSITORY_SCOPE, NULL};
}

static void add(const struct folder_repository *folder, const struct id *guest, const char *host,
                uint64_t number)
{
    CLEANUP_SMALL_OBJECT struct small_object result = {
        .verb = mem_strdup("backup"),
        .name = mem_strdup("web"),
        .host = mem_strdup(host),
        .status = 1,
        .read = number,
        .reason = mem_strdup("the disk is gone"),
    };
    CLEANUP_ERR struct err err = ERR_INIT;

    if (run_records_add(folder->repository->store, REPOSITORY_SCOPE, guest, &result, &err) < 0)
        fail_msg("%s", err.text);
}

static struct run_records read_all(const struct folder_repository *folder, const struct id *guest)
{
    const struct stored_scope scope = scope_of(folder);
    CLEANUP_ERR struct err err = ERR_INIT;
    struct run_records records = {0};

    if (run_records_read(&scope, guest, &records, &err) < 0)
        fail_msg("%s", err.text);
    return records;
}

static void a_result_comes_back(void **state)
{
    CLEANUP_FOLDER struct folder_repository folder = {0};

    (void)state;
    folder_begin(&folder);
    CLEANUP_RUN_RECORDS struct run_records before = read_all(&folder, NULL);
    assert_int_equal(before.count, 0);
    add(&folder, &web, "one", 7);
    CLEANUP_RUN_RECORDS struct run_records after = read_all(&folder, NULL);
    assert_int_equal(after.count, 1);
    assert_int_equal(id_compare(&after.all[0].guest, &web), 0);
    assert_string_equal(after.all[0].object.verb, "backup");
    assert_string_equal(after.all[0].object.host, "one");
    assert_string_equal(after.all[0].object.reason, "the disk is gone");
    assert_null(after.all[0].object.job);
    assert_null(after.all[0].object.point);
    assert_int_equal(after.all[0].object.status, 1);
    assert_int_equal(after.all[0].object.read, 7);
    assert_true(after.all[0].object.when_ms > 0);
}

/* What another host or another guest has is its own business. */
static void only_the_newest_of_a_host_and_guest_stay(void **state)
{
    CLEANUP_FOLDER struct folder_repository folder = {0};

    (void)state;
    folder_begin(&folder);
    add(&folder, &web, "other", 100);
    add(&folder, &db, "one", 200);
    for (uint64_t i = 1; i <= RUN_RECORDS_KEPT + 3; i++) {
        add(&folder, &web, "one", i);
        usleep(2000); /* names go by milliseconds */
    }
    CLEANUP_RUN_RECORDS struct run_records all = read_all(&folder, NULL);
    assert_int_equal(all.count, RUN_RECORDS_KEPT + 2);
    CLEANUP_RUN_RECORDS struct run_records of_web = read_all(&folder, &web);
    assert_int_equal(of_web.count, RUN_RECORDS_KEPT + 1);
    assert_int_equal(of_web.all[0].object.read, 100);
    assert_int_equal(of_web.all[1].object.read, 4);
    assert_int_equal(of_web.all[RUN_RECORDS_KEPT].object.read, RUN_RECORDS_KEPT + 3);
}

static char *a_record_file(const struct folder_repository *folder, const char *name)
{
    CLEANUP_FREE char *guest = mem_printf("%s/r", folder->path);

    (void)mkdir(guest, 0700);
    return mem_printf("%s/r/default/01000000000000000000000000000000/%s", folder->path, name);
}

static void put_file(const char *path, const char *text)
{
    int fd = open(path, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);

    assert_true(fd >= 0);
    assert_int_equal(io_write(fd, text, strlen(text), NULL), 0);
    close(fd);
}

static void what_is_damaged_or_strange_is_passed_over(void **state)
{
    CLEANUP_FOLDER struct folder_repository folder = {0};
    char huge[LIMITS_RESULT + 2];

    (void)state;
    folder_begin(&folder);
    add(&folder, &web, "one", 1);
    memset(huge, ' ', sizeof(huge) - 1);
    huge[sizeof(huge) - 1] = '\0';
    const struct {
        const char *name;
        const char *text;
    } files[] = {
        {"0198aabbccddeeff00112233445566e1-0123456789abcdef", "no JSON"},
        {"0198aabbccddeeff00112233445566e2-0123456789abcdef", "{\"format\":2}"},
        {"0198aabbccddeeff00112233445566e3-0123456789abcdef", huge},
        {"0198aabbccddeeff00112233445566e4-0123456789abcdef",
         "{\"format\":1,\"verb\":\"backup\",\"job\":null,\"name\":\"web\",\"host\":\"h\","
         "\"started\":"
         "\"2026-05-01T03:00:00.250Z\",\"ended\":\"2026-05-01T03:00:00.250Z\",\"when\":"
         "\"2026-05-01T03:00:00.250Z\",\"status\":0,\"point\":\"../../x\",\"read\":1,\"stored\":0,"
         "\"reason\":null}"},
        {"a-file-of-somebody", "x"},
    };
    for (size_t i = 0; i < sizeof(files) / sizeof(*files); i++) {
        CLEANUP_FREE char *path = a_record_file(&folder, files[i].name);
        put_file(path, files[i].text);
    }
    CLEANUP_FREE char *link =
        a_record_file(&folder, "0198aabbccddeeff00112233445566e5-0123456789abcdef");
    assert_int_equal(symlink("/etc/hostname", link), 0);
    CLEANUP_RUN_RECORDS struct run_records all = read_all(&folder, NULL);
    assert_int_equal(all.count, 1);
    assert_int_equal(all.all[0].object.read, 1);
}

static void texts_of_any_length_are_kept_in_part(void **state)
{
    CLEANUP_FOLDER struct folder_repository folder = {0};
    CLEANUP_SMALL_OBJECT struct small_object result = {
        .verb = mem_strdup("backup"), .name = mem_strdup("web"), .host = mem_strdup("one")};

    (void)state;
    folder_begin(&folder);
    result.reason = mem_alloc(100001);
    for (size_t i = 0; i < 100000; i += 2)
        memcpy(result.reason + i, "\xc3\xa4", 2);
    result.reason[0] = 'x'; /* so that a character would be cut in two */
    result.reason[1] = 'x';
    memmove(result.reason + 1, result.reason + 2, 99999);
    assert_int_equal(
        run_records_add(folder.repository->store, REPOSITORY_SCOPE, &web, &result, NULL), 0);
    CLEANUP_RUN_RECORDS struct run_records all = read_all(&folder, NULL);
    assert_int_equal(all.count, 1);
    assert_int_equal(strlen(all.all[0].object.reason), 1999);
}

static void nothing_is_noted_where_no_scope_is(void **state)
{
    CLEANUP_FOLDER struct folder_repository folder = {0};
    CLEANUP_SMALL_OBJECT struct small_object result = {
        .verb = mem_strdup("backup"), .name = mem_strdup("web"), .host = mem_strdup("one")};
    CLEANUP_ERR struct err err = ERR_INIT;

    (void)state;
    folder_begin(&folder);
    assert_int_equal(run_records_add(folder.repository->store, "other", &web, &result, &err), -1);
    assert_int_equal(err.kind, ERR_NOT_FOUND);
    CLEANUP_FREE char *path = mem_printf("%s/r", folder.path);
    assert_int_equal(access(path, F_OK), -1);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_result_comes_back),
        cmocka_unit_test(only_the_newest_of_a_host_and_guest_stay),
        cmocka_unit_test(what_is_damaged_or_strange_is_passed_over),
        cmocka_unit_test(texts_of_any_length_are_kept_in_part),
        cmocka_unit_test(nothing_is_noted_where_no_scope_is),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
