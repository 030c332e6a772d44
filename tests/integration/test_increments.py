# SPDX-License-Identifier: LGPL-2.1-or-later
"""Points of running guests of which only what was written is read."""

import json
import os
import shutil
import signal

from vbtest import disks, leftovers
from vbtest.checkpoints import kill_qemu
from vbtest.command import expect, run, same, wait_until
from vbtest.disks import MIB

CLUSTER = 64 * 1024


class Nights:
    """Backups of one guest into one repository."""

    def __init__(self, t, guest):
        self.t, self.guest, self.repository = t, guest, t.repository()
        self.read, self.increments, self.warnings, self.stored, self.count = {}, {}, [], 0, 0

    def night(self, *options, mode="none", status=0):
        """The id of the point. Bytes that were read of each disk, whether it was an increment, and the warnings are
        kept."""
        events = self.t.add_point(self.repository, self.guest, "--guest-memory", mode, *options, status=status)
        done = [event for event in events if event["event"] == "disk-done" and event["disk"] != "memory"]
        self.read = {event["disk"]: event["read-size"] for event in done}
        self.increments = {event["disk"]: event["increment"] for event in done}
        self.stored = sum(event["stored-size"] for event in done)
        self.warnings = [event["warning"] for event in events if event["event"] == "warning"]
        return ([event["point"] for event in events if event["event"] == "guest-done"] + [None])[0]

    def restored(self, point):
        """The disks of a point, as raw files, by target."""
        self.count += 1
        to = self.t.path(f"restored-{self.count}")
        self.t.restore_point(self.repository, f"--domain-names={self.guest.name}", "--point", point, "--disks",
                             ",".join(disk.target for disk in self.guest.disks), to=to)
        found = {disk.target: disks.flatten(os.path.join(to, os.path.basename(disk.path)), disk.format,
                                            self.t.path(f"{self.count}-{disk.target}.raw")) for disk in self.guest.disks}
        shutil.rmtree(to)
        return found

    def check(self, point, whole=None):
        """It equals what is read whole now, as the guest has not run since, or what is in the images of a guest that has
        ended."""
        found = self.restored(point)
        others = self.restored(whole) if whole else {disk.target: disk.path for disk in self.guest.disks}
        for disk in self.guest.disks:
            disks.compare(found[disk.target], "raw", others[disk.target], "raw" if whole else disk.format,
                          f"{disk.target} of {point}")

    def checkpoints(self):
        return self.guest.call("checkpoint-list", "--name").out.split()


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


def test_increments_with_memory(t):
    """The captures that pause the guest go on from each other; one that saves it reads its disks whole."""
    guest = t.guest("web", t.boot_disk(), t.disk("vdb", size=32 * MIB, boot=2)).running()
    nights = Nights(t, guest)
    token, _ = guest.serial.last()
    nights.night(mode="pause")
    same(nights.increments, {"vda": False, "vdb": False}, "the first night")
    guest.serial.wait_for_steps(3)
    point = nights.night(mode="pause")
    same((nights.increments, nights.warnings), ({"vda": True, "vdb": True}, []), "with memory")
    expect(nights.read["vdb"] in (66 * CLUSTER, 67 * CLUSTER), f"{nights.read['vdb']} bytes were read of vdb")
    nights.night(mode="save")
    same((nights.increments, nights.warnings), ({"vda": False, "vdb": False}, []), "a guest that was saved")
    nights.night(mode="pause")
    same((nights.increments, nights.warnings), ({"vda": False, "vdb": False}, []), "the night after that")
    nights.night()
    same((nights.increments, nights.warnings), ({"vda": True, "vdb": True}, []), "and the next")
    same(len(nights.checkpoints()), 1, "checkpoints")
    guest.destroy()
    guest.undefine()
    t.restore_point(nights.repository, "--allow-autorun", f"--domain-names=web@{point}")
    guest.goes_on(token, 0)
