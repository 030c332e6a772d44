# SPDX-License-Identifier: LGPL-2.1-or-later
"""Makes the archives, restores each under the audit, and judges what came of it.

For each case: restore, verify and list are run. Nothing may be changed, or opened, that is neither the archive's,
the destination's nor the system's; no program may be started but qemu-img and qemu-nbd; no file may be left of a
refused restore, and the bytes of an accepted one must be right.
"""

import argparse
import collections
import concurrent.futures
import hashlib
import os
import random
import re
import shutil
import signal
import sys
import time

import audit
import base
import cases_content
import cases_definition
import cases_files
import cases_manifest
import cases_memory
import cases_seal
import cases_store_files
import cases_store_packs
import cases_store_points
import cases_store_small
import forge
import store
import stored
from case import StoredCase
from vbtest import command, disks
from vbtest.command import Failure, expect, virsh
from vbtest.context import Context

HERE = os.path.dirname(os.path.abspath(__file__))
ROOT = os.path.normpath(os.path.join(HERE, "../.."))
PRIVATE_LIBVIRT = os.path.join(ROOT, "tests/lib/private-libvirt")
MODULES = (cases_definition, cases_memory, cases_manifest, cases_files, cases_content,
           cases_seal, cases_store_points, cases_store_packs, cases_store_files, cases_store_small)
LIMIT_S = 10
MEMORY = 256 << 20
ALWAYS = ("good-none", "point-head-magic", "point-is-as-short-as-a-tombstone", "point-manifest-map-7", "pack-encrypted",
          "store-slot-is-link", "store-guests-is-moved", "emulator", "memory-embedded-emulator", "stored-name-dots", "manifest-doctype", "qcow2-header-in-raw")


def all_cases():
    found = [case for module in MODULES for case in module.cases()]
    twice = [name for name, count in collections.Counter(case.name for case in found).items() if count > 1]
    expect(not twice, f"two cases are called {twice}")
    return found


def tree_hash(folder):
    """Of names, kinds, modes, sizes, times and contents of all files in it."""
    digest = hashlib.sha256()
    for path, folders, files in os.walk(folder):
        folders.sort()
        for name in [".", *sorted(folders), *sorted(files)]:
            whole = os.path.join(path, name)
            found = os.lstat(whole)
            digest.update(f"{whole} {found.st_mode} {found.st_uid} {found.st_size} {found.st_mtime_ns}\n".encode())
            if os.path.isfile(whole) and not os.path.islink(whole):
                with open(whole, "rb") as file:
                    digest.update(file.read())
    return digest.hexdigest()


