# SPDX-License-Identifier: LGPL-2.1-or-later
"""A run that is stopped in its middle keeps no guest paused or down."""

import os
import signal

from vbtest import leftovers, proc
from vbtest.command import expect, same, wait_until
from vbtest.disks import MIB, Disk, convert
from vbtest.midway import SLOW, check_nothing_left, job_xml, offspring, wait_for_reading



def wait_while_down(guest, process):
    def reading():
        expect(process.running(), "virt-backup has ended already")
        busy = [pid for pid in offspring(process)[1] if leftovers.cpu_ticks(pid) >= 3]
        return busy and guest.state() == "shut off"

    wait_until(reading, "the guest to be saved and its disks being read")


def stopped(t, mode, wait, disk=None):
    """The run is continued when its guest has been let go: that backup fails, the next one is made."""
    guest = t.guest("web", disk or t.slow_disk(boot=1)).running()
    following = t.guest("zoo", t.disk("vda", size=2 * MIB, name="zoo.qcow2")).define()
    before, (token, count) = guest.snapshot(), guest.serial.last()
    process = t.start_vb(*t.backup_line(guest, following, "--guest-memory", mode, *SLOW))
    wait(guest, process)
    process.signal(signal.SIGSTOP)
    wait_until(lambda: guest.state() == "running" and job_xml(guest) is None, "the guest to be let go")
    guest.goes_on(token, count)
    expect(process.running() and proc.state_of(process.pid) == "T", "the run is not stopped any more")
    process.signal(signal.SIGCONT)
    result = process.finish()
    same(result.status, 3, "exit status")
    expect("guest 'web': its backup is stopped" in result.err, f"the guardian does not say what it does: {result.err}")
    same(result.err.count("had been stopped while holding it"), 1, f"times that it is said why: {result.err}")
    same(leftovers.files_below(leftovers.STATE_DIR), set(), "files in the state directory")
    guest.goes_on(token, guest.serial.last()[1])
    guest.check_unchanged(before)
    check_nothing_left(guest)
    same(sorted(name for name in t.archive.names() if name.startswith("web")), [], "files of the lost backup")
    same(guest.serial.boots(), 1, "boots")
    t.check_good(following)
    t.vb("recover")
    t.backup(guest, "--compression", "zstd:1")
    t.check_good(guest)


def test_stopped_run_lets_a_guest_go_that_has_a_backup_job(t):
    """QEMU hangs if that ends while a client of it does not close: the guardian closes for the run."""
    stopped(t, "pause", wait_for_reading)


def test_stopped_run_lets_a_guest_go_that_is_down(t):
    """It has locked the guest's image: QEMU would not start with that."""
    stopped(t, "save", wait_while_down)


def test_stopped_run_lets_a_guest_go_whose_image_qemu_nbd_reads(t):
    slow = t.slow_disk(boot=1)
    path = t.path("web.qcow2")
    convert(slow.path, path, "qcow2")
    os.chmod(path, 0o644)
    stopped(t, "save", wait_while_down, Disk(path, boot=1))


def test_stopped_guardian_is_done_without(t):
    """What is asked of it is not waited for, and nothing of the guest hangs on it."""
    guest = t.guest("web", t.slow_disk(size=8 * MIB, boot=1), t.disk("vdb", size=2 * MIB)).running()
    before, (token, count) = guest.snapshot(), guest.serial.last()
    process = t.start_vb(*t.backup_line(guest, "--guest-memory", "pause", *SLOW))
    wait_for_reading(guest, process)
    guardian = next(pid for pid in offspring(process)[0] if proc.name_of(pid) == "vb-guardian")
    os.kill(guardian, signal.SIGSTOP)
    result = process.finish()
    same(result.status, 0, "exit status")
    guest.goes_on(token, count)
    guest.check_unchanged(before)
    check_nothing_left(guest)
    t.check_good(guest)


def test_ctrl_z_waits_until_the_guest_is_let_go(t):
    guest = t.guest("web", t.slow_disk(size=8 * MIB, boot=1)).running()
    token, count = guest.serial.last()
    process = t.start_vb(*t.backup_line(guest, "--guest-memory", "save", *SLOW), start_new_session=True)
    wait_while_down(guest, process)
    for _ in range(2):
        os.killpg(process.pid, signal.SIGTSTP)
    expect(proc.state_of(process.pid) != "T", "it is stopped while the guest is down")
    wait_until(lambda: proc.state_of(process.pid) == "T", "it to be stopped")
    same(guest.state(), "running", "state of the guest")
    guest.goes_on(token, count)
    process.signal(signal.SIGCONT)
    result = process.finish()
    same(result.status, 0, "exit status")
    same(result.err.count("stopping as soon as it is let go"), 1, "times that it is said")
    t.check_good(guest)
