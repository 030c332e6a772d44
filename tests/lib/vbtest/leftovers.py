# SPDX-License-Identifier: LGPL-2.1-or-later
"""What a run may not leave behind: processes, loop devices, mounts, libvirt objects, state, temporary files."""

import contextlib
import glob
import os
import shutil

from vbtest import command
from vbtest.command import Failure, virsh, wait_until
from vbtest.disks import attached_loops

STATE_DIR = "/var/lib/virt-backup"
STAGING_DIR = "/var/lib/libvirt/virt-backup"
TPM_DIR = "/var/lib/libvirt/swtpm"


def processes():
    """pid -> command line of every process of this PID namespace that is not about to be gone. One whose first thread has
    ended is still there while it has others: it holds its files and locks."""
    found = {}
    for name in os.listdir("/proc"):
        if not name.isdigit():
            continue
        try:
            with open(f"/proc/{name}/stat", encoding="utf-8", errors="replace") as file:
                words = file.read().rpartition(")")[2].split()
            with open(f"/proc/{name}/cmdline", "rb") as file:
                line = file.read().replace(b"\0", b" ").decode(errors="replace").strip()
        except OSError:
            continue
        state, threads = words[0], int(words[17])
        if state not in "ZX" or threads > 1:
            found[int(name)] = line[:160]
    return found


def parents():
    """pid -> parent's pid, of all processes."""
    found = {}
    for pid in processes():
        try:
            with open(f"/proc/{pid}/stat", encoding="utf-8", errors="replace") as file:
                found[pid] = int(file.read().rpartition(")")[2].split()[1])
        except OSError:
            continue
    return found


def cpu_ticks(pid):
    """Processor time that the process has used, in clock ticks; 0 if it is gone."""
    try:
        with open(f"/proc/{pid}/stat", encoding="utf-8", errors="replace") as file:
            return int(file.read().rpartition(")")[2].split()[11])
    except OSError:
        return 0


def files_below(directory):
    found = set()
    for path, directories, files in os.walk(directory):
        found.update(os.path.join(path, name) for name in directories + files)
    return found


def unix_sockets():
    with open("/proc/net/unix", encoding="utf-8") as file:
        paths = {line.split()[7] for line in file.readlines()[1:] if len(line.split()) > 7}
    return {path for path in paths if not path.startswith("@")}


def libvirt_objects():
    """Guests, pools and secrets that exist; by one virsh, because this is asked before and after every test."""
    out = virsh("list --all --name; echo /; pool-list --all --name; echo /; secret-list").out
    # No guest's and no pool's name has a slash; the usage of a secret may.
    guests, pools, secrets = ([line for line in part.splitlines() if line.strip()] for part in out.split("/", 2))
    found = {f"guest {name}" for name in guests}
    found |= {f"pool {name.strip()}" for name in pools}
    found |= {f"secret {line.split()[0]}" for line in secrets}
    return found


def notes():
    """Of the newest points of guests, which stay on purpose."""
    return glob.glob(f"{STATE_DIR}/*.point")


class Baseline:
    """How things were before a test; check() finds what has come since."""

    before_next = None  # the objects that the last test has left, if it was asked: nobody else makes or removes any

    def __init__(self, directory):
        self.directory = directory
        self.processes = set(processes())
        self.objects, Baseline.before_next = Baseline.before_next, None
        if self.objects is None:
            self.objects = libvirt_objects()
        self.state = files_below(STATE_DIR)
        self.tpms = files_below(TPM_DIR)
        self.temporary = set(os.listdir("/tmp"))

    def new_processes(self):
        return {pid: line for pid, line in processes().items() if pid not in self.processes and pid != command.virsh_shell.pid}

    def check_processes(self):
        """libvirt's own helpers and a QEMU that has just been destroyed need a moment to end."""
        try:
            wait_until(lambda: not self.new_processes(), "the end of all processes")
        except Failure:
            raise Failure(f"processes are left over: {self.new_processes()}") from None

    def check(self):
        self.check_processes()
        for path in notes():
            os.unlink(path)
        objects = libvirt_objects()
        for what, left in (("libvirt objects", objects - self.objects),
                           ("loop devices", attached_loops(self.directory)),
                           ("files of state", files_below(STATE_DIR) - self.state),
                           ("staged files", files_below(STAGING_DIR)),
                           ("states of TPMs", files_below(TPM_DIR) - self.tpms)):
            if left:
                raise Failure(f"{what} are left over: {sorted(left)}")
        Baseline.before_next = objects

    def sweep(self):
        """After a test that failed: a journal that it left would be told of in every test that follows."""
        for path in (files_below(STATE_DIR) | files_below(TPM_DIR)) - self.state - self.tpms:
            with contextlib.suppress(OSError):
                os.unlink(path)
        for path in files_below(STAGING_DIR):
            shutil.rmtree(path, ignore_errors=True)
