# SPDX-License-Identifier: LGPL-2.1-or-later
"""Damaged archives: verify finds what is wrong (status 4), restore brings back nothing that is."""

import os

from vbtest.command import expect, same
from vbtest.disks import MIB


def backed_up(t, codec="lzma:0", running=False):
    guest = t.guest("web", t.boot_disk("qcow2"))
    if running:
        guest.running()
    else:
        guest.define()
    t.backup(guest, "--compression", codec, "--chunk-size", "1M")
    if running:
        guest.destroy()
    guest.undefine()
    return guest


def found_by_verify_and_restore(t, guest, *names):
    result = t.verify(status=4)
    for name in names:
        expect(name in result.err, f"verify does not name {name}: {result.err}")
    t.refused(*t.restore_line(), says=["guest 'web'", *names])
    same(guest.state(), "gone", "state of the guest")
    expect(not os.path.exists(t.restored) or not os.listdir(t.restored), "something was restored")


def flip(path, offset, bit=0):
    with open(path, "r+b") as file:
        file.seek(offset)
        byte = file.read(1)[0]
        file.seek(offset)
        file.write(bytes([byte ^ (1 << bit)]))


def test_missing_image(t):
    guest = backed_up(t)
    os.unlink(t.archive.file("web-vda.raw.xz"))
    found_by_verify_and_restore(t, guest, "web-vda.raw.xz")


def test_truncated_xz(t):
    guest = backed_up(t)
    image = t.archive.file("web-vda.raw.xz")
    os.truncate(image, os.path.getsize(image) // 2)
    found_by_verify_and_restore(t, guest, "web-vda.raw.xz")


def test_truncated_zstd(t):
    guest = backed_up(t, "zstd")
    image = t.archive.file("web-vda.raw.zst")
    os.truncate(image, os.path.getsize(image) - 1)
    found_by_verify_and_restore(t, guest, "web-vda.raw.zst")


def test_longer_raw_image(t):
    guest = backed_up(t, "none")
    with open(t.archive.file("web-vda.raw"), "ab") as file:
        file.write(bytes(512))
    found_by_verify_and_restore(t, guest, "web-vda.raw")


def test_single_bits(t):
    """Every changed bit is found, wherever it is in the archive."""
    for codec in ("none", "lzma:0", "zstd"):
        archive = t.path("archive-" + codec)
        guest = t.guest("web", t.disk("vda", name=f"{codec}.qcow2", size=2 * MIB)).define()
        t.backup(guest, "--compression", codec, to=archive)
        guest.undefine()
        for name in sorted(os.listdir(archive)):
            path = os.path.join(archive, name)
            for _ in range(6):
                offset, bit = t.rng.randrange(os.path.getsize(path)), t.rng.randrange(8)
                flip(path, offset, bit)
                result = t.verify(source=archive, status=None)
                expect(result.status == 4, f"{name}: bit {bit} of byte {offset} is changed, status {result.status}")
                flip(path, offset, bit)
        t.verify(source=archive)


def test_damaged_memory(t):
    guest = backed_up(t, running=True)
    flip(t.archive.file("web.sav"), os.path.getsize(t.archive.file("web.sav")) // 2)
    result = t.verify(status=4)
    expect("web.sav" in result.err, f"verify does not name web.sav: {result.err}")
    t.refused(*t.restore_line("--allow-autorun"), says=["guest 'web'", "web.sav"])
    same(guest.state(), "gone", "state of the guest")
    expect(not os.path.exists(t.restored) or not os.listdir(t.restored), "something was restored")


def test_damage_of_one_guest_does_not_hide_the_others(t):
    guests = [t.guest(name, t.disk("vda", size=MIB, name=f"{name}.qcow2")).define() for name in ("a", "b", "c")]
    t.backup(*guests)
    os.unlink(t.archive.file("b-vda.raw"))
    result = t.verify("--json", status=4)
    events = t.events(result)
    same([event["guest"] for event in events if event["event"] == "damage"], ["b"], "damaged guests")
    same([event["guest"] for event in events if event["event"] == "guest-done"], ["a", "c"], "good guests")


def edit_manifest(t, old, new):
    path = t.archive.file("web.xml")
    with open(path, encoding="utf-8") as file:
        text = file.read()
    expect(old in text, f"the manifest does not hold {old}")
    with open(path, "w", encoding="utf-8") as file:
        file.write(text.replace(old, new, 1))


def test_manifest_of_a_newer_version(t):
    guest = backed_up(t)
    path = t.archive.file("web.xml")
    with open(path, encoding="utf-8") as file:
        text = file.read()
    changed = text.replace("urn:virt-backup:manifest:1", "urn:virt-backup:manifest:2").replace('format="3"', 'format="4"')
    with open(path, "w", encoding="utf-8") as file:
        file.write(changed)
    t.refused(*t.restore_line(), says=["web.xml", "newer"])
    same(guest.state(), "gone", "state of the guest")


def test_edited_manifest(t):
    guest = backed_up(t)
    edit_manifest(t, "16384", "32768")
    found_by_verify_and_restore(t, guest, "web.xml")


def test_manifest_that_is_no_xml(t):
    guest = backed_up(t)
    with open(t.archive.file("web.xml"), "w", encoding="ascii") as file:
        file.write("<domain>")
    found_by_verify_and_restore(t, guest, "web.xml")


def test_manifest_with_an_entity_bomb(t):
    guest = backed_up(t)
    bomb = "<!DOCTYPE d [<!ENTITY a 'aaaaaaaaaa'>" + "".join(
        f"<!ENTITY {chr(98 + i)} '{('&' + chr(97 + i) + ';') * 10}'>" for i in range(9)) + "]><domain>&j;</domain>"
    with open(t.archive.file("web.xml"), "w", encoding="ascii") as file:
        file.write(bomb)
    found_by_verify_and_restore(t, guest, "web.xml")


def test_stored_file_that_is_a_link(t):
    """Nothing outside the archive is read through a link in it."""
    guest = backed_up(t, "none")
    image, outside = t.archive.file("web-vda.raw"), t.path("outside")
    os.rename(image, outside)
    os.symlink(outside, image)
    found_by_verify_and_restore(t, guest, "web-vda.raw")


def test_files_of_two_backups_mixed(t):
    guest = t.guest("web", t.disk("vda", "raw", size=MIB)).define()
    t.backup(guest, "--compression", "lzma:0", to=t.path("old"))
    with open(guest.disks[0].path, "r+b") as file:
        file.write(t.rng.randbytes(4096))
    t.backup(guest, "--compression", "lzma:0")
    guest.undefine()
    os.replace(t.path("old", "web-vda.raw.xz"), t.archive.file("web-vda.raw.xz"))
    found_by_verify_and_restore(t, guest, "web-vda.raw.xz")


def test_list_of_a_damaged_archive(t):
    backed_up(t)
    other = t.guest("db", t.disk("vda", size=MIB, name="db.qcow2")).define()
    t.backup(other)
    with open(t.archive.file("web.xml"), "w", encoding="ascii") as file:
        file.write("nonsense")
    result = t.vb("list", "--source-path", t.archive.path, status=3)
    expect("db" in result.out and "web.xml" in result.err, f"{result.out} {result.err}")
