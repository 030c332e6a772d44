# SPDX-License-Identifier: LGPL-2.1-or-later
"""Disks that hold one kind of content each: an ext4 file system on a raw image.

Programs, text and media are files of this machine, drawn by a seed; databases and logs are made from it. The same
files are drawn again on a machine with the same packages.
"""

import contextlib
import os
import random
import shutil
import subprocess
import time

from vbbench import content

MIB = 1 << 20
SEED = 20100401
PLACES = ("/usr/bin", "/usr/sbin", "/usr/lib", "/usr/share", "/usr/include")
MEDIA = (".gif", ".gz", ".jar", ".jpg", ".ogg", ".png", ".whl", ".woff2", ".xz", ".zip")
# A single file that is larger would be all that a disk holds.
LARGEST = 8 * MIB
BLOCK = 4096
# What the file system needs for itself, in parts of its files.
FILE_SYSTEM = 0.08
LOGS = 3


def _beginning(path):
    with open(path, "rb") as file:
        return file.read(BLOCK)


def _is_program(path):
    return _beginning(path).startswith(b"\x7fELF")


def _is_text(path):
    found = _beginning(path)
    return not path.endswith(MEDIA) and bool(found) and min(found) >= ord("\t")


def _is_media(path):
    return path.endswith(MEDIA)


def _files_of_machine():
    """In an order that is drawn, and the same on each call."""
    found = []
    for place in PLACES:
        for folder, _, names in os.walk(place):
            found += [os.path.join(folder, name) for name in names]
    found.sort()
    random.Random(f"kinds/{SEED}").shuffle(found)
    return found


def _take(folder, size, wanted):
    """Copies files until they are of that size together."""
    taken = 0
    for number, path in enumerate(_files_of_machine()):
        with contextlib.suppress(OSError):
            if os.path.islink(path) or not 0 < os.stat(path).st_size <= min(LARGEST, size - taken) or not wanted(path):
                continue
            taken += shutil.copyfile(path, os.path.join(folder, f"{number:07d}")) and os.stat(path).st_size
        if size - taken < BLOCK:
            break


class _Lines:
    """Lines as servers log them."""

    def __init__(self, rng):
        self.rng, self.language = rng, content.Language(rng)
        self.second = 1_700_000_000
        self.hosts = [".".join(str(rng.randint(1, 254)) for _ in range(4)) for _ in range(4000)]
        self.pages = ["/" + "/".join(self.language.draw(rng.randint(1, 4))) for _ in range(3000)]
        self.agents = [f"Mozilla/5.0 (X11; Linux x86_64) Gecko/20100101 Firefox/{rng.randint(90, 140)}.0" for _ in range(60)]

    def now(self, layout):
        self.second += self.rng.getrandbits(1)
        return time.strftime(layout, time.gmtime(self.second))

    def access(self):
        page = self.pages[min(int(self.rng.expovariate(1 / 200)), len(self.pages) - 1)]
        return (f'{self.rng.choice(self.hosts)} - - [{self.now("%d/%b/%Y:%H:%M:%S")} +0000] "GET {page} HTTP/1.1" '
                f'{self.rng.choice((200, 200, 200, 304, 404))} {self.rng.randint(100, 90000)} "-" "{self.rng.choice(self.agents)}"\n')

    def system(self):
        return (f'{self.now("%b %d %H:%M:%S")} host {self.rng.choice(self.language.words[:40])}[{self.rng.getrandbits(15)}]: '
                f'{" ".join(self.language.draw(self.rng.randint(3, 9)))} took {self.rng.getrandbits(12)} ms\n')

    def service(self):
        return (f'{{"time":"{self.now("%Y-%m-%dT%H:%M:%SZ")}","trace":"{self.rng.randbytes(16).hex()}","user":'
                f'{self.rng.getrandbits(17)},"text":"{" ".join(self.language.draw(6))}"}}\n')


def _logs(folder, size):
    lines = _Lines(random.Random(f"logs/{SEED}"))
    for line in (lines.access, lines.system, lines.service):
        with open(os.path.join(folder, line.__name__ + ".log"), "w", encoding="ascii") as file:
            written = 0
            while written < size // LOGS:
                written += file.write(line())


def _mixed(folder, size):
    """A quarter programs, a quarter text, and a sixth of each of the others."""
    for name, make, share in (("programs", _programs, 4), ("text", _text, 4), ("databases", _databases, 6), ("logs", _logs, 6),
                              ("media", _media, 6)):
        os.mkdir(os.path.join(folder, name))
        make(os.path.join(folder, name), size // share)


def _programs(folder, size):
    _take(folder, size, _is_program)


def _text(folder, size):
    _take(folder, size, _is_text)


def _media(folder, size):
    _take(folder, size, _is_media)


def _databases(folder, size):
    content.database(os.path.join(folder, "accounts.db"), size, SEED)


KINDS = {"programs": _programs, "text": _text, "databases": _databases, "logs": _logs, "media": _media, "mixed": _mixed}


def make(kind, path, size):
    """The disk at PATH, of about SIZE bytes; one that is there is taken as it is."""
    if os.path.exists(path):
        return
    folder, half = path + ".files", path + ".half"
    shutil.rmtree(folder, ignore_errors=True)
    os.makedirs(folder)
    KINDS[kind](folder, size)
    paths = [os.path.join(place, name) for place, _, names in os.walk(folder) for name in names]
    blocks = sum(-(-os.stat(file).st_size // BLOCK) + 1 for file in paths)
    with contextlib.suppress(FileNotFoundError):
        os.unlink(half)
    subprocess.run(["mke2fs", "-q", "-F", "-t", "ext4", "-b", str(BLOCK), "-m", "0", "-O", "^has_journal,^resize_inode",
                    "-U", "20100401-0000-4000-8000-000000000001", "-d", folder, half,
                    str(int(blocks * (1 + FILE_SYSTEM)) + MIB // BLOCK)], check=True, stdout=subprocess.DEVNULL)
    shutil.rmtree(folder)
    os.chmod(half, 0o644)
    os.rename(half, path)
