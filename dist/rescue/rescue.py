#!/usr/bin/python3
# SPDX-License-Identifier: LGPL-2.1-or-later
"""Gets guests out of a repository of virt-backup without virt-backup.

  rescue.py REPOSITORY                            what is there
  rescue.py REPOSITORY POINT --to FOLDER          all of a point: disks, definition, NVRAM, TPM state, memory
  rescue.py REPOSITORY POINT vda --to FOLDER      one disk

POINT is the beginning of an id. A disk becomes a raw, sparse image. Every byte is checked. The repository is not
changed, and no file is overwritten. Needs Python 3, and zstd for what was compressed with it. What the bytes mean is
in virt-backup-repository(5); the words here are its words, and RESCUE BY HAND there says what to do with the files.

Images of others are decoded without a sandbox: an ordinary user who can read the repository is enough.
"""

import argparse
import bisect
import functools
import glob
import hashlib
import hmac
import json
import lzma
import os
import re
import struct
import subprocess
import sys
import xml.etree.ElementTree

BLOCK, LEAF, CHUNK = 65536, 32768, 1048576
PACKS, DIGESTS, INFO, MAP, MANIFEST, SMALL = 1, 3, 4, 5, 7, 8
MEMORY = 0xffffffff
XZ_HEADER = bytes.fromhex("fd377a585a000004e6d6b446")  # of a stream with CRC64


class Damage(Exception):
    """Something is missing, or is not what was stored."""


def need(condition, text):
    if not condition:
        raise Damage(text)


def sha256(data):
    return hashlib.sha256(data).digest()


def leaves_of(data):
    return [sha256(data[at:at + LEAF]) for at in range(0, len(data), LEAF)]


def safe(text):
    """For the screen, and as a part of a file's name."""
    return re.sub(r"[^\w.+@ -]", "_", text)


# ---- what is compressed ------------------------------------------------------------------------------


def unzstd(data):
    try:
        done = subprocess.run(["zstd", "-q", "-dc"], input=data, check=False, capture_output=True)
    except FileNotFoundError:
        sys.exit("rescue: the program zstd is needed: install the package zstd")
    need(done.returncode == 0, done.stderr.decode(errors="replace").strip())
    return done.stdout


def unxz(data):
    try:
        return lzma.LZMADecompressor(memlimit=1 << 27).decompress(XZ_HEADER + data)
    except lzma.LZMAError as error:
        raise Damage(f"xz: {error}") from None


def decode_frame(data, codec):
    """After a digest and the raw length there are the number of parts, their lengths, and the parts."""
    count = struct.unpack_from(">I", data, 36)[0]
    at, raw = 40 + 8 * count, b""
    for stored, length in struct.iter_unpack(">II", data[40:at]):
        part, at = data[at:at + stored], at + stored
        raw += (bytes, unzstd, unxz)[codec](part) if stored else bytes(length)
    return raw


# ---- points and packs --------------------------------------------------------------------------------


class Repository:
    def __init__(self, path):
        self.path = path
        try:
            with open(os.path.join(path, "config"), encoding="utf-8") as file:
                config = json.load(file)
        except (OSError, ValueError) as error:
            sys.exit(f"rescue: {path}: is not a repository, or its config is damaged: {error}")
        if config["format"] != 1 or config["encrypted"]:
            sys.exit(f"rescue: {path}: is encrypted, or of a format that this program does not know")
        self.id, self.salt = bytes.fromhex(config["id"]), bytes.fromhex(config["id-salt"])

    def slots(self, start=""):
        """Paths of points; files of 128 bytes are tombstones."""
        found = glob.glob(f"{glob.escape(self.path)}/p/*/*/{start}*")
        return sorted((path for path in found if os.path.getsize(path) != 128), key=os.path.basename)

    def is_trashed(self, scope, gid, sid):
        def verdict(marker):
            try:
                with open(marker + ".v", "rb") as file:
                    return file.read()
            except FileNotFoundError:
                return b""
        return any(verdict(path) != b"kept" for path in glob.glob(f"{glob.escape(self.path)}/t/{scope}/{gid}/{sid}.*[0-9]"))


