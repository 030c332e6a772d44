# SPDX-License-Identifier: LGPL-2.1-or-later
"""Backups can be rescued without virt-backup: xz, nbdkit, zstd, qemu-img and virsh read what it wrote."""

import os
import re

from vbtest import disks
from vbtest.archive import sav_header
from vbtest.command import Skip, expect, run, same, virsh
from vbtest.disks import MIB


def shut_off(t, codec, *options, size=24 * MIB):
    guest = t.guest("web", t.disk("vda", "qcow2", size=size)).define()
    t.backup(guest, "--compression", codec, *options)
    return guest


def check_decoded(t, guest, codec):
    raw = t.archive.decode("web", "vda", codec, t.path("decoded"))
    disks.compare(guest.disks[0].path, "qcow2", raw, "raw", f"the image as {codec} decodes it")


def test_raw_image_is_usable_as_it_stands(t):
    guest = shut_off(t, "none")
    disks.compare(guest.disks[0].path, "qcow2", t.archive.image("web", "vda", "none"), "raw", "stored image")


def test_xz_tests_and_decodes(t):
    guest = shut_off(t, "lzma:1", "--chunk-size", "1M")
    image = t.archive.image("web", "vda", "lzma")
    run("xz", "-t", image)
    listing = run("xz", "--robot", "--list", image).out.splitlines()
    totals = next(line.split("\t") for line in listing if line.startswith("file"))
    same(totals[1], "1", "streams")
    expect(int(totals[2]) >= 24, f"only {totals[2]} blocks for 24 chunks: they cannot be decoded side by side")
    same(totals[6], "CRC64", "check")
    check_decoded(t, guest, "lzma")


def test_nbdkit_serves_the_xz_image(t):
    """nbdkit reads at random places, by the sizes in the block headers and the index."""
    guest = shut_off(t, "lzma:0", "--chunk-size", "1M")
    image = t.archive.image("web", "vda", "lzma")
    compare = f'qemu-img compare -f qcow2 -F raw "{guest.disks[0].path}" "$uri"'
    run("nbdkit", "-U", "-", "--filter=xz", "file", image, "--run", compare)


def test_xz_of_a_whole_zero_disk(t):
    path = t.path("vda.raw")
    with open(path, "wb") as file:
        file.truncate(96 * MIB)
    guest = t.guest("web", disks.Disk(path, "raw")).define()
    t.backup(guest, "--compression", "lzma")
    image = t.archive.image("web", "vda", "lzma")
    run("xz", "-t", image)
    expect(os.path.getsize(image) < 64 * 1024, f"96 MiB of zeros take {os.path.getsize(image)} bytes")
    run("nbdkit", "-U", "-", "--filter=xz", "file", image, "--run", f'qemu-img compare -f raw -F raw "{path}" "$uri"')


def test_zstd_tests_and_decodes(t):
    guest = shut_off(t, "zstd", "--chunk-size", "1M")
    image = t.archive.image("web", "vda", "zstd")
    run("zstd", "-q", "-t", image)
    check_decoded(t, guest, "zstd")
    with open(image, "rb") as file:
        file.seek(-4, os.SEEK_END)
        same(file.read(), bytes.fromhex("b1ea928f"), "magic number of the seek table")


def test_zstd_at_the_highest_level(t):
    """Plain `zstd -d` reads it without a larger window being allowed."""
    check_decoded(t, shut_off(t, "zstd:19", size=4 * MIB), "zstd")


PAGE = os.path.join(os.path.dirname(os.path.realpath(__file__)), "../../doc/virt-backup-archive.5.scd")


def documented_program():
    """The one that prints the content digest."""
    with open(PAGE, encoding="utf-8") as file:
        return re.search(r"```\n(import hashlib.*?)```", file.read(), re.DOTALL)[1]


def test_the_documented_program_finds_the_content_digest(t):
    """Of an image whose last chunk and last leaf are short, with zeros and data."""
    path = t.path("vda.raw")
    with open(path, "wb") as file:
        file.write(os.urandom(3 * MIB))
        file.truncate(6 * MIB)
        file.seek(0, os.SEEK_END)
        file.write(os.urandom(512 * 201))
    guest = t.guest("web", disks.Disk(path, "raw")).define()
    for codec, image, read in (("none", "web-vda.raw", "cat"), ("zstd:1", "web-vda.raw.zst", "zstd -dc")):
        archive = t.path("archive-" + codec)
        t.backup(guest, "--compression", codec, "--chunk-size", "1M", to=archive)
        with open(os.path.join(archive, "web.xml"), encoding="utf-8") as file:
            recorded = re.search(r'chunk-size="1048576"[^>]*content-sha256="([0-9a-f]{64})"', file.read())[1]
        program = documented_program().replace("CHUNK", "1048576")
        line = f'{read} "$2" | /usr/bin/python3 -c "$1"'
        found = run("sh", "-c", line, "sh", program, os.path.join(archive, image)).out.strip()
        same(found, recorded, f"content digest, {codec}")


