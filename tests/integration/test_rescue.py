# SPDX-License-Identifier: LGPL-2.1-or-later
"""Points come out of a repository without virt-backup: by the script that was written after virt-backup-repository(5)."""

import glob
import os
import re
import shutil
import struct

from vbtest import disks, tpm
from vbtest.command import expect, run, same, virsh
from vbtest.disks import MIB
from vbtest.repository import point_of, sections_of

BLOCK = 65536
SCRIPT = os.path.join(os.path.dirname(os.path.realpath(__file__)), "../../dist/rescue/rescue.py")


def rescue(repository, *arguments, status=0):
    return run("/usr/bin/python3", "-I", SCRIPT, repository, *arguments, status=status)


def change(t, disk, size):
    """A night later: some other bytes, some zeros."""
    raw = disks.flatten(disk.path, disk.format, t.path("night.raw"))
    with open(raw, "r+b") as file:
        for data in (t.rng.randbytes(9000), bytes(150000), t.rng.randbytes(70000)):
            file.seek(t.rng.randrange(size - len(data)))
            file.write(data)
    os.unlink(disk.path)
    disks.convert(raw, disk.path, disk.format)
    os.chmod(disk.path, 0o644)
    os.unlink(raw)


def nights(t, codecs):
    """A guest with a raw and a qcow2 disk, neither of which ends with a whole block, and a point for each codec. Returns
    the repository, the points, and of each point what its disks were."""
    sizes = {"vda": 6 * MIB + 40 * 512, "vdb": 5 * MIB + 70 * 512}
    guest = t.guest("web", t.disk("vda", "raw", size=sizes["vda"]), t.disk("vdb", "qcow2", size=sizes["vdb"])).define()
    repository, kept = t.repository(), []
    for codec in codecs:
        for disk in guest.disks:
            change(t, disk, sizes[disk.target])
        t.add_point(repository, guest, "--compression", codec)
        kept.append({disk.target: disks.flatten(disk.path, disk.format, t.path(f"{len(kept)}-{disk.target}"))
                     for disk in guest.disks})
    return repository, [point["point"] for point in t.points(repository)], kept


def contents(path):
    with open(path, "rb") as file:
        return file.read()


def same_bytes(one, other, what):
    expect(contents(one) == contents(other), f"{what}: {one} and {other} differ")


def test_points_of_each_codec_come_back(t):
    """Later points refer to packs of earlier ones, too."""
    repository, points, kept = nights(t, ("none", "zstd", "zstd", "lzma:1", "lzma:1"))
    for point in (points[2], points[4]):
        (slot,) = glob.glob(f"{repository}/p/default/*/{point}")
        expect(int.from_bytes(sections_of(contents(slot))[1, 0][:4], "big") > 1, f"{point} shares nothing with an older one")
    listing = rescue(repository).out.splitlines()
    same([line[:16] for line in listing], [point[:16] for point in points], "points in the list")
    expect(all("web" in line and "vda" in line and "vdb" in line for line in listing), f"guest and disks: {listing}")
    for point, images in zip(points, kept):
        to = t.path(point)
        out = rescue(repository, point[:16], "--to", to).out
        same(out.count("as it was"), 2, "images with a content digest that is right")
        same(sorted(os.listdir(to)), ["web-vda.raw", "web-vdb.raw", "web.xml"], "files")
        for target, image in images.items():
            same_bytes(image, os.path.join(to, f"web-{target}.raw"), f"{target} of {point}")
    alone = t.path("alone")
    rescue(repository, points[1], "vdb", "--to", alone)
    same(os.listdir(alone), ["web-vdb.raw"], "files of one disk")
    same_bytes(kept[1]["vdb"], os.path.join(alone, "web-vdb.raw"), "one disk")


def test_holes_stay_holes(t):
    path = t.path("vda.raw")
    with open(path, "wb") as file:
        file.write(t.rng.randbytes(100000))
        file.truncate(3000 * MIB + 512)
    repository = t.repository()
    t.add_point(repository, t.guest("web", disks.Disk(path, "raw")).define(), "--compression", "zstd")
    out = rescue(repository, t.points(repository)[0]["point"], "--to", t.path("to")).out
    expect("as it was" in out, out)
    image = os.stat(t.path("to", "web-vda.raw"))
    same(image.st_size, 3000 * MIB + 512, "size")
    expect(image.st_blocks * 512 < MIB, f"{image.st_blocks} sectors are allocated")