class Bench:
    """One private libvirt, the good archives, and a folder that nothing may touch."""

    def __init__(self, options):
        self.options = options
        self.t = Context("hostile", options.seed, options.binary, options.build_dir)
        self.canary = self.t.make_dir("canary", 0o1777)
        self.make_canary()
        self.bases = base.Bases(self.t)
        self.stored = stored.StoredBench(self)
        self.places = {"canary": self.canary, "images": self.t.path("images")}
        self.canary_hash = tree_hash(self.canary)
        self.watcher = None
        self.environment = dict(self.t.environment)

    def make_canary(self):
        for name in ("secret", "vda.raw", "web-vda.raw"):
            with open(os.path.join(self.canary, name), "w", encoding="ascii") as file:
                file.write("nobody may see or change this\n")
        path = os.path.join(self.canary, "evil")
        with open(path, "w", encoding="ascii") as file:
            file.write(f'#!/bin/sh\ntouch {self.canary}/it-ran\nexit 1\n')
        os.chmod(path, 0o755)

    def watch(self):
        self.watcher = audit.Watcher(self.t.path("libvirtd.trace"))
        self.watcher.watch(self.t.restart_libvirtd(through=self.watcher.through))

    def watch_no_longer(self):
        """For guests that run: strace would stop QEMU at each of its many signals. The foreign emulator leaves a trace."""
        watcher, self.watcher = self.watcher, None
        self.t.restart_libvirtd()
        watcher.wait_for_end()
        self.canary_hash = tree_hash(self.canary)

    def foreign_starts(self):
        if not self.watcher:
            return []
        return sorted({path for path in self.watcher.started() if not re.match(r"/usr/s?bin/|/bin/|/sbin/", path)})

    # ---- one case ---------------------------------------------------------------------------------

    def audited(self, name, arguments, reads, writes):
        policy = audit.Policy(self.t.binary, reads, writes, self.t.tmp)
        result = audit.run([self.t.binary, *arguments], self.t.path(f"trace-{name}"), policy, self.options.limit,
                           self.environment, self.t.dir)
        command.note(f"$ {' '.join(arguments)}\n{result.out}{result.err}  = {result.status} after {result.seconds:.1f} s, "
                     f"{result.peak >> 20} MiB")
        what = arguments[0]
        expect(not result.violations, f"{what}: {'; '.join(result.violations)}")
        expect(0 <= result.status < 97, f"{what} ended with status {result.status}")
        expect(result.peak <= self.options.memory, f"{what} took {result.peak >> 20} MiB")
        for text in (result.out, result.err):
            bad = [char for char in text if not (char == "\n" or char.isprintable())]
            expect(not bad, f"{what} prints {bad[:5]!r}")
        return result

    def judge_refused(self, case, result, destination):
        expect(result.status not in (0, 2), f"it is not refused, but ends with {result.status}: {result.err}")
        lines = [line for line in result.err.splitlines() if not line.startswith("virt-backup: warning: ")]
        expect(len(lines) == 1, f"one line of error expected: {lines}")
        expect(case.says in lines[0], f"'{case.says}' is not in: {lines[0]}")
        left = os.listdir(destination) if os.path.isdir(destination) else []
        expect(not left, f"files are left of it: {left}")
        if case.base.startswith("memory") or not case.options:
            expect(virsh("domstate", "web", status=None).status != 0, "a guest is defined")

    def judge_restored(self, case, forged, result, destination):
        expect(result.status == 0, f"it is refused: {result.err}")
        expect(case.warns in result.err, f"no warning of '{case.warns}': {result.err}")
        images = dict(self.bases.images, **forged.restored)
        for name in os.listdir(destination):
            path = os.path.join(destination, name)
            kind = name.rsplit(".", 1)[-1]
            mode = os.stat(path).st_mode
            expect(mode & 0o7002 == 0, f"{name} has mode {mode:o}")
            if kind not in ("raw", "qcow2") or name not in images:
                continue
            if kind == "qcow2":
                path = disks.flatten(path, kind, path + ".flat")
            with open(path, "rb") as file:
                expect(file.read() == images[name], f"{name} is not what was stored")
        if case.check:
            case.check(destination, self.canary)

    def clean(self, destination, folder):
        for name in ("web", "twin"):
            if virsh("domstate", name, status=None).status == 0:
                virsh("destroy", name, status=None)
                virsh("undefine", "--keep-nvram", name)
        shutil.rmtree(destination, ignore_errors=True)
        shutil.rmtree(folder, ignore_errors=True)

    @staticmethod
    def restore_line(case, where, archive, destination):
        # All archives are of one guest, whose lock a restore takes before it looks at what is in them.
        return ["restore", "--wait=60s", where, archive, "--destination-path", destination, *case.options]

    def try_stored(self, case):
        run = stored.StoredRun(self.stored, case)
        try:
            run.all()
        finally:
            run.end()
        self.look_at_canary()

    def look_at_canary(self):
        expect(tree_hash(self.canary) == self.canary_hash, "the folder that nobody may touch has changed")
        expect(not self.foreign_starts(), f"libvirt has started {self.foreign_starts()}")

    def forge(self, case, folder):
        good = self.bases.folders[case.base]
        if case.base == "point":
            return store.StoreForge(good, folder, self.places, {"web": base.UUID.replace("-", "")})
        return forge.Forge(good, folder, self.places)

    def try_case(self, case):
        if isinstance(case, StoredCase):
            self.try_stored(case)
            return
        folder, destination = self.t.path("archive-" + case.name), self.t.path("restored-" + case.name)
        forged = self.forge(case, folder)
        where = "--repository" if case.base == "point" else "--source-path"
        defined = case.defines
        try:
            case.change(forged)
            forged.finish()
            writes = [folder] if case.writes_archive or case.base == "point" else []
            result = self.audited(case.name, self.restore_line(case, where, folder, destination), [folder], [destination, *writes])
            # One that should have been refused is not to be in the way of all others.
            defined = defined or result.status in (0, 2)
            if case.says:
                self.judge_refused(case, result, destination)
            else:
                self.judge_restored(case, forged, result, destination)
            for verb, wanted in (("verify", case.verify), ("list", case.list)):
                result = self.audited(case.name, [verb, where, folder], [folder], writes)
                expect(result.status in wanted, f"{verb} ends with {result.status}: {result.err}")
        finally:
            if defined:
                self.clean(destination, folder)
            else:
                shutil.rmtree(destination, ignore_errors=True)
                shutil.rmtree(folder, ignore_errors=True)
        self.look_at_canary()

    # ---- the controls: what the audit must see --------------------------------------------------------

    def control_reads(self):
        """A program that reads the file, one that writes beside it, and one that starts another."""
        for line, wanted in ((f"read x <{self.canary}/secret", "reads"), (f": >>{self.canary}/secret", "changes"),
                             (f"ln -s x {self.canary}/link; rm {self.canary}/link", "changes"),
                             (f"{self.canary}/evil --version", "starts")):
            result = audit.run(["/bin/sh", "-c", line], self.t.path("trace-control"), audit.Policy("/bin/sh", [], [], self.t.tmp), LIMIT_S,
                               self.environment, self.t.dir)
            expect(any(violation.split()[1 if wanted != "starts" else 0] == wanted and self.canary in violation
                       for violation in result.violations), f"{line}: not seen, but {result.violations}")
        expect(os.path.exists(os.path.join(self.canary, "it-ran")), "the foreign emulator cannot run at all")
        expect(tree_hash(self.canary) != self.canary_hash, "the tree hash sees nothing")
        os.unlink(os.path.join(self.canary, "it-ran"))

    def control_trusted(self):
        """With the check told to let it pass, the foreign emulator is started, and the audit sees it."""
        folder, destination = self.t.path("archive-control"), self.t.path("restored-control")
        forged = forge.Forge(self.bases.folders["memory"], folder, self.places)
        for change in (forged.define, forged.live):
            change(cases_definition.EMULATOR, "<emulator>{canary}/evil</emulator>")
        forged.finish()
        try:
            self.t.vb("restore", "--source-path", folder, "--destination-path", destination, "--trust-definition",
                      "--allow-autorun", status=None)
            expect(any("evil" in path for path in self.foreign_starts()), "the foreign emulator was not seen")
            expect(os.path.exists(os.path.join(self.canary, "it-ran")), "the foreign emulator has left no trace")
            os.unlink(os.path.join(self.canary, "it-ran"))
        finally:
            self.clean(destination, folder)

    def close(self):
        if self.watcher:
            self.watch_no_longer()
        self.t.close()


