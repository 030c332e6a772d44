# SPDX-License-Identifier: LGPL-2.1-or-later
"""Packs of a repository: heads, frames, indexes and ends."""

import hashlib
import os
import struct

from case import StoredCase
from store import BLOCK, bomb_of, zstd_of

ALL = 0xffffffff
MAX = (1 << 64) - 1
NONE, ZSTD, LZMA = 0, 1, 2


def pack(change, told=True):
    """Of the newest point. TOLD: the points say of it what it is now."""
    def made(f):
        newest = f.pack()
        change(newest)
        f.put_pack(newest, told=told)
    return made


def head(at, data):
    def change(p):
        p.head[at:at + len(data)] = data
    return pack(change)


def end(**members):
    return pack(lambda p: p.end.update(members))


def frame(**members):
    return pack(lambda p: p.frames[0].update(members))


def counts(*numbers):
    return pack(lambda p: setattr(p, "counts", numbers))


def result(raw, *blocks, digest=None):
    """A frame, of blocks with lengths that it says."""
    table = b"".join(struct.pack(">II", stored, length) for stored, length, _ in blocks)
    return (digest or hashlib.sha256(b"x").digest()) + struct.pack(">II", raw, len(blocks)) + table + b"".join(
        data for _, _, data in blocks)


def framed(data, **more):
    return frame(data=data, **more)


def bomb(size):
    data = bomb_of(size)
    return result(BLOCK, (len(data), BLOCK, data))


def of_the_innocent(f):
    f.write(f.pack_name(), f.read(f.pack_name(guest="innocent")))


def grown(f):
    with open(f.at(f.pack_name()), "ab") as file:
        file.write(bytes(1000))


def frames_with_nothing(p):
    p.frames += [dict(data=b"", raw=1, codec=NONE, count=1)] * 60000
    p.ids += [bytes(16)] * 60000


def same_id(p):
    p.ids = [bytes(16) for _ in p.ids]


PACKS = {
    "magic": (head(0, b"VBPACK2\n"), "begin like a pack"),
    "another-repository": (head(8, bytes(16)), "another repository"),
    "another-session": (head(24, bytes(16)), "another pack"),
    "another-number": (head(40, struct.pack(">I", 1)), "another pack"),
    "flags-unknown": (head(44, struct.pack(">I", 64)), "flag"),
    "encrypted": (head(44, struct.pack(">I", 1)), "encrypted"),
    "key-box": (head(48, struct.pack(">I", 88)), "has keys"),
    "key-box-all": (head(48, struct.pack(">I", ALL)), "has keys"),
    "salt": (head(52, b"salt"), "has keys"),
    "end-magic": (end(magic=b"VBPEND2\n"), "end like a pack"),
    "end-zeros": (end(zeros=1), "reserved"),
    "end-index-all": (end(begin=MAX), "add up"),
    "end-index-wraps": (end(begin=MAX - 10, length=ALL), "add up"),
    "end-index-early": (end(begin=64), "add up"),
    "end-index-in-head": (end(begin=8), "add up"),
    "end-length": (end(length=ALL), "add up"),
    "end-length-0": (end(length=0), "add up"),
    "index-count-all": (counts(ALL, ALL), "too many"),
    "index-frames-all": (counts(ALL, 1), "too many"),
    "index-blocks-all": (counts(1, ALL), "too many"),
    "index-blocks-65537": (counts(1, 65537), "too many"),
    "index-wraps": (counts(1, 0x10000001), "too many"),
    "index-of-no-frame": (counts(0, 1), "do not hold"),
    "index-tail": (pack(lambda p: setattr(p, "index", p.index_bytes() + bytes(16))), "do not hold"),
    "frames-60000": (pack(frames_with_nothing), ""),
    "frame-stored-all": (frame(stored=ALL), "stored as"),
    "frame-stored-shorter": (frame(stored=41), "add up"),
    "frame-raw-0": (frame(raw=0), "blocks"),
    "frame-raw-all": (frame(raw=ALL), "blocks"),
    "frame-codec": (frame(codec=9), "unknown codec"),
    "frame-codec-other": (frame(codec=LZMA), ""),
    "frame-codec-none": (frame(codec=NONE), ""),
    "frame-count-0": (frame(count=0), "blocks"),
    "frame-count-255": (frame(count=255), "blocks"),
    "frame-reserved": (frame(zeros=1), "reserved"),
    "frame-empty": (framed(b""), ""),
    "frame-garbage": (framed(b"\xa5" * 100), ""),
    "frame-zeros": (framed(bytes(100)), ""),
    "frame-blocks-all": (framed(bytes(32) + struct.pack(">II", BLOCK, ALL)), ""),
    "frame-raw-of-blocks": (framed(result(BLOCK, (0, ALL, b""))), ""),
    "frame-raw-of-blocks-wraps": (framed(result(BLOCK, (0, ALL, b""), (0, BLOCK + 1, b""))), ""),
    "frame-stored-of-blocks": (framed(result(BLOCK, (ALL, BLOCK, b"x"))), ""),
    "frame-run-of-zeros": (framed(result(BLOCK, (0, BLOCK, b""))), ""),
    "frame-run-of-zeros-in-none": (framed(result(BLOCK, (0, BLOCK, b"")), codec=NONE), ""),
    "frame-bomb": (framed(bomb(64 << 20)), ""),
    "frame-bomb-lzma": (framed(bomb(64 << 20), codec=LZMA), ""),
    "frame-window": (framed(result(BLOCK, *[(len(data), BLOCK, data) for data in
                                            [zstd_of(bytes(BLOCK), "--ultra", "-22", "--long=31")]])), ""),
    "ids": (pack(same_id), ""),
    "not-as-told": (pack(same_id, told=False), ""),
    "another-guests": (of_the_innocent, ""),
    "longer": (grown, ""),
    "shorter": (lambda f: os.truncate(f.at(f.pack_name()), 100), ""),
    "empty": (lambda f: os.truncate(f.at(f.pack_name()), 0), ""),
    "sparse": (lambda f: os.truncate(f.at(f.pack_name()), 1 << 40), ""),
    "gone": (lambda f: os.unlink(f.at(f.pack_name())), ""),
}


def cases():
    for name, (change, says) in PACKS.items():
        yield StoredCase("pack-" + name, change, says or "victim", names="pack")
    yield StoredCase("pack-index-empty", pack(lambda p: setattr(p, "index", b"")), "its index", names="point")
    # Who restores has other digests of all that he needs.
    yield StoredCase("pack-digest", pack(lambda p: setattr(p, "digest", bytes(32))), names="pack")
