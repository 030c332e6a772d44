# SPDX-License-Identifier: LGPL-2.1-or-later
"""The good backups that the cases change: a small guest with two disks and NVRAM, and one that runs."""

import os
import shutil

from vbtest import disks
from vbtest.command import run, virsh, wait_until

KIB = 1024
UUID = "2f6a3c1e-7d4b-4c55-9f0e-4f1f6f1c0a01"
NVRAM = "/var/lib/libvirt/qemu/nvram/web_VARS.fd"
SHUT_OFF = """\
<domain type='qemu'><name>web</name><uuid>{uuid}</uuid>
<metadata><libosinfo:libosinfo xmlns:libosinfo="http://libosinfo.org/xmlns/libvirt/domain/1.0">
<libosinfo:os id="http://opensuse.org/opensuse/15.5"/></libosinfo:libosinfo></metadata>
<memory unit='MiB'>64</memory><vcpu>1</vcpu>
<os><type arch='x86_64' machine='q35'>hvm</type>
<loader readonly='yes' type='pflash'>/usr/share/OVMF/OVMF_CODE_4M.fd</loader>
<nvram template='/usr/share/OVMF/OVMF_VARS_4M.fd'>{nvram}</nvram></os>
<features><acpi/><apic/></features>
<devices><emulator>/usr/bin/qemu-system-x86_64</emulator>
<disk type='file' device='disk'><driver name='qemu' type='raw'/><source file='{folder}/vda.raw'/>
<target dev='vda' bus='virtio'/></disk>
<disk type='file' device='disk'><driver name='qemu' type='qcow2'/><source file='{folder}/vdb.qcow2'/>
<target dev='vdb' bus='virtio'/></disk>
<interface type='network'><mac address='52:54:00:11:22:33'/><source network='default'/><model type='virtio'/></interface>
<console type='pty'/><channel type='unix'><target type='virtio' name='org.qemu.guest_agent.0'/></channel>
<graphics type='vnc' port='-1' autoport='yes' passwd='geheim'/>
<rng model='virtio'><backend model='random'>/dev/urandom</backend></rng></devices></domain>
"""
RUNNING = """\
<domain type='qemu'><name>web</name><uuid>{uuid}</uuid><memory unit='MiB'>16</memory><vcpu>1</vcpu>
<os><type arch='x86_64' machine='pc'>hvm</type></os><features><acpi/></features>
<devices><emulator>/usr/bin/qemu-system-x86_64</emulator>
<disk type='file' device='disk'><driver name='qemu' type='raw'/><source file='{folder}/boot.raw'/>
<target dev='vda' bus='virtio'/></disk>
<serial type='pty'/><memballoon model='none'/></devices></domain>
"""


class Bases:
    """Name -> folder of the archive; .images: base name of an image -> its bytes as the guest sees them."""

    def __init__(self, t):
        self.folders, self.images = {}, {}
        folder = t.make_dir("images", 0o755)
        self.shut_off(t, folder)
        self.running(t, folder)

    def back_up(self, t, name, *options):
        self.folders[name] = t.path("base-" + name)
        t.vb("backup", "--destination-path", self.folders[name], "--chunk-size", "64K", *options)

    def shut_off(self, t, folder):
        raw, other = t.path("other.content"), os.path.join(folder, "vda.raw")
        disks.fill(other, 512 * KIB, t.rng)
        disks.fill(raw, 512 * KIB, t.rng)
        for name, path in (("vda.raw", other), ("vdb.qcow2", raw)):
            # No two chunks at the start are alike, and no two disks: what is swapped is seen.
            with open(path, "r+b") as file:
                file.write(t.rng.randbytes(100 * KIB))
                file.seek(0)
                self.images[name] = file.read()
        disks.convert(raw, os.path.join(folder, "vdb.qcow2"), "qcow2")
        os.makedirs(os.path.dirname(NVRAM), exist_ok=True)
        with open(NVRAM, "wb") as file:
            file.write(t.rng.randbytes(4096))
        shutil.copy(NVRAM, t.path("web_VARS.fd"))
        define(t, SHUT_OFF.format(uuid=UUID, nvram=NVRAM, folder=folder))
        for codec in ("none", "lzma", "zstd"):
            self.back_up(t, codec, "--compression", {"none": "none", "lzma": "lzma:0", "zstd": "zstd:1"}[codec])
        self.folders["point"] = t.path("base-point")
        t.vb("repository", "create", self.folders["point"])
        t.vb("backup", "--repository", self.folders["point"])
        virsh("undefine", "--keep-nvram", "web")
        os.unlink(NVRAM)

    def running(self, t, folder):
        disk = os.path.join(folder, "boot.raw")
        disks.fill(disk, 512 * KIB, t.rng, t.boot_sector())
        os.chmod(disk, 0o666)
        define(t, RUNNING.format(uuid=UUID, folder=folder))
        virsh("start", "web")
        wait_until(lambda: virsh("domstate", "web").out.strip() == "running", "the guest running")
        self.back_up(t, "memory", "--guest-memory", "pause")
        self.back_up(t, "memory-zstd", "--guest-memory", "pause", "--compression", "zstd:1")
        virsh("destroy", "web")
        virsh("undefine", "web")
        run("chmod", "-R", "u+rwX,go-rwx", *self.folders.values())


def define(t, xml):
    path = t.path("web-definition.xml")
    with open(path, "w", encoding="utf-8") as file:
        file.write(xml)
    virsh("define", path)
