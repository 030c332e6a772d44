/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include <fcntl.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/text.h"
#include "folder_store.h"

static void assert_mode(const char *path, const char *name, mode_t mode)
{
    CLEANUP_FREE char *file = mem_printf("%s/%s", path, name);
    struct stat st;

    if (stat(file, &st) < 0)
        fail_msg("%s is missing", name);
    assert_int_equal(st.st_mode, mode);
}

static void a_new_repository_can_be_opened(void **state)
{
    static const char *const folders[] = {"s/default", "p/default", "t/default",
                                          "h/default", "d/default", "v/default",
                                          "x/default", "c/default", "tmp/default"};
    CLEANUP_FOLDER struct folder_repository folder = {0};
    CLEANUP(repository_closep) struct repository *again = NULL;

    (void)state;
    folder_begin(&folder);
    for (size_t i = 0; i < sizeof(folders) / sizeof(folders[0]); i++)
        assert_mode(folder.path, folders[i], S_IFDIR | 0700);
    assert_mode(folder.path, "config", S_IFREG | 0600);
    assert_mode(folder.path, "reserve", S_IFREG | 0600);

    assert_int_equal(repository_open(folder.path, NULL, &again, NULL), 0);
    assert_memory_equal(&again->id, &folder.repository->id, sizeof(again->id));
    assert_memory_equal(again->id_salt, folder.repository->id_salt, DIGEST_SIZE);
    assert_int_equal(again->create_only, CREATE_ONLY_CONDITION);
    assert_null(again->lagging);
}

static void two_repositories_differ(void **state)
{
    CLEANUP_FOLDER struct folder_repository a = {0}, b = {0};

    (void)state;
    folder_begin(&a);
    folder_begin(&b);
    assert_memory_not_equal(&a.repository->id, &b.repository->id, ID_SIZE);
    assert_memory_not_equal(a.repository->id_salt, b.repository->id_salt, DIGEST_SIZE);
}

static void assert_refused(const char *path, enum err_kind kind, const char *text)
{
    CLEANUP(repository_closep) struct repository *repository = NULL;
    CLEANUP_ERR struct err err = ERR_INIT;

    assert_int_equal(repository_create(path, REPOSITORY_SCOPE, &repository, &err), -1);
    assert_int_equal(err.kind, kind);
    if (!strstr(err.text, text) || !strstr(err.text, path))
        fail_msg("the error is: %s", err.text);
}

static void what_is_one_already_is_refused(void **state)
{
    CLEANUP_FOLDER struct folder_repository folder = {0};
    CLEANUP(repository_closep) struct repository *again = NULL;

    (void)state;
    folder_begin(&folder);
    assert_refused(folder.path, ERR_EXISTS, "already a repository");
    assert_int_equal(repository_open(folder.path, NULL, &again, NULL), 0);
    assert_memory_equal(&again->id, &folder.repository->id, ID_SIZE);
}

static void put_file(const char *path, const char *name, const char *text)
{
    CLEANUP_FREE char *file = mem_printf("%s/%s", path, name);
    int fd = open(file, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);

    assert_true(fd >= 0);
    assert_int_equal(write(fd, text, strlen(text)), strlen(text));
    close(fd);
}

static void a_folder_with_something_else_is_refused_and_left_as_it_is(void **state)
{
    CLEANUP_FOLDER struct folder_repository folder = {.path = folder_new()};
    CLEANUP_FREE char *made = mem_printf("%s/p", folder.path);

    (void)state;
    put_file(folder.path, "letter", "");
    assert_refused(folder.path, ERR_EXISTS, "'letter'");
    assert_int_equal(access(made, F_OK), -1);
}

/* All that is made before the config. */
static void what_an_interrupted_one_has_left_is_used(void **state)
{
    CLEANUP_FOLDER struct folder_repository folder = {0};
    CLEANUP_FREE char *config = NULL, *lost = NULL;

    (void)state;
    folder_begin(&folder);
    config = mem_printf("%s/config", folder.path);
    assert_int_equal(unlink(config), 0);
    lost = mem_printf("%s/lost+found", folder.path);
    assert_int_equal(mkdir(lost, 0700), 0);
    repository_close(TAKE_PTR(folder.repository));
    assert_int_equal(repository_create(folder.path, REPOSITORY_SCOPE, &folder.repository, NULL), 0);
}

static void assert_not_opened(const char *path, enum err_kind kind, const char *text)
{
    CLEANUP(repository_closep) struct repository *repository = NULL;
    CLEANUP_ERR struct err err = ERR_INIT;

    assert_int_equal(repository_open(path, NULL, &repository, &err), -1);
    assert_int_equal(err.kind, kind);
    if (!strstr(err.text, text) || !strstr(err.text, path))
        fail_msg("the error is: %s", err.text);
}

