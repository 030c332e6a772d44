# SPDX-License-Identifier: LGPL-2.1-or-later
"""Points of running guests of which only what was written is read."""

import json
import os
import shutil
import signal
import time
import uuid

from vbtest import leftovers
from vbtest.checkpoints import OWNER, image_bitmaps, kill_qemu, loaded_bitmaps
from vbtest.command import Process, expect, run, same, wait_until
from vbtest.disks import MIB
from vbtest.nights import Nights

CLUSTER = 64 * 1024


def test_second_night_reads_only_what_was_written(t):
    """The guest writes to one cluster of two of its disks, and to none of the third; up to 66 blocks of each are looked at."""
    guest = t.guest("web", t.boot_disk(), t.disk("vdb", size=32 * MIB, boot=2), t.disk("vdc", size=32 * MIB),
                    t.disk("vdd", "raw", size=MIB)).running()
    nights = Nights(t, guest)
    before = guest.serial.last()
    nights.night()
    same(nights.increments, dict.fromkeys(("vda", "vdb", "vdc", "vdd"), False), "the first night")
    same(nights.warnings, [], "warnings of the first night")
    expect(nights.read["vdb"] > 200 * CLUSTER, "the disk is too small for this test")
    for _ in range(2):
        guest.serial.wait_for_steps(3)
        guest.suspend()
        former = nights.checkpoints()
        point = nights.night()
        same(nights.increments, {"vda": True, "vdb": True, "vdc": True, "vdd": False}, "increments")
        same(nights.warnings, [], "warnings")
        expect(nights.read["vdb"] in (66 * CLUSTER, 67 * CLUSTER), f"{nights.read['vdb']} bytes were read of vdb")
        same((nights.read["vdc"], nights.read["vdd"]), (66 * CLUSTER, MIB), "bytes that were read of the others")
        expect(len(nights.checkpoints()) == 1 and nights.checkpoints() != former, "not one new checkpoint")
        whole = nights.night("--full-read")
        same((nights.increments["vda"], nights.warnings), (False, []), "--full-read")
        nights.check(point, whole)
        guest.resume()
    guest.goes_on(*before, steps=3)
    t.vb("verify", "--repository", nights.repository)


def write_behind(t, disk, start):
    """Random bytes in place of the data from there on, in the image's clusters: no bitmap notes it."""
    parts = json.loads(run("qemu-img", "map", "-f", "qcow2", "--output=json", disk.path).out)
    with open(disk.path, "r+b") as file:
        for part in parts:
            if part["data"] and part["start"] >= start:
                file.seek(part["offset"])
                file.write(t.rng.randbytes(part["length"]))


def test_what_casts_doubt_on_an_increment_makes_it_whole(t):
    """It costs reading the disk, and no room."""
    guest = t.guest("web", t.boot_disk(), t.disk("vdb", size=32 * MIB, boot=2)).running()
    nights = Nights(t, guest)
    nights.night()

    # Bitmaps that QEMU could not write.
    kill_qemu(guest)
    guest.start()
    guest.serial.wait_for_steps(2)
    nights.night()
    same(nights.increments, {"vda": False, "vdb": False}, "increments of a guest that was killed")
    expect(len(nights.warnings) == 2 and all("as after a crash" in warning for warning in nights.warnings),
           f"the warnings of a guest that was killed: {nights.warnings}")
    expect(nights.stored < MIB, f"{nights.stored} bytes were stored")
    nights.night()
    same((nights.increments, nights.warnings), ({"vda": True, "vdb": True}, []), "the night after")
    same(len(nights.checkpoints()), 1, "checkpoints: those that cannot be used are gone")

    # One image is another file, and one was written to while the guest was off: their bitmaps are as good as before.
    guest.destroy()
    vda, vdb = guest.disks
    shutil.copyfile(vda.path, vda.path + ".new")
    os.rename(vda.path + ".new", vda.path)
    write_behind(t, vdb, 2 * MIB)
    guest.start()
    guest.serial.wait_for_steps(2)
    guest.suspend()
    point = nights.night()
    same(nights.increments, {"vda": False, "vdb": False}, "increments of images that were exchanged")
    expect(len(nights.warnings) == 2 and "another file" in nights.warnings[0] and "blocks differ" in nights.warnings[1],
           f"the warnings of images that were exchanged: {nights.warnings}")
    guest.destroy()
    nights.check(point)


