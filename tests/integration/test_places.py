# SPDX-License-Identifier: LGPL-2.1-or-later
"""Where the files of several guests go, and disks that are not in the backup."""

import hashlib
import os
import re

from vbtest.command import expect, same
from vbtest.disks import MIB


def two_guests(t, **more):
    """Each has its disk under the same base name."""
    guests = []
    for name in "one", "two":
        os.mkdir(t.path(name))
        guests.append(t.guest(name, t.disk("vda", size=2 * MIB, name=f"{name}/disk.qcow2"), **more).define())
    return guests


def test_two_guests_with_disks_of_one_name(t):
    one, two = two_guests(t)
    t.backup()
    one.undefine()
    two.undefine()
    t.vb(*t.restore_line("--dry-run"))
    t.restore()
    same(sorted(os.listdir(t.restored)), ["disk.qcow2", "two-vda.qcow2"], "restored files")
    for guest in one, two:
        expect(t.restored in guest.call("dumpxml").out, f"{guest.name} has another disk")


def test_dry_run_and_restore_agree(t):
    """Whatever the destination is like: one function looks at it for both."""
    one, two = two_guests(t)
    t.backup()
    one.undefine()
    two.undefine()
    os.symlink(t.path("nowhere"), t.path("dangling"))
    with open(t.path("a-file"), "wb"):
        pass
    os.mkdir(t.path("there"))
    for destination, status in (("there", 0), ("new", 0), ("new-too/", 0), ("no/such", 1), ("dangling", 1), ("a-file", 2)):
        line = ["restore", "--source-path", t.archive.path, "--destination-path", destination, "--trust-definition"]
        for more in ["--dry-run"], []:
            t.vb(*line, *more, cwd=t.path(""), status=status)
        if status == 0:
            one.undefine()
            two.undefine()


def test_shareable_disk_is_restored_once(t):
    shared = t.disk("vdb", "raw", size=MIB, name="shared.raw", extra="<shareable/>")
    guests = [t.guest(name, t.disk("vda", size=MIB, name=f"{name}.qcow2"), shared).define() for name in ("one", "two")]
    t.backup()
    for guest in guests:
        guest.undefine()
    result = t.restore()
    expect("shareable" not in result.err, f"a warning: {result.err}")
    same(sorted(os.listdir(t.restored)), ["one.qcow2", "shared.raw", "two.qcow2"], "restored files")
    for guest in guests:
        expect(os.path.join(t.restored, "shared.raw") in guest.call("dumpxml").out, f"{guest.name} has another disk")


def test_disk_that_was_left_out_is_not_in_the_copy(t):
    """A copy must not get the live disk of the original."""
    guest = t.guest("web", t.disk("vda", size=MIB), t.disk("vdb", "raw", size=MIB)).define()
    t.backup(guest, "--exclude-disk", "vdb")
    result = t.restore("--new-name", "copy")
    expect("--keep-left-out" in result.err, f"nothing was said: {result.err}")
    xml = t.restored_guest(guest, "copy").call("dumpxml").out
    expect(guest.disks[1].path not in xml and "vdb" not in xml, "the copy has the original's disk")


def test_disk_that_was_left_out_gets_a_place(t):
    guest = t.guest("web", t.disk("vda", size=MIB), t.disk("vdb", "raw", size=MIB)).define()
    t.backup(guest, "--exclude-disk", "vdb")
    t.refused(*t.restore_line("--new-name", "copy", "--disk-map", f"web:vdb={guest.disks[1].path}"),
              says=["is a disk of guest 'web'"])
    other = t.disk("vdb", "raw", size=MIB, name="other.raw").path
    t.restore("--new-name", "copy", "--disk-map", f"web:vdb={other}")
    expect(other in t.restored_guest(guest, "copy").call("dumpxml").out, "the disk is not at its place")


def test_machine_that_is_not_known_here_is_told_before_anything_is_written(t):
    """As of a backup that a newer host has made."""
    guest = t.guest("web", t.disk("vda", size=MIB)).define()
    t.backup(guest)
    guest.undefine()
    with open(t.archive.file("web.xml"), encoding="utf-8") as file:
        text = re.sub(r'machine="[^"]*"', 'machine="pc-i440fx-99.0"', file.read())
    empty = re.sub(r'(<vb:backup [^>]*?\bsha256=")[0-9a-f]*"', r'\1"', text)
    digest = hashlib.sha256(empty.encode()).hexdigest()
    with open(t.archive.file("web.xml"), "w", encoding="utf-8") as file:
        file.write(re.sub(r'(<vb:backup [^>]*?\bsha256=")[0-9a-f]*"', rf'\g<1>{digest}"', text))
    for more in ["--dry-run"], []:
        t.refused(*t.restore_line("--trust-definition", *more), says=["guest 'web'", "libvirt refuses its definition", "pc-i440fx-99.0"])
    expect(not os.path.exists(t.restored), "files were written")


def test_disks_are_named_by_patterns(t):
    guest = t.guest("web", t.disk("vda", size=MIB), t.disk("vdb", size=MIB), t.disk("sda", size=MIB)).define()
    t.backup(guest)
    t.restore("--disks", "vd*")
    same(sorted(os.listdir(t.restored)), ["vda.qcow2", "vdb.qcow2"], "restored files")


def test_disk_map_names_its_guest_as_other_options_do(t):
    """By name, UUID or pattern; a name that matches nothing is told first, and the others are restored."""
    one, two = two_guests(t)
    uuid = two.call("domuuid").out.strip()
    t.backup()
    one.undefine()
    two.undefine()
    result = t.restore("--disk-map", f"{uuid}:vda={t.path('by-uuid')}", "--disk-map", f"o?e:vda={t.path('by-pattern')}",
                       "--disk-map", f"gone:vda={t.path('for-nobody')}", status=3)
    expect("guest 'gone' is not one of those to be restored" in result.err, f"not told: {result.err}")
    expect(t.path("by-uuid") in two.call("dumpxml").out and t.path("by-pattern") in one.call("dumpxml").out, "other places")


def test_excluded_disk_of_a_guest_that_is_named_like_a_pattern(t):
    """The name means that guest alone."""
    literal = t.guest("web*", t.disk("vda", size=MIB), t.disk("vdb", size=MIB)).define()
    other = t.guest("web1", t.disk("vda", size=MIB, name="1"), t.disk("vdb", size=MIB, name="2")).define()
    t.backup(literal, other, "--exclude-disk", "web*:vdb")
    t.archive.check_holds("web*.xml", "web*-vda.raw", "web1.xml", "web1-vda.raw", "web1-vdb.raw")
