# SPDX-License-Identifier: LGPL-2.1-or-later
"""Restores into the places that the files had, over what is there: all of it is new, or all of it is as it was."""

import os
import shutil
import signal
import stat
import subprocess

from vbtest import disks, leftovers
from vbtest.command import expect, run, same, wait_until
from vbtest.disks import MIB, Disk
from test_interrupt import LATER, SLOW_LATER, wait_for_busy_child

# libvirt writes each definition to this file before it gets its name.
NEW_DEFINITION = "/etc/libvirt/qemu/web.xml.new"


def line(t, *arguments, trust=False):
    return ["restore", "--source-path", t.archive.path, "--original-places", *(["--trust-definition"] if trust else []), *arguments]


def two_disks(t, **more):
    """A guest whose disks belong to different users, in a folder of its own."""
    os.mkdir(t.path("images"))
    os.chmod(t.path("images"), 0o711)
    one = t.disk("vda", size=4 * MIB, name="images/web.qcow2")
    two = t.disk("vdb", "raw", size=2 * MIB, name="images/data.raw")
    os.chown(one.path, 34, 6)
    os.chmod(two.path, 0o640)
    return t.guest("web", one, two, **more).define()


def facts(path):
    """All that must be the same of a file that comes back."""
    found = os.lstat(path)
    with open(path, "rb") as file:
        return found.st_ino, found.st_uid, found.st_gid, stat.S_IMODE(found.st_mode), file.read()


def all_facts(guest):
    return [facts(disk.path) for disk in guest.disks]


def keep_copies(t, guest):
    """The contents at the time of the backup, to compare with."""
    kept = []
    for disk in guest.disks:
        kept.append(t.path(f"kept-{disk.target}"))
        shutil.copyfile(disk.path, kept[-1])
    return kept


def change(guest):
    for disk in guest.disks:
        run("qemu-io", "-f", disk.format, "-c", "write -q -P 7 0 64k", disk.path)


def check_restored(guest, kept):
    for disk, copy in zip(guest.disks, kept):
        disks.compare(copy, disk.format, disk.path, disk.format, f"restored {disk.target}")


def check_folder(t):
    same(sorted(os.listdir(t.path("images"))), ["data.raw", "web.qcow2"], "files in the folder")


def test_files_that_are_gone_come_back(t):
    guest = two_disks(t)
    kept = keep_copies(t, guest)
    owners = [found[1:4] for found in all_facts(guest)]
    t.backup(guest, "--compression", "zstd")
    guest.undefine()
    for disk in guest.disks:
        os.unlink(disk.path)
    plan = t.vb(*line(t, "--dry-run")).out
    for disk in guest.disks:
        expect(disk.path in plan, f"{disk.path} is not in the plan: {plan}")
    same(os.listdir(t.path("images")), [], "files after a --dry-run")
    t.vb(*line(t))
    check_restored(guest, kept)
    check_folder(t)
    same([found[1:4] for found in all_facts(guest)], owners, "owners and modes")
    for disk in guest.disks:
        expect(disk.path in guest.call("dumpxml").out, f"{disk.path} is not in the definition")


def test_file_that_is_there_is_refused_before_anything_is_written(t):
    guest = two_disks(t)
    t.backup(guest)
    guest.undefine()
    os.unlink(guest.disks[0].path)
    before = facts(guest.disks[1].path)
    for more in ["--dry-run"], []:
        t.refused(*line(t, *more), says=["guest 'web'", "vdb", guest.disks[1].path, "--overwrite"])
    same(os.listdir(t.path("images")), ["data.raw"], "files in the folder")
    same(facts(guest.disks[1].path), before, "the file that is there")


def test_overwrite_replaces_what_is_there(t):
    guest = two_disks(t)
    kept = keep_copies(t, guest)
    t.backup(guest)
    change(guest)
    before = all_facts(guest)
    plan = t.vb(*line(t, "--replace", "--overwrite", "--dry-run")).out
    expect(plan.count("replaces the file there") == 2, f"the plan does not say what is replaced: {plan}")
    same(all_facts(guest), before, "files after a --dry-run")
    t.refused(*line(t, "--overwrite"), says=["guest 'web'", "exists", "--replace"])
    t.vb(*line(t, "--replace", "--overwrite"))
    check_restored(guest, kept)
    check_folder(t)
    expect(all(new[0] != old[0] for new, old in zip(all_facts(guest), before)), "a file was written over")


