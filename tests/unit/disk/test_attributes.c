/* SPDX-License-Identifier: LGPL-2.1-or-later
 *
 * Owner, group, mode and SELinux context. The context is a real security.selinux
 * attribute, which root can set without a policy.
 */
#include "support.h"

#include <errno.h>
#include <fcntl.h>
#include <grp.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/xattr.h>
#include <unistd.h>

#include "disk/attributes.h"

#define CONTEXT "system_u:object_r:svirt_image_t:s0:c12,c345"

static const char *new_file(const char *name, mode_t mode)
{
    const char *path = at(name);
    int fd = open(path, O_RDWR | O_CREAT | O_CLOEXEC, 0600);

    assert_true(fd >= 0 && fchmod(fd, mode) == 0);
    close(fd);
    return path;
}

static int apply_to(const char *path, const struct attributes *attributes, bool *ret_partial,
                    struct err *err)
{
    CLEANUP_CLOSE int fd = open(path, O_RDONLY | O_CLOEXEC);

    return attributes_apply(fd, attributes, ret_partial, err);
}

static void owner_and_mode_are_read(void **state)
{
    CLEANUP_ATTRIBUTES struct attributes found = {0};
    const char *path = new_file("plain", 0640);
    struct err err = ERR_INIT;

    (void)state;
    assert_ok(attributes_read(path, &found, &err), &err);
    assert_int_equal(found.uid, geteuid());
    assert_int_equal(found.gid, getegid());
    assert_int_equal(found.mode, 0640);
    assert_null(found.selinux);
    if (geteuid() == 0) {
        assert_string_equal(found.user, "root");
        assert_string_equal(found.group, "root");
    }
}

static void id_without_a_name_has_none(void **state)
{
    CLEANUP_ATTRIBUTES struct attributes found = {0};
    const char *path = new_file("nobody", 0600);
    struct err err = ERR_INIT;

    (void)state;
    need_root();
    assert_int_equal(chown(path, 3999999, 3999998), 0);
    assert_ok(attributes_read(path, &found, &err), &err);
    assert_int_equal(found.uid, 3999999);
    assert_int_equal(found.gid, 3999998);
    assert_null(found.user);
    assert_null(found.group);
}

static void everything_is_put_back(void **state)
{
    CLEANUP_ATTRIBUTES struct attributes found = {0};
    CLEANUP_ATTRIBUTES struct attributes again = {0};
    const char *from = new_file("from", 0600);
    const char *to = new_file("to", 0600);
    struct err err = ERR_INIT;
    bool partial = true;

    (void)state;
    need_root();
    assert_int_equal(chown(from, 1234, 1235), 0);
    assert_int_equal(chmod(from, 06751), 0);
    if (setxattr(from, "security.selinux", CONTEXT, sizeof(CONTEXT), 0) < 0)
        skip_because("this file system has no security attributes");
    assert_ok(attributes_read(from, &found, &err), &err);
    assert_int_equal(found.mode, 06751);
    assert_string_equal(found.selinux, CONTEXT);
    assert_ok(apply_to(to, &found, &partial, &err), &err);
    assert_false(partial);
    assert_ok(attributes_read(to, &again, &err), &err);
    assert_int_equal(again.uid, 1234);
    assert_int_equal(again.gid, 1235);
    assert_int_equal(again.mode, 06751);
    assert_string_equal(again.selinux, CONTEXT);
}

/* As an ordinary user: what is not allowed is left, the mode is set. */
static bool user_does_what_she_may(void *opaque)
{
    struct attributes attributes = {
        .uid = 1234, .gid = 1235, .mode = 06644, .selinux = (char *)(uintptr_t)CONTEXT};
    CLEANUP_ERR struct err err = ERR_INIT;
    const char *path = opaque;
    bool partial = false;
    struct stat st;

    if (setgroups(0, NULL) < 0 || setgid(65534) < 0 || setuid(65534) < 0)
        return false;
    if (apply_to(path, &attributes, &partial, &err) < 0) {
        fprintf(stderr, "# %s\n", err.text);
        return false;
    }
    /* The set-id bits would make it a program of another owner's. */
    return partial && stat(path, &st) == 0 && st.st_uid == 65534 && (st.st_mode & 07777) == 0644;
}

static void without_privilege_it_is_partial(void **state)
{
    const char *path = new_file("user", 0600);

    (void)state;
    need_root();
    assert_int_equal(chmod(at(""), 0711), 0);
    assert_int_equal(chown(path, 65534, 65534), 0);
    assert_true(in_child(user_does_what_she_may, (void *)(uintptr_t)path));
}

/* The same owner and no context: nothing is missing. */
static void own_file_needs_no_privilege(void **state)
{
    struct attributes attributes = {.uid = geteuid(), .gid = getegid(), .mode = 0444};
    const char *path = new_file("own", 0600);
    struct err err = ERR_INIT;
    bool partial = true;
    struct stat st;

    (void)state;
    assert_ok(apply_to(path, &attributes, &partial, &err), &err);
    assert_false(partial);
    assert_int_equal(stat(path, &st), 0);
    assert_int_equal(st.st_mode & 07777, 0444);
}

/* Whatever its name leads to by then. */
static void the_open_file_gets_them(void **state)
{
    struct attributes attributes = {.uid = geteuid(), .gid = getegid(), .mode = 0640};
    const char *path = new_file("opened", 0600);
    const char *moved = at("moved");
    struct err err = ERR_INIT;
    bool partial = false;
    struct stat st;

    (void)state;
    CLEANUP_CLOSE int fd = open(path, O_RDONLY | O_CLOEXEC);
    assert_int_equal(rename(path, moved), 0);
    new_file("opened", 0600);
    assert_ok(attributes_apply(fd, &attributes, &partial, &err), &err);
    assert_int_equal(stat(path, &st), 0);
    assert_int_equal(st.st_mode & 07777, 0600);
    assert_int_equal(stat(moved, &st), 0);
    assert_int_equal(st.st_mode & 07777, 0640);
}

static void missing_file_is_not_found(void **state)
{
    struct attributes attributes = {0};
    struct err err = ERR_INIT;

    (void)state;
    assert_int_equal(attributes_read(at("none"), &attributes, &err), -1);
    assert_err(&err, ERR_NOT_FOUND, "/none: ");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(owner_and_mode_are_read),
        cmocka_unit_test(id_without_a_name_has_none),
        cmocka_unit_test(everything_is_put_back),
        cmocka_unit_test(without_privilege_it_is_partial),
        cmocka_unit_test(own_file_needs_no_privilege),
        cmocka_unit_test(the_open_file_gets_them),
        cmocka_unit_test(missing_file_is_not_found),
    };

    return cmocka_run_group_tests_name("disk attributes", tests, support_setup, support_teardown);
}
