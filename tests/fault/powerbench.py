# SPDX-License-Identifier: LGPL-2.1-or-later
"""A host whose power is cut: all that must outlast it lies on one device, and copies of that are taken as it works.

The device is a loop device. Its file lies on XFS, where the ioctl FICLONE makes a copy of a file at one instant: it holds
what the device had been given by then, and nothing of what only the page cache of the file system on it knew. Such a copy
is what a disk holds after a power cut. A host is started from it: everything of the old one is killed, the copy is mounted
in its place, and libvirt is started with nothing in /run.
"""

import contextlib
import fcntl
import glob
import json
import os
import shutil
import signal
import subprocess
import threading
import time

from look import left_files, own_processes
from vbtest import leftovers, proc
from vbtest.command import expect, note, run, same, virsh, wait_until
from vbtest.context import Context
from vbtest.disks import MIB

FICLONE = 0x40049409
DEVICE_SIZE = 400 * MIB
OUTER_SIZE = 6 * 1024 * MIB
DISK_SIZE = 4 * MIB
LIMIT_S = 100
STRANDED = 5
STAGING = leftovers.STAGING_DIR
# What lies on the device, and where the host has it.
PLACES = {"etc": "/etc/libvirt/qemu", "lib": "/var/lib/libvirt", "state": leftovers.STATE_DIR}
WHOLE = b"LibvirtQemudSave"


def programs_of_host():
    return [pid for pid, line in leftovers.processes().items()
            if os.path.basename((line.split() or [""])[0]).startswith(("qemu-", "virt-backup", "swtpm"))]


def lines_of(path):
    if not os.path.exists(path):
        return []
    with open(path, encoding="utf-8") as file:
        return file.read().splitlines()


def memory_is_flushed(effects):
    """The image, the folder that it is in and the two above that."""
    flush = next((number for number, effect in enumerate(effects) if effect.startswith("fsync memory-")), None)
    return flush is not None and len(effects) > flush + 4


class Moment:
    """One copy of the device, of an instant between BEGAN and ENDED. An effect is written down before it is made."""

    def __init__(self, path):
        self.path = path
        self.began = self.ended = self.offset = None
        self.effects_before = self.effects_after = []

    def must_hold_memory(self):
        """The guest was down, and its image flushed."""
        return memory_is_flushed(self.effects_before) and "virDomainRestoreFlags" not in self.effects_after


class Run:
    """virt-backup at work, and what it says."""

    def __init__(self, words, environment):
        self.lines = []
        self.status = None
        self.ended = None
        self.process = subprocess.Popen(words, env=environment, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE,
                                        stderr=subprocess.STDOUT, text=True, errors="replace")
        self.reader = threading.Thread(target=self._read, daemon=True)
        self.reader.start()

    def _read(self):
        for line in self.process.stdout:
            self.lines.append((time.monotonic(), line.rstrip("\n")))
        self.status = self.process.wait()
        self.ended = time.monotonic()

    def finish(self):
        self.reader.join(LIMIT_S)
        expect(self.ended is not None, f"the run had not ended after {LIMIT_S} s")
        note("".join(f"  {when:.3f} {line}\n" for when, line in self.lines) + f"  = {self.status} at {self.ended:.3f}")


