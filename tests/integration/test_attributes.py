# SPDX-License-Identifier: LGPL-2.1-or-later
"""Owner, group, mode and SELinux context of image files, and disks that go to chosen places."""

import os
import stat

from vbtest import disks
from vbtest.command import expect, run, same
from vbtest.disks import MIB, Disk

CONTEXT = b"system_u:object_r:virt_image_t:s0:c12,c34\0"


def look(path):
    found = os.stat(path)
    return found.st_uid, found.st_gid, stat.S_IMODE(found.st_mode)


def prepare(path, uid, gid, mode):
    os.chown(path, uid, gid)
    os.chmod(path, mode)


def test_owner_group_and_mode(t):
    one, two = t.disk("vda"), t.disk("vdb", "raw", size=MIB)
    prepare(one.path, 34, 6, 0o640)
    prepare(two.path, 65534, 12345, 0o604)
    guest = t.guest("web", one, two).define()
    t.backup(guest)
    owner = t.archive.manifest("web").owner("vda")
    same((owner["uid"], owner["gid"], owner["user"], owner["group"], owner["mode"]), ("34", "6", "backup", "disk", "0640"),
         "owner in the manifest")
    expect("user" not in t.archive.manifest("web").owner("vdb") or
           t.archive.manifest("web").owner("vdb")["user"] == "nobody", "name of a user that has none")
    guest.undefine()
    t.restore()
    same(look(os.path.join(t.restored, "vda.qcow2")), (34, 6, 0o640), "vda: owner, group, mode")
    same(look(os.path.join(t.restored, "vdb.raw")), (65534, 12345, 0o604), "vdb: owner, group, mode")


def test_owner_of_a_running_guest(t):
    """While it runs libvirt owns its files: what was before, libvirt keeps, and puts back at the end."""
    disk = t.boot_disk()
    prepare(disk.path, 34, 6, 0o660)
    guest = t.guest("web", disk).running()
    expect(os.stat(disk.path).st_uid != 34, "libvirt has not taken the file over")
    t.backup(guest)
    guest.destroy()
    same(look(disk.path)[:2], (34, 6), "owner after the guest has ended")


def test_selinux_context(t):
    disk = t.disk("vda")
    try:
        os.setxattr(disk.path, "security.selinux", CONTEXT)
    except OSError as error:
        t.skip(f"no security.selinux attribute can be set here: {error.strerror}")
    guest = t.guest("web", disk).define()
    t.backup(guest)
    same(t.archive.manifest("web").owner("vda").get("selinux"), CONTEXT[:-1].decode(), "context in the manifest")
    guest.undefine()
    t.restore()
    same(os.getxattr(os.path.join(t.restored, "vda.qcow2"), "security.selinux").rstrip(b"\0"), CONTEXT[:-1],
         "context of the restored file")


def test_file_without_a_context_gets_none(t):
    guest = t.guest("web", t.disk("vda")).define()
    t.backup(guest)
    expect("selinux" not in t.archive.manifest("web").owner("vda"), "a context has been made up")
    guest.undefine()
    t.restore()
    expect("security.selinux" not in os.listxattr(os.path.join(t.restored, "vda.qcow2")), "the file has got a context")


def device_with_old_data(t, codec):
    """Old data on the device must not shine through where the image has a hole."""
    disk = t.disk("vda", "raw", size=8 * MIB)
    guest = t.guest("web", disk).define()
    # Small chunks, so that some are all zeros and others in part.
    t.backup(guest, "--compression", codec, "--chunk-size", "64K")
    guest.undefine()
    old = t.path("old")
    with open(old, "wb") as file:
        for _ in range(8):
            file.write(t.rng.randbytes(MIB))
    device = t.loop(old)
    owner = look(device)
    t.restore("--disk-map", f"vda={device}")
    disks.compare(disk.path, "raw", device, "raw", "restored block device")
    expect(f"<source dev='{device}'" in guest.dump(), "the guest does not use the device")
    same(look(device), owner, "owner, group and mode of the device node")


def test_block_device_with_old_data_uncompressed(t):
    device_with_old_data(t, "none")


def test_block_device_with_old_data_compressed(t):
    device_with_old_data(t, "zstd")


def test_block_device_to_a_larger_block_device(t):
    disk = t.loop_disk("vda", size=4 * MIB)
    guest = t.guest("web", disk).define()
    t.backup(guest)
    guest.undefine()
    device = t.loop(t.raw_content(6 * MIB))
    t.restore("--disk-map", f"vda={device}")
    with open(device, "rb") as new, open(disk.path, "rb") as old:
        same(new.read(4 * MIB), old.read(4 * MIB), "content")


def test_block_device_that_is_too_small(t):
    guest = t.guest("web", t.disk("vda", "raw", size=8 * MIB)).define()
    t.backup(guest)
    guest.undefine()
    backing = t.raw_content(6 * MIB)
    before = open(backing, "rb").read()  # pylint: disable=consider-using-with
    device = t.loop(backing)
    t.refused(*t.restore_line("--disk-map", f"vda={device}"), says=["guest 'web'", "vda", device])
    with open(device, "rb") as file:
        same(file.read() == before, True, "the device is as it was")
    same(guest.state(), "gone", "state of the guest")


def test_qcow2_disk_on_a_block_device(t):
    """It becomes raw there: a qcow2 image may grow beyond the device's end. The device's size is looked at first."""
    disk = t.disk("vda", "qcow2", size=4 * MIB)
    guest = t.guest("web", disk).define()
    t.backup(guest)
    guest.undefine()
    small = t.loop(t.raw_content(2 * MIB))
    t.refused(*t.restore_line("--dry-run", "--disk-map", f"vda={small}"), says=["disk 'vda'", small, "2 MiB", "4 MiB"])
    device = t.loop(t.raw_content(4 * MIB))
    t.restore("--disk-map", f"vda={device}")
    disks.compare(disk.path, "qcow2", device, "raw", "restored block device")
    expect("type='raw'" in t.restored_guest(guest).dump(), "the definition says another format")


