# SPDX-License-Identifier: LGPL-2.1-or-later
"""The groups whose guests run."""

import os

from vbbench.groups import about, zstd_reads
from vbbench.lab import Group, Side, call, same_content
from vbtest import linux
from vbtest.command import wait_until
from vbtest.disks import Disk

MIB = 1 << 20
MEMORY_MIB, DATA_MIB = 1024, 512
QUICK_SHARE = 4
FILL_LIMIT_S = 300
# libvirt calls "xz -c -3".
LIBVIRT_XZ_LEVEL = 3
# Runs in the guest: puts its second disk into its memory, and keeps still.
FILL_SCRIPT = """\
mount -o remount,size=90% /run
if cat /dev/vda >/run/data; then echo filled; fi
while :; do sleep 3600; done
"""


def _idle_guest(lab):
    """A guest that runs, has the disk, and leaves it alone."""
    image = lab.qcow2(lab.disks["whole"])
    if "running" not in lab.guests:
        guest = linux.linux_guest(lab.t, "running", Disk(image, "qcow2"), asked="filler:1:1")
        lab.guests["running"] = guest.define().start()
        guest.serial.wait_for_steps(2)
    return lab.guests["running"], image


def _running(lab, compression, label, flags, foreign):
    guest, image = _idle_guest(lab)
    folder = lab.out("virtnbdbackup")
    return Group({
        "ours": lab.backup(guest.name, compression, [image], "--guest-memory", "none", foreign=foreign),
        label: Side(["virtnbdbackup", "-d", guest.name, *flags, "-l", "copy", "-n", "-o", folder], folder, [image]),
    }, "guest runs; " + about(lab.disks["whole"]))


def running_zstd(lab):
    return _running(lab, "zstd:3", "virtnbdbackup -z -l copy", ["-z"], zstd_reads)


def running_none(lab):
    disk = lab.disks["whole"]
    return _running(lab, "none", "virtnbdbackup -l copy", [], lambda path: same_content(path, "raw", disk, "raw"))


def _write_data(lab, path, size):
    """So much of what the disk holds, without its zeros."""
    with open(lab.disks["whole"], "rb") as source, open(path, "wb") as target:
        total = os.fstat(source.fileno()).st_size
        position = total // 16
        while target.tell() < size:
            data = os.pread(source.fileno(), MIB, position % total)
            if data.count(0) < len(data) // 2:
                target.write(data[:size - target.tell()])
            position += MIB


def _write_script(path):
    with open(path, "wb") as file:
        file.write(FILL_SCRIPT.encode().ljust(4096, b"#"))


def _full_guest(lab):
    """A guest whose memory holds data of the disk."""
    share = QUICK_SHARE if lab.quick else 1
    data, script = lab.t.path("memory-data.raw"), lab.t.path("memory-script.raw")
    _write_data(lab, data, DATA_MIB * MIB // share)
    _write_script(script)
    for path in (data, script):
        os.chmod(path, 0o644)
    guest = linux.linux_guest(lab.t, "memory", Disk(data, "raw", "vda"), Disk(script, "raw", "vdb"),
                              asked="sh:/dev/vdb", memory_mib=MEMORY_MIB // share)
    guest.define().start()
    wait_until(lambda: "filled" in guest.serial.text().split(), "the data in the guest's memory", FILL_LIMIT_S)
    return guest, f"{MEMORY_MIB // share} MiB guest, {DATA_MIB // share} MiB of data in its memory"


def _libvirtd():
    with open("/run/libvirt/libvirtd.pid", encoding="ascii") as file:
        return int(file.read())


def memory_lzma(lab):
    guest, name = _full_guest(lab)
    # The small disk of the script goes along: a guest cannot be captured without any disk.
    saved = lab.out("libvirt.sav")
    ours = lab.backup(guest.name, f"lzma:{LIBVIRT_XZ_LEVEL}", [], "--guest-memory", "pause", "--exclude-disk", "vda")
    ours.check = lambda: call(lab.binary, "verify", "--source-path", ours.output)

    def back():
        guest.virsh("restore", saved)

    return Group({
        "ours": ours,
        "libvirt, save_image_format xz": Side(["virsh", "-q", "save", guest.name, saved], saved, [],
                                              servers=(_libvirtd(),), finish=back),
    }, name)


GROUPS = {"running-zstd3": running_zstd, "running-none": running_none, "memory-lzma": memory_lzma}
