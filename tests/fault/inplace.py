# SPDX-License-Identifier: LGPL-2.1-or-later
"""A restore into the original places, over what is there: the former files are back unchanged, or all are the restored ones."""

import hashlib
import os
import shutil

from bench import RestoreBench, is_excused, look
from vbtest.command import expect, run, same

FOLDER = "images"


def facts(path):
    found = os.lstat(path)
    with open(path, "rb") as file:
        return found.st_ino, found.st_uid, found.st_gid, found.st_mode, hashlib.sha256(file.read()).hexdigest()


class InPlaceBench(RestoreBench):
    def __init__(self, name, options):
        super().__init__(name, options, replace=True, folder=FOLDER)
        self.paths = [disk.path for disk in self.guest.disks]
        for disk, owner in zip(self.guest.disks, (34, 12345)):
            run("qemu-io", "-f", disk.format, "-c", "write -q -P 7 1M 64k", disk.path)
            os.chown(disk.path, owner, owner)
            shutil.copy2(disk.path, disk.path.replace(FOLDER, "kept"), follow_symlinks=False)
        self.former = self.facts_of_all()

    def facts_of_all(self):
        return [facts(path) for path in self.paths]

    def place(self, name):
        return self.t.path(FOLDER, name)

    def digest_disks(self):
        return run("sha256sum", *(disk.path for disk in self.other.disks)).out

    def words(self):
        return ["restore", "--source-path", self.t.archive.path, "--original-places", "--overwrite", "--replace",
                "--domain-names=web"]

    def check_all_or_nothing(self, label=None):
        web, other = look("web", "other")
        wrong = other.differences(self.before[1])
        expect(not wrong, f"guest 'other' is not as it was: {'; '.join(wrong)}")
        self.check_nothing_left(self.t.archive.path, label)
        kept = [found == former for found, former in zip(self.facts_of_all(), self.former)]
        expect(all(kept) or not any(kept), f"some of the disks are the former ones, and some are not: {kept}")
        complete = not any(kept)
        # The disks have to be there, even if an effect on one of them has failed.
        made = sorted(name for name in os.listdir(self.t.path(FOLDER))
                      if self.place(name) in self.paths or not is_excused(self.place(name), label))
        if complete:
            expect(all(path in web.definition for path in self.paths), "the definition names other places")
            self.check_whole(web, made)
        else:
            wrong = web.differences(self.before[0])
            expect(not wrong, f"guest 'web' is not as it was: {'; '.join(wrong)}")
            same(made, sorted(os.path.basename(path) for path in self.paths), "files in the folder")
        self.check_tpm(complete, label)
        same(self.digest_disks(), self.digests, "contents of the other guest's disks")
        if complete:
            self.take_away(web)
        return complete

    def take_away(self, web):
        for name in os.listdir(self.t.path(FOLDER)):
            os.unlink(self.place(name))
        for path, former in zip(self.paths, self.former):
            shutil.copy2(path.replace(FOLDER, "kept"), path)
            os.chown(path, former[1], former[2])
        self.former = self.facts_of_all()
        super().take_away(web)
