# SPDX-License-Identifier: LGPL-2.1-or-later
"""A copy into a repository, or an export out of it, that is hit: the point is there and good, or it is not there."""

import os
import shutil

from bench import DISK_SIZE, Bench, Fault
from repository import Repository
from vbtest.command import expect, same
from vbtest.disks import MIB


class CarryBench(Bench):
    """A guest that is shut off, whose backup is in an archive, and, for an export, in a repository."""

    def __init__(self, name, options, verb):
        super().__init__(name, options)
        self.verb = verb
        self.repository = Repository(self.t)
        self.to = self.t.path("exported")
        self.disk = self.t.disk("vda", "raw", size=DISK_SIZE)
        with open(self.disk.path, "r+b") as file:
            file.write(self.rng.randbytes(MIB))
        guest = self.t.guest("web", self.disk).define()
        if verb == "copy":
            self.t.backup(guest)
        else:
            self.repository.run("backup", "--domain-names=web")
        self.repository.keep()
        self.files = None

    def words(self, *more):
        if self.verb == "copy":
            return ["copy", "--from", self.t.archive.path, "--to", self.repository.path, "--compression", "zstd:1", *more]
        return ["export", "--repository", self.repository.path, "--destination-path", self.to, *more]

    def prepare(self):
        self.repository.put_back()
        shutil.rmtree(self.to, ignore_errors=True)

    def plan(self):
        self.prepare()
        same(self.finish(self.start(self.words())).status, 0, "exit status without a fault")
        effects = self.effects()
        self.files = self.exported()
        self.check(Fault({"scenario": self.name}))
        return effects

    def point(self, fault):
        self.prepare()
        result, label = self.hit_by_fault(fault, self.words())
        if result.status == 0:
            expect(self.is_there(), "it has succeeded, and there is nothing")
        self.check(fault)
        self.check_hit(label)
        return label

    def exported(self):
        return sorted(os.listdir(self.to)) if os.path.exists(self.to) else []

    def is_there(self):
        """If it is there at all, it is good."""
        if self.verb == "copy":
            return self.repository.check() == 1
        if "web.xml" not in self.exported():
            return False
        self.t.vb("verify", "--source-path", self.to)
        return True

    def check(self, fault):
        there = self.is_there()
        expect(there or fault.do, "nothing is there")
        if self.verb == "export":
            same(self.repository.check(), 1, "points")
        if not fault.thorough:
            return
        # Whoever comes next makes it, or sees that it is there, and clears up.
        more = ["--replace"] if self.verb == "export" else []
        self.t.vb(*self.words(*more))
        expect(self.is_there(), "nothing is there after another run")
        if self.verb == "copy":
            self.repository.check_clean()
            same(self.repository.check(), 1, "points after a collection")
        elif self.files:
            same(self.exported(), self.files, "files of the archive")
