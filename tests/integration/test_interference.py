# SPDX-License-Identifier: LGPL-2.1-or-later
"""Backups during which somebody does something to their guest."""

import os

from vbtest import leftovers
from vbtest.command import expect, run, same, wait_until
from vbtest.disks import MIB
from vbtest.halt import Halted
from vbtest.midway import check_nothing_left, kill_run_and_guardian
from test_stranded import down_in_its_backup


def busy(t, halted, *says):
    """The backup goes on, fails because of what was done, and leaves nothing."""
    result = halted.go_on()
    same(result.status, 1, f"exit status; it says: {result.err}")
    for part in says:
        expect(part in result.err, f"'{part}' is not in: {result.err}")
    same(os.listdir(t.archive.path) if os.path.exists(t.archive.path) else [], [], "files of the backup")
    return result


def test_guest_that_ends_before_it_is_captured(t):
    """The way of capture was chosen for a guest that runs. Others are backed up all the same."""
    guest, other = t.small_guest().running(), t.guest("zoo", t.disk("vda", name="zoo.qcow2")).define()
    halted = Halted(t, "virConnectGetDomainCapabilities", *t.backup_line(guest, other, "--guest-memory", "pause"))
    guest.destroy()
    result = halted.go_on()
    same(result.status, 3, f"exit status; it says: {result.err}")
    expect("guest 'web': it ended while its backup was being prepared" in result.err, f"it is not told: {result.err}")
    same(guest.state(), "shut off", "state of the guest")
    t.archive.check_holds("zoo.xml", "zoo-vda.raw")
    t.check_good(other)


def test_guest_that_is_resumed_before_its_disks_are_fixed(t):
    """Its memory is older than what is written to its disks."""
    guest = t.small_guest().running()
    token, count = guest.serial.last()
    halted = Halted(t, "virDomainBackupBegin", *t.backup_line(guest, "--guest-memory", "pause"))
    same(guest.state(), "paused", "state while it is captured")
    guest.resume()
    busy(t, halted, "guest 'web': somebody resumed the guest before its disks were fixed", "start the backup again")
    guest.goes_on(token, count)
    check_nothing_left(guest)


def test_guest_that_ran_before_its_disks_are_fixed(t):
    """It is paused again, which looks as if nothing had happened. This pause is not the backup's to end."""
    guest = t.small_guest().running()
    token, count = guest.serial.last()
    halted = Halted(t, "virDomainBackupBegin", *t.backup_line(guest, "--guest-memory", "pause"))
    guest.resume()
    guest.goes_on(token, count, steps=1)
    guest.suspend()
    busy(t, halted, "guest 'web': somebody resumed the guest before its disks were fixed")
    same(guest.state(), "paused", "state of the guest")
    guest.resume()
    guest.goes_on(*guest.serial.last())
    check_nothing_left(guest)


def rescued(t, result):
    """The memory that this result names is all that is left of the backup, and nobody's any more. Removes it."""
    kept = [word.strip("'\":;,") for word in result.out.split() if "rescue.sav" in word]
    expect(kept and os.path.exists(kept[0]), f"the memory is not named: {result.out}")
    same(sorted(leftovers.files_below(leftovers.STATE_DIR)), [], "what is left in the state directory")
    os.unlink(kept[0])
    os.rmdir(os.path.dirname(kept[0]))


def test_guest_that_ran_while_it_was_down_to_be_read(t):
    """On a block device nothing keeps it from that. Its memory is older than its disks then, for ever."""
    guest = t.guest("web", t.loop_disk("vda", size=12 * MIB, boot=1)).running()
    process = down_in_its_backup(t, guest)
    guest.start()
    wait_until(lambda: guest.serial.boots() == 2, "a guest that writes to its disk")
    guest.destroy()
    expect(process.running(), "the disks were read too soon")
    result = process.finish()
    same(result.status, 5, f"exit status; it says: {result.err}")
    for part in ("guest 'web': the guest was started while it was down", "not restored over it", "the memory is kept in", "virsh start web"):
        expect(part in result.err, f"'{part}' is not in: {result.err}")
    same(guest.state(), "shut off", "state of the guest")
    same(t.archive.names(), [], "files of the backup")
    result = t.vb("recover")
    expect("stays shut off" in result.out, f"it is not told what became of it: {result.out}")
    same((guest.state(), guest.serial.boots()), ("shut off", 2), "state of the guest, and boots")
    rescued(t, result)


