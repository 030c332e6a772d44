# SPDX-License-Identifier: LGPL-2.1-or-later
"""A guest that is shut off and has other disks each day; what they are on a day follows from a seed.

How an image comes to hold the next day follows from the seed, too: written to as a guest writes, so that bitmaps note it;
the same after its bitmaps were lost, or after a backup that was killed; another file in its place; or another disk in the
same file, with bitmaps that look as if nobody had written to it.
"""

import os
import random

from vbtest import disks
from vbtest.checkpoints import image_bitmaps
from vbtest.command import run
from vbtest.disks import MIB, SECTOR, Disk

PAGE, BLOCK = 4096, 65536
WAYS = ("written", "written", "written", "lost", "aborted", "exchanged", "behind")
INCREMENTS = ("written", "aborted")
# No multiple of a block, or of a MiB: the last ones are short.
SIZES = {"vda": 24 * MIB + 7 * SECTOR, "vdb": 16 * MIB + BLOCK + SECTOR}


class Content:
    """The bytes of a disk, from day to day."""

    def __init__(self, target, seed):
        self.rng = random.Random(f"{seed}/{target}")
        self.data = bytearray(SIZES[target])
        for start in range(0, len(self.data), 4 * BLOCK):
            self.fill(start, 4 * BLOCK, self.rng.choice(("zeros", "noise", "text", "text")))

    def fill(self, start, length, kind):
        length = min(length, len(self.data) - start)
        if kind == "zeros":
            piece = bytes(length)
        elif kind == "noise":
            piece = self.rng.randbytes(length)
        else:
            line = b"%016x " % self.rng.getrandbits(64) + b"it is as it was on the day before\n"
            piece = (line * (length // len(line) + 1))[:length]
        self.data[start:start + length] = piece

    def become_another(self):
        for start in range(0, len(self.data), 4 * BLOCK):
            self.fill(start, 4 * BLOCK, self.rng.choice(("noise", "text")))

    def place(self, unit):
        return self.rng.randrange(len(self.data) // unit) * unit

    def live(self):
        """Pages here and there, a run that moves, one that becomes zeros, and now and then the end."""
        for _ in range(self.rng.randrange(2, 12)):
            self.fill(self.place(PAGE), PAGE * self.rng.randrange(1, 4), self.rng.choice(("noise", "text")))
        length, source, target = BLOCK * self.rng.randrange(1, 8), self.place(BLOCK), self.place(BLOCK)
        piece = self.data[source:source + length]
        piece = piece[:len(self.data) - target]
        self.data[target:target + len(piece)] = piece
        self.fill(self.place(PAGE), BLOCK * self.rng.randrange(1, 4), "zeros")
        if self.rng.random() < 0.3:
            self.fill(len(self.data) - SECTOR, SECTOR, "noise")

    def write(self, path):
        """As a raw file in which zeros are holes."""
        with open(path, "wb") as file:
            file.truncate(len(self.data))
            for start in range(0, len(self.data), PAGE):
                page = self.data[start:start + PAGE]
                if any(page):
                    file.seek(start)
                    file.write(page)


class Guest:
    """Two disks, of which one is raw and one qcow2, and what they are today."""

    def __init__(self, t, name, seed, formats):
        self.t, self.name, self.seed, self.formats = t, name, seed, formats
        self.begin()
        self.written = {}       # what is in the images
        self.disks = [Disk(self.path(target), format_name, target) for target, format_name in formats.items()]
        self.exchange()
        self.guest = t.guest(name, *self.disks, memory_mib=64).define()

    def begin(self):
        """It is the first day again, though the disks stay what they are."""
        self.day, self.contents = 0, {target: Content(target, self.seed) for target in self.formats}
        self.way, self.ways = "exchanged", random.Random(f"{self.seed}/{self.name}/ways")
        for content in self.contents.values():      # the first days are clones
            content.rng.seed(f"{self.seed}/{self.name}")

    def path(self, target):
        return self.t.path(f"{self.name}-{target}.{self.formats[target]}")

    def live(self):
        self.day += 1
        self.way = self.ways.choice(WAYS)
        for content in self.contents.values():
            content.live()
            if self.way == "behind":
                content.become_another()

    def write(self):
        """The disks are what they are to be today."""
        if self.way == "exchanged":
            self.exchange()
        elif self.way == "behind":
            self.write_behind()
        else:
            for target, content in self.contents.items():
                if self.way == "lost" and self.formats[target] == "qcow2":
                    for name in image_bitmaps(self.disk(target)):
                        run("qemu-img", "bitmap", "--remove", "-f", "qcow2", self.path(target), name)
                self.write_changes(target, content)
        self.written = {target: bytes(content.data) for target, content in self.contents.items()}

    def disk(self, target):
        return next(disk for disk in self.disks if disk.target == target)

    def make(self, target, path):
        """A new image."""
        self.contents[target].write(path)
        if self.formats[target] != "raw":
            disks.convert(path, path + ".converted", self.formats[target])
            os.rename(path + ".converted", path)
        os.chmod(path, 0o644)

    def exchange(self):
        for target, content in self.contents.items():
            self.make(target, self.path(target) + ".new")
            os.rename(self.path(target) + ".new", self.path(target))
            self.written[target] = bytes(content.data)

    def write_behind(self):
        for target, format_name in self.formats.items():
            path, new = self.path(target), self.path(target) + ".new"
            self.make(target, new)
            if format_name == "qcow2":
                for name in image_bitmaps(self.disk(target)):
                    run("qemu-img", "bitmap", "--add", "-f", "qcow2", new, name)
            with open(new, "rb") as source, open(path, "r+b") as file:
                file.write(source.read())
                file.truncate()
            os.unlink(new)

    def write_changes(self, target, content):
        """As QEMU writes."""
        commands, pieces = [], []
        for start in range(0, len(content.data), BLOCK):
            data = content.data[start:start + BLOCK]
            if data != self.written[target][start:start + BLOCK]:
                pieces.append(self.t.path(f"piece-{start}"))
                with open(pieces[-1], "wb") as file:
                    file.write(data)
                commands += ["-c", f"write -q -s {pieces[-1]} {start} {len(data)}"]
        if commands:
            run("qemu-io", "-f", self.formats[target], *commands, self.path(target))
        for piece in pieces:
            os.unlink(piece)

    def increments(self):
        """Which disks today's backup is to read as increments."""
        return {target: self.way in INCREMENTS and format_name == "qcow2" for target, format_name in self.formats.items()}

    def check(self, folder):
        """The disks in there are what those of the guest are today."""
        for target, format_name in self.formats.items():
            restored, today = os.path.join(folder, os.path.basename(self.path(target))), self.t.path("today.raw")
            self.contents[target].write(today)
            disks.compare(restored, format_name, today, "raw", f"day {self.day}, {self.name}, {target}")
            os.unlink(today)