static void what_is_none_is_not_opened(void **state)
{
    CLEANUP_FOLDER struct folder_repository folder = {.path = folder_new()};
    CLEANUP_FREE char *missing = mem_printf("%s/missing", folder.path);

    (void)state;
    assert_not_opened(missing, ERR_NOT_FOUND, "");
    assert_not_opened(folder.path, ERR_NOT_FOUND, "virt-backup repository create");
    put_file(folder.path, "config", "{\"format\":1,\"encrypted\":true,\"block\":65536,\"pack\":0}");
    assert_not_opened(folder.path, ERR_UNSUPPORTED, "encrypted");
    put_file(folder.path, "config", "{\"format\":2}");
    assert_not_opened(folder.path, ERR_UNSUPPORTED, "newer");
}

/* ---- scopes ---------------------------------------------------------------------------------- */

static void scopes_are_made_and_found(void **state)
{
    CLEANUP_FOLDER struct folder_repository folder = {0};
    CLEANUP_STRINGS struct strings scopes = {0};
    struct store_object object = {
        .name = "s/lab-2/00000000000000000000000000000001/00000000000000000000000000000002",
        .data = ""};
    enum store_outcome outcome = STORE_EXISTS;

    (void)state;
    folder_begin(&folder);
    assert_int_equal(repository_add_scope(folder.repository, "lab-2", NULL), 0);
    assert_int_equal(repository_list_scopes(folder.repository, &scopes, NULL), 0);
    assert_int_equal(scopes.count, 0);
    assert_int_equal(store_create(folder.repository->store, &object, &outcome, NULL), 0);
    object.name = "p/a/00000000000000000000000000000001/00000000000000000000000000000002";
    assert_int_equal(repository_add_scope(folder.repository, "a", NULL), 0);
    assert_int_equal(store_create(folder.repository->store, &object, &outcome, NULL), 0);
    assert_int_equal(repository_list_scopes(folder.repository, &scopes, NULL), 0);
    assert_int_equal(scopes.count, 2);
    assert_string_equal(scopes.items[0], "a");
    assert_string_equal(scopes.items[1], "lab-2");
    assert_int_equal(repository_add_scope(folder.repository, "Lab", NULL), -1);
    assert_int_equal(repository_add_scope(folder.repository, "a/b", NULL), -1);
}

static void a_scope_that_is_not_there_is_told_with_those_that_are(void **state)
{
    CLEANUP_FOLDER struct folder_repository folder = {0};
    struct store_object object = {.data = ""};
    enum store_outcome outcome = STORE_EXISTS;
    CLEANUP_ERR struct err err = ERR_INIT;

    (void)state;
    folder_begin(&folder);
    assert_int_equal(repository_need_scope(folder.repository, REPOSITORY_SCOPE, NULL), 0);
    assert_int_equal(repository_need_scope(folder.repository, "lab", &err), -1);
    assert_int_equal(err.kind, ERR_NOT_FOUND);
    assert_true(text_ends(err.text, " has no scope 'lab'; it has: none"));
    for (size_t i = 0; i < 2; i++) {
        assert_int_equal(repository_add_scope(folder.repository, i ? "attic" : "cellar", NULL), 0);
        CLEANUP_FREE char *name = mem_printf("s/%s/%032x/%032x", i ? "attic" : "cellar", 1, 2);
        object.name = name;
        assert_int_equal(store_create(folder.repository->store, &object, &outcome, NULL), 0);
    }
    assert_int_equal(repository_need_scope(folder.repository, "lab", &err), -1);
    assert_true(text_ends(err.text, " has no scope 'lab'; it has: attic, cellar"));
    assert_int_equal(repository_need_scope(folder.repository, "Lab", &err), -1);
    assert_int_equal(err.kind, ERR_USAGE);
}

/* A part of the repository that is not mounted must not be made again beside itself. */
static void what_a_scope_lacks_is_not_made_again(void **state)
{
    CLEANUP_FOLDER struct folder_repository folder = {0};
    CLEANUP_FREE char *packs = NULL;

    (void)state;
    folder_begin(&folder);
    packs = mem_printf("%s/d/default", folder.path);
    assert_int_equal(rmdir(packs), 0);
    assert_int_equal(repository_add_scope(folder.repository, REPOSITORY_SCOPE, NULL), 0);
    assert_int_equal(access(packs, F_OK), -1);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_new_repository_can_be_opened),
        cmocka_unit_test(two_repositories_differ),
        cmocka_unit_test(what_is_one_already_is_refused),
        cmocka_unit_test(a_folder_with_something_else_is_refused_and_left_as_it_is),
        cmocka_unit_test(what_an_interrupted_one_has_left_is_used),
        cmocka_unit_test(what_is_none_is_not_opened),
        cmocka_unit_test(scopes_are_made_and_found),
        cmocka_unit_test(a_scope_that_is_not_there_is_told_with_those_that_are),
        cmocka_unit_test(what_a_scope_lacks_is_not_made_again),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
