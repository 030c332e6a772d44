# SPDX-License-Identifier: LGPL-2.1-or-later
"""One archive, several runs at a time; and archives on file systems that lack something."""

import hashlib
import json
import os
import signal
import time

from vbtest import disks, proc
from vbtest.command import expect, run, same, wait_until
from vbtest.disks import MIB

SLOW = ("--compression", "lzma:9e", "--chunk-size", "1M")


def parts(t, domain):
    key = hashlib.sha256(domain.encode()).hexdigest()[:16]
    return [name for name in os.listdir(t.archive.path) if name.startswith(f".virt-backup-{key}.") and name.endswith(".part")]


def start_backup(t, guest, *options):
    process = t.start_vb(*t.backup_line(guest, *options), start_new_session=True)
    wait_until(lambda: os.path.isdir(t.archive.path) and parts(t, guest.name), f"the backup of {guest.name} being under way")
    return process


def slow_guest(t, name, size=10 * MIB):
    return t.guest(name, t.slow_disk(f"vd{name[0]}", size=size)).define()


def test_two_writers_a_reader_and_a_recover_at_once(t):
    old = t.guest("old", t.disk("vda", size=MIB, name="old.qcow2")).define()
    web, db, mail = (slow_guest(t, name) for name in ("web", "db", "mail"))
    t.backup(old)
    dead = start_backup(t, mail, *SLOW)
    dead.signal(signal.SIGKILL)
    dead.finish()
    writers = [start_backup(t, web, *SLOW), start_backup(t, db, *SLOW)]
    same(parts(t, "mail"), [], "temporary files of the run that was killed")
    t.vb("recover")
    t.vb("verify", "--source-path", t.archive.path)
    expect("old: " in t.vb("list", "--source-path", t.archive.path).out, "the reader does not see the backup that is there")
    t.refused(*t.backup_line(web, "--replace"), status=6, says=["guest 'web'", "in use since"])
    for writer, name in zip(writers, ("web", "db")):
        expect(not writer.running() or parts(t, name), f"the temporary files of {name} are gone")
    for writer in writers:
        same(writer.finish(120).status, 0, "exit status of a writer")
    t.check_good(old, web, db)
    expect(not [name for name in os.listdir(t.archive.path) if name.startswith(".virt-backup-")], "something is left over")


def test_second_run_for_a_guest_waits_if_told(t):
    guest = t.guest("web", t.disk("vda", "raw", size=6 * MIB)).define()
    first = start_backup(t, guest, "--bandwidth-limit", "1M")
    with first.stopped():
        t.refused(*t.backup_line(guest, "--replace", "--wait=1s"), status=6, says=["guest 'web'", "in use since"])
    t.backup(guest, "--replace", "--wait")
    same(first.finish(60).status, 0, "exit status of the first run")
    t.check_good(guest)


def test_restore_waits_for_a_backup_and_takes_the_new_one(t):
    guest = t.guest("web", t.disk("vda", "raw", size=6 * MIB)).define()
    t.backup(guest)
    run("qemu-io", "-f", "raw", "-c", "write -q -P 7 1M 64k", guest.disks[0].path)
    writer = start_backup(t, guest, "--replace", "--bandwidth-limit", "1M")
    with writer.stopped():
        t.refused(*t.restore_line("--replace"), status=6, says=["guest 'web'", "in use since"])
    t.vb(*t.restore_line("--replace", "--wait"))
    same(writer.finish(60).status, 0, "exit status of the backup")
    disks.compare(guest.disks[0].path, "raw", os.path.join(t.restored, "vda.raw"), "raw", "the new state")


def test_backup_that_is_replaced_while_it_is_verified(t):
    guest = t.guest("web", t.disk("vda", "raw", size=6 * MIB)).define()
    t.backup(guest)
    reader = t.start_vb("verify", "--source-path", t.archive.path, "--bandwidth-limit", "2M")
    image = t.archive.file("web-vda.raw")
    inode = os.stat(image).st_ino
    wait_until(lambda: proc.has_open(reader.pid, image), "the image being read")
    with reader.stopped():
        run("qemu-io", "-f", "raw", "-c", "write -q -P 7 1M 64k", guest.disks[0].path)
        t.backup(guest, "--replace")
        expect(os.stat(image).st_ino != inode, "the backup was not replaced")
    result = reader.finish(60)
    same(result.status, 0, "exit status of verify")
    t.check_good(guest)


