# SPDX-License-Identifier: LGPL-2.1-or-later
"""Changes a copy of a good repository as virt-backup-repository(5) describes it. Lengths and digests are made anew unless a
case says what they are to be, and the change reaches the code behind those checks."""

import hashlib
import json
import os
import secrets
import shutil
import struct
import subprocess

from forge import Forge
from vbtest.repository import INFO, MANIFEST, sections_of

PACKS, DIGESTS, MAP, TRUST, SMALL = 1, 3, 5, 6, 8
HEAD, ROW, DIGEST_ROW, FRAME_ROW = 96, 32, 44, 12
BLOCK = 65536


def varint(value):
    """In its shortest form."""
    found = bytearray()
    while value >= 128:
        found.append(value & 127 | 128)
        value >>= 7
    return bytes(found) + bytes([value])


def map_of(size, *runs):
    """RUNS: numbers, each of which is a varint."""
    return struct.pack(">Q", size) + b"".join(varint(number) for run in runs for number in run)


def zstd_of(data, *options):
    return subprocess.run(["zstd", "-qc", *options], input=data, check=True, stdout=subprocess.PIPE).stdout


def bomb_of(size):
    """A zstd frame of so many zeros, which says so."""
    return zstd_of(bytes(size), "-1", f"--stream-size={size}")


class Point:
    """A slot: its head, and rows of its table with what they name. A row may say of itself what is not so."""

    def __init__(self, data):
        self.head = bytearray(data[:HEAD])
        self.rows = [dict(kind=kind, number=number, data=section)
                     for (kind, number), section in sorted(sections_of(data).items())]
        self.count = None       # of sections, as the head says
        self.tail = b""         # more behind the sections
        self.digest = None      # instead of the right one

    def row(self, kind, number=0):
        return next(row for row in self.rows if (row["kind"], row["number"]) == (kind, number))

    def set(self, kind, data, number=0, **more):
        self.row(kind, number).update(data=data, **more)

    def add(self, kind, data, number=0, **more):
        self.rows.append(dict(kind=kind, number=number, data=data, **more))
        self.rows.sort(key=lambda row: (row["kind"], row["number"]))

    def drop(self, kind, number=0):
        self.rows.remove(self.row(kind, number))

    def info(self, **members):
        found = json.loads(self.row(INFO)["data"])
        found.update(members)
        self.set(INFO, json.dumps(found).encode())

    def packs(self):
        """(SID, number) of each, by place."""
        data, at, found = self.row(PACKS)["data"], 4, []
        for _ in range(struct.unpack(">I", data[:4])[0]):
            sid, count = data[at:at + 16], struct.unpack(">I", data[at + 16:at + 20])[0]
            found += [(sid.hex(), number) for number in struct.unpack(f">{count}I", data[at + 20:at + 20 + 4 * count])]
            at += 20 + 4 * count
        return found

    def bytes(self):
        table = b""
        for row in self.rows:
            data = row["data"]
            check = row.get("check", hashlib.sha256(data).digest()[:8])
            table += struct.pack(">HBBIQQ", row["kind"], row.get("codec", 0), row.get("seal", 0), row["number"],
                                 row.get("stored", len(data)), row.get("raw", len(data))) + check
        head = bytearray(self.head)
        head[64:68] = struct.pack(">I", len(self.rows) if self.count is None else self.count)
        new = bytes(head) + table + b"".join(row["data"] for row in self.rows) + self.tail
        return new + (self.digest or hashlib.sha256(new).digest())


class Pack:
    """A pack: its head, its frames, and what its index says of them."""

    def __init__(self, data):
        self.head = bytearray(data[:64])
        begin, length = struct.unpack(">QI", data[-64:-52])
        index = data[begin:begin + length]
        frames, blocks = struct.unpack(">II", index[:8])
        self.frames, at = [], 64
        for number in range(frames):
            stored, raw, codec, count = struct.unpack(">IIBB", index[8 + FRAME_ROW * number:][:10])
            self.frames.append(dict(data=data[at:at + stored], raw=raw, codec=codec, count=count))
            at += stored
        self.ids = [index[8 + FRAME_ROW * frames + 16 * number:][:16] for number in range(blocks)]
        self.counts = None      # of frames and of blocks, as the index says
        self.end = {}           # what the end says that is not so: begin, length, magic, zeros
        self.digest = None
        self.index = None       # other bytes for it

    def index_bytes(self):
        if self.index is not None:
            return self.index
        rows = b"".join(struct.pack(">IIBBH", frame.get("stored", len(frame["data"])), frame["raw"], frame["codec"],
                                    frame["count"], frame.get("zeros", 0)) for frame in self.frames)
        return struct.pack(">II", *(self.counts or (len(self.frames), len(self.ids)))) + rows + b"".join(self.ids)

    def bytes(self):
        """And what DIGESTS says of it."""
        index = self.index_bytes()
        body = bytes(self.head) + b"".join(frame["data"] for frame in self.frames)
        begin = len(body)
        new = body + index + struct.pack(">QII", self.end.get("begin", begin), self.end.get("length", len(index)),
                                         self.end.get("zeros", 0)) + self.end.get("magic", b"VBPEND1\n") + bytes(8)
        new += self.digest or hashlib.sha256(new).digest()
        row = hashlib.sha256(index).digest() + struct.pack(">III", len(new), begin & 0xffffffff, len(self.ids))
        return new, row