def test_guest_that_gets_an_overlay_before_it_is_saved(t):
    """It comes back on the overlay, to which it has written."""
    guest = t.guest("web", t.boot_disk(), t.disk("vdb", "raw", boot=2)).running()
    token, count = guest.serial.last()
    os.chmod(t.dir, 0o777)
    overlay = t.path("overlay.qcow2")
    halted = Halted(t, "virDomainSaveFlags", *t.backup_line(guest, "--guest-memory", "save"))
    guest.call("snapshot-create-as", "--no-metadata", "--disk-only", "--diskspec", f"vda,file={overlay}", "--diskspec", "vdb,snapshot=no")
    now = guest.serial.last()[1]
    wait_until(lambda: guest.serial.last()[1] > now + 3, "a guest that writes to the overlay")
    busy(t, halted, "guest 'web': the guest's disks were changed before its memory was saved", "virsh domblklist web")
    expect(overlay in guest.dump(), "the guest is back on its old image")
    guest.goes_on(token, count)


def test_guest_that_gets_a_disk_before_it_is_captured(t):
    """Its memory could not be resumed without it."""
    guest = t.small_guest().running()
    token, count = guest.serial.last()
    extra = t.disk("vdb", "raw", size=MIB)
    halted = Halted(t, "virDomainGetJobStats", *t.backup_line(guest, "--guest-memory", "pause"))
    guest.virsh("attach-disk", guest.name, extra.path, "vdb", "--live", "--targetbus", "virtio")
    busy(t, halted, "guest 'web': a device or a disk of the guest was changed", "start the backup again")
    expect(extra.path in guest.dump(), "the guest has lost the disk")
    guest.goes_on(token, count)
    check_nothing_left(guest)
    t.backup(guest, "--guest-memory", "pause")
    t.check_good(guest)


def down_and_left(t, *more):
    """A guest whose first disk is slow; it is down in its backup, whose run and guardian are dead."""
    guest = t.guest("web", t.slow_disk(size=6 * MIB, boot=1), *more).running()
    kill_run_and_guardian(down_in_its_backup(t, guest))
    return guest


def started_and_paused(t, resumed):
    """After its run has died, somebody has started it, paused it, and perhaps resumed it. Its memory is kept."""
    guest = down_and_left(t)
    guest.start()
    wait_until(lambda: guest.serial.boots() == 2, "a guest that writes to its disk")
    guest.suspend()
    if resumed:
        guest.resume()
    state = guest.state()
    t.refused("recover", status=5, says=["guest 'web'", f"somebody has started it (it is {state})", "the memory is kept in"])
    same(guest.state(), state, "state of the guest")
    rescued(t, t.vb("recover"))
    same((guest.state(), guest.serial.boots()), (state, 2), "state of the guest, and boots")


def test_guest_that_was_started_paused_and_resumed_keeps_its_memory(t):
    started_and_paused(t, True)


def test_guest_that_was_started_and_paused_stays_paused(t):
    started_and_paused(t, False)


def test_guest_that_ran_while_nobody_looked(t):
    """It was started, as by a host that boots, and shut down again: its memory is older than its disk."""
    guest = down_and_left(t)
    guest.start()
    wait_until(lambda: guest.serial.boots() == 2, "a guest that boots")
    guest.serial.wait_for_steps(5)
    guest.destroy()
    t.refused("recover", status=5, says=["guest 'web'", "somebody has started it, or changed its disk", "the memory is kept in", "virsh start web"])
    same((guest.state(), guest.serial.boots()), ("shut off", 2), "state of the guest, and boots")
    rescued(t, t.vb("recover"))
    same((guest.state(), guest.serial.boots()), ("shut off", 2), "state of the guest, and boots")


def test_guest_whose_disk_was_only_read_is_put_back(t):
    """Others may write to a disk that it shares, whether it is down or not."""
    shared = t.disk("vdb", "raw", size=MIB, name="shared.raw", extra="<shareable/>")
    guest = down_and_left(t, shared)
    token, count = guest.serial.last()
    run("qemu-img", "map", "-f", "raw", guest.disks[0].path)
    run("qemu-img", "convert", "-f", "raw", "-O", "raw", guest.disks[0].path, t.path("copy.raw"))
    with open(shared.path, "r+b") as file:
        file.write(b"by another guest")
    t.vb("recover")
    guest.goes_on(token, count)