class PowerBench:
    """The device with a host's state on it, and the guest 'web'."""

    # Whether the power is cut at random effects of a run, most of which may come in a short part of its time, and once as
    # soon as it has ended: nothing may be durable by luck then.
    by_effects = False
    # How many of its effects are those around the commit: there half of the moments come.
    late_effects = 1 << 30

    def __init__(self, options, name):
        self.t = Context(f"power/{name}", options.seed, options.binary, options.build_dir)
        self.undo = contextlib.ExitStack()
        self.t.undo.enter_context(self.undo)
        self.binary = options.binary
        self.fault_shim = os.path.join(os.path.dirname(options.shim), "fault-shim.so")
        self.outer = self._outer()
        self.device = os.path.join(self.outer, "device")
        self.live = self.t.make_dir("live")
        self.guest = None

    def close(self, broken):
        for pid in own_processes(self.binary):
            proc.kill(pid, signal.SIGKILL)
        if broken:
            self.kill_host()
        else:
            self.guest.remove()
            self.stop_libvirtd()
        self.unmount()
        self.start_libvirtd()
        self.t.close()

    # ---- the device ---------------------------------------------------------------------------

    def _outer(self):
        backing, path = self.t.path("outer.xfs"), self.t.make_dir("outer", 0o700)
        with open(backing, "wb") as file:
            file.truncate(OUTER_SIZE)
        run("mkfs.xfs", "-q", "-m", "reflink=1", backing)
        run("mount", self.t.loop(backing), path)
        self.t.undo.callback(run, "umount", "--lazy", path)
        return path

    def clone(self, source, target):
        with open(source, "rb") as old, open(target, "wb") as new:
            fcntl.ioctl(new, FICLONE, old.fileno())

    def mount(self, backing):
        """The device is this file now, and the host's folders are on it."""
        run("mount", "-o", "loop", backing, self.live)
        for name, place in PLACES.items():
            os.makedirs(place, exist_ok=True)
            run("mount", "--bind", os.path.join(self.live, name), place)

    def unmount(self):
        """Only what is: a step that has failed may have left any part of it."""
        for place in reversed([self.live, *PLACES.values()]):
            if self.device_of(place) == self.device_of(self.live) != self.device_of(self.t.dir):
                wait_until(lambda: run("umount", place, status=None).status == 0, f"nobody to use {place}", 20)

    @staticmethod
    def device_of(path):
        return os.stat(path).st_dev if os.path.isdir(path) else None

    def format(self):
        """Everything as a host has it that has never been used."""
        with open(self.device, "wb") as file:
            file.truncate(DEVICE_SIZE)
        run("mkfs.ext4", "-q", "-F", "-E", "lazy_itable_init=0,lazy_journal_init=0", self.device)
        self.stop_libvirtd()
        run("mount", "-o", "loop", self.device, self.live)
        os.chmod(self.live, 0o711)
        for name, place in PLACES.items():
            os.makedirs(place, exist_ok=True)
            shutil.copytree(place, os.path.join(self.live, name), symlinks=True)
            run("chown", "-R", "--reference", place, os.path.join(self.live, name))
        for name in glob.glob("/var/lib/libvirt/*"):
            run("chown", "-R", "--reference", name, os.path.join(self.live, "lib", os.path.basename(name)))
        os.chmod(os.path.join(self.live, "state"), 0o700)
        for name in ("images", "backup"):
            os.mkdir(os.path.join(self.live, name), 0o711)
            os.chmod(os.path.join(self.live, name), 0o711)
        run("umount", self.live)
        self.mount(self.device)
        self.start_libvirtd()

    # ---- the host -----------------------------------------------------------------------------

    def libvirtd(self):
        try:
            with open("/run/libvirt/libvirtd.pid", encoding="ascii") as file:
                return int(file.read())
        except (OSError, ValueError):
            return None

    def stop_libvirtd(self, number=signal.SIGTERM):
        pid = self.libvirtd()
        if pid in leftovers.processes():
            os.kill(pid, number)
            wait_until(lambda: pid not in leftovers.processes(), "the end of libvirtd")

    def start_libvirtd(self):
        self.t.start_libvirtd()

    def kill_host(self):
        """Whatever runs on it is gone, and what was in memory only."""
        self.stop_libvirtd(signal.SIGKILL)
        for pid in programs_of_host():
            proc.kill(pid, signal.SIGKILL)
        wait_until(lambda: not programs_of_host(), "the end of all that ran")
        for path in glob.glob("/run/libvirt/qemu/*"):
            if os.path.isdir(path) and not os.path.islink(path):
                shutil.rmtree(path)
            else:
                os.unlink(path)

    def boot_from(self, copy):
        """The power is back."""
        self.kill_host()
        self.unmount()
        self.mount(copy)
        self.start_libvirtd()

    # ---- its guest ----------------------------------------------------------------------------

    def path(self, *names):
        return os.path.join(self.live, *names)

    def make_guest(self):
        disks = [self.t.boot_disk("qcow2", size=DISK_SIZE), self.t.disk("vdb", "raw", size=DISK_SIZE, boot=2)]
        for disk in disks:
            disk.path = shutil.move(disk.path, self.path("images"))
        self.guest = self.t.guest("web", *disks).define()
        self.t.archive.path = self.path("backup", "archive")
        self.t.restored = self.path("restored")

    def start_guest(self):
        self.forget_serial()
        self.guest.start()
        self.guest.serial.wait_for_steps(3)

    def forget_serial(self):
        """The file is not on the device: it knows what the host has forgotten."""
        if os.path.exists(self.guest.serial.path):
            os.truncate(self.guest.serial.path, 0)

    # ---- moments ------------------------------------------------------------------------------

    def copy_now(self, number, effects):
        moment = Moment(os.path.join(self.outer, f"copy-{number}"))
        moment.effects_before, moment.began = lines_of(effects), time.monotonic()
        self.clone(self.device, moment.path)
        moment.ended, moment.effects_after = time.monotonic(), lines_of(effects)
        return moment

    @staticmethod
    def wait_for_effects(count, effects, at_work):
        while at_work.ended is None and len(lines_of(effects)) < count:
            time.sleep(0.001)

    def copies_of(self, words, offsets, control=None):
        """Run it, and take copies of the device so many seconds, or effects, after its start. CONTROL: a library that keeps it from
        flushing; then after the guest was saved."""
        moments = []
        effects = self.t.path("effects")
        preload = [self.fault_shim] + ([control] if control else [])
        at_work = Run([self.binary, *words],
                      self.t.environment | {"LD_PRELOAD": " ".join(preload), "VB_FAULT_COUNT": effects})
        if control:
            wait_until(lambda: memory_is_flushed(lines_of(effects)), "the guest to be saved", LIMIT_S)
        started = time.monotonic()
        for offset in offsets:
            if self.by_effects:
                self.wait_for_effects(offset, effects, at_work)
            else:
                time.sleep(max(0.0, started + offset - time.monotonic()))
            moments.append(self.copy_now(len(moments), effects))
        at_work.finish()
        if self.by_effects:
            moments.append(self.copy_now(len(moments), effects))
        for moment in moments:
            moment.offset = moment.began - started
        wait_until(lambda: not own_processes(self.binary), "the end of all processes of the run", LIMIT_S)
        return at_work, moments

    # ---- afterwards ---------------------------------------------------------------------------

    def journals(self):
        found = []
        for path in glob.glob(os.path.join(PLACES["state"], "*.intent")):
            with open(path, encoding="utf-8") as file:
                found.append(json.load(file))
        return found

    def images(self):
        """path -> whether it is a whole save image, of all that is staged."""
        found = {}
        for path in glob.glob(f"{STAGING}/vb-*/*"):
            with open(path, "rb") as file:
                found[path] = file.read(len(WHOLE)) == WHOLE
        return found

    def check_archive(self, may_be_empty):
        """Whatever it lists is whole."""
        archive = self.t.archive.path
        self.sweep_locks(archive)
        names = os.listdir(archive) if os.path.isdir(archive) else []
        if not [name for name in names if name.endswith(".xml")]:
            expect(may_be_empty, f"the backup that was there is gone: {names}")
            same(names, [], "files in the archive without a backup")
            return
        self.t.vb("list", "--source-path", archive)
        self.t.check_good(source=archive)

    @staticmethod
    def sweep_locks(archive):
        """As the next writer does. Where the run had not come to its journal, nothing leads recover to the archive."""
        for pattern in ".virt-backup-*.lock", ".virt-backup-*.try.*":
            for path in glob.glob(os.path.join(archive, pattern)):
                same(os.path.getsize(path), 0, f"size of {path}")
                os.unlink(path)

    def check_nothing_left(self):
        self.sweep_locks(self.t.archive.path)
        left = left_files(self.t.archive.path, self.t.tmp)
        expect(not left, f"left over: {left}")

    def check_can_be_started(self, also_recovers=False):
        """It boots, and counts. Then recover has nothing more to ask for."""
        same(self.guest.state(), "shut off", "state of the guest")
        self.start_guest()
        self.guest.serial.check()
        if also_recovers:
            self.t.vb("recover")
        self.guest.destroy()