def test_missing_folder_is_not_made(t):
    guest = two_disks(t)
    t.backup(guest)
    guest.undefine()
    shutil.rmtree(t.path("images"))
    for more in ["--dry-run"], []:
        t.refused(*line(t, *more), says=["guest 'web'", guest.disks[0].path, "the folder", t.path("images"), "is missing"])
    expect(not os.path.exists(t.path("images")), "the folder was made")


def test_symbolic_link_is_not_replaced(t):
    guest = two_disks(t)
    t.backup(guest)
    guest.undefine()
    os.rename(guest.disks[0].path, t.path("elsewhere"))
    os.symlink(t.path("elsewhere"), guest.disks[0].path)
    t.refused(*line(t, "--overwrite"), says=["vda", guest.disks[0].path, "symbolic link"])
    expect(os.path.islink(guest.disks[0].path), "the link was replaced")


def test_failure_brings_everything_back(t):
    """libvirt cannot store the definition when all files have their places."""
    guest = two_disks(t)
    t.backup(guest)
    change(guest)
    guest.undefine()
    before = all_facts(guest)
    os.mkdir(NEW_DEFINITION)
    t.undo.callback(shutil.rmtree, NEW_DEFINITION, ignore_errors=True)
    t.refused(*line(t, "--overwrite"), says=["guest 'web'", "define"])
    same(all_facts(guest), before, "the former files")
    check_folder(t)


def test_failed_replacement_brings_everything_back(t):
    """Not even the former definition can be stored: recover does what is left."""
    guest = two_disks(t)
    t.backup(guest)
    change(guest)
    before, definition = all_facts(guest), guest.call("dumpxml").out
    os.mkdir(NEW_DEFINITION)
    t.undo.callback(shutil.rmtree, NEW_DEFINITION, ignore_errors=True)
    t.refused(*line(t, "--replace", "--overwrite"), status=5, says=["guest 'web'", "define"])
    os.rmdir(NEW_DEFINITION)
    t.vb("recover")
    same(all_facts(guest), before, "the former files")
    same(guest.call("dumpxml").out, definition, "the definition")
    check_folder(t)


def slow_guest(t):
    os.mkdir(t.path("images"))
    os.chmod(t.path("images"), 0o711)
    slow = t.slow_disk()
    os.rename(slow.path, t.path("images", "web.raw"))
    slow.path = t.path("images", "web.raw")
    guest = t.guest("web", slow).define()
    t.backup(guest, *SLOW_LATER)
    change(guest)
    return guest, all_facts(guest)


def test_signal_and_kill_leave_the_former_files(t):
    guest, before = slow_guest(t)
    for number in signal.SIGINT, signal.SIGKILL:
        process = t.start_vb(*line(t, "--replace", "--overwrite", *LATER))
        wait_for_busy_child(process)
        own = [process.pid, *(pid for pid, parent in leftovers.parents().items() if parent == process.pid)]
        process.signal(number)
        same(process.finish(60).status, 130 if number == signal.SIGINT else -number, "exit status")
        wait_until(lambda own=own: not set(own) & set(leftovers.processes()), "the end of the guardian")
        same(all_facts(guest), before, f"the former file after signal {number}")
        same(os.listdir(t.path("images")), ["web.raw"], "files in the folder")


def test_guest_that_is_started_meanwhile_keeps_its_disk(t):
    guest, before = slow_guest(t)
    process = t.start_vb(*line(t, "--replace", "--overwrite", *LATER))
    wait_for_busy_child(process)
    with process.stopped():
        guest.start()
    result = process.finish(60)
    same(result.status, 1, "exit status")
    expect("existing guest is running" in result.err, f"the error: {result.err}")
    guest.destroy()
    same(facts(guest.disks[0].path)[0], before[0][0], "the file")
    same(os.listdir(t.path("images")), ["web.raw"], "files in the folder")


def block_guest(t):
    return t.guest("web", t.disk("vda", size=MIB), t.loop_disk("vdb", size=2 * MIB)).define()


def read(path):
    with open(path, "rb") as file:
        return file.read()


def test_block_device_is_written_only_if_it_is_named(t):
    guest = block_guest(t)
    device = guest.disks[1].path
    stored = read(device)
    t.backup(guest)
    with open(device, "r+b") as file:
        file.write(b"changed since")
    changed = read(device)
    for more in ["--dry-run"], []:
        said = t.refused(*line(t, "--replace", "--overwrite", *more), says=["vdb", device, f"--disk-map web:vdb={device}"])
        expect("brought back" in said, f"it does not say that there is no way back: {said}")
    same(read(device), changed, "the device")
    t.vb(*line(t, "--replace", "--overwrite", "--disk-map", f"web:vdb={device}"))
    same(read(device), stored, "the device")
    expect(device in guest.call("dumpxml").out, "the device is not in the definition")


