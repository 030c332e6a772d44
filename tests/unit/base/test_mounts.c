/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "unit.h"

#include <fcntl.h>

#include "base/mounts.h"

static const char text[] =
    "21 26 0:19 / /sys rw,nosuid shared:7 - sysfs sysfs rw\n"
    "215 26 0:52 /exports /mnt/with\\040blank rw,relatime shared:9 master:2 - nfs4 nas:/exports "
    "rw,vers=4.2,actimeo=0\n"
    "2150 26 8:1 / /boot ro,noatime - vfat /dev/sda1 rw,utf8\n"
    "30 26 0:9 / /bad rw\n";

static void a_mount_is_found_by_its_number(void **state)
{
    CLEANUP_MOUNT struct mount nfs = {0};
    CLEANUP_MOUNT struct mount fat = {0};

    (void)state;
    assert_int_equal(mounts_find(text, 215, &nfs), 0);
    assert_string_equal(nfs.type, "nfs4");
    assert_string_equal(nfs.options, "rw,relatime,rw,vers=4.2,actimeo=0");
    assert_int_equal(mounts_find(text, 2150, &fat), 0);
    assert_string_equal(fat.type, "vfat");
    assert_true(mounts_has(&fat, "ro"));
}

static void what_is_not_there_is_not_found(void **state)
{
    struct mount none = {0};

    (void)state;
    assert_int_equal(mounts_find(text, 5, &none), -1);
    assert_int_equal(mounts_find(text, 21500, &none), -1);
    assert_int_equal(mounts_find(text, 30, &none), -1);
    assert_int_equal(mounts_find("", 21, &none), -1);
}

static void options_are_whole_words(void **state)
{
    CLEANUP_MOUNT struct mount nfs = {0};

    (void)state;
    assert_int_equal(mounts_find(text, 215, &nfs), 0);
    assert_true(mounts_has(&nfs, "actimeo=0"));
    assert_true(mounts_has(&nfs, "vers="));
    assert_false(mounts_has(&nfs, "vers"));
    assert_false(mounts_has(&nfs, "atime"));
    assert_false(mounts_has(&nfs, "r"));
    assert_false(mounts_has(&nfs, "noac"));
}

static void a_folder_is_on_a_mount(void **state)
{
    CLEANUP_MOUNT struct mount mount = {0};
    CLEANUP_CLOSE int fd = open("/proc", O_RDONLY | O_DIRECTORY | O_CLOEXEC);

    (void)state;
    assert_int_equal(mounts_of(fd, &mount), 0);
    assert_string_equal(mount.type, "proc");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_mount_is_found_by_its_number),
        cmocka_unit_test(what_is_not_there_is_not_found),
        cmocka_unit_test(options_are_whole_words),
        cmocka_unit_test(a_folder_is_on_a_mount),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
