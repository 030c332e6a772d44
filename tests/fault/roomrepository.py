# SPDX-License-Identifier: LGPL-2.1-or-later
"""The file system of a repository runs full, or its quota is used up, while a guest is backed up to it or it is pruned or
collected; and one that is full is collected."""

import contextlib
import errno
import os
import re
import shutil

from bench import Fault
from repository import AT_ONCE, COLLECTIONS, RepositoryKeepBench
from shortage import fill, place_of
from vbtest.command import expect, note, same
from vbtest.disks import MIB

SIZE = 128 * MIB
KIB = 1024


class RepositoryRoomBench(RepositoryKeepBench):
    """The repository is on a file system of its own, with two points in the trash."""

    def __init__(self, name, options, verb):
        super().__init__(name, options, "collect")
        self.verb = verb
        self.place = self.t.small_filesystem("place", SIZE)
        self.repository.path = os.path.join(self.place, "repository")

    def words(self):
        if self.verb == "backup":
            return ["backup", "--repository", self.repository.path, "--domain-names=web", "--compression", "none"]
        return super().words()

    def put_back(self):
        """Not by links: what is removed makes room."""
        shutil.rmtree(self.repository.path, ignore_errors=True)
        shutil.copytree(self.repository.pristine, self.repository.path)
        self.repository.forget()

    def plan(self):
        self.put_back()
        same(self.finish(self.start(self.words())).status, 0, "exit status without a fault")
        return self.effects()

    def point(self, fault):
        self.put_back()
        # What a backup has to store.
        with open(self.disk.path, "r+b") as file:
            file.write(self.rng.randbytes(2 * MIB))
        if fault.do == "fail-quota":
            quota = Fault({"scenario": self.name, "do": "fail", "at": fault.at, "error": errno.EDQUOT})
            result, _ = self.hit_by_fault(quota, self.words())
            self.judge(result)
        else:
            self.run_full(fault)
        self.check_after()
        return self.label(fault)

    def run_full(self, fault):
        process, release = self.hold(fault, self.words())
        filler = fill(self.place, fault.size)
        try:
            release()
            self.judge(self.finish(process))
            self.collect_full(fault)
        finally:
            os.unlink(filler)

    def judge(self, result):
        note(f"{result.err}  = {result.status}")
        expect(result.status in (0, 1, 3), f"exit status {result.status}")
        if result.status:
            told = [line for line in result.error_lines if self.repository.path in line or re.search("state directory|lock file", line)]
            expect(told, f"it does not say what is full: {result.err}")
        expect(self.repository.check() >= 2, "a point that was to be kept is gone")

    def collect_full(self, fault):
        """With nothing but its reserve it comes to its end."""
        if fault.size:
            return
        for _ in range(COLLECTIONS):
            result = self.repository.run("collect", *AT_ONCE, status=None)
        same(result.status, 0, f"exit status of collect in a full store: {result.err}")
        same(len(self.repository.points()), self.repository.check(), "points that are good")
        with contextlib.suppress(FileNotFoundError):
            expect(os.statvfs(self.place).f_bavail > 0, "nothing was freed")

    def check_after(self):
        """With room again all goes on."""
        self.t.vb("backup", "--repository", self.repository.path, "--domain-names=web")
        self.repository.run("prune", "--keep-last", "2", "--force")
        self.repository.check_clean(dead_collections=1)
        expect(self.repository.check() >= 2, "points are missing")
        self.check_restored()


def room_points(scenario, effects, rng, count):
    """From none to more than is needed, at the first effect or anywhere; then a quota, anywhere."""
    writing = [number for number, label in enumerate(effects, 1) if label.startswith(("linkat", "openat", "fsync", "fdatasync"))]
    for index in range(count):
        at = rng.choice(writing) if index % 2 else place_of(effects, "openat")
        yield {"scenario": scenario, "do": "fill-target", "at": at, "size": 0 if index < count // 2 else rng.randrange(4 * MIB)}
    for at in rng.sample(writing, min(count, len(writing))):
        yield {"scenario": scenario, "do": "fail-quota", "at": at}


SCENARIOS = {f"room-{name}": (RepositoryRoomBench, {"verb": verb})
             for name, verb in (("repository", "backup"), ("prune", "prune"), ("collect", "collect"))}