def test_aborted_backups_in_between(t):
    """Each has its checkpoint deleted, by itself or by the guardian; the next one goes on from the point before them."""
    guest = t.guest("web", t.boot_disk(), t.disk("vdb", size=32 * MIB, boot=2)).running()
    nights = Nights(t, guest)
    nights.night()
    (former,) = nights.checkpoints()
    for number in (signal.SIGTERM, signal.SIGKILL):
        guest.serial.wait_for_steps(2)
        process = t.start_vb("backup", "--repository", nights.repository, "--guest-memory", "none", "--full-read",
                             "--bandwidth-limit", "1M")
        wait_until(lambda: len(nights.checkpoints()) == 2, "the checkpoint of a backup")
        process.signal(number)
        process.finish()
        wait_until(lambda: nights.checkpoints() == [former], "the end of its checkpoint")
    wait_until(lambda: not leftovers.files_below(leftovers.STATE_DIR) - set(leftovers.notes()), "the end of the journal")
    guest.serial.wait_for_steps(2)
    guest.suspend()
    point = nights.night()
    same((nights.increments, nights.warnings), ({"vda": True, "vdb": True}, []), "the night after")
    guest.destroy()
    nights.check(point)


# ---- guests that are off ----------------------------------------------------------------------------


def write_to(disk, offset, length=CLUSTER):
    """As a guest does, but without one."""
    run("qemu-io", "-f", "qcow2", "-c", f"write -q -P {1 + offset // CLUSTER % 255} {offset} {length}", disk.path)


def off_guest(t):
    return t.guest("web", t.boot_disk(), t.disk("vdb", size=32 * MIB, boot=2)).define()


def test_guest_that_is_off_and_runs_in_turns(t):
    guest = off_guest(t)
    nights = Nights(t, guest)
    nights.night()
    same((nights.increments, nights.warnings), ({"vda": False, "vdb": False}, []), "the first night")
    write_to(guest.disks[1], 20 * MIB)
    point = nights.night()
    same((nights.increments, nights.warnings), ({"vda": True, "vdb": True}, []), "a guest that is off")
    expect(nights.read["vdb"] <= 67 * CLUSTER, f"{nights.read['vdb']} bytes were read of vdb")
    nights.check(point)
    same(len(nights.checkpoints()), 1, "checkpoints")
    guest.start()
    token, count = guest.serial.wait_for_steps(3)
    guest.suspend()
    point = nights.night()
    same((nights.increments, nights.warnings), ({"vda": True, "vdb": True}, []), "the same when it runs")
    nights.check(point, nights.night("--full-read"))
    guest.resume()
    guest.serial.wait_for_steps(3)
    nights.night(mode="save")
    same((nights.increments, nights.warnings), ({"vda": True, "vdb": True}, []), "a guest that is saved")
    guest.goes_on(token, count, steps=3)
    guest.destroy()
    point = nights.night()
    same((nights.increments, nights.warnings), ({"vda": True, "vdb": True}, []), "when it is off again")
    nights.check(point)
    same(len(nights.checkpoints()), 1, "checkpoints in the end")
    t.vb("verify", "--repository", nights.repository)


