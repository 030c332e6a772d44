# SPDX-License-Identifier: LGPL-2.1-or-later
"""The host's page cache is left as it was found: what was cached stays, what only we used does not pile up."""

import os

from vbtest import page_cache
from vbtest.command import expect
from vbtest.disks import MIB, SUFFIX_BY_CODEC, Disk

SIZE = 64 * MIB
# What is read before the reading itself: heads, indexes, and how far the kernel reads ahead of them.
SLACK = 2 * MIB // page_cache.PAGE
# The share of pages that the kernel may take away by itself meanwhile.
RECLAIMED = 0.05
# At the start, across a border of windows, in the middle, at the end.
WARM = ((0, MIB), (15 * MIB + MIB // 2, MIB), (30 * MIB + 2 * page_cache.PAGE, 2 * MIB), (SIZE - MIB, MIB))


def noise(t, path):
    """An image that no codec makes smaller, so that its stored file is as large."""
    with open(path, "wb") as file:
        for _ in range(SIZE // MIB):
            file.write(t.rng.randbytes(MIB))
    os.chmod(path, 0o644)
    return Disk(path, "raw")


def check(path, before, during):
    now = page_cache.pages(path)
    lost = before - now
    expect(len(lost) <= len(before) * RECLAIMED,
           f"{during}: {len(lost)} of {len(before)} pages of {path} that were cached are not any more")
    expect(len(now - before) <= SLACK, f"{during}: {len(now - before)} pages of {path} have come into the cache")


def check_codec(t, codec):
    folder = t.ext4_filesystem("files", 4 * SIZE)
    t.use_dir(folder)
    disk = noise(t, os.path.join(folder, "source"))
    guest = t.guest("web", disk).define()
    source = page_cache.warm(disk.path, *WARM)
    t.backup(guest, "--compression", codec)
    check(disk.path, source, "backup")
    guest.undefine()
    stored = t.archive.file("web-vda" + SUFFIX_BY_CODEC[codec.split(":")[0]])
    expect(os.path.getsize(stored) >= SIZE, "the stored file is smaller than the test needs")
    check(stored, set(), "backup")
    for ranges in (WARM, ()):
        before = page_cache.warm(stored, *ranges)
        t.verify()
        check(stored, before, "verify")
    for ranges, to in ((WARM, "warm"), ((), "cold")):
        before = page_cache.warm(stored, *ranges)
        t.restore("--disks", "vda", to=os.path.join(folder, to))
        check(stored, before, "restore")
        restored = os.path.join(folder, to, os.listdir(os.path.join(folder, to))[0])
        check(restored, set(), "restore")
        os.unlink(restored)


def test_none(t):
    check_codec(t, "none")


def test_lzma(t):
    check_codec(t, "lzma:0")


def test_zstd(t):
    check_codec(t, "zstd:1")
