# SPDX-License-Identifier: LGPL-2.1-or-later
"""Checkpoints and increments of running guests."""

import filecmp
import json
import os
import signal

from vbtest import leftovers
from vbtest.checkpoints import OWNER, drive_of, image_bitmaps, kill_qemu, loaded_bitmaps
from vbtest.command import Process, expect, run, same, wait_until
from vbtest.disks import MIB
from vbtest.midway import job_xml, pid_in

CLUSTER = 64 * 1024


class Drive:
    """One guest's checkpoints; what it reads goes to one folder, the next increment over the former copy."""

    def __init__(self, t, guest):
        self.t, self.guest, self.folder = t, guest, t.make_dir(f"copies-{guest.name}", 0o700)
        self.program = drive_of(t.binary)
        self.tracks, self.read = {}, {}

    def __call__(self, command, *words):
        return run(self.program, command, self.guest.name, *words, env=self.t.environment).out.splitlines()

    def capture(self, mode, *words, owner=OWNER):
        """The name of its checkpoint, or None. What became of each disk's track, and per copy of a disk the bytes that
        were data, zero, or the same as before, are in self.tracks and self.read."""
        lines = [line.split() for line in self("capture", mode, self.folder, owner, *words)]
        self.tracks = {line[1]: tuple(line[2:]) for line in lines if line[0] == "track"}
        self.read = {tuple(line[:2]): {key: int(value) for key, value in (pair.split("=") for pair in line[2:])}
                     for line in lines if len(line) == 5}
        return ([line[1] for line in lines if line[0] == "checkpoint"] + [None])[0]

    def data(self, *targets):
        """Bytes that an increment, or a full copy, of each has read."""
        return [self.read[target, "raw"]["data"] for target in targets]

    def check_copies(self, *targets):
        for target in targets:
            expect(filecmp.cmp(self.copy(target), self.copy(target, "whole"), shallow=False),
                   f"disk {target}: the increments are not the disk")

    def copy(self, target, kind="raw"):
        return os.path.join(self.folder, f"{target}.{kind}")

    def stopped_at(self, step, mode, *words):
        """The same, killed when it has come to that step; its checkpoint."""
        process = Process([self.program, "capture", self.guest.name, mode, self.folder, OWNER, *words, f"stop={step}"],
                          env=self.t.environment)
        lines = []
        while f"at {step}" not in lines:
            lines.append(process.process.stdout.readline().decode().strip())
            expect(lines[-1], f"it has ended before it came to '{step}'")
        process.signal(signal.SIGKILL)
        process.finish()
        return [line.split()[1] for line in lines if line.startswith("checkpoint ")][0]

    def states(self, name, *targets):
        return dict(line.split() for line in self("validate", name, *targets))

    def listed(self):
        return self.guest.call("checkpoint-list", "--name").out.split()


def remove_loaded(guest, node, name):
    guest.call("qemu-monitor-command", "--cmd",
               json.dumps({"execute": "block-dirty-bitmap-remove", "arguments": {"node": node, "name": name}}))


def two_disks(t):
    return t.guest("web", t.boot_disk(), t.disk("vdb", boot=2))


def goes_on(guest, before):
    guest.goes_on(before[0], before[1], steps=3)


# ---- increments ------------------------------------------------------------------------------------


