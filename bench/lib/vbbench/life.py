# SPDX-License-Identifier: LGPL-2.1-or-later
"""A disk that lives: the disk of a server, with what changes on it from day to day.

The first day is the disk of `disk`, to which database tables, mail, logs and a swap file are added, while files are
deleted between them. On each day after that a share of its data, 1 % by default, is written through its mounted file
system, in blocks of 4 KiB: pages of tables with their log, new mail and media, lines of logs, packages that are
upgraded, swap. What is written is drawn from the seed, the name of the life, and the day, so two disks that have begun
as one and lived under two names are a template and its clone.
"""

import json
import os
import random

from vbbench import content, measure
from vbbench.disk import MIB, allocated, mounted

RECIPE = 4          # raised with every change of what happens on a day
SEED = 20150615
BLOCK, PAGE = 4096, 8192
# Shares of the disk's size that are added on the first day.
TABLES, MAIL, SWAP, CHURN = 0.05, 0.03, 0.03, 0.03
TABLE_COUNT, WAL_FILES, WAL_SIZE = 4, 4, MIB
BOXES, MESSAGE_LEAST, MESSAGE_MOST = 8, 1500, 60000
# What of a day's writing goes where; together 1.
DAY = {"tables": 0.40, "wal": 0.10, "logs": 0.12, "mail": 0.12, "media": 0.08, "upgrade": 0.10, "swap": 0.08}
ROTATED_EVERY = 7
UPGRADED_LEAST, UPGRADED_MOST = 2 * BLOCK, MIB


