# SPDX-License-Identifier: LGPL-2.1-or-later
"""A guest that is shut off and has other disks each day; what they are on a day follows from a seed."""

import os
import random

from vbtest import disks
from vbtest.disks import MIB, SECTOR, Disk

PAGE, BLOCK = 4096, 65536
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
        self.disks = [Disk(self.path(target), format_name, target) for target, format_name in formats.items()]
        self.write()
        self.guest = t.guest(name, *self.disks, memory_mib=64).define()

    def begin(self):
        """It is the first day again, though the disks stay what they are."""
        self.day, self.contents = 0, {target: Content(target, self.seed) for target in self.formats}
        for content in self.contents.values():      # the first days are clones
            content.rng.seed(f"{self.seed}/{self.name}")

    def path(self, target):
        return self.t.path(f"{self.name}-{target}.{self.formats[target]}")

    def live(self):
        self.day += 1
        for content in self.contents.values():
            content.live()

    def write(self):
        for target, content in self.contents.items():
            path = self.path(target)
            content.write(path + ".new")
            if self.formats[target] != "raw":
                disks.convert(path + ".new", path + ".converted", self.formats[target])
                os.rename(path + ".converted", path + ".new")
            os.chmod(path + ".new", 0o644)
            os.rename(path + ".new", path)

    def check(self, folder):
        """The disks in there are what those of the guest are today."""
        for target, format_name in self.formats.items():
            restored, today = os.path.join(folder, os.path.basename(self.path(target))), self.t.path("today.raw")
            self.contents[target].write(today)
            disks.compare(restored, format_name, today, "raw", f"day {self.day}, {self.name}, {target}")
            os.unlink(today)
