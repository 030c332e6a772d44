# SPDX-License-Identifier: LGPL-2.1-or-later
"""A repository that a backup, a restore, prune or collect is hit in: every point that is listed must restore."""

import glob
import json
import os
import shutil

from bench import DISK_SIZE, BackupBench, Bench, Fault, RestoreBench
from vbtest import leftovers
from vbtest.command import expect, run, same
from vbtest.disks import MIB

DAY_S = 86400
PAST_DAYS = 4       # of points in the repository that is pruned, each a day younger
# Of a collection: without an age in the trash, and whoever died is dead.
TOMBSTONE_SIZE = 128
AT_ONCE = ("--trash-age", "0", "--silence", "0")
COLLECTIONS = 4


class Repository:
    """What the benches share: a repository, a pristine copy of it, and what must be true of it afterwards."""

    def __init__(self, t, path=None):
        self.t = t
        self.path, self.pristine = path or t.path("repository"), t.path("pristine")
        t.vb("repository", "create", self.path)
        with open(os.path.join(self.path, "config"), encoding="utf-8") as file:
            self.id = json.load(file)["id"]
        t.undo.callback(self.forget)

    def forget(self):
        """What collect remembers of it."""
        for path in glob.glob(f"{leftovers.STATE_DIR}/*-{self.id}-*"):
            os.unlink(path)

    def run(self, verb, *words, status=0, **options):
        return self.t.vb(verb, "--repository", self.path, *words, status=status, **options)

    def keep(self):
        """As it is now, it is found by each run."""
        shutil.copytree(self.path, self.pristine)

    def put_back(self):
        shutil.rmtree(self.path)
        # Objects are never written to in place, so links do.
        shutil.copytree(self.pristine, self.path, copy_function=os.link)
        self.forget()

    def points(self):
        """The ids of the points that are listed and not in the trash, the oldest first."""
        events = [json.loads(line) for line in self.run("list", "--json").out.splitlines()]
        listed = [event for event in events if event.get("event") == "point"]
        expect(not [event for event in listed if event.get("error")], f"a point that is listed cannot be read: {listed}")
        return [event["point"] for event in listed if not event["in-trash"]]

    def check(self):
        """Whatever is listed can be restored. Returns how many."""
        points = self.points()
        if points:
            self.run("verify")
        return len(points)

    def check_clean(self, dead_collections=0):
        """What has died is collected, and then nothing is left of it. The first run may go on with an earlier one, and sees
        who has died for the first time; the next fences him, and the last removes what he has left. Only the token of a
        collection that died before it had saved its state stays, for a month."""
        for _ in range(COLLECTIONS):
            # It stops where one that was killed has removed points, and the next begins anew.
            self.run("collect", *AT_ONCE, status=None)
        left = [name for top in ("tmp", "s") for name in self.files(top) if not self.is_of_point(name)] + self.files("t")
        expect(not left, f"left over after a collection: {left}")
        tokens = self.files("c")
        expect(len(tokens) <= dead_collections, f"tokens left after a collection: {tokens}")
        self.forget()

    def files(self, top):
        folder = os.path.join(self.path, top)
        return [os.path.relpath(os.path.join(below, name), self.path) for below, _, names in os.walk(folder) for name in names]

    def slots_of_points(self):
        return [name for name in self.files("p") if os.path.getsize(os.path.join(self.path, name)) != TOMBSTONE_SIZE]

    def is_of_point(self, name):
        """Sessions whose slots are filled. Temporary files of no session are left
        alone for a month, and so is that of a session which died before it was announced: it has no slot."""
        top, rest = name.split("/", 1)
        if top == "tmp":
            return "/" not in rest or not os.path.exists(os.path.join(self.path, "p", rest.rsplit("-", 1)[0]))
        return os.path.exists(os.path.join(self.path, "p", rest))