def increments(t, mode):
    """The guest writes to one cluster of two of its disks, and to none of the third."""
    guest = t.guest("web", t.boot_disk(), t.disk("vdb", boot=2), t.disk("vdc", size=4 * MIB),
                    t.disk("vdd", "raw", size=MIB)).running()
    drive, before, definition = Drive(t, guest), guest.serial.last(), guest.dump("--inactive")
    disks = ("vda", "vdb", "vdc")
    name = drive.capture(mode, "vda!", "vdb!", "vdc!", "vdd!", "commit")
    same(drive.tracks, {**dict.fromkeys(disks, ("records", "-")), "vdd": ("not-qcow2", "-")}, "the tracks at first")
    same(drive.read["vda", "raw"]["same"], 0, "what a full backup has not read")
    for _ in range(2):
        guest.serial.wait_for_steps(3)
        name = drive.capture(mode, f"vda!={name}", f"vdb!={name}", f"vdc!={name}", "vdd!", "commit")
        same(drive.tracks["vda"], ("records", "found"), "the track of a disk")
        same(drive.data(*disks), [CLUSTER, CLUSTER, 0], "bytes that are read of an increment")
        same(drive.read["vdd", "raw"], drive.read["vdd", "whole"], "what is read of a raw disk")
        expect(drive.read["vdc", "raw"]["same"] > 0, "nothing is the same as before")
        drive.check_copies(*disks, "vdd")
        same((drive.listed(), drive("list")), ([name], [name]), "the checkpoints once the newest is committed")
    same({bitmap for _, bitmap in loaded_bitmaps(guest)}, {name}, "the bitmaps")
    goes_on(guest, before)
    same(guest.dump("--inactive"), definition, "the definition")
    expect(job_xml(guest) is None and not os.listdir("/var/lib/virt-backup"), "something is left of it")


def test_increment_of_disks_alone(t):
    increments(t, "none")


def test_increment_with_memory_of_a_paused_guest(t):
    increments(t, "pause")


def test_increment_with_memory_captured_live(t):
    increments(t, "live")


def test_first_checkpoint_of_a_guest_that_the_user_has_paused(t):
    """It is not resumed, so nothing but the backup job gives QEMU its disks back."""
    guest = two_disks(t).running()
    drive = Drive(t, guest)
    guest.suspend()
    name = drive.capture("pause", "vda!", "vdb!", "commit")
    same(guest.state(), "paused", "state")
    same(drive.states(name, "vda", "vdb"), {"vda": "found", "vdb": "found"}, "its checkpoint")
    guest.resume()
    guest.serial.wait_for_steps(3)
    drive.capture("none", f"vda={name}", f"vdb={name}", owner="-")
    same(drive.data("vda", "vdb"), [CLUSTER, CLUSTER], "bytes that are read of an increment")
    drive.check_copies("vda", "vdb")
    same(drive.listed(), [name], "the checkpoints after a backup without one")


def test_aborted_increment_does_not_harm_the_one_before(t):
    guest = two_disks(t).running()
    drive = Drive(t, guest)
    first = drive.capture("none", "vda!", "vdb!", "commit")
    guest.serial.wait_for_steps(2)
    kept = {}
    for target in ("vda", "vdb"):
        with open(drive.copy(target), "rb") as file:
            kept[target] = file.read()
    aborted = drive.capture("none", f"vda!={first}", f"vdb!={first}")
    expect(aborted and aborted != first, "it has made no checkpoint")
    same(drive.listed(), [first], "the checkpoints after a backup that was not committed")
    same({bitmap for _, bitmap in loaded_bitmaps(guest)}, {first}, "the bitmaps after that")
    for target, content in kept.items():
        with open(drive.copy(target), "wb") as file:
            file.write(content)
    guest.serial.wait_for_steps(2)
    drive.capture("pause", f"vda!={first}", f"vdb!={first}", "commit")
    same(drive.data("vda", "vdb"), [CLUSTER, CLUSTER], "bytes that are read of an increment")
    drive.check_copies("vda", "vdb")


# ---- what becomes of checkpoints ----------------------------------------------------------------------


