# SPDX-License-Identifier: LGPL-2.1-or-later
"""The target, or the folder of scratch files, runs full while a guest is backed up."""

import contextlib
import os
import signal
import subprocess
import threading
import time

from bench import BackupBench
from bystanders import offspring
from vbtest import proc
from vbtest.command import Skip, expect, note, same
from vbtest.disks import MIB

# Memory's room is checked in advance, so the target must first look large enough.
TARGET_SIZE = 112 * MIB
SCRATCH_SIZE = 80 * MIB
MAX_PAUSE_S = 3.0
STALL_S = 4.0
LOOK_S = 0.02
KIB = 1024


class Progress(threading.Thread):
    """The longest time that the guest has not stepped; it steps 18 times a second."""

    def __init__(self, path):
        super().__init__(daemon=True)
        self.path = path
        self.over = threading.Event()
        self.longest = 0.0

    def run(self):
        size, steps = os.path.getsize(self.path), 0
        while not self.over.wait(LOOK_S):
            steps += 1
            now = os.path.getsize(self.path)
            if now != size:
                size, steps = now, 0
            self.longest = max(self.longest, steps * LOOK_S)

    def stop(self):
        self.over.set()
        self.join()
        return self.longest


def fill(folder, room):
    """Take all but so many bytes of the file system. Returns the file that does it."""
    path = os.path.join(folder, "filler")
    stat = os.statvfs(folder)
    taken = stat.f_bavail * stat.f_frsize - room
    with open(path, "wb") as file:
        if taken > 0:
            os.posix_fallocate(file.fileno(), 0, taken)
    return path


def send(pids, number):
    for pid in pids:
        proc.kill(pid, number)


def wait_for_end(process, limit_s):
    with contextlib.suppress(subprocess.TimeoutExpired):
        process.process.wait(limit_s)


class ShortageBench(BackupBench):
    def make_places(self):
        # Before the guest starts: QEMU's own mount namespace would not have them later.
        self.target = self.t.small_filesystem("target", TARGET_SIZE)
        self.scratch = self.t.small_filesystem("scratch", SCRATCH_SIZE)
        self.t.archive.path = os.path.join(self.target, "archive")

    def words(self, *more, to=None):
        return super().words("--scratch-path", self.scratch, *more, to=to)

    def point(self, fault):
        self.prepare()
        place = self.target if fault.do == "fill-target" else self.scratch
        progress = Progress(self.guest.serial.path)
        progress.start()
        began = time.monotonic()
        process, release = self.hold(fault, self.words())
        filler = fill(place, fault.size)
        # A slow target: the room must not be missed only because all is over soon.
        children = offspring(process)["kill-child"] if fault.do == "fill-scratch" else []
        send(children, signal.SIGSTOP)
        release()
        if children:
            wait_for_end(process, STALL_S)
        send(children, signal.SIGCONT)
        result = self.finish(process)
        longest, took_s = progress.stop(), time.monotonic() - began
        label = self.label(fault)
        note(f"effect {fault.at}: {label}; the guest stood still for {longest:.2f} s at most")
        os.unlink(filler)
        expect(result.status in (0, 1, 3), f"exit status {result.status}")
        # It does not wait for the run to fail, however slow all is.
        expect(longest <= max(MAX_PAUSE_S, took_s / 3), f"the guest stood still for {longest:.2f} s of {took_s:.2f}")
        same(sorted(os.listdir(self.scratch)), [], "scratch files")
        self.check(fault)
        return f"{label}, status {result.status}, still for {longest:.2f} s"


def place_of(effects, wanted):
    for number, label in enumerate(effects, 1):
        if label.startswith(wanted):
            return number
    raise Skip(f"no effect {wanted}")


def target_points(scenario, effects, rng, count):
    """From none to more than is needed; from the beginning, or when all that can be checked was checked."""
    for index in range(count):
        at = place_of(effects, "flock" if index % 5 == 4 else "nbd_aio_connect_socket")
        yield {"scenario": scenario, "do": "fill-target", "at": at, "size": rng.randrange(index + 1) * 1800 * KIB}


def scratch_points(scenario, effects, rng, count):
    """Too little for the job to begin; gone when the guest goes on; less than is left alone; enough."""
    sizes = (0, 128 * KIB, 256 * KIB, 448 * KIB, 512 * KIB, MIB, 4 * MIB, 7 * MIB, 9 * MIB, 16 * MIB)
    for index in range(count):
        wanted = "virDomainResume" if index % 2 and scenario != "room-none" else "virDomainBackupBegin"
        yield {"scenario": scenario, "do": "fill-scratch", "at": place_of(effects, wanted),
               "size": rng.choice(sizes[:7] if wanted == "virDomainResume" else sizes)}
