# SPDX-License-Identifier: LGPL-2.1-or-later
"""The small Linux guest of tests/guests: started from its kernel, told on the command line what to run."""

import os
import re
import shutil

from vbtest.command import Failure, expect, run, same, wait_until
from vbtest.disks import MIB, Disk, convert

AGENT_XML = ("<channel type='unix'><target type='virtio' name='org.qemu.guest_agent.0'/></channel>")
REPORT = re.compile(r"^token=([0-9a-f]+) sweep=(\d+) writes=(\d+) ok=(\d+) bad=(\d+)$", re.MULTILINE)


def os_xml(t, asked):
    """Boots the kernel, which runs what is ASKED for: see linux-init."""
    run(os.path.join(os.path.dirname(os.path.realpath(__file__)), "../../guests/linux-guest"), t.build_dir,
        limit_s=600)
    # QEMU, another user, need not get to where it was built.
    for name in ("vmlinuz", "initrd"):
        if not os.path.exists(t.path(name)):
            shutil.copyfile(os.path.join(t.build_dir, name), t.path(name))
    # No word on what it finds: a second of start-up is saved, and the serial line is the program's alone.
    words = "console=ttyS0 quiet panic=-1 tsc=unstable" + (f" vbtest={asked}" if asked else "")
    return (f"<kernel>{t.path('vmlinuz')}</kernel><initrd>{t.path('initrd')}</initrd>"
            f"<cmdline>{words}</cmdline>")


def linux_guest(t, name, *disks, asked="", agent="", memory_mib=128, devices_xml=""):
    """AGENT: the XML of its agent's channel; AGENT_XML is one that libvirt serves."""
    return t.guest(name, *disks, memory_mib=memory_mib, os_xml=os_xml(t, asked), devices_xml=agent + devices_xml)


def ext4_disk(t, target="vda", format_name="qcow2", size=64 * MIB):
    """A disk with a file system, for the guest's writer."""
    raw, path = t.path(f"{target}.content"), t.path(f"{target}.{format_name}")
    with open(raw, "wb") as file:
        file.truncate(size)
    run("mke2fs", "-q", "-F", "-t", "ext4", raw)
    if format_name == "raw":
        os.rename(raw, path)
    else:
        convert(raw, path, format_name)
        os.unlink(raw)
    os.chmod(path, 0o644)
    return Disk(path, format_name, target)


class Verifier:
    """Reads what the guest's verifier says: whether its disks are those that its memory knows."""

    def __init__(self, guest):
        self.serial = guest.serial
        self.mark = 0            # length of the text that was there before the last start or restore

    def text(self):
        return self.serial.text()[self.mark:]

    def reports(self):
        """(token, sweeps, writes, ok, bad) of each report since the mark."""
        return [(token, *map(int, numbers)) for token, *numbers in REPORT.findall(self.text())]

    def set_mark(self):
        self.mark = len(self.serial.text())

    def wait_for_sweeps(self, sweeps, limit_s=60):
        """Wait until all blocks were compared so many times since the mark. Returns the last report."""
        def enough():
            found = self.reports()
            # The sweep in which the mark lies does not count.
            return found if found and found[-1][1] > found[0][1] + sweeps else None

        return wait_until(enough, f"{sweeps} sweeps of the guest over its disks", limit_s)[-1]

    def wait_for_writes(self, writes, limit_s=60):
        def enough():
            found = self.reports()
            return found and found[-1][2] >= found[0][2] + writes

        wait_until(enough, f"{writes} writes of the guest", limit_s)

    def complaints(self):
        return [line for line in self.text().splitlines() if line.startswith("bad")]

    def check(self, token):
        """All blocks of both disks are as the memory has them, and it is the memory of before."""
        found, _, _, good, bad = self.wait_for_sweeps(1)
        first = self.reports()[0]
        if bad or self.complaints():
            raise Failure(f"the guest has found its disks and its memory to differ: bad={bad}, {self.complaints()[:1]}")
        same(found, token, "token in the guest's memory")
        expect("boot" not in self.text().splitlines(), "the guest was booted anew")
        expect(good > first[3], "the guest has compared nothing")
        return good, bad