class Writer:
    """Draws content and writes it below the root of a mounted file system."""

    def __init__(self, root, seed):
        self.root, self.rng = root, random.Random(f"life/{SEED}/{seed}")
        self.language = content.Language(random.Random(f"life/{SEED}"))     # one language for a whole life
        self.language.rng = self.rng

    def path(self, *parts):
        return os.path.join(self.root, *parts)

    def text(self, size):
        words = " ".join(self.language.draw(size // 5 + 8))
        while len(words) < size:
            words += " " + " ".join(self.language.draw(size // 20 + 8))
        return words[:size].encode("ascii")

    def page(self):
        """A page of a table: a head, rows of text and numbers, and free space."""
        rng = self.rng
        free = rng.randrange(PAGE // 5)
        rows = bytearray(rng.randbytes(24))
        while len(rows) < PAGE - free - 200:
            rows += rng.randbytes(12) + self.text(rng.randrange(60, 180))
        return bytes(rows.ljust(PAGE, b"\0")[:PAGE])

    def update(self, page):
        """The same page after one of its rows was updated."""
        page = bytearray(page)
        page[:16] = self.rng.randbytes(16)
        row = self.text(self.rng.randrange(60, 180))
        start = self.rng.randrange(24, PAGE // 2)
        page[start:start + len(row)] = row
        return bytes(page)

    def memory_page(self):
        """A page of a process: pointers and text, or nothing that repeats."""
        rng = self.rng
        if rng.random() < 0.3:
            return rng.randbytes(BLOCK)
        base = rng.getrandbits(40) << 12
        words = b"".join((base + rng.randrange(1 << 16)).to_bytes(8, "little") for _ in range(BLOCK // 16))
        return words + self.text(BLOCK - len(words))

    # ---- the first day ------------------------------------------------------------------------

    def message(self, box, name):
        size = min(MESSAGE_MOST, MESSAGE_LEAST + int(self.rng.expovariate(1 / 9000)))
        body = self.text(size) if self.rng.random() < 0.8 else self.rng.randbytes(size * 3 // 4).hex().encode("ascii")[:size]
        with open(self.path("srv/mail", f"box-{box}", name), "wb") as file:
            file.write(b"Received: from " + self.text(60) + b"\n\n" + body)
        return size

    def messages(self, day, size):
        number = 0
        while size > 0:
            size -= self.message(self.rng.randrange(BOXES), f"{day:05d}-{number:05d}") + BLOCK // 2
            number += 1

    def move_in(self, size):
        for folder in ("srv/tables", "srv/wal", "srv/mail", "srv/uploads", "var/log/life", *(f"srv/mail/box-{n}" for n in range(BOXES))):
            os.makedirs(self.path(folder))
        churned = self.churn(size)
        for number in range(TABLE_COUNT):
            with open(self.path("srv/tables", f"table-{number}"), "wb") as file:
                for _ in range(int(size * TABLES) // TABLE_COUNT // PAGE):
                    file.write(self.page())
            self.messages(number, int(size * MAIL) // TABLE_COUNT)
        for number in range(WAL_FILES):
            content.zeros(self.path("srv/wal", f"segment-{number}"), WAL_SIZE)
        with open(self.path("swapfile"), "wb") as file:
            for _ in range(int(size * SWAP) // BLOCK):
                file.write(bytes(BLOCK) if self.rng.random() < 0.5 else self.memory_page())
        self.delete(churned)

    def delete(self, paths):
        """Files that were on the disk: one deleted before it was written would leave nothing there."""
        measure.flush(self.root)
        for path in paths:
            os.unlink(path)

    def churn(self, size):
        """Files of all sizes, which are deleted when the rest is there: so there are gaps between it. They hold text as
        often as mail does."""
        paths, left, text = [], int(size * CHURN), self.text(MIB)
        while left > 0:
            path, own = self.path("srv/uploads", f"old-{len(paths):05d}"), self.rng.choice((1, 4, 16)) * BLOCK
            if self.rng.random() < 0.8:
                start = self.rng.randrange(MIB - own)
                with open(path, "wb") as file:
                    file.write(text[start:start + own])
            else:
                content.noise(path, own, f"{SEED}/{len(paths)}")
            paths.append(path)
            left -= own
        self.rng.shuffle(paths)
        self.delete(paths[len(paths) // 2:])
        return paths[:len(paths) // 2]

    # ---- a day --------------------------------------------------------------------------------

    def live(self, day, budget):
        for kind, share in DAY.items():
            getattr(self, f"day_of_{kind}")(day, int(budget * share))

    def day_of_tables(self, _day, budget):
        """Half of what is updated is recent, and lies together; the rest anywhere."""
        left = budget // PAGE
        while left > 0:
            with open(self.path("srv/tables", f"table-{self.rng.randrange(TABLE_COUNT)}"), "r+b") as file:
                pages = os.fstat(file.fileno()).st_size // PAGE
                if self.rng.random() < 0.5:
                    first, run = max(0, pages - 1 - int(self.rng.expovariate(8 / pages))), self.rng.randrange(2, 12)
                else:
                    first, run = self.rng.randrange(pages), 1
                run = min(run, left, pages - first)
                for number in range(first, first + run):
                    page = self.update(os.pread(file.fileno(), PAGE, number * PAGE))
                    os.pwrite(file.fileno(), page, number * PAGE)
                left -= run

    def day_of_wal(self, day, budget):
        """The segments are a ring that is written again and again."""
        data = b"".join(self.rng.randbytes(64) + self.text(192) for _ in range(budget // 256))
        position = day * budget
        while data:
            number, offset = position // WAL_SIZE % WAL_FILES, position % WAL_SIZE
            piece = data[:WAL_SIZE - offset]
            with open(self.path("srv/wal", f"segment-{number}"), "r+b") as file:
                os.pwrite(file.fileno(), piece, offset)
            data, position = data[len(piece):], position + len(piece)

    def day_of_logs(self, day, budget):
        for name in ("access.log", "messages"):
            path = self.path("var/log/life", name)
            if day % ROTATED_EVERY == 0 and os.path.exists(path):
                os.rename(path, path + ".1")
            with open(path, "ab") as file:
                written = 0
                while written < budget // 2:
                    written += file.write(b"%d %s [%d] %s\n" % (1_700_000_000 + day * 86400 + written, self.text(12),
                                                                 self.rng.getrandbits(15), self.text(90)))

    def day_of_mail(self, day, budget):
        self.messages(TABLE_COUNT + day, budget)
        for box in range(BOXES):
            folder = self.path("srv/mail", f"box-{box}")
            names = sorted(os.listdir(folder))
            for name in self.rng.sample(names, len(names) // 100):
                os.unlink(os.path.join(folder, name))

    def day_of_media(self, day, budget):
        content.noise(self.path("srv/uploads", f"upload-{day:05d}"), budget, f"{SEED}/{self.rng.getrandbits(64)}")
        if day > ROTATED_EVERY and os.path.exists(self.path("srv/uploads", f"upload-{day - ROTATED_EVERY:05d}")):
            os.unlink(self.path("srv/uploads", f"upload-{day - ROTATED_EVERY:05d}"))

    def day_of_upgrade(self, _day, budget):
        """Files of packages are replaced by others of about their size, half of whose content is new."""
        folders = sorted(folder for folder, _, _ in os.walk(self.path("usr")))
        while budget > 0:
            folder = self.rng.choice(folders)
            for name in sorted(os.listdir(folder)):
                path = os.path.join(folder, name)
                if os.path.islink(path) or not os.path.isfile(path):
                    continue
                size = os.stat(path).st_size
                if UPGRADED_LEAST <= size <= min(UPGRADED_MOST, budget):
                    self.upgrade(path)
                    budget -= size
            budget -= BLOCK     # ends where no file is small enough

    def upgrade(self, path):
        with open(path, "rb") as file:
            old = file.read()
        middle = self.rng.randrange(len(old) // 4, len(old) // 2)
        with open(path + ".new", "wb") as file:
            file.write(old[:middle] + self.text(len(old) // 4) + old[middle + len(old) // 4 + 16:])
        os.rename(path + ".new", path)

    def day_of_swap(self, _day, budget):
        left = budget // BLOCK
        with open(self.path("swapfile"), "r+b") as file:
            pages = os.fstat(file.fileno()).st_size // BLOCK
            while left > 0:
                run = min(left, self.rng.randrange(4, 24), pages)
                first = self.rng.randrange(pages - run + 1)
                os.pwrite(file.fileno(), b"".join(self.memory_page() for _ in range(run)), first * BLOCK)
                left -= run


def copy_disk(source, target):
    """A copy with the same holes."""
    with open(source, "rb") as one, open(target, "wb") as other:
        size = os.fstat(one.fileno()).st_size
        other.truncate(size)
        position = 0
        while position < size:
            try:
                start = os.lseek(one.fileno(), position, os.SEEK_DATA)
            except OSError:
                break
            position = os.lseek(one.fileno(), start, os.SEEK_HOLE)
            os.lseek(other.fileno(), start, os.SEEK_SET)
            os.lseek(one.fileno(), start, os.SEEK_SET)
            while start < position:
                start += os.sendfile(other.fileno(), one.fileno(), None, min(position - start, 16 * MIB))
    os.chmod(target, 0o644)


def changed(one, other, unit):
    """How many units of the two disks differ."""
    count = 0
    with open(one, "rb") as first, open(other, "rb") as second:
        while True:
            a, b = first.read(MIB), second.read(MIB)
            if not a and not b:
                return count
            if a != b:
                count += sum(a[start:start + unit] != b[start:start + unit] for start in range(0, max(len(a), len(b)), unit))


class Living:
    """The disk of the first day, kept, and copies of it that live on."""

    def __init__(self, maker, size):
        self.maker, self.size = maker, size

    def path(self, name="first"):
        return os.path.join(self.maker.work, "disks", f"living-{self.size // MIB}M-{name}.raw")

    def _recipe(self, name, days, share):
        with open(self.maker.path(self.size) + ".json", encoding="utf-8") as file:
            base = json.load(file)
        return {"recipe": RECIPE, "seed": SEED, "base": [base["recipe"], base["seed"], base["packages"]], "name": name, "days": days,
                "share": share}

    def _kept(self, name, recipe, make):
        path = self.path(name)
        try:
            with open(path + ".json", encoding="utf-8") as file:
                if os.path.exists(path) and json.load(file) == recipe:
                    return path
        except (OSError, ValueError):
            pass
        half = path + ".half"
        make(half)
        os.rename(half, path)
        with open(path + ".json", "w", encoding="utf-8") as file:
            json.dump(recipe, file)
        return path

    def first(self):
        """The path of the disk as it is on the first day."""
        base = self.maker.make(self.size)

        def make(half):
            self.maker.say(f"adding what will change to the disk of {self.size // MIB} MiB")
            copy_disk(base, half)
            with mounted(half, self.size, half + ".mounted") as root:
                Writer(root, "first").move_in(self.size)

        return self._kept("first", self._recipe("first", 0, 0), make)

    def later(self, name, days, share=0.01):
        """The path of a copy that has lived so many days under this name."""
        first = self.first()

        def make(half):
            copy_disk(first, half)
            for day in range(1, days + 1):
                self.live(half, name, day, share)

        return self._kept(name, self._recipe(name, days, share), make)

    def live(self, path, name, day, share=0.01):
        """Lets the disk at this path live its day DAY."""
        budget = int(allocated(self.path()) * share)
        with mounted(path, self.size, path + ".mounted") as root:
            Writer(root, f"{name}/{day}").live(day, budget)