def test_what_happens_to_a_guest_between_two_nights(t):
    """Whatever it is: the point is the disk, and what cannot be trusted is read whole."""
    guest = off_guest(t)
    nights = Nights(t, guest)
    vda, vdb = guest.disks
    nights.night()

    def defined_anew():
        with open(t.path("definition.xml"), "w", encoding="utf-8") as file:
            file.write(guest.dump("--inactive"))
        guest.undefine()
        guest.virsh("define", t.path("definition.xml"))

    def copied_over():
        """A copy of the former day is put back by something that keeps the inode."""
        shutil.copyfile(copy, vdb.path)

    def commit_an_overlay():
        top = t.path("top.qcow2")
        run("qemu-img", "create", "-q", "-f", "qcow2", "-F", "qcow2", "-b", vdb.path, top)
        run("qemu-io", "-f", "qcow2", "-c", f"write -q -P 7 {9 * MIB} {MIB}", top)
        run("qemu-img", "commit", "-q", "-f", "qcow2", top)
        os.unlink(top)

    def converted():
        run("qemu-img", "convert", "-f", "qcow2", "-O", "qcow2", vdb.path, vdb.path + ".new")
        os.rename(vdb.path + ".new", vdb.path)

    copy = t.path("copy.qcow2")
    shutil.copyfile(vdb.path, copy)
    both, one = {"vda": True, "vdb": True}, {"vda": True, "vdb": False}
    write_to(vda, 3 * MIB)
    for number, (what, change, increments) in enumerate((
            ("it is defined anew", defined_anew, both),
            ("an overlay is committed", commit_an_overlay, both),
            ("an image is put back from a copy", copied_over, one),
            ("an image has grown", lambda: run("qemu-img", "resize", "-q", "-f", "qcow2", vdb.path, "+1M"), one),
            ("an image is converted", converted, one))):
        change()
        write_to(vdb, (number + 1) * MIB + CLUSTER)
        point = nights.night()
        same(nights.increments, increments, f"{what}: increments")
        same(len(nights.warnings), sum(not increment for increment in increments.values()), f"{what}: {nights.warnings}")
        nights.check(point)
    # With a snapshot it is followed no more, and can be reverted.
    run("qemu-img", "snapshot", "-c", "before", vdb.path)
    nights.check(nights.night())
    expect(any("snapshot" in warning for warning in nights.warnings), f"{nights.warnings}")
    run("qemu-img", "snapshot", "-a", "before", vdb.path)
    nights.check(nights.night())
    same(nights.increments, one, "increments of an image that was reverted")
    # A guest over an image that is based on this one reads it meanwhile.
    reader = Process(["qemu-nbd", "--read-only", "--persistent", "-f", "qcow2", "-k", t.path("nbd.sock"), vda.path])
    wait_until(lambda: os.path.exists(t.path("nbd.sock")), "qemu-nbd")
    point = nights.night()
    reader.signal(signal.SIGTERM)
    reader.finish()
    nights.check(point)


def test_increments_with_memory(t):
    """Captures of all kinds go on from each other."""
    guest = t.guest("web", t.boot_disk(), t.disk("vdb", size=32 * MIB, boot=2)).running()
    nights = Nights(t, guest)
    token, _ = guest.serial.last()
    nights.night(mode="pause")
    same(nights.increments, {"vda": False, "vdb": False}, "the first night")
    guest.serial.wait_for_steps(3)
    point = nights.night(mode="pause")
    same((nights.increments, nights.warnings), ({"vda": True, "vdb": True}, []), "with memory")
    expect(nights.read["vdb"] in (66 * CLUSTER, 67 * CLUSTER), f"{nights.read['vdb']} bytes were read of vdb")
    for mode in ("save", "pause"):
        nights.night(mode=mode)
        same((nights.increments, nights.warnings), ({"vda": True, "vdb": True}, []), mode)
    nights.night()
    same((nights.increments, nights.warnings), ({"vda": True, "vdb": True}, []), "and the next")
    same(len(nights.checkpoints()), 1, "checkpoints")
    guest.destroy()
    guest.undefine()
    t.restore_point(nights.repository, "--allow-autorun", f"--domain-names=web@{point}")
    guest.goes_on(token, 0)


def listed(t, *options):
    events = t.events(t.vb("checkpoints", "--json", *options))
    return [(event["guest"], event["checkpoint"], event["removed"]) for event in events if event["event"] == "checkpoint"]


