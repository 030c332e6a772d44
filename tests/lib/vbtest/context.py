# SPDX-License-Identifier: LGPL-2.1-or-later
"""What a test function gets: a folder of its own, guests, disks, and virt-backup under test.

Whatever a test makes is undone when it ends, however it ends, in the opposite order.
"""

import base64
import contextlib
import json
import os
import random
import re
import shutil
import signal
import subprocess
import tempfile
import uuid

from vbtest import command, disks, leftovers, objects, proc
from vbtest.archive import Archive
from vbtest.command import Failure, Process, Skip, expect, note_first, run, virsh, wait_until
from vbtest.disks import MIB, Disk
from vbtest.guest import Guest
from vbtest.session import Session, daemon_environment, wait_for_socket

HERE = os.path.dirname(os.path.realpath(__file__))
GUESTS = os.path.join(HERE, "../../guests")
PROGRESS = re.compile(r"virt-backup: .*: \d+%  ")  # of a run that takes long, on a host with other work to do


def escape_name(name):
    """A guest's name as --domain-names takes it."""
    return name.replace("\\", "\\\\").replace(",", "\\,")


class Context:
    def __init__(self, name, seed, binary, build_dir):
        self.name = name
        self.binary = binary
        self.build_dir = build_dir
        self.through = ()        # words of a program that runs virt-backup, as on another host
        # The order and number of the tests that run before this one must not matter.
        self.rng = random.Random(f"{seed}/{name}")
        self.user = None
        self.dir = tempfile.mkdtemp(prefix="vbtest-")
        with contextlib.ExitStack() as undo:
            undo.callback(shutil.rmtree, self.dir, ignore_errors=True)
            # QEMU runs as another user: it must be able to pass through every folder on the way to an image.
            os.chmod(self.dir, 0o711)
            self.tmp = self.make_dir("tmp", 0o1777)
            self.archive = Archive(self.path("archive"))
            self.restored = self.path("restored")
            self.baseline = leftovers.Baseline(self.dir)
            undo.callback(self._end_processes)
            self.environment = dict(os.environ, TMPDIR=self.tmp, LC_ALL="C.UTF-8", **self._sanitizer_options())
            self.undo = undo.pop_all()

    # ---- the end ------------------------------------------------------------------------------

    def close(self):
        """Undo everything, then look for what is left over."""
        trouble = None
        try:
            self._check_sanitizer()
            self._check_temporary()
        except Failure as failure:
            trouble = failure
        files = self.dir
        self.undo.close()
        try:
            self.baseline.check()
        except Failure:
            self.baseline.sweep()
            raise
        if os.path.exists(files):
            raise Failure(f"{files} cannot be removed: {sorted(leftovers.files_below(files))}")
        if trouble:
            raise trouble

    def _end_processes(self):
        """Only what a failed test has left: a passed one leaves none, and check() is to see that."""
        if command.failed:
            for pid in self.baseline.new_processes():
                proc.kill(pid, signal.SIGKILL)

    def _check_temporary(self):
        left = sorted(os.listdir(self.tmp))
        expect(not left, f"temporary files are left over: {left}")

    def _sanitizer_options(self):
        """A report goes into a file: children's standard error may be nobody's, and tests read our own."""
        report = self.path("sanitizer")
        common = f"log_path={report}:exitcode=97:" + os.environ.get("ASAN_OPTIONS", "")
        return {"ASAN_OPTIONS": common, "UBSAN_OPTIONS": f"log_path={report}:print_stacktrace=1:halt_on_error=1"}

    def _sanitizer_reports(self):
        return [name for name in sorted(os.listdir(self.dir)) if name.startswith("sanitizer")]

    def _note_sanitizer(self):
        for name in self._sanitizer_reports():
            with open(self.path(name), encoding="utf-8", errors="replace") as file:
                note_first(file.read())

    def _check_sanitizer(self):
        reports = self._sanitizer_reports()
        if reports:
            self._note_sanitizer()
            raise Failure(f"a sanitizer has found an error: {reports[0]}")

    def preloaded(self, shim, **variables):
        """Options of vb: with a shim of tests/past and what that looks for."""
        path = os.path.join(os.path.dirname(self.binary), f"../tests/past/{shim}-shim.so")
        if not os.path.exists(path):
            raise AssertionError(f"{path} is missing")
        environment = dict(self.environment, LD_PRELOAD=path, **variables)
        # A shim calls the kernel, and need not come after what a sanitizer puts in between.
        environment["ASAN_OPTIONS"] = environment.get("ASAN_OPTIONS", "") + ":verify_asan_link_order=0"
        return {"env": environment}

    # ---- files --------------------------------------------------------------------------------

    def path(self, *names):
        return os.path.join(self.dir, *names)

    def make_dir(self, name, mode=0o711):
        path = self.path(name)
        os.makedirs(path)
        os.chmod(path, mode)
        return path

    def small_filesystem(self, name, size):
        """A memory file system with so many bytes of room."""
        path = self.make_dir(name)
        run("mount", "-t", "tmpfs", "-o", f"size={size},mode=0711", "vbtest", path)
        self.undo.callback(run, "umount", "--lazy", path)
        return path

    def ext4_filesystem(self, name, size):
        """A file system with so many bytes of room on a device: the page cache is not all it has."""
        backing, path = self.path(name + ".ext4"), self.make_dir(name)
        with open(backing, "wb") as file:
            file.truncate(size)
        run("mkfs.ext4", "-q", "-E", "nodiscard,lazy_itable_init=0", backing)
        run("mount", self.loop(backing), path)
        self.undo.callback(run, "umount", "--lazy", path)
        os.chmod(path, 0o711)
        return path

    # ---- disks --------------------------------------------------------------------------------

    def _build(self, builder):
        run(os.path.join(GUESTS, builder), self.build_dir)

    def boot_sector(self):
        self._build("boot-sector-guest")
        return os.path.join(self.build_dir, "boot-sector.bin")

    def linux_kernel(self):
        """Kernel and initrd of the small Linux guest; copies, because libvirt changes their owner."""
        self._build("linux-guest")
        for name in ("vmlinuz", "initrd"):
            shutil.copyfile(os.path.join(self.build_dir, name), self.path(name))
        return self.path("vmlinuz"), self.path("initrd")

    def raw_content(self, size=8 * MIB, boot=False):
        """A raw image with random content; with a boot sector if it is to be started from."""
        path = tempfile.mktemp(dir=self.dir, suffix=".content")
        disks.fill(path, size, self.rng, self.boot_sector() if boot else None)
        return path

    def disk(self, target="vda", format_name="qcow2", size=8 * MIB, name=None, boot=None, options=None,
             compress=False, **more):
        """An image of this format. A disk with a place in the boot order takes part in the guest's count."""
        path = self.path(name or f"{target}.{format_name}")
        raw = self.raw_content(size, boot == 1)
        if format_name == "raw":
            os.rename(raw, path)
        else:
            disks.convert(raw, path, format_name, options, compress)
            os.unlink(raw)
        os.chmod(path, 0o644)
        return Disk(path, format_name, target, boot=boot, options=options or {}, **more)

    def boot_disk(self, format_name="qcow2", **more):
        return self.disk("vda", format_name, boot=1, **more)

    def slow_disk(self, target="vda", size=8 * MIB, boot=None):
        """A raw disk that keeps an encoder busy: it can be compressed, by a quarter, with effort."""
        path = self.path(f"{target}.raw")
        disks.fill(path, MIB, self.rng, self.boot_sector() if boot == 1 else None)
        with open(path, "r+b") as file:
            file.seek(MIB)
            while file.tell() < size:
                file.write(base64.b64encode(self.rng.randbytes(MIB * 3 // 4)))
        os.chmod(path, 0o644)
        return Disk(path, "raw", target, boot=boot)

    def loop(self, backing):
        device = disks.LoopDevice(backing)
        self.undo.callback(device.close)
        return device.path

    def loop_disk(self, target="vdb", format_name="raw", size=8 * MIB, **more):
        file = self.disk(target, format_name, size, name=f"{target}.backing", **more)
        file.kind, file.path = "block", self.loop(file.path)
        return file

    # ---- guests -------------------------------------------------------------------------------

    def guest(self, name, *guest_disks, **more):
        serial = self.path(f"serial-{len(os.listdir(self.dir))}.log")
        made = Guest(name, list(guest_disks), serial, **more)
        self.undo.callback(made.remove)
        if self.user is not None:
            made.user = self.user_options()
        return made

    def small_guest(self, name="web", **more):
        """A guest with one bootable qcow2 disk."""
        return self.guest(name, self.boot_disk(), **more)

    def restored_guest(self, original, name=None):
        """The same guest as restored: its serial line goes on in the same file."""
        name = name or original.name
        twin = Guest(name, original.disks, original.serial.path, original.memory_mib)
        twin.user = original.user
        self.undo.callback(twin.remove)
        return twin

    def pool(self, name, directory):
        virsh("pool-create-as", name, "dir", "--target", directory)
        self.undo.callback(virsh, "pool-destroy", name, status=None)

    def secret(self, passphrase):
        """A libvirt secret for LUKS; returns its UUID."""
        name = str(uuid.UUID(int=self.rng.getrandbits(128), version=4))
        path = self.path("secret.xml")
        with open(path, "w", encoding="utf-8") as file:
            file.write(f"<secret ephemeral='no' private='no'><uuid>{name}</uuid></secret>")
        virsh("secret-define", path)
        self.undo.callback(virsh, "secret-undefine", name, status=None)
        value = self.path("passphrase")
        with open(value, "w", encoding="utf-8") as file:
            file.write(passphrase)
        virsh("secret-set-value", name, "--file", value, "--plain")
        return name

    # ---- another user -------------------------------------------------------------------------

    def as_user(self, name):
        """From here on virt-backup and virsh run as this user, with a session libvirt of his own."""
        self.user = Session(name, self.path("session"))
        self.user.start()
        self.undo.callback(self.user.stop)
        return self.user

    def use_dir(self, directory):
        """Put archive and restored files there, where that user may write."""
        self.archive = Archive(os.path.join(directory, "archive"))
        self.restored = os.path.join(directory, "restored")

    def user_options(self):
        environment = dict(self.user.environment(), **self._sanitizer_options())
        return dict(self.user.credentials(), env=environment)

    # ---- libvirt ------------------------------------------------------------------------------

    def restart_libvirtd(self, number=signal.SIGTERM, through=()):
        """End the daemon of the private libvirt and start it anew, so that it reads its configuration. THROUGH: words of a
        program that becomes the daemon."""
        with open("/run/libvirt/libvirtd.pid", encoding="ascii") as file:
            pid = int(file.read())
        os.kill(pid, number)
        wait_until(lambda: pid not in leftovers.processes(), "the end of libvirtd")
        return self.start_libvirtd(through)

    def start_libvirtd(self, through=()):
        """The daemon of the private libvirt, which was ended, as it was started first."""
        arguments = [shutil.which("libvirtd", path="/usr/sbin:/sbin:/usr/bin"), "--pid-file", "/run/libvirt/libvirtd.pid",
                     "--config", "/etc/libvirt/libvirtd.conf"]
        environment = daemon_environment()
        with open("/var/log/libvirt/daemons.log", "ab") as log:
            daemon = subprocess.Popen([*through, *arguments], env=environment, stdin=subprocess.DEVNULL, stdout=log, stderr=log,
                                      cwd="/", start_new_session=True)
        wait_for_socket("/run/libvirt/libvirt-sock", daemon, "libvirtd")
        self.baseline.processes.add(daemon.pid)
        return daemon.pid

    # ---- virt-backup --------------------------------------------------------------------------

    def _options(self):
        return {"env": self.environment} if self.user is None else self.user_options()

    def vb(self, *arguments, status=0, **options):
        try:
            return run(*self.through, self.binary, *arguments, status=status, **(self._options() | options))
        except Failure:
            self._note_sanitizer()
            raise

    def start_vb(self, *arguments, **options):
        return Process([self.binary, *arguments], **(self._options() | options))

    @staticmethod
    def names(guests):
        """--domain-names for these guests; with "=", because a name may begin with a dash."""
        names = [guest.name if isinstance(guest, Guest) else guest for guest in guests]
        return ["--domain-names=" + ",".join(escape_name(name) for name in names)] if names else []

    def backup_line(self, *arguments, to=None):
        guests = [argument for argument in arguments if isinstance(argument, Guest)]
        words = [argument for argument in arguments if not isinstance(argument, Guest)]
        return ["backup", "--destination-path", to or self.archive.path, *self.names(guests), *words]

    def backup(self, *arguments, to=None, status=0):
        """virt-backup backup of these guests, with these further options."""
        return self.vb(*self.backup_line(*arguments, to=to), status=status)

    def restore_line(self, *arguments, source=None, to=None, trust=False):
        """The serial line of most test guests is a file in the test's folder, which is beyond a guest's own files: this
        host's own backups are sealed and restored all the same. TRUST: for those that are not sealed by it."""
        trusted = ["--trust-definition"] if trust else []
        return ["restore", "--source-path", source or self.archive.path, "--destination-path", to or self.restored,
                *trusted, *arguments]

    @staticmethod
    def forget_key():
        """From here on what this host has sealed is as good as another host's."""
        with contextlib.suppress(FileNotFoundError):
            os.unlink("/var/lib/virt-backup-key/seal")

    def restore(self, *arguments, source=None, to=None, status=0, trust=False):
        return self.vb(*self.restore_line(*arguments, source=source, to=to, trust=trust), status=status)

    def verify(self, *arguments, source=None, status=0):
        return self.vb("verify", "--source-path", source or self.archive.path, *arguments, status=status)

    # ---- a repository -------------------------------------------------------------------------

    def repository(self, name="repository"):
        """A new one; returns its path."""
        path = self.path(name)
        self.vb("repository", "create", path)
        return path

    def add_point(self, repository, *arguments, status=0):
        """virt-backup backup of these guests into it, with these further options. Returns its events."""
        guests = [argument for argument in arguments if isinstance(argument, Guest)]
        words = [argument for argument in arguments if not isinstance(argument, Guest)]
        result = self.vb("backup", "--repository", repository, *self.names(guests), *words, "--json", status=status)
        return self.events(result)

    def points(self, repository, *arguments):
        """What list tells of the points, the oldest of each guest first."""
        events = self.events(self.vb("list", "--repository", repository, "--json", *arguments))
        return [event for event in events if event["event"] == "point"]

    def restore_point(self, repository, *arguments, to=None, status=0):
        return self.vb("restore", "--repository", repository, "--destination-path", to or self.restored, *arguments,
                       status=status)

    def events(self, result):
        """The objects that --json has printed, all of them as virt-backup(1) describes them."""
        events = [json.loads(line) for line in result.out.splitlines()]
        objects.check_events(events)
        return events

    def refused(self, *arguments, status=1, says=()):
        """It ends with this status and one line of error that says all of this. Returns the line."""
        result = self.vb(*arguments, status=status)
        lines = [line for line in result.error_lines if not line.startswith("virt-backup: warning: ") and not PROGRESS.match(line)]
        expect(len(lines) == 1, f"one line of error expected, not {len(lines)}: {lines}")
        expect(lines[0].startswith("virt-backup: "), f"not our line: {lines[0]}")
        for part in says:
            expect(part.lower() in lines[0].lower(), f"'{part}' is not in: {lines[0]}")
        return lines[0]

    def check_good(self, *guests, source=None):
        """The archive verifies, its manifests keep to the schema, and nothing half-written is in it."""
        archive = self.archive if source is None else Archive(source)
        archive.check_nothing_half()
        for guest in guests:
            archive.manifest(guest.name).check_schema()
        self.verify(source=source)

    def skip(self, why):
        raise Skip(why)
