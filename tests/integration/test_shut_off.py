# SPDX-License-Identifier: LGPL-2.1-or-later
"""Guests that are shut off: every kind of disk there and back."""

import json
import os
import struct

from vbtest import disks
from vbtest.archive import Archive
from vbtest.command import expect, run, same
from vbtest.disks import MIB, SUFFIX_BY_CODEC


def restored_path(t, disk):
    return os.path.join(t.restored, os.path.basename(disk.path))


def round_trip(t, guest, *options):
    """Back up, take the guest away, restore, and compare what can be compared for all kinds."""
    guest.define()
    before = guest.snapshot()
    t.backup(guest, *options)
    guest.check_unchanged(before)
    t.check_good(guest)
    guest.undefine("--nvram")
    t.restore()
    same(guest.state(), "shut off", "state of the restored guest")


def check_disk(t, disk, path=None):
    path = path or restored_path(t, disk)
    disks.compare(disk.path, disk.format, path, disk.format, f"restored {disk.target}")
    same(disks.image_info(path)["format"], disk.format, f"format of {path}")


def three_kinds(t, codec):
    """One qcow2, one raw, one block device."""
    guest = t.guest("web", t.disk("vda"), t.disk("vdb", "raw"), t.loop_disk("vdc"))
    round_trip(t, guest, "--compression", codec)
    suffix = SUFFIX_BY_CODEC[codec.split(":")[0]]
    t.archive.check_holds("web.xml", *(f"web-{disk.target}{suffix}" for disk in guest.disks))
    check_disk(t, guest.disks[0])
    check_disk(t, guest.disks[1])
    check_disk(t, guest.disks[2], os.path.join(t.restored, "web-vdc.raw"))
    expect("<source file=" in guest.dump(), "the block device has not become a file")


def test_three_kinds_uncompressed(t):
    three_kinds(t, "none")


def test_three_kinds_lzma(t):
    three_kinds(t, "lzma:1")


def test_three_kinds_zstd(t):
    three_kinds(t, "zstd")


def test_compression_is_taken_in_any_case(t):
    guest = t.guest("web", t.disk("vda", "raw", size=MIB)).define()
    t.backup(guest, "--compression", "LZMA:0")
    t.archive.check_holds("web.xml", "web-vda.raw.xz")


def check_qcow2_options(t, expected, **create):
    guest = t.guest("web", t.disk("vda", **create))
    round_trip(t, guest)
    check_disk(t, guest.disks[0])
    info = disks.image_info(restored_path(t, guest.disks[0]))
    found = dict(info["format-specific"]["data"], **{"cluster-size": info["cluster-size"]})
    for name, value in expected.items():
        same(found[name], value, f"{name} of the restored image")


def test_qcow2_version_2(t):
    check_qcow2_options(t, {"compat": "0.10"}, options={"compat": "0.10"})


def test_qcow2_version_3_with_options(t):
    check_qcow2_options(t, {"compat": "1.1", "cluster-size": 131072, "lazy-refcounts": True, "refcount-bits": 32},
                        options={"compat": "1.1", "cluster_size": 131072, "lazy_refcounts": "on", "refcount_bits": 32})


def test_qcow2_with_zstd_clusters(t):
    check_qcow2_options(t, {"compression-type": "zstd"}, options={"compression_type": "zstd"}, compress=True)


def test_qcow2_with_compressed_clusters(t):
    check_qcow2_options(t, {"compression-type": "zlib"}, compress=True)


def test_qcow2_with_extended_l2(t):
    check_qcow2_options(t, {"extended-l2": True}, options={"extended_l2": "on", "cluster_size": 131072})


def test_backing_chain_is_flattened(t):
    base = t.disk("vda", "raw", name="base.raw")
    middle, top = t.path("middle.qcow2"), t.path("top.qcow2")
    run("qemu-img", "create", "-q", "-f", "qcow2", "-b", base.path, "-F", "raw", middle)
    run("qemu-io", "-f", "qcow2", "-c", "write -q -P 0xab 1M 300k", middle)
    run("qemu-img", "create", "-q", "-f", "qcow2", "-b", middle, "-F", "qcow2", top)
    run("qemu-io", "-f", "qcow2", "-c", "write -q -P 0xcd 1200k 2M", "-c", "write -q -z 5M 64k", top)
    guest = t.guest("web", disks.Disk(top))
    round_trip(t, guest)
    check_disk(t, guest.disks[0])
    expect("backing-filename" not in disks.image_info(restored_path(t, guest.disks[0])), "it still has a backing file")


def test_vmdk_and_vdi(t):
    guest = t.guest("web", t.disk("hda", "vmdk", bus="ide"), t.disk("hdb", "vdi", bus="ide"))
    round_trip(t, guest, "--compression", "zstd")
    for disk in guest.disks:
        check_disk(t, disk)


