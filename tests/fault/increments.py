# SPDX-License-Identifier: LGPL-2.1-or-later
"""The night after the first: a backup of which only what was written is read. Afterwards the guest's checkpoints are as
before or as the newest point says, and the next increment is right."""

import os
import shutil

from repository import RepositoryBackupBench
from vbtest import disks, leftovers
from vbtest.checkpoints import image_bitmaps, loaded_bitmaps
from vbtest.command import expect, same

POINTS = 2  # before the run


class IncrementBench(RepositoryBackupBench):
    def listed(self):
        return set(self.guest.call("checkpoint-list", "--name").out.split())

    def bitmaps(self):
        """As QEMU has them, or the image that nobody uses."""
        if self.state == "running":
            return {bitmap for _, bitmap in loaded_bitmaps(self.guest)}
        return set(image_bitmaps(self.guest.disks[0]))

    def prepare(self):
        """The checkpoint is of a point that the repository has."""
        super().prepare()
        for path in leftovers.notes():
            os.unlink(path)
        self.t.vb(*self.words())
        self.former = self.listed()
        same((len(self.former), self.bitmaps()), (1, self.former), "checkpoints and bitmaps before the run")
        self.progress = self.guest.serial.last()

    def hit_by_fault(self, fault, words):
        result, label = super(RepositoryBackupBench, self).hit_by_fault(fault, words)
        if result.status == 0:
            same(len(self.repository.points()), POINTS + 1, "points after a backup that went well")
        return result, label

    def check(self, fault, label=None):
        if fault.kills_control and not fault.needs_recover:
            self.recover(fault)
        self.check_guest()
        self.check_nothing_left(None, label if fault.do == "fail" else None, fault.guardian_at > 0)
        count = self.repository.check()
        expect(count in (POINTS, POINTS + 1), f"there are {count} points")
        listed, bitmaps = self.listed(), self.bitmaps()
        if not fault.do:
            expect(len(listed) == 1 and not listed & self.former and bitmaps == listed,
                   f"checkpoints {listed}, bitmaps {bitmaps}, before {self.former}")
        if count == POINTS and fault.do not in ("kill-qemu", "kill-during"):
            # Whoever commits may leave the new one, too: he does not know whether he has.
            expect(listed >= self.former and bitmaps >= self.former,
                   f"checkpoints {listed}, bitmaps {bitmaps}, before {self.former}")
        if fault.thorough:
            self.check_next(fault)

    def check_next(self, fault):
        """The next increment is the disk, of which another backup then reads all."""
        if self.state == "running":
            self.guest.suspend()
        events = self.t.add_point(self.repository.path, self.guest, *self.words()[4:])
        done = {event["disk"]: event for event in events if event["event"] == "disk-done"}
        if fault.do not in ("kill-qemu", "kill-during", "fail"):
            expect(done["vda"]["increment"], "the next backup was no increment")
        one = self.restored("increment")
        if self.state == "shut off":
            disks.compare(one, "qcow2", self.guest.disks[0].path, "qcow2", "the next increment")
        else:
            self.t.vb(*self.words("--full-read"))
            disks.compare(one, "qcow2", self.restored("whole"), "qcow2", "the next increment")
            self.guest.resume()
        shutil.rmtree(self.t.path("next"))
        same(len(self.listed()), 1, "checkpoints in the end")
        self.check_guest()

    def restored(self, name):
        to = os.path.join(self.t.path("next"), name)
        os.makedirs(os.path.dirname(to), exist_ok=True)
        self.t.restore_point(self.repository.path, "--domain-names=web", "--disks", "vda", to=to)
        return os.path.join(to, os.path.basename(self.guest.disks[0].path))