def test_disk_to_a_named_file(t):
    guest = t.guest("web", t.disk("vda"), t.disk("vdb", "raw", size=MIB)).define()
    t.backup(guest)
    guest.undefine()
    place = os.path.join(t.make_dir("elsewhere"), "root disk.img")
    t.restore("--disk-map", f"vda={place}")
    disks.compare(guest.disks[0].path, "qcow2", place, "qcow2", "mapped disk")
    same(os.listdir(t.restored), ["vdb.raw"], "files in the destination")
    expect(f"'{place}'" in guest.dump(), "the guest does not use the file")


def test_map_of_a_disk_that_the_backup_lacks(t):
    guest = t.guest("web", t.disk("vda", size=MIB)).define()
    t.backup(guest)
    guest.undefine()
    t.refused(*t.restore_line("--disk-map", f"vdz={t.path('x')}"), says=["vdz"])
    same(guest.state(), "gone", "state of the guest")


def test_device_in_use_is_refused(t):
    """The device is the disk of another guest that runs."""
    other = t.guest("other", t.boot_disk(), t.loop_disk("vdb", size=2 * MIB)).running()
    guest = t.guest("web", t.disk("sda", "raw", size=MIB, bus="scsi")).define()
    t.backup(guest)
    guest.undefine()
    device = other.disks[1].path
    before = open(device, "rb").read()  # pylint: disable=consider-using-with
    t.refused(*t.restore_line("--disk-map", f"sda={device}"), says=["guest 'web'", device, "other"])
    with open(device, "rb") as file:
        expect(file.read() == before, "the device of a running guest has been written")


def content(path):
    with open(path, "rb") as file:
        return file.read()


def test_device_in_use_is_refused_for_single_disks(t):
    """Another guest's, or its own; a device of its own may be written to once the guest is off."""
    other = t.guest("other", t.boot_disk(), t.loop_disk("vdb", size=2 * MIB)).running()
    guest = t.guest("web", t.boot_disk(name="web.qcow2"), t.loop_disk("vdb", size=2 * MIB)).running()
    t.backup(guest, "--guest-memory", "none")
    backed_up = content(guest.disks[1].path)
    for used in (other, guest):
        device = used.disks[1].path
        before = content(device)
        t.refused(*t.restore_line("--disks", "vdb", "--disk-map", f"vdb={device}"),
                  says=["guest 'web'", device, f"guest '{used.name}'"])
        same(content(device), before, "the device of a running guest")
    guest.destroy()
    t.vb(*t.restore_line("--disks", "vdb", "--disk-map", f"vdb={device}"))
    same(content(device), backed_up, "the device")


def test_nvram_of_a_uefi_guest(t):
    code, template = "/usr/share/OVMF/OVMF_CODE_4M.fd", "/usr/share/OVMF/OVMF_VARS_4M.fd"
    nvram = t.path("web_VARS.fd")
    run("cp", template, nvram)
    with open(nvram, "r+b") as file:
        file.seek(300000)
        file.write(t.rng.randbytes(4096))
    prepare(nvram, 34, 6, 0o640)
    guest = t.guest("web", t.disk("vda", size=MIB),
                    os_xml=f"<loader readonly='yes' type='pflash'>{code}</loader><nvram template='{template}'>{nvram}</nvram>")
    guest.define()
    t.backup(guest)
    t.archive.check_holds("web.xml", "web-vda.raw", "web-nvram.fd")
    t.check_good(guest)
    guest.undefine("--keep-nvram")
    t.restore()
    copy = os.path.join(t.restored, "web_VARS.fd")
    run("cmp", nvram, copy)
    same(look(copy), (34, 6, 0o640), "owner, group, mode")
    expect(f">{copy}</nvram>" in guest.dump(), "the guest does not use the restored NVRAM")


def test_running_uefi_guest(t):
    """The firmware has written into the NVRAM file that libvirt made from the template."""
    code, template = "/usr/share/OVMF/OVMF_CODE_4M.fd", "/usr/share/OVMF/OVMF_VARS_4M.fd"
    nvram = t.path("web_VARS.fd")
    guest = t.guest("web", t.boot_disk(), memory_mib=64,
                    os_xml=f"<loader readonly='yes' type='pflash'>{code}</loader><nvram template='{template}'>{nvram}</nvram>")
    guest.define().start()
    before = guest.snapshot()
    t.backup(guest)
    guest.check_unchanged(before)
    t.check_good(guest)
    guest.destroy()
    guest.undefine("--keep-nvram")
    t.restore("--allow-autorun")
    same(guest.state(), "running", "state of the restored guest")
    expect(f">{os.path.join(t.restored, 'web_VARS.fd')}</nvram>" in guest.dump(), "it does not use the restored NVRAM")


def test_network_disk_is_refused_with_a_way_out(t):
    disk = Disk("", "raw", "vdb", kind="network",
                source="<source protocol='nbd' name='disk'><host transport='unix' socket='/nonexistent'/></source>")
    guest = t.guest("web", t.disk("vda", size=MIB), disk).define()
    t.refused(*t.backup_line(guest), says=["guest 'web'", "vdb", "network", "--exclude-disk vdb"])
    same(t.archive.names(), [], "files in the archive")
    t.backup(guest, "--exclude-disk", "vdb")
    t.check_good(guest)
    same(t.archive.manifest("web").left_out(), {"vdb": "excluded"}, "left out")