def test_qcow2_on_a_block_device(t):
    guest = t.guest("web", t.loop_disk("vda", "qcow2"))
    round_trip(t, guest)
    check_disk(t, guest.disks[0], os.path.join(t.restored, "web-vda.qcow2"))


def test_luks_is_refused(t):
    path, key = t.path("secret.qcow2"), t.path("key")
    with open(key, "w", encoding="utf-8") as file:
        file.write(disks.LUKS_SECRET)
    disks.create_luks(path, key)
    uuid = t.secret(disks.LUKS_SECRET)
    disk = disks.Disk(path, source=f"<source file='{path}'><encryption format='luks'>"
                      f"<secret type='passphrase' uuid='{uuid}'/></encryption></source>")
    guest = t.guest("web", disk).define()
    before = guest.snapshot()
    t.refused(*t.backup_line(guest), says=["guest 'web'", "vda", "encrypt"])
    guest.check_unchanged(before)
    same(t.archive.names(), [], "files in the archive")


def test_volume_of_a_pool(t):
    directory = t.make_dir("pool")
    disk = t.disk("vda", name="pool/volume.qcow2")
    t.pool("images", directory)
    disk.kind, disk.source = "volume", "<source pool='images' volume='volume.qcow2'/>"
    guest = t.guest("web", disk)
    round_trip(t, guest)
    check_disk(t, disk)
    manifest = t.archive.manifest("web")
    same(manifest.disk("vda").get("type"), "volume", "type in the manifest")
    expect(restored_path(t, disk) in guest.dump(), "the restored guest does not use the restored file")


def test_cdrom_and_floppy_are_referenced(t):
    iso, floppy = t.raw_content(MIB), t.raw_content(1440 * 1024)
    guest = t.guest("web", t.disk("vda"),
                    disks.Disk(iso, "raw", "hdc", device="cdrom", bus="ide", extra="<readonly/>"),
                    disks.Disk("", "raw", "hdd", device="cdrom", bus="ide", source="", extra="<readonly/>"),
                    disks.Disk(floppy, "raw", "fda", device="floppy", bus="fdc"))
    round_trip(t, guest)
    t.archive.check_holds("web.xml", "web-vda.raw")
    same(t.archive.manifest("web").left_out(), {"hdc": "cdrom", "hdd": "cdrom", "fda": "floppy"}, "left out")
    for path in (iso, floppy):
        expect(path in guest.dump(), f"{path} is no longer referenced")


def test_excluded_disk(t):
    guest = t.guest("web", t.disk("vda"), t.disk("vdb"), t.disk("vdc", "raw")).define()
    other = t.guest("db", t.disk("vdb", name="other.qcow2")).define()
    t.backup(guest, other, "--exclude-disk", "web:vdb,vdc")
    t.archive.check_holds("web.xml", "web-vda.raw", "db.xml", "db-vdb.raw")
    same(t.archive.manifest("web").left_out(), {"vdb": "excluded", "vdc": "excluded"}, "left out")


def test_excluded_disk_that_no_guest_has(t):
    guest = t.guest("web", t.disk("vda")).define()
    result = t.backup(guest, "--exclude-disk", "vdz", status=3)
    expect("vdz" in result.err, f"standard error does not name it: {result.err}")
    t.check_good(guest)


def test_internal_snapshot_is_told(t):
    guest = t.guest("web", t.disk("vda"))
    run("qemu-img", "snapshot", "-c", "before", guest.disks[0].path)
    guest.define()
    result = t.backup(guest)
    expect("snapshot" in result.err, f"no warning: {result.err}")
    t.check_good(guest)


def test_holes_stay_holes(t):
    """A disk with little data in it takes little room, in the archive and restored, whatever the codec."""
    path = t.path("vda.raw")
    with open(path, "wb") as file:
        file.truncate(64 * MIB)
        file.seek(40 * MIB)
        file.write(t.rng.randbytes(MIB))
    os.chmod(path, 0o644)
    guest = t.guest("web", disks.Disk(path, "raw")).define()
    for codec in ("none", "lzma:0", "zstd"):
        archive, out = t.path("archive-" + codec), t.path("out-" + codec)
        t.backup(guest, "--compression", codec, to=archive)
        t.restore("--disks", "vda", source=archive, to=out)
        disks.compare(path, "raw", os.path.join(out, "vda.raw"), "raw", codec)
        for name in (Archive(archive).image("web", "vda", codec.split(":")[0]), os.path.join(out, "vda.raw")):
            used = os.stat(name).st_blocks * 512
            expect(used < 2 * MIB, f"{name} takes {used} bytes")


