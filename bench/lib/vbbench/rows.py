# SPDX-License-Identifier: LGPL-2.1-or-later
"""The table: what is measured beside what, and what is asked for.

A row compares two sides of one group. The sides of a group are run in turns; `groups` says how.
"""

import dataclasses


@dataclasses.dataclass(frozen=True)
class Row:
    name: str
    group: str
    ours: str              # a side of the group, as is the peer
    peer: str
    wall: float | None     # most that ours may take, as a share of the peer; None: only the size is compared
    size: float | None = None
    more_s: float | None = None     # instead of shares: most seconds that ours may take beyond the peer
    most: int | None = None         # and most bytes that it may store
    beyond: str | None = None       # the side whose time is taken off ours first
    read: float | None = None       # most that ours may read of the disk, as a share of what the peer, ours too, reads


ROWS = (
    Row("backup raw file, zstd:3", "raw-zstd3", "ours", "zstd -3 -T2", 0.50, 1.02),
    Row("backup raw file, zstd:1", "raw-zstd1", "ours", "zstd -1 -T2", 0.50, 1.02),
    Row("backup raw file, none", "raw-none", "ours", "nbdcopy from qemu-nbd", 0.80, 1.0),
    Row("backup raw file, none", "raw-none", "ours", "qemu-img convert", 1.0, 1.0),
    Row("backup qcow2 file, zstd:3", "qcow2-zstd3", "ours", "qemu-img convert -c, zstd", 0.35, 0.95),
    Row("running guest, zstd:3, disks only", "running-zstd3", "ours", "virtnbdbackup -z -l copy", 0.45, 0.80),
    Row("running guest, none, disks only", "running-none", "ours", "virtnbdbackup -l copy", 0.40, 1.02),
    Row("restore zstd:3 to raw", "restore-zstd3", "ours", "virtnbdrestore of a -z backup", 0.30),
    Row("restore zstd:3 to raw", "restore-zstd3", "ours", "zstd -d", 0.60),
    Row("first backup, zstd:3", "first", "ours", "borg create, zstd,3, fixed chunks", 0.35),
    Row("first backup, zstd:3", "first", "ours", "restic backup", 0.25),
    Row("4 TiB sparse raw disk, none", "sparse", "ours, none", "qemu-img convert", 3.0),
    Row("4 TiB sparse raw disk, zstd:3", "sparse", "ours, zstd:3", "qemu-img convert", 3.0),
    Row("4 TiB sparse raw disk, lzma:6", "sparse", "ours, lzma:6", "qemu-img convert", 15),
    Row("backup raw file, lzma:6", "raw-lzma6", "ours", "xz -6 -T2", 0.65, 1.01),
    Row("backup raw file, lzma:6", "raw-lzma6", "ours", "pixz -6 -p 2", 0.65, 1.01),
    Row("restore lzma:6 to raw", "restore-lzma6", "ours", "xz -d -T2", 0.60),
    Row("memory image of a 1 GiB guest, 512 MiB of data, lzma:3", "memory-lzma", "ours",
        "libvirt, save_image_format xz", 0.55, 1.05),
    Row("repository: first backup", "repository-first", "ours", "own archive", 1.10),
    Row("repository: first backup", "repository-first", "ours", "borg", 0.45),
    Row("repository: first backup", "repository-first", "ours", "restic", 0.33),
    Row("repository: first backup, zstd:4", "repository-first", "ours, zstd:4", "borg", None, 1.01),
    Row("repository: first backup, zstd:4", "repository-first", "ours, zstd:4", "restic", None, 0.99),
    Row("repository: second day", "repository-second", "ours", "own first backup", 0.35, 0.016),
    Row("repository: second day", "repository-second", "ours", "borg", 0.5, 0.5),
    Row("repository: second day", "repository-second", "ours", "restic", 0.15, 0.27),
    Row("repository: clone of a guest, 3 % its own", "repository-clone", "ours", "own first backup", None, 0.05),
    Row("repository: nothing has changed", "repository-unchanged", "ours", "reading", None, more_s=0.5, most=64 << 10),
    Row("repository: restore of the newest of 31", "repository-generations", "ours, newest", "ours, first", 1.30),
    Row("repository: restore of the newest of 31", "repository-generations", "ours, newest", "borg extract", 0.25),
    Row("repository: 7 days kept of 31, collected", "repository-generations", "ours, 7 kept", "own first backup", None, 1.35),
    Row("increment: running guest, 1 %, beyond the capture", "increment-second", "ours", "own first backup", 0.06, 0.016,
        beyond="ours, nothing written"),
    Row("increment: running guest, 1 %: what is read", "increment-second", "ours", "own first backup", None, read=0.03),
    Row("increment: running guest, 1 %", "increment-second", "ours", "virtnbdbackup -l inc -z", 0.8, 0.90),
    Row("increment: bitmap lost", "increment-second", "ours, bitmap lost", "ours", None, 1.02),
    Row("increment: restore of the newest of 31", "increment-chain", "ours", "virtnbdrestore", 0.35),
    Row("repository: restore of the newest of 366, small", "repository-year", "ours, newest", "ours, first", 2.0),
)


def matching(pattern):
    """The rows whose name, group or peer holds one of the comma-separated words; all without a pattern."""
    words = [word.strip().lower() for word in (pattern or "").split(",") if word.strip()]
    return [row for row in ROWS
            if not words or any(word in f"{row.name} | {row.group} | {row.peer}".lower() for word in words)]