class Point:
    def __init__(self, repository, path):
        self.repository, self.path = repository, path
        self.scope, self.gid, self.sid = path.split("/")[-3:]
        self.file = open(path, "rb")  # pylint: disable=consider-using-with # for as long as the point
        head = self.file.read(96)
        need(len(head) == 96 and head[:12] == b"VBPOINT1" + struct.pack(">I", 1), "is not a point")
        need(head[16:64] == repository.id + bytes.fromhex(self.sid + self.gid), "is another point than its name says")
        flags, count = struct.unpack(">I", head[12:16])[0], struct.unpack(">I", head[64:68])[0]
        need(not flags & 4, "is of a backup that was not finished")
        need(not flags & ~8, "has flags that this program does not know")
        need(count <= 2064, "is damaged: its head")
        self.sections, at = {}, 96 + 32 * count
        for kind, codec, seal, number, stored, raw, check in struct.iter_unpack(">HBBIQQ8s", self.file.read(32 * count)):
            need(seal == 0 and codec < 2, "is damaged: its table")
            self.sections[kind, number] = (at, stored, raw, codec, check)
            at += stored

    def section(self, kind, number=0):
        need((kind, number) in self.sections, f"{self.path}: section {kind} is missing")
        at, stored, raw, codec, check = self.sections[kind, number]
        self.file.seek(at)
        data = self.file.read(stored)
        need(len(data) == stored and sha256(data)[:8] == check, f"{self.path}: section {kind} is damaged")
        data = unzstd(data) if codec else data
        need(len(data) == raw, f"{self.path}: section {kind} is damaged: its length")
        return data

    def check(self):
        self.file.seek(0)
        data = self.file.read()
        need(sha256(data[:-32]) == data[-32:], f"{self.path}: is damaged: its SHA-256 differs")

    def info(self):
        return json.loads(self.section(INFO))

    def packs(self):
        """(path, SHA-256 of the index, length, F, blocks) of each place."""
        data, at, names = self.section(PACKS), 4, []
        for _ in range(struct.unpack_from(">I", data)[0]):
            sid, count = struct.unpack_from(">16sI", data, at)
            for number in struct.unpack_from(f">{count}I", data, at + 20):
                names.append(f"{self.repository.path}/d/{self.scope}/{sid[-1]:02x}/{sid.hex()}-{number:08x}")
            at += 20 + 4 * count
        digests = list(struct.iter_unpack(">32sIII", self.section(DIGESTS)))
        need(len(names) == len(digests), f"{self.path}: PACKS and DIGESTS differ in length")
        return [(name, *digest) for name, digest in zip(names, digests)]

    def runs(self, number):
        """The size of an image, and (first block in the image, number of blocks, place, first block in the pack)."""
        data, found = self.section(MAP, number), []
        at, block, place, first = 8, 0, 0, 0

        def varint():
            nonlocal at
            value, shift = 0, 0
            while True:
                value |= (data[at] & 0x7f) << shift
                shift, at = shift + 7, at + 1
                if data[at - 1] < 0x80:
                    return value

        while at < len(data):
            block, count, code = block + varint(), varint(), varint()
            if code:
                place += (code - 1) // 2 if code % 2 else -(code // 2)
                first = varint()
            found.append((block, count, place, first))
            block, first = block + count, first + count
        return int.from_bytes(data[:8], "big"), found


class Blocks:
    """Blocks of the packs of a point."""

    def __init__(self, point):
        self.salt, self.packs = point.repository.salt, point.packs()

    @functools.lru_cache(maxsize=64)
    def index(self, place):
        """Of each frame: its first block, offset, stored length, raw length, codec. And the ids of all blocks."""
        path, digest, length, start, _ = self.packs[place]
        try:
            with open(path, "rb") as file:
                file.seek(start)
                data = file.read(length - 64 - start)
        except OSError as error:
            raise Damage(f"{path}: {error.strerror}") from None
        need(sha256(data) == digest, f"{path}: is damaged: its index")
        frames, block, at = [], 0, 64
        count = struct.unpack_from(">I", data)[0]
        for stored, raw, codec, blocks in struct.iter_unpack(">IIBBxx", data[8:8 + 12 * count]):
            frames.append((block, at, stored, raw, codec))
            block, at = block + blocks, at + stored
        return frames, [frame[0] for frame in frames], data[8 + 12 * count:]

    @functools.lru_cache(maxsize=32)
    def frame(self, place, number):
        path = self.packs[place][0]
        _, at, stored, raw, codec = self.index(place)[0][number]
        try:
            with open(path, "rb") as file:
                file.seek(at)
                data = decode_frame(file.read(stored), codec)
            need(len(data) == raw, "its length differs")
        except (OSError, struct.error, IndexError, Damage) as error:
            raise Damage(f"{path}: is damaged: frame {number}: {error}") from None
        return data

    def get(self, place, number):
        """Block NUMBER of the pack at this place, and the digests of its leaves."""
        need(0 <= place < len(self.packs), "a map names a pack that the point does not have")
        frames, firsts, ids = self.index(place)
        frame = bisect.bisect_right(firsts, number) - 1
        start = (number - frames[frame][0]) * BLOCK
        data = self.frame(place, frame)[start:start + BLOCK]
        leaves = leaves_of(data)
        found = hmac.digest(self.salt, sha256(b"".join(leaves)), "sha256")[:16]
        need(found == ids[16 * number:16 * number + 16], f"{self.packs[place][0]}: is damaged: block {number}")
        return data, leaves