def test_mapped_disk_goes_elsewhere(t):
    guest = two_disks(t)
    t.backup(guest)
    before = facts(guest.disks[1].path)
    t.vb(*line(t, "--replace", "--overwrite", "--disk-map", f"vdb={t.path('other.raw')}"))
    same(facts(guest.disks[1].path), before, "the file of the disk that goes elsewhere")
    expect(t.path("other.raw") in guest.call("dumpxml").out, "the disk is not at its new place")


def test_disk_of_another_guest_is_refused(t):
    """Running or not, and under another name of the file."""
    guest = two_disks(t)
    t.backup(guest)
    guest.undefine()
    os.link(guest.disks[1].path, t.path("other-name.raw"))
    other = t.guest("other", t.boot_disk("raw", name="boot.raw"), Disk(t.path("other-name.raw"), "raw", "vdb", boot=2)).define()
    before = all_facts(guest)
    for more in ["--dry-run"], []:
        t.refused(*line(t, "--overwrite", *more), says=["guest 'web'", guest.disks[1].path, "guest 'other'"])
    other.start()
    t.refused(*line(t, "--overwrite"), says=["guest 'web'", guest.disks[1].path, "guest 'other'"])
    other.destroy()
    same([found[0] for found in all_facts(guest)], [found[0] for found in before], "files")


def test_backing_file_of_another_guest_is_refused(t):
    guest = two_disks(t)
    t.backup(guest)
    guest.undefine()
    overlay = t.path("overlay.qcow2")
    run("qemu-img", "create", "-q", "-f", "qcow2", "-b", guest.disks[0].path, "-F", "qcow2", overlay)
    t.guest("clone", Disk(overlay)).define()
    for more in ["--dry-run"], []:
        t.refused(*line(t, "--overwrite", *more), says=[guest.disks[0].path, "backing file", "guest 'clone'"])
    check_folder(t)


def test_own_overlay_is_told_to_be_useless(t):
    guest = two_disks(t)
    t.backup(guest)
    overlay = t.path("overlay.qcow2")
    run("qemu-img", "create", "-q", "-f", "qcow2", "-b", guest.disks[0].path, "-F", "qcow2", overlay)
    again = t.guest("web", Disk(overlay), guest.disks[1], head_xml=f"<uuid>{guest.uuid()}</uuid>")
    guest.undefine()
    again.define()
    result = t.vb(*line(t, "--replace", "--overwrite"))
    expect(overlay in result.err and "useless" in result.err, f"nothing is said: {result.err}")
    expect(guest.disks[0].path in again.call("dumpxml").out, "the disk has not got its place")


def test_file_that_another_program_has_open_is_refused(t):
    guest = two_disks(t)
    t.backup(guest)
    guest.undefine()
    with subprocess.Popen(["qemu-io", "-f", "raw", guest.disks[1].path], stdin=subprocess.PIPE, stdout=subprocess.PIPE) as holder:
        holder.stdin.write(b"read -q 0 512\nlength\n")
        holder.stdin.flush()
        holder.stdout.read(1)
        t.refused(*line(t, "--overwrite"), says=[guest.disks[1].path, "is in use"])
        holder.stdin.close()
    check_folder(t)
    t.vb(*line(t, "--overwrite"))


def test_one_disk_of_a_guest_that_stays_defined(t):
    guest = two_disks(t)
    kept = keep_copies(t, guest)
    t.backup(guest)
    change(guest)
    definition, other = guest.call("dumpxml").out, facts(guest.disks[0].path)
    t.refused(*line(t, "--disks", "vdb"), says=[guest.disks[1].path, "--overwrite"])
    guest.start()
    t.refused(*line(t, "--disks", "vdb", "--overwrite"), says=["existing guest is running"])
    guest.destroy()
    t.vb(*line(t, "--disks", "vdb", "--overwrite"))
    disks.compare(kept[1], "raw", guest.disks[1].path, "raw", "restored vdb")
    same(guest.call("dumpxml").out, definition, "the definition")
    same(facts(guest.disks[0].path)[0], other[0], "the other disk's file")
    check_folder(t)


def test_one_disk_under_a_definition_that_says_what_lies_under_it(t):
    """libvirt goes by the definition, as after an external snapshot: what is zeros in the image would be the base's."""
    guest = t.guest("web", t.boot_disk(size=4 * MIB)).running()
    guest.virsh("snapshot-create-as", "web", "s1", "--disk-only")
    guest.destroy()
    top = t.path("vda.s1")
    run("qemu-io", "-f", "qcow2", "-c", "write -q -z 2M 1M", top)
    t.backup(guest)
    with open(top, "rb") as file:
        before = file.read()
    t.refused(*line(t, "--overwrite", "--disks", "vda"), says=["guest 'web'", "disk 'vda'", top, "backing file", "--replace"])
    with open(top, "rb") as file:
        same(file.read(), before, "the image")


