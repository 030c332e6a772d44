# SPDX-License-Identifier: LGPL-2.1-or-later
"""A disk like that of a server: Debian packages, a database, logs, media, and what was deleted.

An ext4 file system on the one partition of a raw image. Of 8 GiB, 2.9 GiB are allocated: packages that are
unpacked and never installed, some of them twice, files of `content`, and files written and deleted again. A
disk of another size holds the same kinds of content in the same shares. The recipe stands beside the disk;
one of the same recipe is used again.
"""

import contextlib
import json
import os
import random
import shutil
import subprocess

from vbbench import content, packages

MIB, GIB = 1 << 20, 1 << 30
RECIPE = 2          # raised with every change of what the disk holds
SEED = 20100401
WHOLE = 8 * GIB     # the size to which the figures below belong
PARTITION_START = MIB
# MiB of each kind on a disk of the whole size.
PACKAGES, COPIES, DATABASE, LOGS, NOISE, ZEROS, DELETED = 1420, 230, 260, 60, 300, 270, 240


def run(*arguments, **options):
    return subprocess.run(arguments, check=True, stdout=subprocess.PIPE, text=True, **options).stdout


def allocated(path):
    return os.stat(path).st_blocks * 512


def _make_file_system(path, size):
    with open(path, "wb") as file:
        file.truncate(size)
    run("sfdisk", "--quiet", path, input=f"label: dos\nlabel-id: {SEED:#010x}\nstart={PARTITION_START // 512}, type=83\n")
    blocks = (size - PARTITION_START) // 4096
    run("mke2fs", "-q", "-F", "-t", "ext4", "-b", "4096", "-m", "1", "-L", "bench",
        "-U", "20100401-0000-4000-8000-000000000001",
        "-E", f"offset={PARTITION_START},lazy_itable_init=1,hash_seed=20100401-0000-4000-8000-000000000002",
        path, str(blocks))


@contextlib.contextmanager
def mounted(path, size, folder):
    os.makedirs(folder, exist_ok=True)
    device = run("losetup", "--find", "--show", "--offset", str(PARTITION_START), "--sizelimit",
                 str(size - PARTITION_START), path).strip()
    try:
        # Detached while it is in use, the device goes with its last user, however we end.
        # noatime: what is read here is no change of the disk.
        run("mount", "-t", "ext4", "-o", "noinit_itable,noatime", device, folder)
    finally:
        run("losetup", "--detach", device)
    try:
        yield folder
    finally:
        run("umount", folder)
        os.rmdir(folder)


def _unpack(debs, folder, budget, rng):
    """Unpack packages in a drawn order until the budget is used. Returns their files and the bytes."""
    order, used, taken = list(debs), 0, []
    rng.shuffle(order)
    os.makedirs(folder, exist_ok=True)
    for deb in order:
        if used + deb.unpacked > budget:
            continue
        run("dpkg-deb", "-x", deb.path, folder)
        used += deb.unpacked
        taken.append(deb)
    return taken


def _fill(root, scale, debs, rng):
    def size(mib):
        return int(mib * MIB * scale)

    taken = _unpack(debs, root, size(PACKAGES), rng)
    os.makedirs(os.path.join(root, "var/lib/bench"))
    os.makedirs(os.path.join(root, "var/log/bench"))
    os.makedirs(os.path.join(root, "srv/media"))
    old = os.path.join(root, "srv/old")
    os.makedirs(old)
    # What is deleted at the end lies between what stays.
    content.noise(os.path.join(old, "film"), size(DELETED) // 3, "old")
    content.database(os.path.join(root, "var/lib/bench/accounts.db"), size(DATABASE) * 2 // 3, "accounts")
    content.log_text(os.path.join(old, "log"), size(DELETED) // 3, "old")
    content.noise(os.path.join(root, "srv/media/film"), size(NOISE) // 2, "film")
    content.database(os.path.join(old, "orders.db"), size(DELETED) // 3, "old")
    content.log_text(os.path.join(root, "var/log/bench/messages"), size(LOGS), "messages")
    content.zeros(os.path.join(root, "var/lib/bench/claimed"), size(ZEROS))
    for number in range(16):
        content.noise(os.path.join(root, f"srv/media/song-{number}"), size(NOISE) // 32, number)
    content.database(os.path.join(root, "var/lib/bench/orders.db"), size(DATABASE) // 3, "orders")
    _unpack(taken, os.path.join(root, "srv/chroot"), size(COPIES), rng)
    os.sync()
    shutil.rmtree(old)
    return [deb.name for deb in taken]


class DiskMaker:
    """Makes disks below WORK, at most once each."""

    def __init__(self, work, say):
        self.work, self.say = os.path.realpath(work), say

    def path(self, size):
        return os.path.join(self.work, "disks", f"disk-{size // MIB}M.raw")

    def _recipe(self, size):
        return {"recipe": RECIPE, "seed": SEED, "size": size}

    def _is_there(self, size):
        try:
            with open(self.path(size) + ".json", encoding="utf-8") as file:
                found = json.load(file)
        except (OSError, ValueError):
            return False
        recipe = self._recipe(size)
        return os.path.exists(self.path(size)) and {key: found.get(key) for key in recipe} == recipe

    def make(self, size):
        """Returns the path of the disk."""
        path = self.path(size)
        if self._is_there(size):
            return path
        os.makedirs(os.path.dirname(path), exist_ok=True)
        self.say(f"making the disk of {size // MIB} MiB")
        debs = packages.download(os.path.join(self.work, "packages"), self.say)
        half = path + ".half"
        _make_file_system(half, size)
        with mounted(half, size, path + ".mounted") as root:
            names = _fill(root, size / WHOLE, debs, random.Random(f"disk/{SEED}"))
        os.chmod(half, 0o644)
        os.rename(half, path)
        with open(path + ".json", "w", encoding="utf-8") as file:
            json.dump(self._recipe(size) | {"allocated": allocated(path), "packages": sorted(names)}, file, indent=1)
        return path