def test_backup_that_is_removed(t):
    web, db = (t.guest(name, t.disk("vda", size=MIB, name=f"{name}.qcow2")).define() for name in ("web", "db"))
    t.backup(web, db)
    line = ("remove", "--source-path", t.archive.path, "--domain-names", "web")
    t.refused(*line, status=2, says=["--yes"])
    t.check_good(web, db)
    expect("is removed" in t.vb(*line, "--yes").out, "nothing is said")
    t.archive.check_holds("db.xml", "db-vda.raw")
    t.refused(*line, "--yes", status=1, says=["web"])
    t.check_good(db)
    same(web.state(), "shut off", "state of the guest")


def test_removal_waits_for_a_writer_and_not_for_a_reader(t):
    guest = t.guest("web", t.disk("vda", "raw", size=6 * MIB)).define()
    t.backup(guest)
    line = ("remove", "--source-path", t.archive.path, "--domain-names", "web", "--yes")
    writer = start_backup(t, guest, "--replace", "--bandwidth-limit", "1M")
    with writer.stopped():
        t.refused(*line, status=6, says=["guest 'web'", "in use since"])
    same(writer.finish(60).status, 0, "exit status of the writer")
    reader = t.start_vb("verify", "--source-path", t.archive.path, "--bandwidth-limit", "1M")
    image = t.archive.file("web-vda.raw")
    wait_until(lambda: proc.has_open(reader.pid, image), "the image being read")
    with reader.stopped():
        t.vb(*line)
    same(reader.finish(60).status, 0, "exit status of verify")
    same(t.archive.names(), [], "files in the archive")


def test_guest_that_was_set_up_anew_has_a_way_on(t):
    guest = t.guest("web", t.disk("vda", size=MIB)).define()
    t.backup(guest)
    guest.undefine()
    t.guest("web", guest.disks[0]).define()
    t.refused(*t.backup_line(guest, "--replace"), says=["virt-backup remove --source-path", "--domain-names web"])
    t.vb("remove", "--source-path", t.archive.path, "--domain-names", "web", "--yes")
    t.backup(guest)


def test_backup_whose_image_is_gone_is_listed_as_incomplete(t):
    web, db = (t.guest(name, t.disk("vda", size=MIB, name=f"{name}.qcow2")).define() for name in ("web", "db"))
    t.backup(web, db)
    os.unlink(t.archive.file("web-vda.raw"))
    result = t.vb("list", "--source-path", t.archive.path, status=3)
    expect("INCOMPLETE" in result.out and "web-vda.raw" in result.out, f"it is not said: {result.out}")
    expect("guest 'web': its backup is incomplete" in result.err, f"no reason is given: {result.err}")
    events = t.events(t.vb("list", "--source-path", t.archive.path, "--json", status=3))
    same({e["guest"]: e["complete"] for e in events if e["event"] == "backup"}, {"web": False, "db": True}, "complete")
    same([f["file"] for e in events if e["event"] == "backup" for f in e["lacking"]], ["web-vda.raw"], "what is lacking")


def test_image_whose_manifest_is_gone_is_damage(t):
    web, db = (t.guest(name, t.disk("vda", size=MIB, name=f"{name}.qcow2")).define() for name in ("web", "db"))
    t.backup(web, db)
    t.verify()
    os.unlink(t.archive.file("web.xml"))
    result = t.vb("verify", "--source-path", t.archive.path, status=4)
    expect("web-vda.raw: no manifest names this file" in result.out + result.err, f"it is not said: {result.out} {result.err}")
    t.vb("verify", "--source-path", t.archive.path, "--domain-names", "db")