def test_checkpoint_is_found_redefined_broken_or_absent(t):
    guest = two_disks(t).running()
    drive = Drive(t, guest)
    name, other = drive.capture("none", "vda!", "commit"), f"vb-{OWNER}-{'0' * 32}"
    same(drive.states(name, "vda"), {"vda": "found"}, "a new one")
    same(drive.states(name, "vda", "vdb"), {"vda": "found", "vdb": "broken"}, "one that records one disk")
    same(drive.states(other, "vda", "vdb"), {"vda": "absent", "vdb": "absent"}, "one that was never made")
    same(drive.states(name, "vda", "vdz"), {"vda": "found", "vdz": "broken"}, "one of a disk that is not there")
    same(drive.listed(), [name], "the checkpoints after all that")

    guest.destroy()
    guest.undefine()
    guest.running()
    same(drive.listed(), [], "what libvirt knows after the guest was defined anew")
    same(drive.states(name, "vda"), {"vda": "redefined"}, "one whose record was lost")
    same(drive.states(name, "vda"), {"vda": "found"}, "the same, asked for once more")
    drive.capture("none", f"vda={name}", owner="-")
    same(drive.data("vda"), [CLUSTER], "what the increment after that has read")
    drive.check_copies("vda")

    kill_qemu(guest)
    expect("in-use" in image_bitmaps(guest.disks[0])[name], "QEMU had written the bitmap, and was killed")
    guest.start()
    guest.serial.wait_for_steps(2)
    same(drive.states(name, "vda"), {"vda": "broken"}, "one of a guest that was killed")
    newest = drive.capture("none", f"vda!={name}", "vdb!", "commit")
    same(drive.tracks["vda"], ("records", "broken"), "the track of its disk")
    same(drive.read["vda", "raw"], drive.read["vda", "whole"], "what is read of it")
    drive.check_copies("vda", "vdb")
    same(drive.listed(), [newest], "the checkpoints after that")
    guest.destroy()
    same([list(image_bitmaps(disk)) for disk in guest.disks], [[newest], [newest]], "bitmaps of the images")


def test_bitmap_that_is_missing_concerns_its_disk_alone(t):
    guest = two_disks(t).running()
    drive = Drive(t, guest)
    first = drive.capture("none", "vda!", "vdb!", "commit")
    node, _ = [entry for entry in loaded_bitmaps(guest) if entry[1] == first][0]
    remove_loaded(guest, node, first)
    states = drive.states(first, "vda", "vdb")
    same(sorted(states.values()), ["broken", "found"], f"states {states}")
    sound, = [target for target, state in states.items() if state == "found"]
    guest.serial.wait_for_steps(2)
    second = drive.capture("pause", f"vda!={first}", f"vdb!={first}", "commit")
    same({target: track[1] for target, track in drive.tracks.items()}, states, "the tracks")
    same(drive.data(sound), [CLUSTER], "what is read of the sound disk")
    drive.check_copies("vda", "vdb")
    same((drive.listed(), {name for _, name in loaded_bitmaps(guest)}), ([second], {second}), "what is left")


def test_bitmap_without_a_record_is_deleted_too(t):
    guest = two_disks(t).running()
    drive = Drive(t, guest)
    name = drive.capture("none", "vda!", "vdb!", "commit")
    guest.call("checkpoint-delete", "--metadata", "--checkpointname", name)
    same(len(loaded_bitmaps(guest)), 2, "bitmaps")
    same(drive("delete", name, "vda", "vdb", "vdz"), ["deleted"], "one that libvirt has forgotten")
    same((loaded_bitmaps(guest), drive.listed()), ([], []), "what is left")
    same(drive("delete", name, "vda", "vdb"), ["deleted"], "the same again")
    same(drive.listed(), [], "what is left")


def test_checkpoints_of_others_are_left_alone(t):
    guest = two_disks(t).running()
    drive = Drive(t, guest)
    guest.call("checkpoint-create-as", "--name", "vb-daily")
    other = drive.capture("none", "vda!", "commit", owner="f" * 16)
    drive.capture("none", "vda!", "commit")
    name = drive.capture("none", "vda!", "commit")
    same(sorted(drive("list")), sorted([name, other]), "those that look like ours")
    same(sorted(drive.listed()), sorted(["vb-daily", name, other]), "all")


# ---- what cannot have one ------------------------------------------------------------------------------


