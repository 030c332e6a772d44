# SPDX-License-Identifier: LGPL-2.1-or-later
"""A run that is stopped in its middle keeps no guest paused or down."""

import os
import signal

from vbtest import leftovers
from vbtest.command import expect, same, wait_until
from vbtest.disks import MIB
from vbtest.midway import check_nothing_left, job_xml, offspring, wait_for_reading

SLOW = ("--compression", "lzma:9e", "--chunk-size", "1M", "--children", "1")


def process_state(pid):
    with open(f"/proc/{pid}/stat", encoding="latin-1") as file:
        return file.read().rpartition(")")[2].split()[0]


def wait_while_down(guest, process):
    def reading():
        expect(process.running(), "virt-backup has ended already")
        busy = [pid for pid in offspring(process)[1] if leftovers.cpu_ticks(pid) >= 3]
        return busy and guest.state() == "shut off"

    wait_until(reading, "the guest to be saved and its disks being read")


def stopped(t, mode, wait, status):
    guest = t.guest("web", t.slow_disk(boot=1)).running()
    before, (token, count) = guest.snapshot(), guest.serial.last()
    process = t.start_vb(*t.backup_line(guest, "--guest-memory", mode, *SLOW))
    wait(guest, process)
    process.signal(signal.SIGSTOP)
    wait_until(lambda: guest.state() == "running" and job_xml(guest) is None, "the guest to be let go")
    guest.goes_on(token, count)
    expect(not process.running() or process_state(process.pid) == "T", "the run is not stopped any more")
    if process.running():
        process.signal(signal.SIGCONT)
    result = process.finish()
    same(result.status, status, "exit status")
    expect("guest 'web': its backup is stopped" in result.err, f"the guardian does not say what it does: {result.err}")
    if status == 1:
        expect("had been stopped while holding it" in result.err, f"it is not said why: {result.err}")
    wait_until(lambda: not leftovers.files_below(leftovers.STATE_DIR), "an empty state directory")
    guest.goes_on(token, guest.serial.last()[1])
    guest.check_unchanged(before)
    check_nothing_left(guest)
    same([name for name in t.archive.names() if not name.startswith(".")], [], "files in the archive")
    same(guest.serial.boots(), 1, "boots")
    t.vb("recover")
    t.backup(guest, "--compression", "zstd:1")
    t.check_good(guest)


def test_stopped_run_lets_a_guest_go_that_has_a_backup_job(t):
    """QEMU hangs if that ends while a client of it is stopped: the run must end for that."""
    stopped(t, "pause", wait_for_reading, -signal.SIGKILL)


def test_stopped_run_lets_a_guest_go_that_is_down(t):
    """It has locked the guest's image, and must end for that."""
    stopped(t, "save", wait_while_down, -signal.SIGKILL)


def test_ctrl_z_waits_until_the_guest_is_let_go(t):
    guest = t.guest("web", t.slow_disk(size=8 * MIB, boot=1)).running()
    token, count = guest.serial.last()
    process = t.start_vb(*t.backup_line(guest, "--guest-memory", "save", *SLOW), start_new_session=True)
    wait_while_down(guest, process)
    for _ in range(2):
        os.killpg(process.pid, signal.SIGTSTP)
    expect(process_state(process.pid) != "T", "it is stopped while the guest is down")
    wait_until(lambda: process_state(process.pid) == "T", "it to be stopped")
    same(guest.state(), "running", "state of the guest")
    guest.goes_on(token, count)
    process.signal(signal.SIGCONT)
    result = process.finish()
    same(result.status, 0, "exit status")
    same(result.err.count("stopping as soon as it is let go"), 1, "times that it is said")
    t.check_good(guest)
