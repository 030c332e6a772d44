# SPDX-License-Identifier: LGPL-2.1-or-later
"""What a start of the guest needs and this host lacks: told by a dry run, before the restore, and when a start fails."""

import os
import shutil

from vbtest.command import expect, same, virsh
from vbtest.disks import MIB


def asleep(t, name):
    """A network that is defined, but not active."""
    path = t.path(f"{name}.xml")
    with open(path, "w", encoding="utf-8") as file:
        file.write(f"<network><name>{name}</name></network>")
    virsh("net-define", path)
    t.undo.callback(virsh, "net-undefine", name, status=None)


def lacking_guest(t):
    """Nothing of what it refers to is here; libvirt defines it all the same."""
    os.mkdir(t.path("pool"))
    t.pool("iso", t.path("pool"))
    asleep(t, "asleep")
    media = "<disk type='volume' device='cdrom'><source pool='{}' volume='gone.iso'/><target dev='{}' bus='sata'/><readonly/></disk>"
    devices = (
        "<interface type='network'><source network='gone'/></interface>"
        "<interface type='network'><source network='asleep'/></interface>"
        "<interface type='bridge'><source bridge='gone0'/></interface>"
        + media.format("iso", "sda") + media.format("gone-pool", "sdb") +
        f"<serial type='dev'><source path='/dev/gone'/><log file='{t.path('gone/serial.log')}'/></serial>"
        f"<channel type='unix'><source mode='connect' path='{t.path('gone.sock')}'/>"
        "<target type='virtio' name='c'/></channel>"
        f"<filesystem type='mount'><source dir='{t.path('share')}'/><target dir='share'/></filesystem>"
        "<hostdev mode='subsystem' type='pci' managed='yes'><source><address domain='0xfffe' bus='0x01' slot='0x02' "
        "function='0x3'/></source></hostdev>")
    said = [
        "this host lacks the network 'gone' (interface)",
        "this host's network 'asleep' is not active, but the guest needs it (interface); to start it, run: virsh net-start asleep",
        "this host lacks the bridge or interface 'gone0' (interface)",
        "this host's storage pool 'iso' lacks the volume 'gone.iso' (cdrom sda)",
        "this host lacks the storage pool 'gone-pool' (cdrom sdb)",
        "this host lacks the file '/dev/gone' (serial",
        f"this host lacks the folder of '{t.path('gone/serial.log')}' (serial's log",
        f"this host lacks the socket '{t.path('gone.sock')}' (channel)",
        f"this host lacks the folder '{t.path('share')}' (filesystem)",
        "this host lacks the host device 'pci fffe:01:02.3' (hostdev)",
    ]
    ties = ("<cputune><vcpupin vcpu='0' cpuset='0,4000'/></cputune>"
            "<memoryBacking><hugepages><page size='3' unit='MiB'/></hugepages></memoryBacking>")
    said += ["this host lacks the CPU '4000' (vcpupin)", "this host lacks the huge page size '3072 KiB' (memory)"]
    return t.guest("web", t.disk("vda", size=MIB), devices_xml=devices, head_xml=ties).define(), said


def lacks(result):
    return [line for line in result.error_lines if "this host" in line]


def test_what_a_host_lacks_is_told_before_the_restore(t):
    guest, said = lacking_guest(t)
    t.backup(guest)
    guest.undefine()
    planned = lacks(t.restore("--dry-run"))
    for part in said:
        same(len([line for line in planned if part in line]), 1, f"lines that say {part}, of {planned}")
    same(len(planned), len(said), f"lines: {planned}")
    result = t.restore("--json")
    events = [event["event"] for event in t.events(result)]
    expect(max(i for i, event in enumerate(events) if event == "warning") < events.index("disk-done"),
           f"told after a disk was written: {events}")
    same(lacks(result), planned, "what the restore says, and what the dry run has said")


def test_what_the_host_has_is_not_told(t):
    os.mkdir(t.path("share"))
    guest = t.guest("web", t.disk("vda", size=MIB), devices_xml=(
        f"<filesystem type='mount'><source dir='{t.path('share')}'/><target dir='share'/></filesystem>"
        "<interface type='user'/>")).define()
    t.backup(guest)
    guest.undefine()
    same(lacks(t.restore("--dry-run")) + lacks(t.restore()), [], "what is lacking")


def test_what_a_host_lacks_is_told_when_a_start_fails(t):
    os.mkdir(t.path("lines"))
    guest = t.guest("web", t.boot_disk(), devices_xml=f"<serial type='file'><source path='{t.path('lines/second')}'/></serial>")
    guest.running()
    t.backup(guest)
    guest.destroy()
    guest.undefine()
    shutil.rmtree(t.path("lines"))
    result = t.restore("--allow-autorun", status=1)
    said = f"this host lacks the folder of '{t.path('lines/second')}' (serial"
    same(len([line for line in lacks(result) if said in line]), 2, f"times that it is said, before and after: {result.err}")
    expect("could not be started" in result.err, f"the start did not fail: {result.err}")
    os.mkdir(t.path("lines"))