# ---- all of them ----------------------------------------------------------------------------------------


class Suite:
    def __init__(self, bench, options):
        self.bench, self.options = bench, options
        self.counts = {"ok": 0, "not ok": 0, "skip": 0}
        self.slowest = (0.0, "")

    def choose(self):
        found = all_cases()
        names = [case.name for case in found]
        for pattern in self.options.patterns:
            if not any(pattern in name for name in names):
                sys.exit(f"run: no case matches '{pattern}'")
        if self.options.patterns:
            found = [case for case in found if any(pattern in case.name for pattern in self.options.patterns)]
        if self.options.sample and self.options.sample < len(found):
            some = random.Random(self.options.seed).sample(found, self.options.sample)
            found = [case for case in found if case in some or case.name in ALWAYS]
        return found

    def one(self, name, function, *arguments):
        started = time.monotonic()
        try:
            function(*arguments)
            verdict, why = "ok", ""
        except Failure as failure:
            verdict, why = "not ok", str(failure)
        seconds = time.monotonic() - started
        self.slowest = max(self.slowest, (seconds, name))
        self.counts[verdict] += 1
        if verdict != "ok" or self.options.verbose:
            print(f"{verdict} {name}" + (f": {' '.join(why.split())}" if why else "") + f" ({seconds:.1f} s)", flush=True)

    def go(self):
        chosen = self.choose()
        beside = [case for case in chosen if not case.defines]
        alone = [case for case in chosen if case.defines]
        self.bench.watch()
        self.one("control: the audit sees what programs do", self.bench.control_reads)
        self.bench.canary_hash = tree_hash(self.bench.canary)
        with concurrent.futures.ThreadPoolExecutor(self.options.jobs) as pool:
            for future in [pool.submit(self.one, case.name, self.bench.try_case, case) for case in beside]:
                future.result()
        self.one("control: a trusted definition starts what it names", self.bench.control_trusted)
        self.bench.watch_no_longer()
        for case in alone:
            self.one(case.name, self.bench.try_case, case)
        return len(chosen)


