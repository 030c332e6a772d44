# SPDX-License-Identifier: LGPL-2.1-or-later
"""A repository and its objects, as virt-backup-repository(5) describes them."""

import datetime
import glob
import hashlib
import json
import os
import struct
import subprocess
import time
import uuid

from vbtest.command import expect
from vbtest.disks import MIB

DAY_MS = 86400 * 1000
TOMBSTONE = 128
MANIFEST, INFO = 7, 4


def stamp(ms):
    when = datetime.datetime.fromtimestamp(ms / 1000, datetime.timezone.utc)
    return when.isoformat(timespec="milliseconds").replace("+00:00", "Z")


def session_id(ms, rest):
    return int(ms).to_bytes(6, "big") + rest


def sections_of(data):
    """(type, number) -> its bytes, decompressed."""
    found, at = {}, 96 + 32 * int.from_bytes(data[64:68], "big")
    for entry in range(96, at, 32):
        kind, codec, _, number, stored, _ = struct.unpack(">HBBIQQ", data[entry:entry + 24])
        section, at = bytes(data[at:at + stored]), at + stored
        if codec:
            section = subprocess.run(["zstd", "-dc"], input=section, check=True, stdout=subprocess.PIPE).stdout
        found[kind, number] = section
    return found


def point_of(head, sections):
    """The bytes of a slot, of a head of 96 bytes and of its sections."""
    table = b"".join(struct.pack(">HBBIQQ", kind, 0, 0, number, len(section), len(section)) +
                     hashlib.sha256(section).digest()[:8] for (kind, number), section in sorted(sections.items()))
    new = head + table + b"".join(section for _, section in sorted(sections.items()))
    return new + hashlib.sha256(new).digest()


class Repository:
    def __init__(self, t, *names, folder="repository"):
        """With a guest that is shut off for each name."""
        self.t, self.path = t, t.path(folder)
        t.vb("repository", "create", self.path)
        with open(os.path.join(self.path, "config"), encoding="utf-8") as file:
            self.id = json.load(file)["id"]
        t.undo.callback(self._forget)
        self.guests = [t.guest(name, t.disk("vda", "raw", size=4 * MIB, name=f"{name}.raw")).define() for name in names]

    def _forget(self):
        """What collect remembers of it."""
        for path in glob.glob(f"/var/lib/virt-backup/*-{self.id}-*"):
            os.unlink(path)

    # ---- what is in it ------------------------------------------------------------------------

    def find(self, pattern):
        return sorted(glob.glob(os.path.join(self.path, pattern)))

    def points(self, guest="*"):
        """Ids of the points, the oldest first."""
        paths = [path for path in self.find(f"p/default/{guest}/*") if os.path.getsize(path) != TOMBSTONE]
        return sorted(os.path.basename(path) for path in paths)

    def trashed(self):
        """Names of markers without their verdicts."""
        return sorted(os.path.basename(path) for path in self.find("t/default/*/*.[0-9]"))

    def packs(self):
        return [os.path.basename(path) for path in self.find("d/default/*/*")]

    # ---- points that were never backed up -------------------------------------------------------

    def _put(self, name, data):
        path = os.path.join(self.path, name)
        os.makedirs(os.path.dirname(path), mode=0o700, exist_ok=True)
        with open(path, "xb") as file:
            file.write(data)

    def plant(self, name, days, point=True, scope="default"):
        """A point of a guest of this name, so many days old, with a pack of its own, which no verify would accept. Without
        a point: what a session leaves that died."""
        guest = uuid.uuid5(uuid.NAMESPACE_OID, name)
        then = time.time() * 1000 - days * DAY_MS
        sid, gid = session_id(then, self.t.rng.randbytes(10)), guest.bytes
        slot = f"{scope}/{gid.hex()}/{sid.hex()}"
        announced = {"format": 1, "gid": gid.hex(), "sid": sid.hex(), "host": "alpha", "program": "test"}
        self._put(f"s/{slot}", json.dumps(announced).encode())
        pack = self.t.rng.randbytes(300)
        self._put(f"d/{scope}/{sid[-1]:02x}/{sid.hex()}-00000000", pack)
        if not point:
            return sid.hex()
        info = {"format": 1, "name": name, "uuid": str(guest), "taken-at": stamp(then), "guest-state": "shut off",
                "consistency": "offline", "host": "alpha", "program": "test", "base": None, "derived-from": None, "tags": [],
                "stored": len(pack), "disks": [{"target": "vda", "size": 65536}], "memory": False}
        sections = {
            (1, 0): struct.pack(">I16sII", 1, sid, 1, 0),
            (3, 0): bytes(32) + struct.pack(">III", 200, 64 + 36, 1),
            (INFO, 0): json.dumps(info).encode(),
            (5, 0): struct.pack(">Q", 65536) + bytes([0, 1, 1, 0]),
            (MANIFEST, 0): b"<domain/>",
        }
        head = b"VBPOINT1" + struct.pack(">II16s16s16sI", 1, 0, bytes.fromhex(self.id), sid, gid, len(sections)) + bytes(28)
        self._put(f"p/{slot}", point_of(head, sections))
        return sid.hex()

    def trash(self, point):
        """As remove does."""
        (path,) = self.find(f"p/default/*/{point}")
        marker = {"format": 1, "by": "remove", "when": stamp(time.time() * 1000), "reason": "test"}
        self._put(f"t/default/{path.split('/')[-2]}/{point}.1", json.dumps(marker).encode())

    def age(self, point, days):
        """Makes a point this much older: another name, and other times in it. Returns its id."""
        (path,) = self.find(f"p/default/*/{point}")
        with open(path, "rb") as file:
            data = file.read()
        sections = sections_of(data)
        info = json.loads(sections[INFO, 0])
        taken = datetime.datetime.strptime(info["taken-at"], "%Y-%m-%dT%H:%M:%S.%fZ") - datetime.timedelta(days=days)
        info["taken-at"] = taken.isoformat(timespec="milliseconds") + "Z"
        sections[INFO, 0] = json.dumps(info).encode()
        sid = session_id(int(point[:12], 16) - days * DAY_MS, bytes.fromhex(point[12:]))
        with open(path, "wb") as file:
            file.write(point_of(data[:32] + sid + data[48:96], sections))
        for top in ("p", "s"):
            for old in self.find(f"{top}/default/*/{point}"):
                os.rename(old, os.path.join(os.path.dirname(old), sid.hex()))
        return sid.hex()

    # ---- verbs --------------------------------------------------------------------------------

    def run(self, verb, *arguments, **options):
        return self.t.vb(verb, "--repository", self.path, *arguments, **options)

    def refused(self, verb, *arguments, **options):
        return self.t.refused(verb, "--repository", self.path, *arguments, **options)

    def events(self, verb, *arguments, status=0):
        return self.t.events(self.run(verb, "--json", *arguments, status=status))

    def backup(self, *arguments, status=0):
        """Of the guests, each of which has changed."""
        for guest in self.guests:
            with open(guest.disks[0].path, "r+b") as disk:
                disk.write(self.t.rng.randbytes(MIB))
        return self.run("backup", *arguments, status=status)

    def check_restores(self, point):
        """To what the disk of the first guest is now."""
        to = self.t.make_dir("restored-" + point[:16])
        self.run("restore", "--domain-names", f"{self.guests[0].name}@{point[:16]}", "--destination-path", to, "--disks", "vda")
        (restored,) = glob.glob(to + "/*.raw")
        with open(restored, "rb") as one, open(self.guests[0].disks[0].path, "rb") as other:
            expect(one.read() == other.read(), "the point is not what the disk was")