def test_no_checkpoint_of_a_guest_with_internal_snapshots(t):
    """With a bitmap in its image it could not be reverted, and would be left shut off."""
    guest, late = t.guest("web", t.boot_disk()).running(), t.disk("vdb", size=MIB)
    drive = Drive(t, guest)
    guest.call("snapshot-create-as", "--name", "before")
    for mode in ("none", "pause"):
        same((drive.capture(mode, "vda!", "commit"), drive.tracks), (None, {"vda": ("snapshots", "-")}), "its checkpoint")
        drive.check_copies("vda")
        same((guest.state(), drive.listed(), loaded_bitmaps(guest)), ("running", [], []), "the guest")
    guest.call("snapshot-revert", "--snapshotname", "before")
    same(guest.state(), "running", "state after it was reverted")
    # One that is not in the snapshot is no better.
    guest.destroy()
    guest.call("attach-disk", "--source", late.path, "--target", "vdb", "--driver", "qemu", "--subdriver", "qcow2", "--config")
    guest.start()
    same(drive.capture("none", "vda!", "vdb!", "commit"), None, "its checkpoint with one more disk")
    same(drive.tracks, dict.fromkeys(("vda", "vdb"), ("snapshots", "-")), "the tracks")


def test_disks_that_cannot_be_recorded_are_read_whole_beside_others(t):
    guest = t.guest("web", t.boot_disk(), t.disk("vdb", "raw", size=MIB),
                    t.disk("vdc", size=MIB, options={"compat": "0.10"})).running()
    drive, before = Drive(t, guest), guest.serial.last()
    name = drive.capture("pause", "vda!", "vdb!", "vdc!", "commit")
    same({target: track[0] for target, track in drive.tracks.items()},
         {"vda": "records", "vdb": "not-qcow2", "vdc": "old-qcow2"}, "its disks")
    drive.check_copies("vda", "vdb", "vdc")
    same([bitmap for _, bitmap in loaded_bitmaps(guest)], [name], "the bitmaps")
    goes_on(guest, before)


# ---- images that nobody uses -------------------------------------------------------------------------


def writes(guest):
    """It runs, and writes to one cluster of two of its disks."""
    guest.start()
    guest.serial.wait_for_steps(3)
    guest.destroy()


def check_off(drive, name):
    """The only checkpoint of it."""
    same(drive.listed(), [name], "libvirt's checkpoints")
    same([image_bitmaps(disk) for disk in drive.guest.disks[:2]], [{name: ["auto"]}] * 2, "bitmaps of the images")


def test_increment_of_a_guest_that_is_off(t):
    """Each goes on from one of the other kind, too."""
    guest = t.guest("web", t.boot_disk(), t.disk("vdb", boot=2), t.disk("vdc", "raw", size=MIB),
                    t.disk("vdd", size=MIB, options={"compat": "0.10"})).define()
    drive, definition = Drive(t, guest), guest.dump("--inactive")
    first = drive.capture("off", "vda!", "vdb!", "vdc!", "vdd!", "commit")
    same({target: track[0] for target, track in drive.tracks.items()},
         {"vda": "records", "vdb": "records", "vdc": "not-qcow2", "vdd": "old-qcow2"}, "its disks")
    drive.check_copies("vda", "vdb", "vdc", "vdd")
    check_off(drive, first)
    writes(guest)
    # What no guest writes is noted as well.
    run("qemu-io", "-f", "qcow2", "-c", f"write -P 9 {MIB} 4096", guest.disks[1].path)
    second = drive.capture("off", f"vda!={first}", f"vdb!={first}", "vdc!", "vdd!", "commit")
    same(drive.tracks["vda"], ("records", "found"), "the track of a disk")
    expect(all(0 < read <= 2 * CLUSTER for read in drive.data("vda", "vdb")), f"bytes that are read: {drive.read}")
    drive.check_copies("vda", "vdb", "vdc", "vdd")
    check_off(drive, second)
    # As a guest whose definition was lost and found again: libvirt has no record of the bitmaps.
    guest.call("checkpoint-delete", "--metadata", "--checkpointname", second)
    guest.start()
    before = guest.serial.wait_for_steps(3)
    third = drive.capture("none", f"vda!={second}", f"vdb!={second}", "vdc!", "vdd!", "commit")
    same(drive.data("vda", "vdb"), [CLUSTER, CLUSTER], "bytes that are read of an increment")
    guest.serial.wait_for_steps(3)
    fourth = drive.capture("save", f"vda!={third}", f"vdb!={third}", "vdc!", "vdd!", "commit")
    expect(all(0 < read <= CLUSTER for read in drive.data("vda", "vdb")), f"bytes that are read: {drive.read}")
    drive.check_copies("vda", "vdb")
    goes_on(guest, before)
    same((drive.listed(), {name for _, name in loaded_bitmaps(guest)}), ([fourth], {fourth}), "its checkpoints")
    guest.destroy()
    drive.capture("off", f"vda!={fourth}", f"vdb!={fourth}", "vdc!", "vdd!", "commit")
    drive.check_copies("vda", "vdb", "vdc", "vdd")
    same(guest.dump("--inactive"), definition, "the definition")