def test_checkpoints_are_taken_off_before_a_snapshot(t):
    """A guest with an internal snapshot is not followed, and can be reverted."""
    guest = t.guest("web", t.boot_disk()).running()
    other = t.guest("db", t.disk("vda", "raw", size=MIB, name="db.raw")).define()
    nights = Nights(t, guest)
    nights.night()
    (name,) = nights.checkpoints()
    foreign = "<domaincheckpoint><name>mine</name><disks><disk name='vda' checkpoint='bitmap'/></disks></domaincheckpoint>"
    with open(t.path("mine.xml"), "w", encoding="utf-8") as file:
        file.write(foreign)
    guest.call("checkpoint-create", "--xmlfile", t.path("mine.xml"))
    same(listed(t), [("web", name, False)], "all checkpoints")
    same(listed(t, "--domain-names", other.name), [], "those of another guest")
    t.refused("checkpoints", "--remove", "web", "--domain-names", "web", status=2, says=["--remove"])
    same(len(leftovers.notes()), 1, "notes of the newest point")
    same(listed(t, "--remove", "web"), [("web", name, True)], "what is removed")
    same((nights.checkpoints(), leftovers.notes()), (["mine"], []), "what is left")
    same({bitmap for _, bitmap in loaded_bitmaps(guest)}, {"mine"}, "bitmaps that are left")
    guest.call("checkpoint-delete", "--checkpointname", "mine")

    # A record that libvirt has lost: the bitmap is found while the guest is off.
    nights.night()
    same((nights.increments, len(nights.warnings)), ({"vda": False}, 1), "the night after")
    (name,) = nights.checkpoints()
    guest.destroy()
    guest.call("checkpoint-delete", "--metadata", "--checkpointname", name)
    same(listed(t), [("web", name, False)], "a bitmap without a record")
    same(listed(t, "--remove", "web"), [("web", name, True)], "the same, removed")
    same((listed(t), image_bitmaps(guest.disks[0])), ([], {}), "what is left of it")

    # A snapshot that was made too early: what follows the guest is taken off it by the next backup.
    guest.start()
    guest.serial.wait_for_steps(2)
    nights.night()
    same(len(nights.checkpoints()), 1, "checkpoints")
    guest.call("snapshot-create-as", "--name", "before")
    nights.night()
    same([("internal snapshots" in warning, nights.increments) for warning in nights.warnings if "each time" in warning],
         [(True, {"vda": True})], "the first night with a snapshot")
    nights.night()
    same([warning for warning in nights.warnings if "each time" in warning], [], "the warning is given once")
    same(nights.checkpoints(), [], "checkpoints of a guest with a snapshot")
    guest.call("snapshot-revert", "--snapshotname", "before")
    same(guest.state(), "running", "the guest is reverted")
    guest.call("snapshot-delete", "--snapshotname", "before")


def test_checkpoints_of_guests_that_are_not_there(t):
    t.guest("web", t.boot_disk()).define()
    line = t.refused("checkpoints", "--remove", "wbe")
    same(line, "virt-backup: the hypervisor has no guest 'wbe'", "what is said of an unknown guest")
    result = t.vb("checkpoints", "--remove", "wbe,web", status=3)
    same(result.error_lines, ["virt-backup: --remove: the hypervisor has no guest 'wbe'"], "the same beside one that is there")


def test_notes_of_guests_that_are_gone(t):
    """They go when they are old, and those of others stay however old they are."""
    guest = t.guest("web", t.boot_disk()).define()
    nights = Nights(t, guest)
    nights.night()
    (own,) = leftovers.notes()
    days = 24 * 3600
    gone, young, other = (os.path.join(leftovers.STATE_DIR, name) for name in (
        f"{uuid.UUID(int=1)}.{OWNER}.point", f"{uuid.UUID(int=2)}.{OWNER}.point", f"{guest.uuid()}.{OWNER}.point"))
    for path, age in ((gone, 91), (young, 89), (other, 1000), (own, 1000)):
        with open(path, "a", encoding="ascii"):
            pass
        os.utime(path, (time.time() - age * days,) * 2)
    nights.night()
    same((nights.increments, nights.warnings), ({"vda": True}, []), "the night after")
    same(set(leftovers.notes()), {young, other, own}, "notes that are left")
    for path in (young, other):
        os.unlink(path)


def test_bitmaps_of_a_guest_that_is_not_defined_do_not_add_up(t):
    """libvirt forgets its checkpoints when it is off for its memory to be saved; the images keep the bitmaps."""
    guest = t.guest("web", t.boot_disk(), t.disk("vdb", size=4 * MIB, boot=2)).create()
    repository = t.repository()
    for memory in "save", "save", "save", "none":
        guest.serial.wait_for_steps(2)
        t.add_point(repository, guest, "--guest-memory", memory)
        same(len({name for _, name in loaded_bitmaps(guest)}), 1, f"bitmaps after {memory}")