class Content:
    """The content digest of an image: over its chunks of 1 MiB, those over their leaves of 32 KiB."""

    def __init__(self):
        self.sha256, self.leaves, self.zeros_of = hashlib.sha256(), [], functools.lru_cache(lambda size: sha256(bytes(size)))
        self.zero_chunk = sha256(self.zeros_of(LEAF) * (CHUNK // LEAF))

    def add(self, leaves):
        self.leaves += leaves
        if len(self.leaves) == CHUNK // LEAF:
            self.sha256.update(sha256(b"".join(self.leaves)))
            self.leaves = []

    def add_zeros(self, size):
        while size > 0:
            if not self.leaves and size >= CHUNK:
                self.sha256.update(self.zero_chunk)
                size -= CHUNK
            else:
                self.add([self.zeros_of(min(size, LEAF))])
                size -= LEAF

    def digest(self):
        if self.leaves:
            self.sha256.update(sha256(b"".join(self.leaves)))
        return self.sha256.hexdigest()


# ---- what is asked for -------------------------------------------------------------------------------


class Rescue:
    def __init__(self, point, folder, go_on):
        self.point, self.folder, self.go_on = point, folder, go_on
        self.problems = []
        self.blocks = self.attempt(lambda: Blocks(point))
        self.name = safe(self.attempt(lambda: point.info()["name"]) or point.sid)
        self.manifest = self.attempt(lambda: point.section(MANIFEST))
        self.digests = self.attempt(self.content_digests) or {}

    def attempt(self, what):
        """The result of WHAT. Damage is the end, or is told once."""
        try:
            return what()
        except (Damage, struct.error, IndexError, KeyError, ValueError, xml.etree.ElementTree.ParseError) as damage:
            text = str(damage) if isinstance(damage, Damage) else f"{self.point.path}: is damaged: {damage!r}"
            if not self.go_on:
                raise Damage(text) from None
            self.problem(text)
            return None

    def problem(self, text):
        if text not in self.problems:
            self.problems.append(text)
            print(f"rescue: {text}", file=sys.stderr)

    def content_digests(self):
        if self.manifest is None:
            return {}
        stored = xml.etree.ElementTree.fromstring(self.manifest).iter("{urn:virt-backup:manifest:1}stored")
        return {element.get("map"): element.get("content-sha256") for element in stored}

    def create(self, suffix, start=b""):
        path = os.path.join(self.folder, self.name + suffix)
        with open(path, "xb", opener=lambda name, flags: os.open(name, flags, 0o600)) as file:
            file.write(start)
        return path

    def small_files(self):
        """NVRAM, TPM state, and what comes before the memory in a save image: returns that."""
        if (SMALL, 0) not in self.point.sections:
            return b""
        data, at, header = self.point.section(SMALL), 0, b""
        while at < len(data):
            kind, length = struct.unpack_from(">I4xQ", data, at)
            item = data[at + 16:at + 16 + length]
            if kind == 3:
                header = item
            else:
                suffix = {1: "-nvram.fd", 2: "-tpm.state"}[kind]
                print(f"{self.create(suffix, item)}: {length} bytes")
            at += 16 + length
        return header

    def image(self, number, suffix, header=b""):
        need(self.blocks, f"{self.name}{suffix}: cannot be restored without a list of packs")
        size, runs = self.point.runs(number)
        path, content, holes, at = self.create(suffix, header), Content(), [], 0
        try:
            with open(path, "r+b") as file:
                for block, count, place, first in runs:
                    content.add_zeros(block * BLOCK - at)
                    at = block * BLOCK
                    for wanted in range(first, first + count):
                        length = min(BLOCK, size - at)
                        got = self.attempt(lambda: self.blocks.get(place, wanted))  # pylint: disable=cell-var-from-loop
                        if got and len(got[0]) == length:
                            file.seek(len(header) + at)
                            file.write(got[0])
                            content.add(got[1])
                        elif holes and holes[-1][1] == at:
                            holes[-1][1] += length
                        else:
                            holes.append([at, at + length])
                        at += length
                content.add_zeros(size - at)
                file.truncate(len(header) + size)
                file.flush()
                os.fsync(file.fileno())
        except BaseException:
            os.unlink(path)  # half an image looks like a whole one
            raise
        self.tell_image(path, size, holes, content.digest(), self.digests.get("memory" if number == MEMORY else str(number)))

    def tell_image(self, path, size, holes, found, recorded):
        if holes:
            self.problem(f"{path}: {sum(end - start for start, end in holes)} bytes are lost; they are zeros now:")
            for start, end in holes:
                print(f"hole {start} to {end - 1} of {path}", file=sys.stderr)
        elif recorded and found != recorded:
            self.problem(f"{path}: is not what the guest had: its content digest differs")
        how = "with holes" if holes else "as it was" if found == recorded else "without a digest of the whole"
        print(f"{path}: {size} bytes, {how}")

    def run(self, target):
        self.attempt(self.point.check)
        disks = [disk["target"] for disk in (self.attempt(self.point.info) or {}).get("disks", [])]
        if target and target not in disks:
            raise Damage(f"{self.name} has no disk {safe(target)}; it has: {safe(' '.join(disks))}")
        for number, disk in enumerate(disks):
            if target in (None, disk):
                self.attempt(lambda: self.image(number, f"-{safe(disk)}.raw"))  # pylint: disable=cell-var-from-loop
        if target:
            return
        if self.manifest is not None:
            print(f"{self.create('.xml', self.manifest)}: the definition")
        header = self.attempt(self.small_files)
        if (MAP, MEMORY) in self.point.sections:
            self.attempt(lambda: self.image(MEMORY, ".sav", header or b""))


def show(repository):
    for path in repository.slots():
        try:
            point = Point(repository, path)
            info = point.info()
            disks = [f"{disk['target']} ({disk['size']} bytes)" for disk in info["disks"]]
            more = ["memory"] * info["memory"] + ["in the trash"] * repository.is_trashed(point.scope, point.gid, point.sid)
            words = [info["name"], info["taken-at"], info["guest-state"], ", ".join(disks + more)]
            print(f"{point.sid[:16]}  {'  '.join(re.sub(r'[^ -~]', '?', word) for word in words)}")
        except (Damage, OSError, ValueError, KeyError) as error:
            print(f"{os.path.basename(path)[:16]}  cannot be read: {error}")


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("repository")
    parser.add_argument("point", nargs="?")
    parser.add_argument("disk", nargs="?")
    parser.add_argument("--to", metavar="FOLDER", help="where the files are written")
    parser.add_argument("--go-on", action="store_true", help="if something is lost, leave a hole and list it")
    arguments = parser.parse_args()
    repository = Repository(arguments.repository)
    if not arguments.point:
        return show(repository)
    if not arguments.to:
        parser.error("--to FOLDER is missing")
    found = repository.slots(arguments.point)
    if len(found) != 1 or not re.fullmatch("[0-9a-f]+", arguments.point):
        sys.exit(f"rescue: {len(found)} points have ids that begin with {arguments.point}; the list of all: rescue.py REPOSITORY")
    os.makedirs(arguments.to, mode=0o700, exist_ok=True)
    try:
        rescue = Rescue(Point(repository, found[0]), arguments.to, arguments.go_on)
        rescue.run(arguments.disk)
    except Damage as damage:
        sys.exit(f"rescue: {damage}" + ("" if arguments.go_on else "\nrescue: --go-on restores the rest, and lists what is lost"))
    except OSError as error:
        sys.exit(f"rescue: {error.filename or arguments.to}: {error.strerror}")
    return 1 if rescue.problems else 0


sys.exit(main())
