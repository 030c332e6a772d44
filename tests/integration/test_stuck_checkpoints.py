# SPDX-License-Identifier: LGPL-2.1-or-later
"""Checkpoints that cannot be made or deleted: they cost no backup, and others do not pile up behind them."""

import os
import re
import signal

from vbtest import leftovers, midway
from vbtest.checkpoints import image_bitmaps, loaded_bitmaps
from vbtest.command import Process, run, same, wait_until
from vbtest.disks import MIB
from vbtest.nights import Nights

READ_ONLY = "<readonly/>"


def begin_with_a_disk_that_becomes_read_only(t):
    """After the first night, the guest being off then: vdb, whose bitmap QEMU does not delete. Now it runs."""
    guest = t.guest("web", t.boot_disk(), t.disk("vdb", size=8 * MIB)).define()
    nights = Nights(t, guest)
    nights.night()
    path = t.path("read-only.xml")
    with open(path, "w", encoding="utf-8") as file:
        file.write(re.sub(r"(<target dev='vdb'[^>]*/>)", rf"\1{READ_ONLY}", guest.dump("--inactive")))
    guest.virsh("define", path)
    guest.start()
    return guest, nights


def readers(image):
    """The qemu-nbd that have it open."""
    found = set()
    for pid in filter(str.isdigit, os.listdir("/proc")):
        try:
            with open(f"/proc/{pid}/comm", encoding="ascii") as file:
                if file.read() == "qemu-nbd\n" and any(os.path.realpath(f"/proc/{pid}/fd/{fd}") == image
                                                       for fd in os.listdir(f"/proc/{pid}/fd")):
                    found.add(pid)
        except OSError:
            pass  # it has ended
    return found


def read_by_another(t, disk):
    """As a guest over an image that is based on this one does."""
    before = readers(disk.path)
    reader = Process(["qemu-nbd", "--read-only", "--persistent", "-f", "qcow2", "-k", t.path("nbd.sock"), disk.path])
    wait_until(lambda: readers(disk.path) - before, "another reader")
    return reader


def end(reader):
    reader.signal(signal.SIGTERM)
    reader.finish()


# ---- disks that the guest can only read -----------------------------------------------------------


def test_disk_that_the_guest_can_only_read(t):
    """libvirt refuses a checkpoint of it, and with it the job of all disks."""
    guest = t.guest("web", t.boot_disk(), t.disk("vdb", size=8 * MIB, extra=READ_ONLY)).running()
    nights = Nights(t, guest)
    for mode in ("none", "pause"):
        nights.night(mode=mode)
    same((nights.increments, nights.warnings), ({"vda": True, "vdb": False}, []), "the second night")
    guest.destroy()
    nights.check(nights.night())
    same(image_bitmaps(guest.disks[1]), {}, "bitmaps of an image that the guest cannot write to")


def test_disk_that_the_guest_can_only_read_by_now(t):
    """It is read whole, without its bitmap, and the first night says why."""
    _, nights = begin_with_a_disk_that_becomes_read_only(t)
    for night in range(3):
        nights.night()
        same(nights.increments, {"vda": True, "vdb": False}, "increments")
        same([("vdb" in text and "can only read it now" in text) for text in nights.warnings], [True] * (night == 0),
             f"warnings: {nights.warnings}")
    same(len(nights.checkpoints()), 2, "checkpoints: the one that stays, and the newest")


def test_interrupted_save_of_a_guest_with_a_disk_that_it_can_only_read(t):
    guest = t.guest("web", t.boot_disk(), t.disk("vdb", size=8 * MIB, extra=READ_ONLY)).running()
    nights = Nights(t, guest)
    process = t.start_vb("backup", "--repository", nights.repository, "--guest-memory", "save", "--bandwidth-limit", "1M")
    wait_until(nights.checkpoints, "the checkpoint of a backup")
    process.signal(signal.SIGTERM)
    process.finish()
    t.vb("recover")
    same(nights.checkpoints(), [], "checkpoints")
    nights.night(mode="save")


def test_former_checkpoint_that_stays(t):
    """It does not keep the others from being deleted."""
    guest, nights = begin_with_a_disk_that_becomes_read_only(t)
    for _ in range(4):
        nights.night("--exclude-disk", "vdb")
    same(len(nights.checkpoints()), 2, "checkpoints: the one that stays, and the newest")
    guest.virsh("destroy", "--domain", "web")
    t.vb("checkpoints", "--remove", "web")
    same((nights.checkpoints(), image_bitmaps(guest.disks[1])), ([], {}), "checkpoints and bitmaps after the guest's end")


# ---- images that others read ----------------------------------------------------------------------


def begin_slow(t, nights, guest, *options):
    """A backup of a guest that is off, in the middle of reading its first disk."""
    before = readers(guest.disks[0].path)
    process = t.start_vb("backup", "--repository", nights.repository, "--full-read", "--bandwidth-limit", "1M", *options)
    wait_until(lambda: readers(guest.disks[0].path) - before, "its disk being read")
    return process


def test_aborted_backup_of_an_image_that_others_read(t):
    """A template's is read by its clones for weeks: whatever its backup has left must not block the next one."""
    guest = t.guest("web", t.boot_disk()).define()
    nights = Nights(t, guest)
    for early in (True, False):
        reader = read_by_another(t, guest.disks[0]) if early else None
        process = begin_slow(t, nights, guest)
        reader = reader or read_by_another(t, guest.disks[0])
        process.signal(signal.SIGTERM)
        process.finish()
        t.vb("recover")
        nights.night()
        end(reader)
    nights.night()
    same(len(nights.checkpoints()), 1, "checkpoints once nobody reads it")
    same(set(image_bitmaps(guest.disks[0])), set(nights.checkpoints()), "bitmaps once nobody reads it")


def test_former_bitmap_of_an_image_that_others_read(t):
    """libvirt's record of it stays with it, so that a later backup finds it, though the guest runs."""
    guest = t.guest("web", t.boot_disk()).define()
    nights = Nights(t, guest)
    nights.night()
    process = begin_slow(t, nights, guest)
    reader = read_by_another(t, guest.disks[0])
    same(process.finish().status, 0, "the backup")
    end(reader)
    guest.start()
    nights.night()
    same({bitmap for _, bitmap in loaded_bitmaps(guest)}, set(nights.checkpoints()), "bitmaps, and the checkpoints they are of")
    same(len(nights.checkpoints()), 1, "checkpoints")


# ---- the journal ----------------------------------------------------------------------------------


def test_no_room_for_the_journal_at_the_commit(t):
    """The point is not made, so its checkpoint goes."""
    run("mount", "-t", "tmpfs", "-o", "size=512k,mode=0700", "vbtest", leftovers.STATE_DIR)
    t.undo.callback(run, "umount", "--lazy", leftovers.STATE_DIR)
    guest = t.guest("web", t.boot_disk()).running()
    nights = Nights(t, guest)
    nights.night()
    former = nights.checkpoints()
    process = t.start_vb("backup", "--repository", nights.repository, "--guest-memory", "none", "--full-read",
                         "--compression", "lzma:0", "--bandwidth-limit", "1M")
    midway.wait_for_reading(guest, process)
    run("dd", "if=/dev/zero", f"of={leftovers.STATE_DIR}/filler", "bs=4k", status=None)
    same(process.finish().status, 1, "the backup")
    os.unlink(f"{leftovers.STATE_DIR}/filler")
    same(nights.checkpoints(), former, "checkpoints")