def test_bitmap_of_an_image_that_missed_something_is_not_believed(t):
    """QEMU was killed, the image was made anew, its bitmap removed; and one that something uses gets none."""
    guest = two_disks(t).define()
    drive = Drive(t, guest)
    first = drive.capture("off", "vda!", "vdb!", "commit")
    guest.start()
    guest.serial.wait_for_steps(2)
    kill_qemu(guest)
    second = drive.capture("off", f"vda!={first}", f"vdb!={first}", "commit")
    same(drive.tracks, {"vda": ("records", "broken"), "vdb": ("records", "broken")}, "the tracks after a kill")
    check_off(drive, second)
    run("qemu-img", "bitmap", "--remove", "-f", "qcow2", guest.disks[0].path, second)
    third = drive.capture("off", f"vda!={second}", f"vdb!={second}", "commit")
    same(drive.tracks, {"vda": ("records", "absent"), "vdb": ("records", "found")}, "the tracks without one bitmap")
    same(drive.data("vdb"), [0], "bytes that are read of what nobody wrote to")
    drive.check_copies("vda", "vdb")
    check_off(drive, third)
    holder = Process(["qemu-nbd", "--read-only", "--persistent", "-f", "qcow2", "-k", t.path("nbd.sock"), guest.disks[1].path])
    wait_until(lambda: os.path.exists(t.path("nbd.sock")), "qemu-nbd")
    run(drive.program, "capture", "web", "off", drive.folder, OWNER, "vda!", "vdb!", status=None, env=t.environment)
    holder.signal(signal.SIGTERM)
    holder.finish()
    t.vb("recover")
    check_off(drive, third)


def test_checkpoint_of_a_killed_backup_of_images_is_deleted_unless_it_may_be_committed(t):
    guest = two_disks(t).define()
    drive = Drive(t, guest)
    first = drive.capture("off", "vda!", "vdb!", "commit")
    for step, stays in (("read", False), ("ended", False), ("committing", True), ("committed", True)):
        name = drive.stopped_at(step, "off", f"vda!={first}", f"vdb!={first}", "commit")
        expect(name in drive.listed(), f"there was no checkpoint when it was killed ({step})")
        t.vb("recover")
        left = {"read": [first], "ended": [first], "committing": [first, name], "committed": [name]}[step]
        same(sorted(drive.listed()), sorted(left), f"the checkpoints after '{step}'")
        same([sorted(image_bitmaps(disk)) for disk in guest.disks], [sorted(left)] * 2, f"the bitmaps after '{step}'")
        same((guest.state(), os.listdir("/var/lib/virt-backup")), ("shut off", []), "the guest")
        first = name if stays else first
    first = drive.capture("off", f"vda!={first}", f"vdb!={first}", "commit")
    check_off(drive, first)


# ---- a run that dies -------------------------------------------------------------------------------------


def test_checkpoint_of_a_killed_backup_is_deleted_unless_it_may_be_committed(t):
    guest = two_disks(t).running()
    drive, before = Drive(t, guest), guest.serial.last()
    first = drive.capture("none", "vda!", "vdb!", "commit")
    for mode in ("none", "pause"):
        for step, stays in (("read", False), ("ended", False), ("committing", True), ("committed", True)):
            name = drive.stopped_at(step, mode, f"vda!={first}", f"vdb!={first}", "commit")
            expect(name in drive.listed(), f"there was no checkpoint when it was killed ({step})")
            t.vb("recover")
            left = {"read": [first], "ended": [first], "committing": [first, name], "committed": [name]}[step]
            same(sorted(drive.listed()), sorted(left), f"the checkpoints after '{step}'")
            same({bitmap for _, bitmap in loaded_bitmaps(guest)}, set(left), f"the bitmaps after '{step}'")
            same((guest.state(), job_xml(guest), os.listdir("/var/lib/virt-backup")), ("running", None, []), "the guest")
            first = name if stays else first
        first = drive.capture(mode, f"vda!={first}", f"vdb!={first}", "commit")
        same(drive.data("vda", "vdb"), [CLUSTER, CLUSTER], "what the next increment has read")
        same(drive.listed(), [first], "the checkpoints after the next backup")
    goes_on(guest, before)


