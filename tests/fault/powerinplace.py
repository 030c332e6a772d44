# SPDX-License-Identifier: LGPL-2.1-or-later
"""Power cuts of a restore over the disks that are there."""

import os

from powerbench import RestorePower
from vbtest.command import expect, note, run, same


class InPlacePower(RestorePower):
    """A restore over the disks that are there: afterwards all of them are the former ones, or all the restored ones."""

    def __init__(self, options, name):
        super().__init__(options, name, replace=True)
        self.former = None

    def words(self):
        return ["restore", "--source-path", self.t.archive.path, "--original-places", "--overwrite", "--replace",
                "--domain-names=web", "--verbose"]

    def digests(self):
        return [run("sha256sum", disk.path).out for disk in self.guest.disks]

    def prepare(self):
        super().prepare()
        self.start_guest()   # it writes to its disks, which differ from the backup then
        self.guest.destroy()
        self.former = self.digests()
        os.sync()

    def holds_backup(self, disk):
        raw = self.t.archive.image("web", disk.target, "none")
        return run("qemu-img", "compare", "-f", disk.format, "-F", "raw", disk.path, raw, status=None).status == 0

    def check(self, at_work, moment):
        note(f"journals {self.journals()}")
        self.forget_serial()
        self.t.vb("recover")
        self.check_nothing_left()
        self.check_archive(may_be_empty=False)
        expect(self.guest.exists(), "the guest is gone")
        kept = [found == former for found, former in zip(self.digests(), self.former)]
        expect(all(kept) or not any(kept), f"some of the disks are the former ones, and some are not: {kept}")
        expect(not all(kept) or at_work.ended > moment.began or at_work.status != 0, "it had ended well, and nothing is restored")
        names = sorted(os.path.basename(disk.path) for disk in self.guest.disks)
        made = sorted(os.listdir(self.path("images")))
        if all(kept):
            same(made, names, "files beside the former disks")
            self.check_can_be_started()
            return "nothing"
        same([name for name in made if name != "web.sav"], names, "files beside the restored disks")
        same([self.holds_backup(disk) for disk in self.guest.disks], [True, True], "which disks are those of the backup")
        self.check_can_be_started()
        return "complete"


SCENARIOS = {"restore-in-place": (InPlacePower, {})}