class RepositoryBackupBench(BackupBench):
    def make_places(self):
        self.repository = Repository(self.t)

    def bring_up(self):
        super().bring_up()
        self.t.vb(*self.words())
        self.repository.keep()

    def words(self, *more, to=None):
        memory = ["--guest-memory", self.memory] if self.memory else []
        return ["backup", "--repository", self.repository.path, "--domain-names=web", "--compression", "zstd:1", *memory, *more]

    def prepare(self):
        super().prepare()
        self.repository.put_back()

    def check(self, fault, label=None):
        self.check_guest()
        self.check_nothing_left(None, label if fault.do == "fail" else None, fault.guardian_at > 0)
        count = self.repository.check()
        expect(count in ((1, 2) if fault.do else (2,)), f"there are {count} points")
        if fault.thorough:
            self.t.vb(*self.words())
            self.check_guest()
            same(self.repository.check(), count + 1, "points after another backup")
            self.repository.check_clean()
            same(self.repository.check(), count + 1, "points after a collection")

    def hit_by_fault(self, fault, words):
        result, label = super().hit_by_fault(fault, words)
        if result.status == 0:
            same(len(self.repository.points()), 2, "points after a backup that went well")
        return result, label


class RepositoryRestoreBench(RestoreBench):
    def save(self):
        """While it is paused, so that there is an archive with the same, to compare with."""
        self.repository = Repository(self.t)
        self.guest.suspend()
        super().save()
        self.t.vb("backup", "--repository", self.repository.path, "--domain-names=web", "--compression", "zstd:1")
        self.files = self.repository_files()

    def words(self):
        return ["restore", "--repository", self.repository.path, "--destination-path", self.t.restored, "--domain-names=web"]

    def repository_files(self):
        return [name for top in ("p", "d", "s", "t", "h", "tmp") for name in self.repository.files(top)]

    def check_all_or_nothing(self, label=None):
        complete = super().check_all_or_nothing(label)
        same(self.repository_files(), self.files, "objects of the repository")
        return complete


class RepositoryKeepBench(Bench):
    """Several points of a guest that is shut off, each of another day, and a verb that keeps the repository in order."""

    def __init__(self, name, options, verb):
        super().__init__(name, options)
        self.verb = verb
        self.repository = Repository(self.t)
        self.disk = self.t.disk("vda", "raw", size=DISK_SIZE)
        self.t.guest("web", self.disk).define()
        shim = os.path.join(os.path.dirname(os.path.dirname(self.shim)), "past/past-shim.so")
        for day in range(PAST_DAYS, 0, -1):
            with open(self.disk.path, "r+b") as file:
                file.seek(self.rng.randrange(DISK_SIZE - MIB))
                file.write(self.rng.randbytes(MIB))
            self.t.vb("backup", "--repository", self.repository.path, "--domain-names=web",
                      env=dict(self.t.environment, LD_PRELOAD=shim, VIRT_BACKUP_PAST_S=str(day * DAY_S)))
        if verb == "collect":
            self.repository.run("prune", "--keep-last", "2")
        self.repository.keep()

    def words(self):
        more = {"prune": ["--keep-last", "2"], "collect": AT_ONCE}[self.verb]
        return [self.verb, "--repository", self.repository.path, *more]

    def plan(self):
        self.repository.put_back()
        same(self.finish(self.start(self.words())).status, 0, "exit status without a fault")
        effects = self.effects()
        self.check(Fault({"scenario": self.name}))
        return effects

    def point(self, fault):
        self.repository.put_back()
        _, label = self.hit_by_fault(fault, self.words())
        self.check(fault)
        self.check_hit(label)
        return label

    def check(self, fault):
        """The newest points are there and good; who goes on comes to the end."""
        expect(self.repository.check() >= 2, "a point that was to be kept is gone")
        if fault.thorough or not fault.do:
            self.repository.run("prune", "--keep-last", "2")
            self.repository.check_clean(dead_collections=1 if self.verb == "collect" and fault.do else 0)
            same(self.repository.check(), 2, "points that are left")
            self.check_restored()

    def check_restored(self):
        to = self.t.path("restored")
        self.repository.run("restore", "--domain-names=web", "--destination-path", to, "--disks", "vda")
        result = run("cmp", os.path.join(to, os.path.basename(self.disk.path)), self.disk.path, status=None)
        same(result.status, 0, "comparison of the disk as it is restored")
        shutil.rmtree(to)