def test_manifest_can_be_defined(t):
    guest = t.small_guest().define(autostart=True)
    definition = guest.snapshot()["definition"]
    t.backup(guest)
    guest.undefine()
    virsh("define", t.archive.file("web.xml"))
    same(guest.state(), "shut off", "state of the guest that virsh has defined")
    expect(guest.uuid() in definition, "it has another UUID")
    guest.start()
    guest.serial.wait_for_steps(2)


def test_backup_of_a_guest_defined_from_a_manifest(t):
    """The state of the first backup must not get into the second, nor into what it restores."""
    guest = t.small_guest().define()
    t.backup(guest, to=t.path("first"))
    guest.undefine()
    virsh("define", t.path("first", "web.xml"))
    t.backup(guest)
    t.check_good(guest)
    guest.undefine()
    t.restore()
    expect("virt-backup" not in guest.dump(), "the restored guest carries the state of the backup")


def resumed_by_virsh(t, codec, save_format):
    guest = t.small_guest().running()
    t.backup(guest, "--compression", codec)
    token, _ = guest.serial.last()
    guest.destroy()
    sav = t.archive.file("web.sav")
    same(sav_header(sav)[3], save_format, "format in the header of the memory image")
    # In place: the disk goes back under its old path, then the stored memory is resumed as it is.
    os.unlink(guest.disks[0].path)
    t.restore("--disks", "vda", to=t.dir)
    virsh("restore", sav)
    guest.goes_on(token, 0)


def test_virsh_restores_stored_memory(t):
    resumed_by_virsh(t, "none", 0)


def test_virsh_restores_memory_compressed_with_xz(t):
    resumed_by_virsh(t, "lzma:2", 3)


def libvirt_reads_zstd():
    return int(re.search(r"Using library: libvirt (\d+)", virsh("version").out).group(1)) >= 11


def test_virsh_restores_memory_compressed_with_zstd(t):
    if not libvirt_reads_zstd():
        raise Skip("libvirt reads memory compressed with zstd from version 11 on")
    resumed_by_virsh(t, "zstd", 5)


def test_zstd_memory_is_announced(t):
    """libvirt before 11 cannot read it: --dry-run says so, and no warning each night."""
    guests = [t.small_guest("web").running(), t.guest("db", t.disk("vda", name="db.qcow2")).define().start()]
    announced = "since libvirt 11" in t.backup(*guests, "--compression", "zstd", "--dry-run").out
    same(announced, not libvirt_reads_zstd(), "whether the plan says so")
    result = t.backup(*guests, "--compression", "zstd", "--quiet")
    same((result.out, result.err), ("", ""), "output of a quiet run")
    same(sav_header(t.archive.file("web.sav"))[3], 5, "format in the header")


def test_save_image_that_libvirt_has_compressed(t):
    """With save_image_format in qemu.conf libvirt compresses itself; what is stored is decoded first."""
    guest = t.small_guest().running()
    with set_save_format(t, "gzip"):
        t.backup(guest, "--compression", "lzma:0")
    same(sav_header(t.archive.file("web.sav"))[3], 3, "format in the header")
    t.check_good(guest)
    token, _ = guest.serial.last()
    guest.destroy()
    guest.undefine()
    t.restore("--allow-autorun")
    guest.goes_on(token, 0)


def test_decoded_memory_that_the_disk_does_not_take_is_not_stored(t):
    guest = t.small_guest().running()
    with set_save_format(t, "gzip"):
        result = t.vb("backup", "--destination-path", t.archive.path, "--domain-names", "web",
                      "--guest-memory", "save", status=1,
                      **t.preloaded("lossy", VIRT_BACKUP_UNFLUSHED="1"))
    expect("memory image" in result.err and "cannot flush" in result.err, f"another error: {result.err}")
    expect(not os.path.exists(t.archive.file("web.xml")), "there is a backup")
    same(guest.state(), "running", "state of the guest")


class set_save_format:  # pylint: disable=invalid-name # used as a statement
    """libvirtd with another save_image_format, for as long as the block lasts."""

    def __init__(self, t, name):
        self.t, self.name = t, name

    def restart(self, text):
        with open("/etc/libvirt/qemu.conf", "w", encoding="utf-8") as file:
            file.write(text)
        self.t.restart_libvirtd()

    def __enter__(self):
        with open("/etc/libvirt/qemu.conf", encoding="utf-8") as file:
            self.before = file.read()
        self.restart(self.before + f'save_image_format = "{self.name}"\n')

    def __exit__(self, *_):
        self.restart(self.before)