def test_checkpoint_of_a_guest_that_is_off_is_deleted(t):
    """libvirt deletes bitmaps of running guests alone; the image is nobody's then."""
    guest = two_disks(t).running()
    drive = Drive(t, guest)
    first = drive.capture("none", "vda!", "vdb!", "commit")
    name = drive.stopped_at("ended", "none", f"vda!={first}", f"vdb!={first}", "commit")
    guest.destroy()
    same([sorted(image_bitmaps(disk)) for disk in guest.disks], [sorted((first, name))] * 2, "bitmaps of the images")
    t.vb("recover")
    same((drive.listed(), os.listdir("/var/lib/virt-backup")), ([first], []), "what is left")
    same([sorted(image_bitmaps(disk)) for disk in guest.disks], [[first]] * 2, "bitmaps of the images")
    guest.start()
    same(drive.states(first, "vda", "vdb"), {"vda": "found", "vdb": "found"}, "the one before")


def test_checkpoint_in_an_image_that_another_has_open_is_left_to_the_next_backup(t):
    """That may be so for weeks. libvirt's record stays, and leads to the bitmap."""
    guest = two_disks(t).running()
    drive = Drive(t, guest)
    first = drive.capture("none", "vda!", "vdb!", "commit")
    name = drive.stopped_at("ended", "none", f"vda!={first}", f"vdb!={first}", "commit")
    guest.destroy()
    holder = Process(["qemu-nbd", "--read-only", "--persistent", "-f", "qcow2", "-k", t.path("nbd.sock"), guest.disks[1].path])
    wait_until(lambda: os.path.exists(t.path("nbd.sock")), "qemu-nbd")
    t.vb("recover")
    same((sorted(drive.listed()), os.listdir("/var/lib/virt-backup")), (sorted((first, name)), []), "what is left")
    holder.signal(signal.SIGTERM)
    holder.finish()
    guest.start()
    last = drive.capture("none", f"vda!={first}", f"vdb!={first}", "commit")
    same(drive.data("vda", "vdb"), [CLUSTER, CLUSTER], "what the next increment has read")
    same((drive.listed(), {bitmap for _, bitmap in loaded_bitmaps(guest)}), ([last], {last}), "checkpoints and bitmaps")


def test_dismissed_checkpoint_is_told(t):
    guest = t.guest("web", t.boot_disk()).running()
    drive = Drive(t, guest)
    name = drive.stopped_at("ended", "none", "vda!", "commit")
    result = t.vb("recover", "--dismiss", "web")
    expect(name in result.out and "virt-backup checkpoints --remove web" in result.out, f"the checkpoint is not named: {result.out}")
    same((drive.listed(), os.listdir("/var/lib/virt-backup")), ([name], []), "what is left")
    t.vb("checkpoints", "--remove", "web")
    same(drive.listed(), [], "checkpoints after that")


def test_checkpoint_of_a_guest_that_is_gone_is_removed_from_its_image(t):
    guest = t.guest("web", t.boot_disk()).create()
    guest.serial.wait_for_steps(2)
    drive = Drive(t, guest)
    name = drive.stopped_at("ended", "none", "vda!", "commit")
    guest.destroy()
    same(guest.state(), "gone", "state")
    expect(name in image_bitmaps(guest.disks[0]), "the bitmap is not in the image")
    t.vb("recover")
    same((image_bitmaps(guest.disks[0]), os.listdir("/var/lib/virt-backup")), ({}, []), "what is left")
