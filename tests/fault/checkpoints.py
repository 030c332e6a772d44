# SPDX-License-Identifier: LGPL-2.1-or-later
"""A run that makes a checkpoint, tests/checkpoints/drive: it stays if its backup may be committed, and else goes."""

import os

from bench import BackupBench
from vbtest.checkpoints import OWNER, drive_of, image_bitmaps, loaded_bitmaps
from vbtest.command import expect, run, same


class CheckpointBench(BackupBench):
    """It has no guardian: a killed run is undone by `recover`."""

    statuses = (0, *range(10, 30))

    def __init__(self, name, options, state="running"):
        super().__init__(name, options, state=state)
        self.binary = drive_of(options.binary)
        self.former = []  # checkpoints before the run
        self.marks = set()  # bitmaps then
        self.prepare()
        run(self.binary, *self.words(), env=self.t.environment)

    def listed(self):
        return self.guest.call("checkpoint-list", "--name").out.split()

    def bitmaps(self):
        """As QEMU has them, or the image that nobody uses."""
        if self.state == "running":
            return {bitmap for _, bitmap in loaded_bitmaps(self.guest)}
        return set(image_bitmaps(self.guest.disks[0]))

    def words(self, *more, to=None):
        since = f"={self.former[-1]}" if self.former else ""
        return ["capture", "web", "none" if self.state == "running" else "off", to or self.t.archive.path, OWNER, f"vda!{since}", "vdb", "commit", *more]

    def prepare(self):
        super().prepare()
        os.mkdir(self.t.archive.path, 0o700)
        self.former, self.marks = self.listed(), self.bitmaps()

    def recover(self, fault):
        """There is only one way to call it: whoever kills it does so to virt-backup."""
        drive, self.binary = self.binary, self.t.binary
        try:
            super().recover(fault)
        finally:
            self.binary = drive

    def hit_by_fault(self, fault, words):
        result, label = super().hit_by_fault(fault, words)
        # It is told in the journal before anybody else may know that the backup is committed.
        self.may_be_committed = "at ended" in result.out.splitlines()
        self.is_committed = result.status == 0
        if fault.kills_control and not fault.needs_recover:
            self.recover(fault)
        return result, label

    def check(self, fault, label=None):
        self.check_guest()
        self.check_nothing_left(self.t.archive.path, label if fault.do == "fail" else None, fault.guardian_at > 0)
        if fault.do:
            self.check_checkpoints(fault)
        if fault.thorough:
            self.former = self.listed()
            run(self.binary, *self.words(), env=self.t.environment)
            self.check_guest()
            self.check_nothing_left(self.t.archive.path)
            self.check_only_one()

    def check_only_one(self):
        left = self.listed()
        expect(len(left) == 1 and left[0] not in self.former, f"after a whole backup there are {left}, before {self.former}")
        same(self.bitmaps(), set(left), "bitmaps after a whole backup")

    def check_checkpoints(self, fault):
        if self.is_committed and fault.do != "fail":
            self.check_only_one()
            return
        if self.state == "shut off":
            self.check_images(fault)
            return
        left = self.listed()
        made = [name for name in left if name not in self.former]
        lost = [name for name in self.former if name not in left]
        expect(made or not self.is_committed, "the backup is committed, and its checkpoint is not there")
        expect(not made or self.may_be_committed, f"a checkpoint is left of a backup that is not committed: {made}")
        expect(made or not lost, f"the former checkpoint is gone, and there is no other: {lost}")
        same(self.bitmaps(), set(left), "bitmaps")

    def check_images(self, fault):
        """The bitmaps decide, libvirt's record may be missing; and a qemu-img that is killed takes all bitmaps with it."""
        marks = self.bitmaps()
        made = {*marks, *self.listed()} - self.marks - {*self.former}
        lost = self.marks - marks
        expect(not made or self.may_be_committed, f"a checkpoint is left of a backup that is not committed: {made}")
        if fault.do != "kill-during" and not self.may_be_committed:
            expect(not lost, f"the former bitmap is gone: {lost}")