def test_one_disk_under_a_definition_that_says_another_format(t):
    disk = t.boot_disk("qcow2", name="disk.img")
    guest = t.guest("web", disk, head_xml="<uuid>c7a5fdbd-edaf-9455-926a-d65c16db1809</uuid>").define()
    t.backup(guest)
    raw = t.path("raw")
    run("qemu-img", "convert", "-O", "raw", disk.path, raw)
    os.rename(raw, disk.path)
    disk.format = "raw"
    guest.define()
    with open(disk.path, "rb") as file:
        before = file.read()
    t.refused(*line(t, "--overwrite", "--disks", "vda"), says=["disk 'vda'", "is raw", "is qcow2"])
    with open(disk.path, "rb") as file:
        same(file.read(), before, "the image")


def test_former_files_need_room_to_the_end(t):
    small = t.small_filesystem("images", 12 * MIB)
    disk = Disk(os.path.join(small, "web.raw"), "raw")
    with open(disk.path, "wb") as file:
        file.write(t.rng.randbytes(8 * MIB))
    guest = t.guest("web", disk).define()
    t.backup(guest)
    before = facts(disk.path)
    for more in ["--dry-run"], []:
        t.refused(*line(t, "--replace", "--overwrite", *more), says=["guest 'web'", small, "free"])
    same(facts(disk.path), before, "the file")
    run("mount", "-o", "remount,size=24m", small)
    t.vb(*line(t, "--replace", "--overwrite"))
    same(os.listdir(small), ["web.raw"], "files in the folder")


def test_places_of_a_foreign_backup_need_trust(t):
    """Its paths could be any."""
    guest = two_disks(t)
    kept = keep_copies(t, guest)
    t.backup(guest)
    guest.undefine()
    t.forget_key()
    before = all_facts(guest)
    for more in ["--dry-run"], [], ["--disks", "vda"]:
        t.refused(*line(t, "--overwrite", *more), says=["guest 'web'", guest.disks[0].path, "--trust-definition"])
    same(all_facts(guest), before, "files")
    t.vb(*line(t, "--overwrite", trust=True))
    check_restored(guest, kept)


def test_running_guest_goes_on_in_its_place(t):
    """Its memory image is beside its first disk as long as it is needed."""
    guest = t.guest("web", t.boot_disk("qcow2"), t.disk("vdb", "raw", boot=2)).running()
    t.backup(guest)
    token, _ = guest.serial.last()
    guest.destroy()
    names = sorted(os.listdir(t.path("")))
    t.vb(*line(t, "--replace", "--overwrite", "--allow-autorun"))
    guest.goes_on(token, 0, steps=2)
    guest.destroy()
    same(sorted(os.listdir(t.path(""))), names, "files in the folder")
    t.vb(*line(t, "--replace", "--overwrite"))
    expect(os.path.exists(t.path("web.sav")), "its memory image is not there")
    os.unlink(t.path("web.sav"))


def test_contradictions_are_refused(t):
    guest = t.guest("web", t.disk("vda", size=MIB)).define()
    t.backup(guest)
    for words, says in ((line(t, "--destination-path", t.restored), "exclude each other"),
                        (["restore", "--source-path", t.archive.path], "--destination-path PATH is missing"),
                        (t.restore_line("--overwrite"), "--original-places only"),
                        (line(t, "--new-name", "copy"), "a copy cannot take")):
        t.refused(*words, status=2, says=[says])


def volumes(name):
    return [words[0] for words in (text.split() for text in run("virsh", "-q", "vol-list", name).out.splitlines()) if words]


def test_pools_know_the_restored_files(t):
    guest = two_disks(t)
    t.backup(guest)
    for disk in guest.disks:
        os.unlink(disk.path)
    guest.undefine()
    os.mkdir(t.restored)
    t.pool("images", t.path("images"))
    t.pool("elsewhere", t.restored)
    same(volumes("images"), [], "volumes before")
    t.vb(*line(t))
    same(volumes("images"), ["data.raw", "web.qcow2"], "volumes in the original folder")
    same(volumes("elsewhere"), [], "volumes in the other folder")
    t.restore("--new-name", "copy")
    same(volumes("elsewhere"), ["copy-vda.qcow2", "copy-vdb.raw"], "volumes in the destination")
    t.restored_guest(guest, "copy")
