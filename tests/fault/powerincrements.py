# SPDX-License-Identifier: LGPL-2.1-or-later
"""A guest whose power is cut while only what it has written since its newest point is read. Afterwards its checkpoints are
as before or as the newest point says, and the next backup is the disk."""

import json
import os
import shutil

from look import left_files
from powerbench import DISK_SIZE
from powerrepository import RepositoryPower
from repository import Repository
from vbtest import disks
from vbtest.checkpoints import image_bitmaps
from vbtest.command import expect, run, same
from vbtest.disks import MIB

IN_USE = "in-use"  # of a bitmap that whoever had it loaded has never stored


class IncrementPower(RepositoryPower):
    """Of a guest with one point."""

    late_effects = 40

    def __init__(self, options, name, state="running", memory=None):
        super().__init__(options, name, "backup")
        self.state = state
        self.memory = memory
        self.former = set()
        self.token = None

    def words(self, *more):
        memory = ["--guest-memory", self.memory] if self.memory else []
        return [*self.backup_words(), *memory, *more]

    def listed(self):
        return set(self.guest.call("checkpoint-list", "--name").out.split())

    def write(self):
        """As a guest that runs would: what is noted in the image's bitmaps is stored."""
        run("qemu-io", "-f", "qcow2", "-c", f"write -q -P {self.t.rng.randrange(1, 256)} "
            f"{self.t.rng.randrange(MIB, DISK_SIZE - MIB, 512)} 256k", self.guest.disks[0].path)

    def prepare(self):
        self.format()
        self.make_guest()
        self.repository = Repository(self.t, self.path("repository"))
        if self.state == "running":
            self.start_guest()
        self.t.vb(*self.words())
        self.former = self.listed()
        same(len(self.former), 1, "checkpoints after the first backup")
        if self.state == "shut off":
            self.write()
        else:
            self.token, _ = self.guest.serial.last()
        os.sync()

    def check(self, at_work, moment):
        self.forget_serial()
        self.t.vb("recover")
        left = left_files(None, self.t.tmp)
        expect(not left, f"left over: {left}")
        if self.memory == "save":
            self.check_resumed(moment)
        same(self.guest.state(), "shut off", "state of the guest")
        count = self.repository.check()
        ended = at_work.ended <= moment.began
        expect(count in ((2,) if ended else (1, 2)), f"there are {count} points, though the run "
               + ("had ended" if ended else "had not ended"))
        listed, bitmaps = self.listed(), image_bitmaps(self.guest.disks[0])
        wanted = self.former if count == 1 else listed - self.former
        # What QEMU had in its memory is lost.
        sound = all(name in bitmaps and IN_USE not in bitmaps[name] for name in wanted)
        expect(wanted and wanted <= listed and (sound or self.state == "running"),
               f"{count} points, checkpoints {listed}, bitmaps {bitmaps}, before {self.former}")
        return f"{count} points, then {self.check_next(sound)}"

    def check_resumed(self, moment):
        """From its memory, if that was saved; whoever ends QEMU then lets it store its bitmaps."""
        resumed = self.guest.state() == "running"
        expect(resumed or not moment.must_hold_memory(), "the guest had been saved, and does not run")
        if resumed:
            self.guest.serial.wait_for_steps(3)
            same(self.guest.serial.last()[0], self.token, "what the guest had in its memory (it was rebooted)")
            self.guest.destroy()

    def check_next(self, sound):
        """Only a bitmap that was stored may be believed. Twice: the second backup relies on the first alone."""
        found = []
        for believed in sound, True:
            self.write()
            events = [json.loads(line) for line in self.t.vb(*self.backup_words(), "--json").out.splitlines()]
            increment = {event["disk"]: event["increment"] for event in events if event["event"] == "disk-done"}["vda"]
            expect(increment == believed, f"the next backup is {'an' if increment else 'no'} increment")
            found.append("increment" if increment else "whole")
            to = self.t.path("next")
            self.t.restore_point(self.repository.path, "--domain-names=web", "--disks", "vda", to=to)
            disks.compare(os.path.join(to, os.path.basename(self.guest.disks[0].path)), "qcow2",
                          self.guest.disks[0].path, "qcow2", "the disk as it is restored")
            shutil.rmtree(to)
            same((len(self.listed()), image_bitmaps(self.guest.disks[0])), (1, dict.fromkeys(self.listed(), ["auto"])),
                 "checkpoints and bitmaps after it")
        return ", ".join(found)


SCENARIOS = {
    "increment-off": (IncrementPower, {"state": "shut off"}),
    "increment-none": (IncrementPower, {"memory": "none"}),
    "increment-pause": (IncrementPower, {"memory": "pause"}),
    "increment-save": (IncrementPower, {"memory": "save"}),
}
