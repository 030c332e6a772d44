/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include <fcntl.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "archive/reach.h"
#include "base/cleanup.h"

static const char mountinfo[] =
    "22 1 8:1 / / rw,relatime shared:1 - ext4 /dev/sda1 rw\n"
    "30 22 0:45 / /mnt/0:46 rw,nosuid - fuse.sshfs me@host:/srv rw,user_id=0\n"
    "31 22 0:46 / /srv/a\\040b rw shared:5 master:1 - cifs //server/share rw\n";

static void the_type_of_a_mount_is_found_by_its_device(void **state)
{
    CLEANUP_FREE char *root = reach_type_in(mountinfo, 8, 1);
    CLEANUP_FREE char *ssh = reach_type_in(mountinfo, 0, 45);
    CLEANUP_FREE char *share = reach_type_in(mountinfo, 0, 46);

    (void)state;
    assert_string_equal(root, "ext4");
    assert_string_equal(ssh, "fuse.sshfs");
    assert_string_equal(share, "cifs");
    assert_null(reach_type_in(mountinfo, 0, 4));
    assert_null(reach_type_in("", 8, 1));
}

static void a_real_folder_has_a_type(void **state)
{
    CLEANUP_CLOSE int fd = open("/proc/self", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    CLEANUP_FREE char *type = reach_file_system(fd);

    (void)state;
    assert_string_equal(type, "proc");
}

static void file_systems_are_told_apart_by_who_sees_their_locks(void **state)
{
    static const char *const near[] = {"fuse.sshfs", "fuse", "cifs", "smb3", "9p"};
    static const char *const far[] = {"ext4", "nfs", "nfs4", "ceph", "gfs2", "fuseblk", "xfs"};

    (void)state;
    for (size_t i = 0; i < sizeof(near) / sizeof(*near); i++)
        assert_true(reach_ends_at_host(near[i]));
    for (size_t i = 0; i < sizeof(far) / sizeof(*far); i++)
        assert_false(reach_ends_at_host(far[i]));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_type_of_a_mount_is_found_by_its_device),
        cmocka_unit_test(a_real_folder_has_a_type),
        cmocka_unit_test(file_systems_are_told_apart_by_who_sees_their_locks),
    };

    return cmocka_run_group_tests_name("reach", tests, NULL, NULL);
}
