# SPDX-License-Identifier: LGPL-2.1-or-later
"""Backup, destroy, restore, over and over, of a guest that writes to two disks all the time and judges itself."""

import json
import os
import shutil

from vbtest import linux
from vbtest.archive import Manifest
from vbtest.command import Failure, Skip, expect, run, same, virsh
from vbtest.disks import MIB, Disk


def live_is_trusted():
    """QEMU before 9 forgets changes of memory in a live copy, where it emulates the processor."""
    version = virsh("version").out
    line = next((line for line in version.splitlines() if line.startswith("Running hypervisor")), "")
    return int(line.split()[-1].split(".")[0]) >= 9 if line else False


class Bench:
    """One guest with the verifier, which lives from round to round; only its disks move."""

    def __init__(self, t, mode, repository=None):
        """REPOSITORY: where to back up, instead of a new archive each time; then of a round's backups all but the first are
        increments of both disks."""
        if mode == "live" and not live_is_trusted():
            raise Skip("QEMU before 9 corrupts live memory images of guests that it emulates and that are busy")
        self.t, self.mode, self.round, self.repository = t, mode, 0, repository
        disks = [self._disk("vda", "qcow2"), self._disk("vdb", "qcow2" if repository else "raw")]
        self.guest = linux.linux_guest(t, "web", *disks, asked="verifier", memory_mib=96)
        self.guest.define().start()
        self.verifier = linux.Verifier(self.guest)
        self.token = self.verifier.wait_for_sweeps(1, 120)[0]

    def _disk(self, target, format_name, size=24 * MIB):
        """The guest's blocks, and behind them enough to be read for a while."""
        raw, path = self.t.path(f"{target}.content"), self.t.path(f"{target}.{format_name}")
        with open(raw, "wb") as file:
            file.write(bytes(4 * MIB))
            file.write(self.t.rng.randbytes(size - 4 * MIB))
        if format_name == "raw":
            os.rename(raw, path)
        else:
            run("qemu-img", "convert", "-f", "raw", "-O", format_name, raw, path)
            os.unlink(raw)
        os.chmod(path, 0o666)
        return Disk(path, format_name, target)

    def _backup(self, archive, increment=False):
        """The guest-done event of a backup into the repository, else nothing."""
        words, told = self.t.rng.choice(((), ("--compression", "zstd:1"))), None
        self.verifier.set_mark()
        if self.repository:
            done = self.t.vb("backup", "--repository", self.repository, "--domain-names", "web", "--guest-memory", self.mode,
                             "--json", *words)
            events = [json.loads(line) for line in done.out.splitlines()]
            same({event["disk"]: event["increment"] for event in events if event["event"] == "disk-done"
                  and event["disk"] != "memory"}, {"vda": increment, "vdb": increment}, "increments")
            (told,) = [event for event in events if event["event"] == "guest-done"]
        else:
            self.t.backup(self.guest, "--guest-memory", self.mode, *words, to=archive)
        # What it writes after its instant must not be in the backup.
        self.verifier.wait_for_writes(200)
        self.verifier.check(self.token)
        return told

    def _take_away(self):
        self.guest.destroy()
        self.guest.undefine()
        self.verifier.set_mark()

    def go_round(self):
        """One round. Returns how many blocks the restored guest has compared, and how many were not right."""
        t, self.round = self.t, self.round + 1
        archive, restored = t.path(f"archive-{self.round}"), t.path(f"restored-{self.round}")
        told = self._backup(archive)
        if self.repository:
            for _ in range(t.rng.randrange(1, 3)):
                told = self._backup(None, increment=True)
            self._take_away()
            t.vb("restore", "--repository", self.repository, "--allow-autorun", "--destination-path", restored)
            downtime = told["downtime-ms"]
        else:
            same(manifest_in(archive).consistency(), self.mode, "recorded consistency")
            downtime = manifest_in(archive).downtime_ms()
            self._take_away()
            t.restore("--allow-autorun", source=archive, to=restored)
            shutil.rmtree(archive)
        good, bad = self.verifier.check(self.token)
        shutil.rmtree(t.path(f"restored-{self.round - 1}"), ignore_errors=True)
        return good, bad, downtime

    def mix(self):
        """The negative control: the memory of one backup with the disks of the next. Returns what is found bad."""
        t = self.t
        first = self._backup(t.path("first"))
        self._backup(t.path("second"), increment=bool(self.repository))
        self._take_away()
        if self.repository:
            t.restore_point(self.repository, "--disks", "vda,vdb", "--domain-names=web", to=t.path("others"))
            t.restore_point(self.repository, "--point", first["point"], "--domain-names=web", to=t.path("mixed"))
        else:
            t.restore("--disks", "vda,vdb", source=t.path("second"), to=t.path("others"))
            t.restore(source=t.path("first"), to=t.path("mixed"))
        for disk in self.guest.disks:
            name = os.path.basename(disk.path)
            with open(t.path("others", name), "rb") as source, open(t.path("mixed", name), "r+b") as target:
                target.truncate()
                shutil.copyfileobj(source, target)
        virsh("restore", t.path("mixed", "web.sav"), "--running")
        self.verifier.wait_for_sweeps(1)
        bad = self.verifier.reports()[-1][4]
        expect(bad and self.verifier.complaints(), "disks of another instant than the memory were not noticed")
        found = {word for line in self.verifier.complaints() for word in line.split() if word.startswith("/dev/")}
        if not found <= {"/dev/vda:", "/dev/vdb:"}:
            raise Failure(f"it complains of something else: {self.verifier.complaints()[:1]}")
        return bad


def manifest_in(archive):
    return Manifest(os.path.join(archive, "web.xml"))
