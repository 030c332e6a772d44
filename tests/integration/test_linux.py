# SPDX-License-Identifier: LGPL-2.1-or-later
"""The small Linux guest: a kernel, a file system that is in use, and a program that remembers."""

import os

from vbtest import disks, linux
from vbtest.command import expect, run, same
from vbtest.disks import MIB, Disk

# Built before the tests run: there is no network where they do.
BUILT_BEFORE = "linux-guest"


def linux_guest(t, **more):
    kernel, initrd = t.linux_kernel()
    raw, path = t.path("content.raw"), t.path("vda.qcow2")
    with open(raw, "wb") as file:
        file.truncate(48 * MIB)
    run("mke2fs", "-q", "-F", "-t", "ext4", raw)
    disks.convert(raw, path, "qcow2")
    os.unlink(raw)
    command_line = "console=ttyS0 quiet panic=-1 init_on_free=1"
    os_xml = f"<kernel>{kernel}</kernel><initrd>{initrd}</initrd><cmdline>{command_line}</cmdline>"
    agent = "<channel type='unix'><target type='virtio' name='org.qemu.guest_agent.0'/></channel>"
    return t.guest("linux", Disk(path), memory_mib=128, os_xml=os_xml, devices_xml=agent, **more)


def check_file_system(t, path):
    """Clean after its journal has been replayed, and what the guest wrote is whole."""
    raw = disks.flatten(path, "qcow2", t.path("check.raw"))
    run("e2fsck", "-E", "journal_only", "-y", raw, status=None)
    run("e2fsck", "-fn", raw)
    lines = run("debugfs", "-R", "cat /log", raw).out.splitlines()
    for line in lines:
        text, _, stated = line.rpartition(" sum=")
        found = 2166136261
        for char in text.encode():
            found = (found ^ char) * 16777619 % (1 << 32)
        same(f"{found:08x}", stated, f"checksum of the line '{text}'")
    counts = [int(line.split("count=")[1].split()[0]) for line in lines]
    same(counts, list(range(1, len(counts) + 1)), "counts in the guest's log")
    return len(counts)


def test_linux_guest_comes_back(t):
    """Same token in its memory, its writer goes on, its file system is clean."""
    guest = linux_guest(t).running(steps=10)
    before, (token, count) = guest.snapshot(), guest.serial.last()
    t.backup(guest, "--guest-memory", "save", "--compression", "lzma:0")
    guest.goes_on(token, count)
    guest.check_unchanged(before)
    t.check_good(guest)
    guest.destroy()
    guest.undefine()
    os.unlink(guest.disks[0].path)
    t.restore("--allow-autorun")
    guest.goes_on(token, 0)
    same(guest.serial.boots(), 1, "boots")
    linux.Agent(guest).wait()
    guest.destroy()
    written = check_file_system(t, os.path.join(t.restored, "vda.qcow2"))
    expect(written > count, f"the log ends at {written}, before the backup it was at {count}")


def test_disks_alone_are_consistent(t):
    """The image in the archive is a file system that only has to replay its journal."""
    guest = linux_guest(t).running(steps=10)
    _, count = guest.serial.last()
    t.backup(guest, "--compression", "zstd:1")
    guest.destroy()
    t.restore("--disks", "vda")
    expect(check_file_system(t, os.path.join(t.restored, "vda.qcow2")) >= count, "what the guest had synced is missing")
