# SPDX-License-Identifier: LGPL-2.1-or-later
"""Where a group finds its disks, guests and folders, and what it is told about the sides to run.

Runs in a private libvirt. What is prepared once and used by several groups lies in `kept` folders: those of
virt-backup belong to one build of it, those of a peer to one disk.
"""

import dataclasses
import hashlib
import json
import os
import shutil
import subprocess
import uuid
from collections.abc import Callable

from vbbench import measure
from vbtest.disks import Disk


@dataclasses.dataclass
class Side:
    """One of the commands of a group, to be run once a round."""
    argv: list
    output: str                                # file or folder that it makes; removed before each run
    sources: list                              # what it reads: brought into the asked-for cache state before
    stdout: str | None = None
    env: dict | None = None
    servers: tuple = ()                        # processes that work for it, such as libvirtd
    prepare: Callable = lambda: None           # before a run, not timed
    finish: Callable = lambda: None            # after a run, not timed
    check: Callable = lambda: None             # once, after the last run: whether the output is good
    plan: Callable = lambda: None              # what --dry-run says; only of ours
    sized: bool = True                         # whether the size of its output means something
    added: bool = True                         # whether that is what the run has added, not the whole
    reserved: str | None = None                # a file in its output that stores nothing
    cwd: str | None = None


@dataclasses.dataclass
class Group:
    sides: dict
    disk: str                                  # what the table calls the disk or guest
    done: Callable = lambda: None              # after the last round and the checks


def call(*argv, **options):
    """A program outside the timed region; what it says comes with its failure."""
    try:
        done = subprocess.run(argv, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.STDOUT,
                              text=True, errors="replace", check=False, timeout=measure.LIMIT_S, **options)
    except subprocess.TimeoutExpired:
        raise measure.CommandFailed(f"{' '.join(argv)} had not ended after {measure.LIMIT_S} s") from None
    if done.returncode != 0:
        raise measure.CommandFailed(f"{' '.join(argv)} ended with {done.returncode}: "
                                    f"{' / '.join(done.stdout.strip().splitlines()[-3:])}")
    return done.stdout


def remove(path):
    if os.path.isdir(path) and not os.path.islink(path):
        shutil.rmtree(path)
    elif os.path.lexists(path):
        os.unlink(path)


def allocated(path):
    return sum(os.lstat(file).st_blocks * 512 for file in measure.files_below(path))


def _digest(path):
    digest = hashlib.sha256()
    with open(path, "rb") as file:
        while data := file.read(1 << 20):
            digest.update(data)
    return digest.hexdigest()[:16]


class Lab:
    def __init__(self, t, work, binary, disks):
        self.t, self.work, self.binary = t, work, binary
        self.disks = disks                      # {"whole": path, "small": path}
        self.maker, self.size, self.small_share, self.past_shim = None, 0, 1, ""    # of the disk that lives
        self.guests = {}
        self.build = _digest(binary)
        self._forget_other_builds()
        remove(os.path.join(work, "out"))       # of a run that was killed

    def _forget_other_builds(self):
        ours = os.path.join(self.work, "kept-ours")
        for name in os.listdir(ours) if os.path.isdir(ours) else ():
            if name != self.build:
                shutil.rmtree(os.path.join(ours, name))

    # ---- places -------------------------------------------------------------------------------

    def out(self, name):
        """Where a side puts its output; the folder around it is there and flushed in the timed region."""
        folder = os.path.join(self.work, "out")
        os.makedirs(folder, exist_ok=True)
        os.chmod(folder, 0o755)
        return os.path.join(folder, name)

    def kept_ours(self, disk, name):
        return self._kept(os.path.join("kept-ours", self.build), disk, name)

    def kept_peer(self, disk, name):
        return self._kept("kept-peer", disk, name)

    def _kept(self, folder, disk, name):
        """For something made of this disk; what was made of another one of its name is not used."""
        folder = os.path.join(self.work, folder)
        os.makedirs(folder, exist_ok=True)
        made = os.stat(disk + ".json").st_mtime_ns
        own = f"{os.path.basename(disk)}-{made}-"
        for other in os.listdir(folder):
            if other.startswith(os.path.basename(disk)) and not other.startswith(own):
                remove(os.path.join(folder, other))
        return os.path.join(folder, own + name)

    @staticmethod
    def keep(source, kept):
        """Keep this output for groups to come."""
        if os.path.lexists(source) and not os.path.lexists(kept):
            os.rename(source, kept)

    @staticmethod
    def once(kept, *argv, half=None):
        """Make a kept file by this command, which writes to HALF, unless it is there."""
        if not os.path.exists(kept):
            half = half or kept + ".half"
            remove(half)
            call(*argv)
            os.rename(half, kept)
        return kept

    # ---- disks and guests ---------------------------------------------------------------------

    def qcow2(self, disk):
        kept = self.kept_peer(disk, "disk.qcow2")
        self.once(kept, "qemu-img", "convert", "-f", "raw", "-O", "qcow2", disk, kept + ".half")
        os.chmod(kept, 0o644)
        return kept

    def shut_off(self, name, path, image_format):
        """A guest of this one disk, defined and never started. Its UUID is that of its name: a repository that an
        earlier run has kept knows it by that."""
        if name not in self.guests:
            uuid_xml = f"<uuid>{uuid.uuid5(uuid.NAMESPACE_DNS, name)}</uuid>"
            self.guests[name] = self.t.guest(name, Disk(path, image_format), memory_mib=64, head_xml=uuid_xml).define()
        return name

    # ---- virt-backup --------------------------------------------------------------------------

    def plan_of(self, argv):
        """What --dry-run says of memory and children."""
        for line in call(*argv, "--dry-run").splitlines():
            event = json.loads(line)
            if event.get("event") == "plan":
                return event
        raise measure.CommandFailed("--dry-run shows no plan")

    def backup(self, guest, compression, sources, *more, name="ours", foreign=None):
        """Our side of a backup. FOREIGN reads one image file of it with a foreign tool."""
        output = self.out(name)
        argv = [self.binary, "backup", "--destination-path", output, "--domain-names", guest, "--compression",
                compression, "--json", *more]

        def check():
            call(self.binary, "verify", "--source-path", output)
            if foreign:
                foreign(self.image_of(output))

        return Side(argv, output, sources, check=check, plan=lambda: self.plan_of(argv))

    def restore(self, archive, guest, original):
        """Our side of a restore of the guest's disk, compared with the original."""
        output = self.out("ours")
        argv = [self.binary, "restore", "--source-path", archive, "--destination-path", output, "--domain-names", guest,
                "--disks", "vda", "--json"]
        restored = os.path.join(output, os.path.basename(original))
        return Side(argv, output, [archive], check=lambda: same_content(restored, "raw", original, "raw"), sized=False)

    @staticmethod
    def image_of(archive):
        found = [path for path in measure.files_below(archive) if ".raw" in os.path.basename(path)]
        if len(found) != 1:
            raise measure.CommandFailed(f"{archive} holds {len(found)} images instead of one")
        return found[0]


def same_content(one, one_format, other, other_format):
    call("qemu-img", "compare", "-U", "-f", one_format, "-F", other_format, one, other)
