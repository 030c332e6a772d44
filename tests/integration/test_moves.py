# SPDX-License-Identifier: LGPL-2.1-or-later
"""What libvirt does with a guest between two nights: the next point is the disk, as an increment or read whole."""

import os

from vbtest.command import expect, same
from vbtest.disks import MIB
from vbtest.nights import Nights
from vbtest.other_host import OtherHost

BOTH, FIRST, NONE = ({"vda": vda, "vdb": vdb} for vda, vdb in ((True, True), (True, False), (False, False)))


def followed(t):
    """A running guest with two disks, after its first night."""
    guest = t.guest("web", t.boot_disk(), t.disk("vdb", size=16 * MIB, boot=2)).running()
    nights = Nights(t, guest)
    nights.night()
    return guest, nights


def check_night(nights, what, increments, *says):
    """The guest, which runs, writes to both disks before it; what has to be read whole is told, with this reason."""
    guest = nights.guest
    guest.serial.wait_for_steps(2)
    guest.suspend()
    point = nights.night()
    same(nights.increments, increments, f"{what}: increments")
    told = [warning for warning in nights.warnings if "is read whole" in warning]
    same(len(told), list(increments.values()).count(False), f"{what}: {nights.warnings}")
    for part in says:
        expect(all(part in warning for warning in told), f"{what}: '{part}' is not in {told}")
    nights.check(point, nights.night("--full-read"))
    guest.resume()


def test_live_migration_there_and_back(t):
    """libvirt leaves its records of checkpoints behind, and the bitmaps go with the images."""
    guest, nights = followed(t)
    other = OtherHost(t)
    other.migrate_here(guest)
    other.enter()
    same(nights.checkpoints(), [], "checkpoints that libvirt knows of after the migration")
    check_night(nights, "a guest that has migrated", BOTH)
    other.leave()
    other.migrate_back(guest)
    check_night(nights, "a guest that has come back", BOTH)
    same(len(nights.checkpoints()), 1, "checkpoints in the end")


def test_live_migration_with_storage(t):
    """The content of the disks and their bitmaps go into other images, which were there before under the same names."""
    guest, nights = followed(t)
    other = OtherHost(t)
    for disk in guest.disks:
        other.own_image(disk)
    other.migrate_here(guest, storage=True)
    other.enter()
    check_night(nights, "a guest whose disks were copied", BOTH)
    other.leave()
    other.migrate_back(guest, storage=True)
    check_night(nights, "a guest whose disks were copied back", BOTH)
    other.migrate_here(guest, storage=True)
    guest.serial.wait_for_steps(3)
    other.migrate_back(guest, storage=True)
    check_night(nights, "a guest whose disks were copied there and back between two nights", BOTH)
    same(len(nights.checkpoints()), 1, "checkpoints in the end")


def test_saved_and_shut_off_by_libvirt(t):
    guest, nights = followed(t)
    token, _ = guest.serial.last()
    guest.call("managedsave")
    guest.start()
    check_night(nights, "a guest that was saved by libvirt", BOTH)
    image = t.path("web.sav")
    guest.call("save", "--file", image)
    guest.virsh("restore", image)
    os.unlink(image)
    check_night(nights, "a guest that was saved into a file", BOTH)
    guest.goes_on(token, 0, steps=1)
    guest.destroy()
    guest.start()
    check_night(nights, "a guest that was ended and started", BOTH)
    same(len(nights.checkpoints()), 1, "checkpoints in the end")


def test_definition_goes_and_comes_back(t):
    """libvirt's records of checkpoints go with it."""
    guest, nights = followed(t)
    definition = t.path("definition.xml")
    with open(definition, "w", encoding="utf-8") as file:
        file.write(guest.dump("--inactive"))
    guest.undefine()
    check_night(nights, "a guest that is transient", BOTH)
    guest.destroy()
    guest.virsh("create", definition)
    check_night(nights, "a transient guest that was started again", BOTH)
    guest.virsh("define", definition)
    check_night(nights, "a guest that is defined again", BOTH)
    same(len(nights.checkpoints()), 1, "checkpoints in the end")


def test_renamed_guest(t):
    """libvirt forgets the records of checkpoints, but not before it ends."""
    guest, nights = followed(t)
    for name, restart in (("shop", False), ("store", True)):
        guest.destroy()
        guest.call("domrename", "--new-name", name)
        guest.name = name
        if restart:
            t.restart_libvirtd()
        guest.start()
        check_night(nights, f"a guest with the name '{name}'", BOTH)
    same(len(nights.checkpoints()), 1, "checkpoints in the end")


def test_images_that_libvirt_moves(t):
    """From then on the image of vdb is another."""
    guest, nights = followed(t)
    vdb = guest.disks[1]
    copy, top = t.path("copy.qcow2"), t.path("top.qcow2")

    def copied():
        guest.call("blockcopy", "--path", "vdb", "--dest", copy, "--format", "qcow2", "--wait", "--pivot", "--transient-job")
        vdb.path = copy

    def overlaid():
        guest.call("snapshot-create-as", "--name", "top", "--disk-only", "--no-metadata", "--diskspec", "vda,snapshot=no",
                   "--diskspec", f"vdb,snapshot=external,file={top}")
        vdb.path = top

    def committed():
        guest.call("blockcommit", "--path", "vdb", "--active", "--pivot", "--wait")
        vdb.path = copy

    def grown():
        guest.call("blockresize", "--path", "vdb", "--size", f"{17 * 1024}")

    for what, change, why in (("a block copy", copied, "another path"), ("an overlay", overlaid, "another path"),
                              ("an overlay that is committed", committed, "another path"), ("a disk that has grown", grown, "size")):
        change()
        check_night(nights, what, FIRST, why)
        check_night(nights, f"the night after {what}", BOTH)


def test_overlay_between_two_nights(t):
    """It is there and gone again before the next night: what was written to it meanwhile is noted."""
    guest, nights = followed(t)
    top = t.path("top.qcow2")
    guest.call("snapshot-create-as", "--name", "top", "--disk-only", "--no-metadata", "--diskspec", "vda,snapshot=no",
               "--diskspec", f"vdb,snapshot=external,file={top}")
    guest.serial.wait_for_steps(3)
    guest.call("blockcommit", "--path", "vdb", "--active", "--pivot", "--wait")
    os.unlink(top)
    check_night(nights, "an overlay that has come and gone", BOTH)
    same(len(nights.checkpoints()), 1, "checkpoints in the end")
