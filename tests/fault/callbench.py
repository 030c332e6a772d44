# SPDX-License-Identifier: LGPL-2.1-or-later
"""Small runs of virt-backup in which the n-th call of a kind fails, and what must be true after each."""

import os
import shutil
import struct

from bench import STRANDED, Bench
from look import left_files
from vbtest import disks
from vbtest.archive import Archive, tag
from vbtest.command import expect, note, run, same, virsh

KIB = 1024
ROLES = ("", "control", "guardian", "spawner", "child")
KINDS = ("memory", "file", "process", "libvirt", "nbd")
STATE_SIZE = 4096
LABEL_SIZE = 160
BUSY = 6
DAMAGED = 4


class State:
    """struct state of calls.c."""

    def __init__(self, path):
        with open(path, "rb") as file:
            data = file.read()
        size = len(ROLES) * len(KINDS)
        most = struct.unpack_from(f"{size}I", data)
        self.most = {(role, kind): most[row * len(KINDS) + column] for row, role in enumerate(ROLES)
                     for column, kind in enumerate(KINDS) if most[row * len(KINDS) + column]}
        self.hits, = struct.unpack_from("I", data, 4 * size)
        self.label = data[4 * size + 4:4 * size + 4 + LABEL_SIZE].split(b"\0")[0].decode()


class CallBench(Bench):
    """Guest "web" with two small disks, shut off; archives of it and of "gone", which is no longer there."""

    def __init__(self, options):
        super().__init__("calls", options)
        self.state_path = self.t.path("state")
        self.guest = self.small_guest("web").define()
        gone = self.small_guest("gone").define()
        self.archives = {codec: self.make_archive(codec, self.guest, gone) for codec in ("none", "lzma:0", "zstd:1")}
        self.contents = self.digests(self.archives["none"])
        self.bad = {codec: self.spoil(path) for codec, path in self.archives.items()}
        gone.undefine()
        self.gone = gone

    def small_guest(self, name):
        return self.t.guest(name, self.small_disk(f"{name}-vda", "vda", "qcow2"), self.small_disk(f"{name}-vdb", "vdb",
                                                                                                   "raw"))

    def small_disk(self, name, target, format_name):
        path = self.t.path(f"{name}.{format_name}")
        raw = path if format_name == "raw" else self.t.path("content")
        with open(raw, "wb") as file:
            file.write(self.rng.randbytes(20 * KIB) + b"text that compresses " * 4000)
            file.truncate(320 * KIB)
        if format_name != "raw":
            disks.convert(raw, path, format_name)
            os.unlink(raw)
        os.chmod(path, 0o644)
        return disks.Disk(path, format_name, target)

    def backup_words(self, codec, to, *guests):
        return self.t.backup_line(*guests, "--compression", codec, "--chunk-size", "64K", "--children", "1", to=to)

    def make_archive(self, codec, *guests):
        path = self.t.path("of-" + codec.split(":")[0])
        self.t.vb(*self.backup_words(codec, path, *guests))
        return path

    def spoil(self, path):
        """A copy with one changed byte in the image of a disk."""
        copy = path + "-bad"
        shutil.copytree(path, copy)
        name = next(name for name in sorted(os.listdir(copy)) if name.startswith("web-vdb.raw"))
        with open(os.path.join(copy, name), "r+b") as file:
            file.seek(100)
            byte = file.read(1)[0]
            file.seek(100)
            file.write(bytes([byte ^ 0x10]))
        return copy

    @staticmethod
    def digests(path, guest="web"):
        """The content of each disk, as the manifest has it."""
        backup = Archive(path).manifest(guest).backup
        return {disk.get("target"): disk.find(tag("stored")).get("content") for disk in backup.findall(tag("disk"))}

    def environment(self, settings):
        with open(self.state_path, "wb") as file:
            file.truncate(STATE_SIZE)
        settings = {f"VB_CALLS_{key}": str(value) for key, value in settings.items()}
        # A build with AddressSanitizer looks for leaks, too; it lets nobody be preloaded unless told so.
        asan = self.t.environment["ASAN_OPTIONS"] + ":verify_asan_link_order=0:allocator_may_return_null=1"
        return dict(self.t.environment, LD_PRELOAD=self.shim, ASAN_OPTIONS=asan, VB_CALLS_STATE=self.state_path, **settings)

    def label_at(self, _number):
        return State(self.state_path).label

    def left(self, archive):
        return left_files(archive, self.t.tmp)


class Scenario:
    good = (0,)
    allowed = (0, 1, 3, STRANDED, BUSY)

    def __init__(self, bench, codec="none"):
        self.bench = bench
        self.codec = codec

    def prepare(self):
        """Before each run."""

    def try_item(self, item):
        """Returns the state that the shim has left."""
        bench = self.bench
        self.prepare()
        settings = {"ROLE": item["role"], "KIND": item["kind"], "AT": item["at"]} if "at" in item else {}
        settings |= {key.upper(): "yes" for key in ("on", "lie") if item.get(key)}
        result = bench.finish(bench.start(self.words(), **settings))
        state = State(bench.state_path)
        note(f"call {item.get('at')}: {state.label}, {state.hits} failed")
        allowed = self.allowed if state.hits else self.good
        expect(result.status in allowed, f"exit status {result.status}")
        expect(result.status == 0 or result.error_lines, f"status {result.status} without a word")
        self.check(result, item, state)
        return state

    def check(self, result, item, state):
        """After each run."""