def test_a_guest_runs_on_from_rescued_files(t):
    """The disk is converted, the save image resumed, by qemu-img and virsh."""
    guest = t.guest("web", t.boot_disk("qcow2")).running()
    repository = t.repository()
    t.add_point(repository, guest, "--guest-memory", "save", "--compression", "zstd")
    token, _ = guest.serial.last()
    guest.destroy()
    to = t.path("to")
    os.unlink(guest.disks[0].path)
    rescue(repository, t.points(repository)[0]["point"], "--to", to)
    same(sorted(os.listdir(to)), ["web-vda.raw", "web.sav", "web.xml"], "files")
    disks.convert(os.path.join(to, "web-vda.raw"), guest.disks[0].path, "qcow2")
    os.chmod(guest.disks[0].path, 0o666)
    guest.undefine()
    virsh("define", os.path.join(to, "web.xml"))
    virsh("restore", os.path.join(to, "web.sav"))
    guest.goes_on(token, 0)


def test_nvram_and_tpm_come_back(t):
    guest, nvram = tpm.firmware_guest(t, t.disk("vda", size=MIB))
    repository = t.repository()
    t.add_point(repository, guest)
    rescue(repository, t.points(repository)[0]["point"], "--to", t.path("to"))
    same_bytes(nvram, t.path("to", "web-nvram.fd"), "NVRAM")
    same_bytes(tpm.state_file(guest.uuid()), t.path("to", "web-tpm.state"), "TPM state")
    guest.undefine("--keep-nvram")


# ---- what is lost ------------------------------------------------------------------------------------


def flip(path, at):
    with open(path, "r+b") as file:
        file.seek(at)
        byte = file.read(1)
        file.seek(at)
        file.write(bytes([byte[0] ^ 1]))


def check_holes(image, restored, err):
    """What is not in a hole is there, and what is in one is zeros. Returns the bytes in holes, of blocks that are alike those of
    one: they are stored once."""
    original, found = contents(image), contents(restored)
    holes = [(int(start), int(end) + 1) for start, end in re.findall(r"^hole (\d+) to (\d+) of " + re.escape(restored) + "$",
                                                                   err, re.M)]
    same(len(found), len(original), "size")
    at = 0
    for start, end in [*holes, (len(original), len(original))]:
        expect(original[at:start] == found[at:start], f"bytes {at} to {start} differ, and are in no hole")
        expect(not any(found[start:end]), f"the hole at {start} is not zeros")
        at = end
    return sum(map(len, {original[at:min(at + BLOCK, end)] for start, end in holes for at in range(start, end, BLOCK)}))


def pack_of(repository, point):
    (path,) = glob.glob(f"{repository}/d/default/*/{point}-00000000")
    return path


def check_damage(t, repository, point, kept, name, at_most):
    """Of vda: the rescue stops and names this; told to go on it leaves holes of so many bytes at most."""
    to = t.path("stopped")
    err = rescue(repository, point, "vda", "--to", to, status=1).err
    expect(name in err and "--go-on" in err, f"{name} is not named: {err}")
    same(os.listdir(to), [], "files of a rescue that stopped")
    to = t.path("went-on")
    result = rescue(repository, point, "vda", "--to", to, "--go-on", status=1)
    expect(name in result.err, f"{name} is not named: {result.err}")
    lost = check_holes(kept["vda"], os.path.join(to, "web-vda.raw"), result.err)
    expect(0 < lost <= at_most, f"{lost} bytes are lost")
    expect("with holes" in result.out, result.out)
    for folder in ("stopped", "went-on"):
        shutil.rmtree(t.path(folder))


def test_a_lost_pack_is_named(t):
    repository, points, kept = nights(t, ("zstd", "zstd"))
    pack = pack_of(repository, points[1])
    os.rename(pack, pack + ".away")
    check_damage(t, repository, points[1], kept[1], os.path.basename(pack), MIB)
    rescue(repository, points[0], "vda", "--to", t.path("first"))
    same_bytes(kept[0]["vda"], t.path("first", "web-vda.raw"), "a point that does not need the pack")


