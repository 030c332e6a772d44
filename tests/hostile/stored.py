# SPDX-License-Identifier: LGPL-2.1-or-later
"""The good repository that cases change, and what is done with each copy: it is listed, verified, restored from, backed up
to, pruned and collected. Whatever was done to the points of one guest, those of another must stay what they are."""

import contextlib
import glob
import os
import shutil
import threading

import store
from vbtest import leftovers
from vbtest.command import expect, same

KIB = 1024
DAY_S = 86400
# Points of each guest, and how many days old they are.
AGES = (3, 2)
AT_ONCE = ("--trash-age", "0", "--silence", "0")
OUTCOMES = {"list": (0, 1, 3), "verify": (0, 1, 4), "restore": (0, 1), "backup": (0, 1), "prune": (0, 1, 3, 4),
            "collect": (0, 1, 4)}


class StoredBench:
    def __init__(self, bench):
        self.bench, self.t = bench, bench.t
        self.base = self.t.path("base-store")
        self.guests, self.contents, self.images = {}, {}, []
        self.t.vb("repository", "create", self.base)
        for name in ("victim", "innocent"):
            disk = self.t.disk("vda", "raw", size=512 * KIB, name=f"{name}.raw")
            self.guests[name] = self.t.guest(name, disk).define().uuid().replace("-", "")
            self.images.append(disk.path)
        for days in AGES:
            for name in self.guests:
                self._back_up(name, days)

    def _back_up(self, name, days):
        """As if it had been so many days ago; first five blocks that nothing else has, then one of them anew."""
        shim = os.path.join(os.path.dirname(self.t.binary), "../tests/past/past-shim.so")
        with open(self.t.path(f"{name}.raw"), "r+b") as file:
            file.seek(0 if days == AGES[0] else 3 * store.BLOCK)
            file.write(self.t.rng.randbytes((5 if days == AGES[0] else 1) * store.BLOCK))
            file.seek(0)
            self.contents[name] = file.read()
        self.t.vb("backup", "--repository", self.base, "--domain-names", name, "--compression", "zstd:1",
                  env=dict(self.t.environment, LD_PRELOAD=shim, VIRT_BACKUP_PAST_S=str(days * DAY_S)))


class StoredRun:
    """One case: a copy of the repository, changed, and all verbs on it."""

    def __init__(self, stored, case):
        self.stored, self.bench, self.t, self.case = stored, stored.bench, stored.bench.t, case
        self.folder, self.restored = self.t.path("store-" + case.name), self.t.path("restored-" + case.name)
        self.said, self.newest = "", None
        self.forged = store.StoreForge(stored.base, self.folder, self.bench.places, stored.guests)

    def verb(self, verb, *words, writes=()):
        result = self.bench.audited(self.case.name, [verb, "--repository", self.folder, *words],
                                    [self.folder, *self.stored.images], [self.folder, *writes])
        expect(result.status in OUTCOMES[verb], f"{verb} ends with {result.status}: {result.err}")
        if self.case.blocks:
            expect(result.status == 1, f"{verb} ends with {result.status}, though the repository is none: {result.err}")
            expect(self.case.blocks in result.err, f"{verb} does not say '{self.case.blocks}': {result.err}")
        self.said += result.out + result.err
        return result

    def restore(self, guest):
        try:
            result = self.verb("restore", "--wait=60s", "--domain-names", guest, "--disks", "vda", "--destination-path",
                               self.restored, writes=[self.restored])
            found = sorted(os.listdir(self.restored)) if os.path.isdir(self.restored) else []
            same(found, [] if result.status else [f"{guest}.raw"], f"files of a restore that ends with {result.status}")
            if not result.status:
                with open(os.path.join(self.restored, found[0]), "rb") as file:
                    expect(file.read() == self.stored.contents[guest], f"the disk of {guest} is not what was stored: {result}")
        finally:
            shutil.rmtree(self.restored, ignore_errors=True)
        return result

    def restore_innocent(self, when):
        result = self.restore("innocent")
        if self.case.stops_all and result.status:
            expect(self.forged.path in result.err, f"the restore does not say what is wrong: {result.err}")
        else:
            expect(self.case.blocks or result.status == 0, f"the innocent guest is not restored {when}: {result.err}")

    def judge_victim(self):
        result = self.restore("victim")
        if self.case.stops_all and not self.case.says:
            return
        if self.case.says:
            expect(result.status == 1, f"it is not refused: {result.err}")
            lines = [line for line in result.err.splitlines() if not line.startswith("virt-backup: warning: ")]
            expect(len(lines) == 1, f"one line of error expected: {lines}")
            expect(self.case.says in lines[0], f"'{self.case.says}' is not in: {lines[0]}")
        elif not self.case.blocks:
            expect(result.status == 0, f"it is refused: {result.err}")

    def verify(self):
        named = {"point": self.forged.slot, "pack": self.forged.pack_name}.get(self.case.names, lambda: self.case.names)()
        result = self.verb("verify")
        innocent = [line for line in result.out.splitlines() if line.startswith("guest 'innocent'") and ": good, " in line]
        if self.case.stops_all:
            return
        expect(self.case.blocks or len(innocent) == len(AGES), f"the innocent guest is not verified: {result.out}{result.err}")
        if self.case.says and not self.case.verifies:
            expect(result.status in (1, 4), f"verify ends with {result.status}, though the restore is refused: {result.err}")
        elif not self.case.blocks:
            expect(result.status == (4 if self.case.names else 0), f"verify ends with {result.status}: {result.err}")
        expect(named in result.out + result.err, f"verify does not say '{named}': {result.out}{result.err}")

    def back_up(self):
        result = self.verb("backup", "--wait=60s", "--domain-names", "innocent")
        if self.case.stops_all and result.status:
            expect(self.forged.path in result.err, f"the backup does not say what is wrong: {result.err}")
        else:
            expect(self.case.blocks or result.status == 0, f"the innocent guest is not backed up: {result.err}")
        result = self.verb("backup", "--wait=60s", "--domain-names", "victim")
        if result.status == 0 and not self.case.stops_all:
            same(self.restore("victim").status, 0, "status of a restore of what was backed up since")

    def keep(self):
        """What cannot be read is not taken for what refers to nothing."""
        self.verb("prune", "--keep-last", "2")
        before = self.forged.find("d")
        for _ in range(2):
            self.verb("collect", *AT_ONCE)
        if self.case.keeps:
            gone = {self.newest} & (set(before) - set(self.forged.find("d")))
            expect(not gone, f"collect has removed {gone}")

    @contextlib.contextmanager
    def meanwhile(self):
        """What goes on all the time."""
        over = threading.Event()
        threads = [threading.Thread(target=self.forged.during, args=(over,), daemon=True)] if self.forged.during else []
        for thread in threads:
            thread.start()
        try:
            yield
        finally:
            over.set()
            for thread in threads:
                thread.join()

    def all(self):
        self.newest = self.forged.pack_name()
        self.case.change(self.forged)
        self.forged.finish()
        with self.meanwhile():
            self.verb("list")
            self.judge_victim()
            self.restore_innocent("at first")
            self.verify()
            self.back_up()
            self.keep()
            self.restore_innocent("in the end")
        expect(self.case.warns in self.said, f"nobody says '{self.case.warns}': {self.said}")

    def end(self):
        shutil.rmtree(self.folder, ignore_errors=True)
        # What collect remembers of it.
        for path in glob.glob(f"{leftovers.STATE_DIR}/*-{self.forged.id}-*"):
            os.unlink(path)