class Verify(Scenario):
    """A good archive: an error may come, but silently nothing may be missed."""
    allowed = (0, 1, 3, DAMAGED, BUSY)

    def words(self):
        return ["verify", "--source-path", self.bench.archives[self.codec], "--children", "1"]

    def check(self, result, item, state):
        if result.status == 0:
            expect("2 guests verified" in result.out, f"not all guests were verified: {result.out}")


class VerifyBad(Scenario):
    """An archive with a changed byte: whatever fails, the end is not a good one."""
    good = (DAMAGED,)
    allowed = (1, 3, DAMAGED, BUSY)

    def words(self):
        return ["verify", "--source-path", self.bench.bad[self.codec], "--children", "1"]


class List(Scenario):
    allowed = (0, 1, 3, BUSY)

    def words(self):
        return ["list", "--source-path", self.bench.archives[self.codec]]

    def check(self, result, item, state):
        if result.status == 0:
            expect("web" in result.out and "gone" in result.out, f"not all guests are listed: {result.out}")


class Backup(Scenario):
    def __init__(self, bench, codec="none", replace=False):
        super().__init__(bench, codec)
        self.replace = replace
        self.archive = bench.t.path("archive")

    def words(self):
        return [*self.bench.backup_words(self.codec, self.archive, self.bench.guest),
                *(["--replace"] if self.replace else [])]

    def prepare(self):
        shutil.rmtree(self.archive, ignore_errors=True)
        if self.replace:
            shutil.copytree(self.bench.archives["none"], self.archive)

    def check(self, result, item, state):
        bench = self.bench
        left = bench.left(self.archive)
        if left and state.hits:
            note(f"left over: {left}")
            self.check_excuse(left, item, state)
            bench.t.vb("recover")
            bench.t.vb(*bench.backup_words(self.codec, self.archive, bench.guest), "--replace")
            left = bench.left(self.archive)
        expect(not left, f"left over: {left}")
        there = os.path.exists(os.path.join(self.archive, "web.xml"))
        expect(there or (result.status != 0 and not self.replace), "there is no backup")
        if there:
            self.check_archive()
        else:
            same(Archive(self.archive).names(), [], "files of a backup that has failed")

    @staticmethod
    def check_excuse(left, item, state):
        """One call has failed, once: only where it was to remove something may something be left."""
        if not item.get("on") and item["kind"] in ("memory", "nbd"):
            expect(state.label == "", f"left over: {left}")

    def check_archive(self):
        self.bench.t.vb("verify", "--source-path", self.archive)
        same(self.bench.digests(self.archive), self.bench.contents, "digests of the disks")
        Archive(self.archive).check_nothing_half()


class Restore(Scenario):
    """All or nothing."""

    def words(self):
        return self.bench.t.restore_line("--domain-names=gone", "--children", "1",
                                         source=self.bench.archives[self.codec])

    def prepare(self):
        shutil.rmtree(self.bench.t.restored, ignore_errors=True)

    def made(self):
        restored = self.bench.t.restored
        return sorted(os.listdir(restored)) if os.path.isdir(restored) else []

    def is_defined(self):
        return virsh("domid", "gone", status=None).status == 0

    def check(self, result, item, state):
        if state.hits and self.bench.left(None):
            self.bench.t.vb("recover")
        left = self.bench.left(None)
        expect(not left, f"left over: {left}")
        defined = self.is_defined()
        if defined:
            self.check_whole()
            virsh("undefine", "gone")
        else:
            expect(result.status != 0, "it ended with status 0, and the guest is not there")
            same(self.made(), [], "files of a restore that has failed")

    def check_whole(self):
        bench = self.bench
        same(self.made(), ["gone-vda.qcow2", "gone-vdb.raw"], "restored files")
        for disk in bench.gone.disks:
            disks.compare(disk.path, disk.format, os.path.join(bench.t.restored, os.path.basename(disk.path)),
                          disk.format, f"restored {disk.target}")


class RestoreDisks(Restore):
    """The disks alone, without libvirt."""

    def words(self):
        return [*super().words(), "--disks", "vda,vdb"]

    def check(self, result, item, state):
        if state.hits and self.bench.left(None):
            self.bench.t.vb("recover")
        left = self.bench.left(None)
        expect(not left, f"left over: {left}")
        if result.status == 0:
            self.check_whole()
        elif self.made():
            # All was there when the last call failed.
            self.check_whole()


class Recover(Scenario):
    def words(self):
        return ["recover"]


SCENARIOS = {
    "verify-none": (Verify, {"codec": "none"}),
    "verify-lzma": (Verify, {"codec": "lzma:0"}),
    "verify-zstd": (Verify, {"codec": "zstd:1"}),
    "verify-bad-none": (VerifyBad, {"codec": "none"}),
    "verify-bad-lzma": (VerifyBad, {"codec": "lzma:0"}),
    "list": (List, {}),
    "recover": (Recover, {}),
    "restore-disks": (RestoreDisks, {"codec": "none"}),
    "restore-disks-zstd": (RestoreDisks, {"codec": "zstd:1"}),
    "restore": (Restore, {"codec": "lzma:0"}),
    "backup-none": (Backup, {"codec": "none"}),
    "backup-lzma": (Backup, {"codec": "lzma:0"}),
    "backup-zstd": (Backup, {"codec": "zstd:1"}),
    "backup-replace": (Backup, {"codec": "zstd:1", "replace": True}),
}