def damaged_frame(t, codec, at_most):
    repository, points, kept = nights(t, (codec,))
    pack = pack_of(repository, points[0])
    flip(pack, 3100)
    check_damage(t, repository, points[0], kept[0], os.path.basename(pack), at_most)


def test_a_damaged_block_is_named(t):
    """Stored as it is, only the block is lost."""
    damaged_frame(t, "none", BLOCK)


def test_a_damaged_zstd_frame_is_named(t):
    damaged_frame(t, "zstd", MIB)


def test_a_damaged_lzma_frame_is_named(t):
    damaged_frame(t, "lzma:1", 4 * MIB)


def test_a_pack_without_its_end_is_named(t):
    repository, points, kept = nights(t, ("none",))
    pack = pack_of(repository, points[0])
    os.truncate(pack, os.path.getsize(pack) - 80)
    check_damage(t, repository, points[0], kept[0], os.path.basename(pack), 8 * MIB)


def test_blocks_in_wrong_places_are_noticed(t):
    """Each block is right, and the image is not: only its content digest tells."""
    repository, points, _ = nights(t, ("none",))
    (slot,) = glob.glob(f"{repository}/p/default/*/{points[0]}")
    data = contents(slot)
    sections = sections_of(data)
    sections[5, 0] = sections[5, 0][:8]
    with open(slot, "wb") as file:
        file.write(point_of(data[:96], sections))
    result = rescue(repository, points[0], "--to", t.path("to"), status=1)
    expect("web-vda.raw: is not what the guest had" in result.err, result.err)
    expect("web-vdb.raw" not in result.err, result.err)


def test_a_damaged_point_gives_what_is_left_of_it(t):
    repository, points, kept = nights(t, ("zstd",))
    (slot,) = glob.glob(f"{repository}/p/default/*/{points[0]}")
    data = contents(slot)
    flip(slot, data.index(struct.pack(">Q", os.path.getsize(kept[0]["vda"]))) + 12)   # in the map of vda
    err = rescue(repository, points[0], "--to", t.path("stopped"), status=1).err
    expect("SHA-256" in err and slot in err, err)
    result = rescue(repository, points[0], "--to", t.path("to"), "--go-on", status=1)
    expect("section 5 is damaged" in result.err, result.err)
    same(sorted(os.listdir(t.path("to"))), ["web-vdb.raw", "web.xml"], "files")
    same_bytes(kept[0]["vdb"], t.path("to", "web-vdb.raw"), "the other disk")


def test_what_the_list_says(t):
    repository, points, kept = nights(t, ("zstd", "zstd", "zstd"))
    t.vb("remove", "--repository", repository, f"--domain-names=web@{points[0]}", "--yes")
    (slot,) = glob.glob(f"{repository}/p/default/*/{points[1]}")
    flip(slot, 10)
    lines = rescue(repository).out.splitlines()
    expect(lines[0].endswith("in the trash"), lines[0])
    expect("cannot be read: " in lines[1], lines[1])
    expect("in the trash" not in lines[2], lines[2])
    t.vb("undelete", "--repository", repository, points[0])
    expect("in the trash" not in rescue(repository).out, "a point that was taken out of the trash")
    expect("no disk vdz" in rescue(repository, points[2], "vdz", "--to", t.path("to"), status=1).err, "an unknown disk")
    expect("0 points" in rescue(repository, "f" * 16, "--to", t.path("to"), status=1).err, "an unknown point")
    expect("3 points" in rescue(repository, "0", "--to", t.path("to"), status=1).err, "three points")
    rescue(repository, points[2], "vda", "--to", t.path("to"))
    expect("File exists" in rescue(repository, points[2], "vda", "--to", t.path("to"), status=1).err, "nothing is overwritten")
    same_bytes(kept[2]["vda"], t.path("to", "web-vda.raw"), "the file that was there")
    expect("is not a repository" in rescue(t.path("to"), status=1).err, "a folder that is no repository")
