# SPDX-License-Identifier: LGPL-2.1-or-later
"""A guest whose QEMU does not answer libvirt: a signal ends the run even so, and `recover` puts all back later."""

import array
import contextlib
import ctypes
import fcntl
import os
import signal
import termios

from vbtest import leftovers, proc
from vbtest.command import expect, libvirt_version, same, wait_until
from vbtest.disks import MIB
from vbtest.midway import SLOW, check_nothing_left, job_xml, pid_in, wait_for_reading

MOSTLY_WAITS = True
SYS_PIDFD_GETFD = 438


def unread(pid, number):
    """Bytes that wait in this descriptor of another process; 0 if it is no such thing."""
    pidfd = os.pidfd_open(pid)
    fd = ctypes.CDLL(None).syscall(SYS_PIDFD_GETFD, pidfd, number, 0)
    os.close(pidfd)
    if fd < 0:
        return 0
    count = array.array("i", [0])
    with contextlib.suppress(OSError):
        fcntl.ioctl(fd, termios.FIONREAD, count)
    os.close(fd)
    return count[0]


def wait_for_question(pid, process):
    """libvirt has asked QEMU for something, which it does not read."""
    def asked():
        expect(process.running(), "virt-backup has ended already")
        return any(unread(pid, number) for number, what in proc.open_files(pid).items() if what.startswith("socket:"))

    wait_until(asked, "a question to QEMU")


def hang(t):
    pid = pid_in("/run/libvirt/qemu/web.pid")
    os.kill(pid, signal.SIGSTOP)
    t.undo.callback(os.kill, pid, signal.SIGCONT)
    return pid


def guests(t):
    web = t.guest("web", t.slow_disk(boot=1)).running()
    zoo = t.guest("zoo", t.disk("vda", size=2 * MIB, name="zoo.qcow2")).define()
    return web, zoo


def ended_before_all(t, web, before, pid, result):
    """libvirt asks QEMU when it is asked for the guest's state, before anything was done to it: 11 does, 9 does not."""
    expect(libvirt_version() >= (10,), f"the run has ended before it came to what is tested: {result.err}")
    expect("guest 'web': cannot get the guest's state" in result.err, f"why web was not backed up: {result.err}")
    expect("guest 'zoo': not tried" in result.err, f"the guest that was not tried: {result.err}")
    same(t.archive.names(), [], "files in the archive")
    same(leftovers.files_below(leftovers.STATE_DIR), set(), "files in the state directory")
    token, count = web.serial.last()
    os.kill(pid, signal.SIGCONT)
    web.goes_on(token, count)
    web.check_unchanged(before)
    check_nothing_left(web)


def put_back_later(t, web, before, pid, result, told="put back"):
    """The run has given up; QEMU goes on and does what it was asked for."""
    if result.status in (128 + signal.SIGINT, 128 + signal.SIGTERM):
        ended_before_all(t, web, before, pid, result)
        return
    token, count = web.serial.last()
    same(result.status, 5, "exit status")
    expect("guest 'web': " in result.err and "may still do what it was asked for" in result.err,
           f"it is not told that libvirt did not answer: {result.err}")
    expect("guest 'zoo': not tried" in result.err, f"the guest that was not tried: {result.err}")
    same(t.archive.names(), [], "files in the archive")
    expect(leftovers.files_below(leftovers.STATE_DIR), "the journal is gone")
    os.kill(pid, signal.SIGCONT)
    expect(f"guest 'web': {told}" in t.vb("recover").out, "it is not told that it is back")
    web.goes_on(token, count)
    web.check_unchanged(before)
    check_nothing_left(web)
    same(leftovers.files_below(leftovers.STATE_DIR), set(), "files in the state directory")
    same(web.serial.boots(), 1, "boots")


def hung_before_its_job(t, signals, limit_s):
    web, zoo = guests(t)
    before = web.snapshot()
    pid = hang(t)
    process = t.start_vb(*t.backup_line(web, zoo, "--guest-memory", "none"))
    wait_for_question(pid, process)
    for number in signals:
        process.signal(number)
    result = process.finish(limit_s)
    expect(job_xml(web) is None, "the job exists before QEMU has answered")
    put_back_later(t, web, before, pid, result)


def test_signal_ends_a_run_whose_guest_hangs(t):
    """A minute for what it was asked, and half a minute in which libvirt refuses everything else."""
    hung_before_its_job(t, (signal.SIGINT,), 170)


def hung_before_its_copy(t, way, told="put back"):
    """No memory was copied: it is not waited for until libvirt ends the copy."""
    web, zoo = guests(t)
    before = web.snapshot()
    pid = hang(t)
    process = t.start_vb(*t.backup_line(web, zoo, "--guest-memory", way))
    wait_for_question(pid, process)
    process.signal(signal.SIGINT)
    result = process.finish(240)
    if result.status == 5:
        expect("no memory was written to it" in result.err, f"the reason is missing: {result.err}")
    put_back_later(t, web, before, pid, result, told)


def test_guest_that_hangs_before_it_is_paused(t):
    hung_before_its_copy(t, "pause")


def test_guest_that_hangs_before_its_live_copy(t):
    hung_before_its_copy(t, "live")


def test_guest_that_hangs_before_its_save(t):
    """libvirt finds that the folder for the image is gone, and cancels the save itself."""
    hung_before_its_copy(t, "save", "runs again")


def test_second_signal_hurries_it(t):
    hung_before_its_job(t, (signal.SIGINT, signal.SIGTERM), 75)


def test_guest_that_hangs_while_its_disks_are_read(t):
    """The job cannot be ended."""
    web, zoo = guests(t)
    before = web.snapshot()
    process = t.start_vb(*t.backup_line(web, zoo, "--guest-memory", "pause", *SLOW))
    wait_for_reading(web, process)
    pid = hang(t)
    process.signal(signal.SIGINT)
    wait_for_question(pid, process)
    process.signal(signal.SIGINT)
    put_back_later(t, web, before, pid, process.finish(75))