class BackupPower(PowerBench):
    """Some way of capture, with or without a backup that is there already."""

    def __init__(self, options, name, state="running", memory=None, replace=False):
        super().__init__(options, name)
        self.state = state
        self.memory = memory
        self.replace = replace
        self.token = None

    def words(self, *more):
        memory = ["--guest-memory", self.memory] if self.memory else []
        return self.t.backup_line(self.guest, "--replace", "--verbose", *memory, *more)

    def prepare(self):
        self.format()
        self.make_guest()
        if self.replace:
            self.t.vb(*self.t.backup_line(self.guest))
        os.sync()
        if self.state != "shut off":
            self.start_guest()
            if self.state == "paused":
                self.guest.suspend()
            self.token, _ = self.guest.serial.last()

    def check(self, at_work, moment):
        journals, images = self.journals(), self.images()
        note(f"journals {journals}, images {images}, {len(moment.effects_before)} effects before, {moment.effects_after[-1:]} after")
        saved = [journal for journal in journals if journal.get("saved")]
        whole = bool(saved) and images.get(saved[0].get("memory"), False)
        expect(whole or not moment.must_hold_memory(), "the memory image had been flushed, and is not whole on the disk")
        kept = [path for path in images if saved and not whole and os.path.getsize(path)]
        self.forget_serial()
        result = self.t.vb("recover", status=None)
        if whole:
            same(result.status, 0, "exit status of recover")
            self.check_resumed()
        expect(result.status == 0 or saved and not whole and result.status == STRANDED,
               f"exit status of recover: {result.status}")
        if not saved or whole:
            self.check_nothing_left()
        for path in kept:
            expect(os.path.exists(path), f"the image {path} was thrown away, and may have been all there was of the memory")
        ended = at_work.ended < moment.began and at_work.status == 0
        self.check_archive(may_be_empty=not (self.replace or ended))
        if not whole:
            self.check_can_be_started(also_recovers=bool(saved))
        return "resumed" if whole else "image not whole" if saved else "held" if journals else "no journal"

    def check_resumed(self):
        same(self.guest.state(), "paused" if self.state == "paused" else "running", "state of the guest")
        if self.state == "paused":
            self.guest.resume()
        self.guest.serial.wait_for_steps(3)
        token, _ = self.guest.serial.last()
        same(token, self.token, "what the guest had in its memory (it was rebooted)")
        self.guest.serial.check()
        self.guest.destroy()


