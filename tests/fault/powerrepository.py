# SPDX-License-Identifier: LGPL-2.1-or-later
"""A repository whose power is cut while a guest is backed up to it, or while it is pruned or collected."""

import os

from look import left_files
from powerbench import DISK_SIZE, PowerBench
from repository import AT_ONCE, DAY_S, Repository
from vbtest.command import expect, same
from vbtest.disks import MIB

PAST_DAYS = 3


class RepositoryPower(PowerBench):
    """Points of some days, of a guest that is shut off."""

    by_effects = True

    def __init__(self, options, name, verb):
        super().__init__(options, name)
        self.verb = verb
        self.repository = None
        self.past_shim = os.path.join(os.path.dirname(os.path.dirname(options.shim)), "past/past-shim.so")

    def backup_words(self):
        return ["backup", "--repository", self.repository.path, "--domain-names=web", "--compression", "zstd:1"]

    def words(self, *more):
        if self.verb == "backup":
            return [*self.backup_words(), *more]
        return [self.verb, "--repository", self.repository.path, *(("--keep-last", "2") if self.verb == "prune" else AT_ONCE)]

    def change_disk(self):
        with open(self.guest.disks[1].path, "r+b") as file:
            file.seek(self.t.rng.randrange(DISK_SIZE - MIB))
            file.write(self.t.rng.randbytes(MIB))

    def prepare(self):
        self.format()
        self.make_guest()
        self.repository = Repository(self.t, self.path("repository"))
        for day in range(PAST_DAYS, 0, -1):
            self.change_disk()
            self.t.vb(*self.backup_words(), env=dict(self.t.environment, LD_PRELOAD=self.past_shim,
                                                     VIRT_BACKUP_PAST_S=str(day * DAY_S)))
        if self.verb == "collect":
            self.repository.run("prune", "--keep-last", "2")
        self.change_disk()
        os.sync()

    def check(self, at_work, moment):
        """What is listed restores; what had ended is there; and who goes on comes to the end."""
        self.t.vb("recover")
        # But for what collect remembers.
        left = [path for path in left_files(None, self.t.tmp) if self.repository.id not in path]
        expect(not left, f"left over: {left}")
        ended = at_work.ended <= moment.began
        if ended and self.verb == "collect":
            same(len(self.repository.slots_of_points()), 2, "points in slots, of which one was removed")
        count = self.repository.check()
        wanted = {"backup": (PAST_DAYS, PAST_DAYS + 1), "prune": (PAST_DAYS, PAST_DAYS - 1), "collect": (2, 2)}[self.verb]
        expect(count in (wanted[1:] if ended else wanted), f"there are {count} points, though the run "
               + ("had ended" if ended else "had not ended"))
        self.change_disk()
        self.t.vb(*self.backup_words())
        self.repository.run("prune", "--keep-last", "3")
        self.repository.check_clean(dead_collections=1 if self.verb == "collect" else 0)
        same(self.repository.check(), 3, "points that are left")
        same(self.guest.state(), "shut off", "state of the guest")
        return f"{count} points"


SCENARIOS = {f"repository-{verb}": (RepositoryPower, {"verb": verb}) for verb in ("backup", "prune", "collect")}
