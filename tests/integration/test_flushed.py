# SPDX-License-Identifier: LGPL-2.1-or-later
"""What is relied on later is on the disk by then: files that libvirt, QEMU and qemu-img have made, and their folders."""

import os
import re

from vbtest.command import expect, run
from vbtest.disks import MIB

CALLS = "fsync,fdatasync,openat,open,unlink,unlinkat,rename,renameat,renameat2,mkdir"


UNFINISHED = re.compile(r"(\d+) +(.*) <unfinished \.\.\.>$")
RESUMED = re.compile(r"(\d+) +<\.\.\. \w+ resumed>(.*)$")


def whole_calls(lines):
    """One line for each call, where it ends: strace tears a call in two if another thread does something meanwhile."""
    begun = {}
    for line in lines:
        torn, end = UNFINISHED.match(line), RESUMED.match(line)
        if torn:
            begun[torn[1]] = torn[2]
        elif end and end[1] in begun:
            yield f"{end[1]} {begun.pop(end[1])}{end[2]}"
        else:
            yield line


class Trace:
    """The system calls of a run, in the order of their ends."""

    def __init__(self, t, *words):
        log = t.path("trace")
        # A process that is traced already cannot look for its own leaks.
        environment = dict(t.environment, ASAN_OPTIONS=t.environment.get("ASAN_OPTIONS", "") + ":detect_leaks=0")
        run("strace", "-f", "-y", "-qq", "-o", log, "-e", f"trace={CALLS}", t.binary, *words, env=environment)
        with open(log, encoding="utf-8", errors="replace") as file:
            self.lines = list(whole_calls(file.read().splitlines()))

    def find(self, pattern, begin=0):
        """Number of the first line from there on that matches; -1: none."""
        found = re.compile(pattern)
        return next((number for number, line in enumerate(self.lines) if number >= begin and found.search(line)), -1)

    def last(self, pattern):
        found = re.compile(pattern)
        return max((number for number, line in enumerate(self.lines) if found.search(line)), default=-1)

    def flush(self, path, begin=0):
        return self.find(rf"f(data)?sync\(\d+<{re.escape(path)}>\)\s+= 0", begin)

    def check_flushed(self, path, before, what, begin=0):
        number = self.flush(path, begin)
        expect(0 <= number < before, f"{path} was not flushed before {what}")
        return number


def journal_end(trace, uuid):
    number = trace.last(rf'unlinkat\(.*"{uuid}\.intent"')
    expect(number >= 0, "no journal was removed")
    return number


def test_memory_image_is_on_the_disk_before_the_disks_are_read(t):
    guest = t.small_guest().running()
    disk, uuid = guest.disks[0].path, guest.uuid()
    trace = Trace(t, *t.backup_line(guest, "--guest-memory", "save"))
    base = "/var/lib/libvirt/virt-backup"
    image = f"{base}/vb-{uuid}/memory-1.sav"
    begin = trace.flush(image)
    expect(begin >= 0, "the memory image was not flushed")
    read = trace.find(rf'open(at)?\(.*"{re.escape(disk)}"', begin)
    expect(read >= 0, "the disk was not read after that")
    for folder in os.path.dirname(image), base, os.path.dirname(base):
        trace.check_flushed(folder, read, "the disk was read", begin)
    gone = trace.find(rf'unlink(at)?\(.*"{re.escape(image)}"')
    expect(gone >= 0, "the image was not removed")
    trace.check_flushed(base, journal_end(trace, uuid), "the journal went", gone)


def check_named(t, trace, name):
    """The file got its name after it was flushed; when."""
    flushed = trace.find(rf"fsync\(\d+<{re.escape(t.restored)}/\.virt-backup-\w+/{re.escape(name)}>\)\s+= 0")
    named = trace.last(rf'renameat2\(.*"{re.escape(name)}"')
    expect(0 <= flushed < named, f"{name} was not flushed before it got its name")
    return named


def test_all_that_a_restore_makes_is_on_the_disk_before_its_journal_goes(t):
    code, template = "/usr/share/OVMF/OVMF_CODE_4M.fd", "/usr/share/OVMF/OVMF_VARS_4M.fd"
    guest = t.guest("web", t.disk("vda", "qcow2", size=MIB), t.disk("vdb", "raw", size=MIB), memory_mib=64,
                    os_xml=f"<loader readonly='yes' type='pflash'>{code}</loader>"
                           f"<nvram template='{template}'>{t.path('web_VARS.fd')}</nvram>").define().start()
    t.backup(guest, "--guest-memory", "save")
    uuid = guest.uuid()
    guest.destroy()
    guest.undefine("--nvram")
    trace = Trace(t, *t.restore_line())
    end = journal_end(trace, uuid)
    named = max(check_named(t, trace, name) for name in ("vda.qcow2", "vdb.raw", "web.sav", "web_VARS.fd"))
    trace.check_flushed(t.restored, end, "the journal went", named)
    trace.check_flushed(os.path.dirname(t.restored), end, "the journal went")
    trace.check_flushed("/etc/libvirt/qemu", end, "the journal went")


def test_transient_guests_definition_is_on_the_disk_before_the_journal_goes(t):
    guest = t.small_guest()
    guest.create()
    uuid = guest.uuid()
    t.backup(guest, "--guest-memory", "none")
    guest.destroy()
    trace = Trace(t, *t.restore_line())
    end = journal_end(trace, uuid)
    trace.check_flushed(t.restored, end, "the journal went", check_named(t, trace, "web.xml"))