def test_renamed_guest_comes_back_as_it_was_last(t):
    guest = t.guest("web-old", t.disk("vda", size=MIB)).define()
    t.backup(guest)
    run("virsh", "-q", "domrename", "web-old", "z-web")
    # The time in a manifest has no fractions of a second.
    began = time.time()
    wait_until(lambda: int(time.time()) > int(began) + 1, "the next second")
    t.vb("backup", "--destination-path", t.archive.path)
    run("virsh", "-q", "undefine", "z-web")
    result = t.vb("restore", "--source-path", t.archive.path, "--destination-path", t.restored)
    expect("'web-old'" in result.err and "'z-web'" in result.err, f"it is not said what is left out: {result.err}")
    same(run("virsh", "-q", "list", "--all", "--name").out.split(), ["z-web"], "guests")
    run("virsh", "-q", "undefine", "z-web")


def test_archive_that_can_only_be_read(t):
    guest = t.guest("web", t.disk("vda", size=MIB)).define()
    t.backup(guest)
    run("mount", "--bind", t.archive.path, t.archive.path)
    t.undo.callback(run, "umount", "--lazy", t.archive.path)
    run("mount", "-o", "remount,bind,ro", t.archive.path)
    expect("web: " in t.vb("list", "--source-path", t.archive.path).out, "it is not listed")
    t.verify()
    guest.undefine()
    t.vb(*t.restore_line())
    same(guest.state(), "shut off", "state of the restored guest")


def mounted(t, name, make, mount):
    """A file system of a FUSE driver on a loop device; its process ends with the mount."""
    backing, place = t.path(name), t.make_dir(f"mnt-{name}")
    with open(backing, "wb") as file:
        file.truncate(256 * MIB)
    run(*make, backing)
    device = t.loop(backing)
    run(*mount, device, place)
    t.undo.callback(run, "umount", place)
    t.archive.path = os.path.join(place, "archive")


def test_file_system_without_links_and_owners(t):
    mounted(t, "exfat", ("mkfs.exfat",), ("mount.exfat-fuse", "-o", "allow_other"))
    guest = t.guest("web", t.disk("vda", size=MIB)).define()
    t.backup(guest)
    t.backup(guest, "--replace", "--compression", "zstd")
    same(t.archive.names(), ["web-vda.raw.zst", "web.xml"], "files in the archive")   # without modes of their own
    t.check_good(guest)


def test_file_system_whose_locks_end_at_the_host_is_told(t):
    guest = t.guest("web", t.disk("vda", size=MIB)).define()
    expect("other hosts" not in t.backup(guest).out, "it is said of a local file system")
    place = t.make_dir("bound")
    run("bindfs", t.make_dir("below", mode=0o700), place)
    t.undo.callback(run, "umount", place)
    t.archive.path = os.path.join(place, "archive")
    result = t.backup(guest)
    expect(f"{t.archive.path} is on fuse" in result.out and "other hosts may not see" in result.out, f"it is not said: {result.out}")
    expect("other hosts" not in t.backup(guest, "--replace", "--quiet").out, "--quiet is not quiet")
    t.check_good(guest)


def test_name_that_the_file_system_refuses_holds_nobody_up(t):
    mounted(t, "ntfs", ("mkfs.ntfs", "-qF"), ("ntfs-3g", "-o", "allow_other,windows_names"))
    web, zoo = (t.guest(name, t.disk("vda", size=MIB, name=f"{name}.qcow2")).define() for name in ("web", "zoo"))
    odd = t.guest("odd?", t.disk("vda", size=MIB, name="odd.qcow2")).define()
    t.refused(*t.backup_line(), status=3, says=["guest 'odd?'", "odd?.xml", "cannot create a file of this name here"])
    t.check_good(web, zoo)
    t.backup(web, "--replace")
    same(odd.state(), "shut off", "state of the guest whose name is refused")


def test_names_that_are_the_same_to_the_file_system(t):
    mounted(t, "ntfs", ("mkfs.ntfs", "-qF"), ("lowntfs-3g", "-o", "allow_other,ignore_case"))
    t.guest("Web", t.disk("vda", size=MIB, name="1.qcow2")).define()
    lower = t.guest("web", t.disk("vda", size=MIB, name="2.qcow2")).define()
    for options in ((), ("--replace",)):
        t.refused(*t.backup_line(*options), status=3, says=["guest 'Web'", "as the same name", "'web.xml'"])
        t.check_good(lower)