def inside(options):
    bench = Bench(options)
    started = time.monotonic()
    try:
        suite = Suite(bench, options)
        count = suite.go()
    finally:
        bench.close()
    counts = suite.counts
    print(f"{count} hostile archives, seed {options.seed}, {time.monotonic() - started:.0f} s, the slowest "
          f"{suite.slowest[1]} with {suite.slowest[0]:.1f} s")
    print(f"{counts['ok']} passed, {counts['not ok']} failed, {counts['skip']} skipped", flush=True)
    return 1 if counts["not ok"] else 0


def parse_arguments():
    parser = argparse.ArgumentParser(description="Restores crafted archives under an audit. Needs root.")
    parser.add_argument("patterns", metavar="PATTERN", nargs="*", help="only cases whose name contains this")
    parser.add_argument("--sample", type=int, default=0, metavar="N", help="about N of them, chosen at random")
    parser.add_argument("--list", action="store_true", help="print the names, run nothing")
    parser.add_argument("--verbose", action="store_true", help="also print cases that passed")
    parser.add_argument("--seed", help="seed of the random choice and of all content; it is printed")
    parser.add_argument("--limit", type=float, default=LIMIT_S, help="seconds that one command may take")
    parser.add_argument("--memory", type=int, default=MEMORY, help="bytes that one of its processes may take")
    parser.add_argument("--binary", help="the virt-backup to test")
    parser.add_argument("--build-dir", help="where test guests are built and kept")
    parser.add_argument("--jobs", type=int, default=os.cpu_count(), help="number of cases run at a time")
    options = parser.parse_args()
    options.seed = options.seed or str(random.SystemRandom().randrange(1 << 32))
    options.binary = os.path.realpath(options.binary or os.environ.get("VIRT_BACKUP")
                                      or os.path.join(ROOT, "build/src/virt-backup"))
    options.build_dir = os.path.realpath(options.build_dir or os.path.join(ROOT, "build/guests"))
    return options


def main():
    options = parse_arguments()
    if options.list:
        print("\n".join(case.name for case in all_cases()))
        return
    if os.geteuid() != 0:
        sys.exit("run: only root can run it")
    for program in ("strace", options.binary):
        if not shutil.which(program):
            sys.exit(f"run: {program} is not there (scripts/install-deps test installs packages)")
    if os.environ.get("PRIVATE_LIBVIRT") != "1":
        words = [PRIVATE_LIBVIRT, "--", sys.executable, os.path.join(HERE, "run"), *sys.argv[1:], "--seed", options.seed]
        os.execv(words[0], words)
    for number in (signal.SIGTERM, signal.SIGHUP):
        signal.signal(number, signal.default_int_handler)
    sys.exit(inside(options))