class RestorePower(PowerBench):
    """A restore, of a guest that is gone, or in whose place it comes."""

    def __init__(self, options, name, autorun=False, replace=False):
        super().__init__(options, name)
        self.autorun = autorun
        self.replace = replace

    def words(self):
        more = (["--allow-autorun"] if self.autorun else []) + (["--replace"] if self.replace else [])
        return self.t.restore_line("--domain-names=web", "--verbose", *more)

    def prepare(self):
        self.format()
        self.make_guest()
        self.start_guest()
        self.t.vb(*self.t.backup_line(self.guest))
        self.guest.destroy()
        if not self.replace:
            self.guest.undefine()
        os.sync()

    def check(self, at_work, moment):
        journals = self.journals()
        note(f"journals {journals}")
        self.forget_serial()
        self.t.vb("recover")
        self.check_nothing_left()
        self.check_archive(may_be_empty=False)
        made = sorted(os.listdir(self.t.restored)) if os.path.isdir(self.t.restored) else []
        exists = self.guest.exists()
        complete = exists and self.t.restored in self.guest.dump("--inactive")
        expect(complete or at_work.ended > moment.began or at_work.status != 0, f"it had ended well, and is not there: {made}")
        if not complete:
            same(made, [], "files in the destination")
            same(exists, self.replace, "whether there is a guest")
            if exists:
                self.check_can_be_started()
            return "nothing"
        images = [name for name in made if name != "web.sav"]
        same(images, ["vda.qcow2", "vdb.raw"], "images in the destination")
        for name, kind in ("vda.qcow2", "qcow2"), ("vdb.raw", "raw"):
            # A guest that ran already has written to them.
            if not self.autorun:
                raw = self.t.archive.image("web", name.split(".")[0], "none")
                same(run("qemu-img", "compare", "-f", kind, "-F", "raw", self.path("restored", name), raw, status=None).status,
                     0, f"comparison of {name} with its image in the archive")
        if self.guest.state() != "shut off":
            self.guest.serial.wait_for_steps(3)
            self.guest.serial.check()
            self.guest.destroy()
            return "resumed"
        if "web.sav" in made and not self.autorun:
            virsh("restore", self.path("restored", "web.sav"))
            self.guest.serial.wait_for_steps(3)
            self.guest.serial.check()
            self.guest.destroy()
            return "complete"
        self.check_can_be_started()
        return "complete"


SCENARIOS = {
    "backup-save": (BackupPower, {"memory": "save"}),
    "backup-save-replace": (BackupPower, {"memory": "save", "replace": True}),
    "backup-paused": (BackupPower, {"state": "paused"}),
    "backup-pause": (BackupPower, {"memory": "pause"}),
    "backup-live-replace": (BackupPower, {"memory": "live", "replace": True}),
    "backup-none-replace": (BackupPower, {"memory": "none", "replace": True}),
    "backup-off": (BackupPower, {"state": "shut off"}),
    "backup-off-replace": (BackupPower, {"state": "shut off", "replace": True}),
    "restore": (RestorePower, {}),
    "restore-autorun": (RestorePower, {"autorun": True}),
    "restore-replace": (RestorePower, {"replace": True}),
}