def test_holes_end_within_chunks(t):
    """Little data after holes of any length, the last of which the disk may end with."""
    guest_disks = []
    for target in "vda", "vdb":
        path = t.path(target + ".raw")
        with open(path, "wb") as file:
            at = t.rng.randrange(1, 400) * 4096
            while at < 40 * MIB:
                file.seek(at)
                file.write(t.rng.randbytes(4096))
                at += t.rng.choice((2, 15, 16, 17, 300, 513, 1024)) * 4096
            file.truncate(48 * MIB + 512 if target == "vda" else at - 4096)
        os.chmod(path, 0o644)
        guest_disks.append(disks.Disk(path, "raw", target))
    guest = t.guest("web", *guest_disks).define()
    for codec in ("none", "lzma:0", "zstd"):
        archive, out = t.path("archive-" + codec), t.path("out-" + codec)
        t.backup(guest, "--compression", codec, "--chunk-size", "64K", to=archive)
        t.restore("--disks", "vda,vdb", source=archive, to=out)
        for disk in guest_disks:
            disks.compare(disk.path, "raw", os.path.join(out, os.path.basename(disk.path)), "raw", codec)


def test_odd_sizes(t):
    """Sizes that are no multiple of a chunk, a cluster, or even a sector."""
    paths = {"vda": 512, "vdb": 3 * MIB + 512, "vdc": 65536 + 1536}
    guest_disks = [t.disk(target, "raw", size=size) for target, size in paths.items()]
    guest = t.guest("web", *guest_disks)
    round_trip(t, guest, "--compression", "lzma:0", "--chunk-size", "64K")
    for disk in guest.disks:
        check_disk(t, disk)
        same(os.stat(restored_path(t, disk)).st_size, paths[disk.target], f"size of {disk.target}")


def test_guest_without_disks(t):
    guest = t.guest("web")
    round_trip(t, guest)
    t.archive.check_holds("web.xml")


def test_backing_file_named_in_json(t):
    """As libvirt and QEMU name a local file to which they add nothing."""
    base, top = t.disk("vda", "raw", name="base.raw"), t.path("top.qcow2")
    name = json.dumps({"driver": "raw", "file": {"driver": "file", "filename": base.path}})
    run("qemu-img", "create", "-q", "-f", "qcow2", "-b", "json:" + name, "-F", "raw", top)
    os.chmod(top, 0o644)
    guest = t.guest("web", disks.Disk(top))
    round_trip(t, guest)
    check_disk(t, guest.disks[0])


def test_part_of_a_backing_file_named_in_json_is_refused(t):
    base, top = t.disk("vda", "raw", name="base.raw"), t.path("top.qcow2")
    name = json.dumps({"driver": "raw", "offset": MIB, "file": {"driver": "file", "filename": base.path}})
    run("qemu-img", "create", "-q", "-f", "qcow2", "-b", "json:" + name, "-F", "raw", top)
    guest = t.guest("web", disks.Disk(top)).define()
    t.refused(*t.backup_line(guest), says=["disk 'vda'", "not a local file"])


def test_image_that_is_marked_corrupt_is_told(t):
    """It is backed up, because there may be nothing better."""
    guest = t.guest("web", t.disk("vda"))
    with open(guest.disks[0].path, "r+b") as file:
        file.seek(79)   # the lowest byte of qcow2's incompatible features; bit 1: corrupt
        features = file.read(1)[0]
        file.seek(79)
        file.write(bytes([features | 2]))
    guest.define()
    result = t.backup(guest)
    expect("vda" in result.err and "corrupt" in result.err, f"no warning: {result.err}")
    t.check_good(guest)


def test_fixed_vpc_image_stays_fixed(t):
    """Its size is fixed from the beginning, and its footer is at the end alone."""
    guest = t.guest("web", t.disk("vda", "vpc", size=2 * MIB, options={"subformat": "fixed", "force_size": "on"}))
    round_trip(t, guest)
    path = restored_path(t, guest.disks[0])
    disks.compare(guest.disks[0].path, "vpc", path, "vpc", "restored vda")
    with open(path, "rb") as file:
        expect(file.read(8) != b"conectix", "the restored image is dynamic")


def test_format_that_no_restore_can_make_is_told(t):
    """An image of Bochs, all of it a hole: QEMU reads such, and makes none."""
    path = t.path("vda.bochs")
    with open(path, "wb") as file:
        file.write(struct.pack("<32s16s16s6IQ", b"Bochs Virtual HD Image", b"Redolog", b"Growing", 0x20000, 512, 16, 1, MIB, 0,
                               8 * MIB).ljust(512, b"\0") + b"\xff" * 64)
    os.chmod(path, 0o644)
    guest = t.guest("web", disks.Disk(path, "bochs")).define()
    result = t.backup(guest)
    expect("bochs" in result.err and "--disk-map" in result.err, f"no warning: {result.err}")
    t.check_good(guest)
