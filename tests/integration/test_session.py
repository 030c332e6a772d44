# SPDX-License-Identifier: LGPL-2.1-or-later
"""Everything without root: guests of qemu:///session, as an unprivileged user."""

import os
import stat
import stat

from vbtest import disks
from vbtest.command import expect, run, same
from vbtest.disks import MIB

USER = "nobody"


def session_guest(t, *targets, **more):
    """A guest of the user's, with all its files in a folder of his."""
    user = t.as_user(USER)
    home = t.make_dir("files")
    guest_disks = [t.disk("vda", "qcow2", boot=1, name="files/vda.qcow2")]
    guest_disks += [t.disk(target, "raw", name=f"files/{target}.raw", size=MIB, boot=2) for target in targets]
    guest = t.guest("web", *guest_disks, **more)
    guest.serial.path = t.path("files", "serial.log")
    guest.file = t.path("files", "web.xml")
    for path in [home] + [disk.path for disk in guest_disks]:
        os.chown(path, user.account.pw_uid, user.account.pw_gid)
    guest.write_xml()
    os.chown(guest.file, user.account.pw_uid, user.account.pw_gid)
    t.use_dir(home)
    return guest


def test_shut_off_guest(t):
    guest = session_guest(t, "vdb").define()
    before = guest.snapshot()
    t.backup(guest, "--compression", "zstd")
    guest.check_unchanged(before)
    t.check_good(guest)
    guest.undefine()
    t.restore()
    for disk in guest.disks:
        path = os.path.join(t.restored, os.path.basename(disk.path))
        disks.compare(disk.path, disk.format, path, disk.format, disk.target)
        same(os.stat(path).st_uid, t.user.account.pw_uid, f"owner of {path}")


def test_running_guest(t):
    guest = session_guest(t, "vdb").running()
    before, (token, count) = guest.snapshot(), guest.serial.last()
    t.backup(guest, "--compression", "lzma:0")
    guest.goes_on(token, count)
    guest.check_unchanged(before)
    t.check_good(guest)
    guest.destroy()
    guest.undefine()
    t.restore("--allow-autorun")
    guest.goes_on(token, 0)


def test_memory_is_staged_in_a_folder_of_the_users(t):
    guest = session_guest(t).running()
    staging = os.path.join(t.user.environment()["XDG_CONFIG_HOME"], "libvirt/qemu/virt-backup")
    result = t.backup(guest, "--guest-memory", "save", "--verbose")
    expect("staged in the destination" not in result.err, result.err)
    same(stat.S_IMODE(os.stat(staging).st_mode), 0o700, "mode of the staging folder")
    same(os.stat(staging).st_uid, t.user.account.pw_uid, "its owner")
    same(os.listdir(staging), [], "what is staged after the backup")
    guest.serial.wait_for_steps(3)
    t.check_good(guest)


def test_owner_that_can_not_be_put_back_is_said_once(t):
    guest = session_guest(t, "vdb")
    for disk in guest.disks:
        os.chmod(disk.path, 0o666)
        os.chown(disk.path, 34, 34)
    guest.define()
    t.backup(guest)
    guest.undefine()
    result = t.restore()
    same(result.err.count("owner"), 1, "times that it is said")
    same(guest.state(), "shut off", "state of the restored guest")


def test_image_that_may_not_be_read(t):
    guest = session_guest(t).define()
    os.chown(guest.disks[0].path, 0, 0)
    os.chmod(guest.disks[0].path, 0o600)
    t.refused(*t.backup_line(guest), says=["guest 'web'", "vda", guest.disks[0].path, "Permission denied"])
    same(t.archive.names(), [], "files in the archive")


def test_destination_that_may_not_be_written(t):
    guest = session_guest(t).define()
    place = t.make_dir("roots", 0o755)
    t.refused(*t.backup_line(guest, to=place), says=[place, "Permission denied"])
    t.refused(*t.backup_line(guest, to=os.path.join(place, "new")), says=[place, "Permission denied"])
    same(os.listdir(place), [], "files in the destination")
    t.backup(guest)
    guest.undefine()
    t.refused(*t.restore_line(to=place), says=[place, "Permission denied"])
    same(guest.state(), "gone", "state of the guest")


def test_archive_that_may_not_be_read(t):
    guest = session_guest(t).define()
    t.backup(guest)
    os.chmod(t.archive.path, 0)
    t.refused("list", "--source-path", t.archive.path, says=[t.archive.path, "Permission denied"])
    os.chmod(t.archive.path, 0o700)


def test_state_is_kept_in_the_users_home(t):
    """Nothing of a user's run is under /var/lib, and what it needs in his home it makes itself."""
    guest = session_guest(t).running()
    t.backup(guest)
    for path, directories, files in os.walk(os.path.join(t.user.root, "home")):
        for name in directories + files:
            same(os.lstat(os.path.join(path, name)).st_uid, t.user.account.pw_uid, f"owner of {os.path.join(path, name)}")
    expect(not os.listdir("/var/lib/virt-backup"), "there is state of a user's run under /var/lib")
    key = os.path.join(t.user.root, "home/.local/state/virt-backup-key/seal")
    same(f"{stat.S_IMODE(os.stat(key).st_mode):o}", "600", "mode of the user's key")
    with open(key, "rb") as file:
        found = t.vb("list", "--source-path", t.archive.path)
        same(len(file.read()), 32, "bytes of the user's key")
    expect("sealed by this host" in found.out, f"not sealed with the user's key: {found.out}")


def test_system_hypervisor_is_out_of_reach(t):
    session_guest(t)
    t.refused("backup", "--destination-path", t.archive.path, "--hypervisor-uri", "qemu:///system", says=["qemu:///system"])


def test_selinux_context_of_a_user(t):
    """Only root may set a context; that a file has had one stops nobody else."""
    guest = session_guest(t)
    try:
        os.setxattr(guest.disks[0].path, "security.selinux", b"system_u:object_r:virt_image_t:s0\0")
    except OSError as error:
        t.skip(f"no security.selinux attribute can be set here: {error.strerror}")
    guest.define()
    t.backup(guest)
    guest.undefine()
    t.restore()
    same(guest.state(), "shut off", "state of the restored guest")
    run("test", "-e", os.path.join(t.restored, "vda.qcow2"))