class StoreForge(Forge):
    """Of a repository with the guests in GUESTS; the manifest that the methods of Forge change is that of the first one's
    newest point."""

    def __init__(self, base, folder, places, guests):
        """GUESTS: names and ids, without dashes."""
        # pylint: disable=super-init-not-called # there is no file of a manifest
        self.path, self.base, self.places = folder, base, places
        self.guests = guests
        self.restored, self.own_digest = {}, True
        self.manifest = ""      # no file
        shutil.copytree(base, folder)
        self.id = secrets.token_hex(16)
        self._become_another()
        self.during = None      # what goes on while a verb runs
        self.victim = next(iter(guests))
        self.former = self.text = self.point().row(MANIFEST)["data"].decode()

    def other(self, name):
        raise NotImplementedError

    # ---- objects -------------------------------------------------------------------------------

    def _become_another(self):
        """Another id, for what collect remembers of it."""
        config = json.loads(self.read("config"))
        old = bytes.fromhex(config["id"])
        self.write("config", json.dumps(dict(config, id=self.id)).encode())
        for name in self.find("p") + self.find("d"):
            data, at = self.read(name), 16 if name.startswith("p/") else 8
            assert data[at:at + 16] == old
            new = data[:at] + bytes.fromhex(self.id) + data[at + 16:-32]
            self.write(name, new + hashlib.sha256(new).digest())

    def find(self, top):
        return sorted(os.path.relpath(os.path.join(folder, name), self.path)
                      for folder, _, names in os.walk(self.at(top)) for name in names)

    def write(self, name, data):
        path = self.at(name)
        os.makedirs(os.path.dirname(path), mode=0o700, exist_ok=True)
        with open(path, "wb") as file:
            file.write(data)

    def config(self, **members):
        """None: without this member."""
        found = json.loads(self.read("config"))
        found.update(members)
        self.write("config", json.dumps({key: value for key, value in found.items() if value is not None}).encode())

    def sids(self, guest=None):
        return sorted(os.listdir(self.at(f"p/default/{self.guests[guest or self.victim]}")))

    def name(self, top, at=-1, guest=None, suffix=""):
        """The object of a guest's point below this folder; the newest, or an older one."""
        return f"{top}/default/{self.guests[guest or self.victim]}/{self.sids(guest)[at]}{suffix}"

    def slot(self, at=-1, guest=None):
        return self.name("p", at, guest)

    def point(self, at=-1, guest=None):
        return Point(self.read(self.slot(at, guest)))

    def put_point(self, point, at=-1, guest=None):
        self.write(self.slot(at, guest), point.bytes())

    def pack_name(self, at=-1, guest=None):
        """The first pack that the point's own session has made."""
        sid = self.sids(guest)[at]
        return f"d/default/{sid[-2:]}/{sid}-00000000"

    def pack(self, at=-1, guest=None):
        return Pack(self.read(self.pack_name(at, guest)))

    def put_pack(self, pack, at=-1, guest=None, told=True):
        """TOLD: all points say of it what it is now."""
        name = self.pack_name(at, guest)
        data, row = pack.bytes()
        self.write(name, data)
        key = (os.path.basename(name)[:32], 0)
        for slot in self.find("p") if told else []:
            point = Point(self.read(slot))
            if key in point.packs():
                place = point.packs().index(key)
                digests = bytearray(point.row(DIGESTS)["data"])
                digests[place * DIGEST_ROW:(place + 1) * DIGEST_ROW] = row
                point.set(DIGESTS, bytes(digests))
                self.write(slot, point.bytes())

    def finish(self):
        if self.text != self.former:
            self.seal_text()
            point = self.point()
            point.set(MANIFEST, self.text.encode("utf-8", "surrogateescape"))
            self.put_point(point)
