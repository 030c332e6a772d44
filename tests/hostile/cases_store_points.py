# SPDX-License-Identifier: LGPL-2.1-or-later
"""Points of a repository: their heads, tables, sections and maps, and what their manifests say."""

import dataclasses
import os
import struct

import cases_definition
from case import StoredCase
from store import BLOCK, DIGESTS, HEAD, INFO, MANIFEST, MAP, PACKS, SMALL, bomb_of, map_of, varint, zstd_of

SIZE = 8 * BLOCK        # of the disk
MEMORY = 0xffffffff
MAX = (1 << 64) - 1
ESCAPES = "\x1b]0;owned\x07\n\u202e../../x"
DEEP = b'{"format": 1, "x": ' + b"[" * 400000 + b"]" * 400000 + b"}"


def point(change):
    """What is changed is the newest point of the victim."""
    def made(f):
        newest = f.point()
        change(newest)
        f.put_point(newest)
    return made


def head(at, data):
    def change(p):
        p.head[at:at + len(data)] = data
    return point(change)


def section(kind, data, number=0, **more):
    return point(lambda p: p.set(kind, data(p) if callable(data) else data, number, **more))


def row(which, /, **more):
    """Of the table, the one of this kind."""
    return point(lambda p: p.row(which).update(more))


def info(**members):
    return point(lambda p: p.info(**members))


def u32(*numbers):
    return struct.pack(f">{len(numbers)}I", *numbers)


def bomb(kind, size, says_size=None):
    """Zeros, a thousand times as many as are stored."""
    def change(p):
        p.set(kind, bomb_of(size), codec=1, raw=size if says_size is None else says_size)
    return point(change)


def digests(at, data):
    def change(p):
        old = bytearray(p.row(DIGESTS)["data"])
        old[at:at + len(data)] = data
        p.set(DIGESTS, bytes(old))
    return point(change)


def packs_of(*sessions):
    """Sessions, each with the numbers of its packs; DIGESTS has as many rows."""
    def change(p):
        data = u32(len(sessions)) + b"".join(sid + u32(len(numbers), *numbers) for sid, numbers in sessions)
        count = sum(len(numbers) for _, numbers in sessions)
        p.set(PACKS, data)
        p.set(DIGESTS, (p.row(DIGESTS)["data"] * count)[:44 * count])
    return point(change)


def manifest(old, new, count=1):
    return lambda f: f.sub(old, new, count)


def of_the_innocent(f):
    """The point of another guest, whole, in a slot of this one's."""
    f.write(f.slot(), f.read(f.slot(guest="innocent")))


def facts_of_the_innocent(f):
    """It says that it is of another guest, in facts and manifest, but its head does not."""
    newest, other = f.point(), f.point(guest="innocent")
    newest.set(INFO, other.row(INFO)["data"])
    newest.set(MANIFEST, other.row(MANIFEST)["data"])
    f.put_point(newest)
    f.text = f.former = ""


def manifest_of_the_innocent(f):
    newest = f.point()
    newest.set(MANIFEST, f.point(guest="innocent").row(MANIFEST)["data"])
    f.put_point(newest)
    f.text = f.former


def of_nobody(f):
    """A point of the victim's under the name of a guest that has no other."""
    f.write(f"p/default/{'0' * 32}/{f.sids()[-1]}", f.read(f.slot()))


def with_packs_of_the_innocent(f):
    """Blocks of another guest, by a map that is right."""
    newest, other = f.point(), f.point(guest="innocent")
    for kind in (PACKS, DIGESTS, MAP):
        newest.set(kind, other.row(kind)["data"])
    f.put_point(newest)


def one_block_everywhere(f):
    """Each block of the disk is the newer pack's only one; and the first one the older pack's first."""
    point(lambda p: p.set(MAP, map_of(SIZE, (0, 1, 1, 0), *[(0, 1, 1 + 2 * (number == 0), 0) for number in range(7)])))(f)


def other_content(f):
    f.sub(f.text.split('content-sha256="')[1][:64], "0" * 64)


def older_again(f):
    """The older point under the newer one's name."""
    f.write(f.slot(), f.read(f.slot(0)))


def many_sections(p):
    for number in range(1, 2060):
        p.add(0x9000, b"", number)


def tombstone(kind, size=128, flags=0):
    def change(f):
        newest = f.point()
        newest.head[8:16] = u32(kind, flags)
        newest.rows, newest.tail = [], bytes(size - HEAD - 32)
        f.put_point(newest)
    return change


def many_disks(p):
    p.info(disks=[{"target": f"vd{number}", "size": 0} for number in range(1025)])


def small(*items):
    def change(p):
        data = b"".join(u32(kind, 0) + struct.pack(">Q", size) + content for kind, size, content in items)
        p.add(SMALL, data)
    return point(change)


def unreadable(name, change, says, **more):
    return StoredCase("point-" + name, change, says, **{"names": "point", **more})


HEADS = {
    "magic": (head(0, b"VBPOINT2"), "begin like a point"),
    "kind-0": (head(8, u32(0)), "kind is 0"),
    "kind-5": (head(8, u32(5)), "kind is 5"),
    "tombstone-kind": (head(8, u32(2)), "unreadable"),
    "flags-unknown": (head(12, u32(16)), "flag"),
    "flags-all": (head(12, u32(MEMORY)), "flag"),
    "encrypted": (head(12, u32(1)), "encrypted"),
    "encrypted-with-chacha": (head(12, u32(3)), "encrypted"),
    "another-repository": (head(16, bytes(16)), "another repository"),
    "another-session": (head(32, bytes(16)), "another point"),
    "another-guest": (head(48, bytes(16)), "another point"),
    "of-the-innocent": (of_the_innocent, "another point"),
    "older-again": (older_again, "another point"),
    "salt": (head(68, b"salt"), "reserved"),
    "reserved": (head(80, b"\1"), "reserved"),
}
COUNTS = {"sections-none": 0, "sections-one-more": 6, "sections-2065": 2065, "sections-all": 0xffffffff}
TABLES = {
    "type-0": (row(INFO, kind=0), "unknown type"),
    "type-unknown": (point(lambda p: p.add(9, b"")), "unknown type"),
    "box": (point(lambda p: p.add(2, bytes(88))), "BOX"),
    "codec-unknown": (row(INFO, codec=7), "codec"),
    "seal": (row(INFO, seal=1), "sealed"),
    "number-of-info": (row(INFO, number=1), "number"),
    "number-of-map": (row(MAP, number=7), "no image"),
    "number-of-map-beyond": (row(MAP, number=5000), "number"),
    "stored-all": (row(INFO, stored=MAX), "section"),
    "stored-wraps": (point(lambda p: (p.row(INFO).update(stored=MAX - 9, raw=MAX - 9))), "section"),
    "stored-longer": (row(MANIFEST, stored=1 << 20, raw=1 << 20), "of its sections"),
    "stored-shorter": (row(INFO, stored=3, raw=3), "not what was written"),
    "raw-all": (row(INFO, raw=MAX, codec=1), "INFO"),
    "raw-of-packs": (row(PACKS, raw=1 << 40, stored=1 << 40), "PACKS"),
    "raw-of-map": (row(MAP, raw=1 << 33, stored=1 << 33), "MAP"),
    "check": (row(INFO, check=bytes(8)), "not what was written"),
    "check-of-packs": (row(PACKS, check=bytes(8)), "not what was written"),
    "twice": (point(lambda p: p.add(INFO, p.row(INFO)["data"])), "not in its place"),
    "out-of-order": (point(lambda p: p.rows.reverse()), "not in its place"),
    "tail": (point(lambda p: setattr(p, "tail", bytes(1000))), "of its sections"),
    "digest": (point(lambda p: setattr(p, "digest", bytes(32))), "SHA-256"),
    "packs-compressed": (section(PACKS, lambda p: zstd_of(p.row(PACKS)["data"]), codec=1, raw=1 << 20), "compressed"),
}
PACK_LISTS = {
    "packs-none": (section(PACKS, u32(0)), "digests"),
    "packs-empty": (section(PACKS, b""), "list of packs"),
    "packs-count-all": (section(PACKS, u32(MEMORY)), "list of packs"),
    "packs-count-of-a-session": (section(PACKS, u32(1) + bytes(16) + u32(MEMORY)), "cannot have"),
    "packs-of-a-session-none": (section(PACKS, u32(1) + bytes(16) + u32(0)), "cannot have"),
    "packs-too-long": (section(PACKS, lambda p: p.row(PACKS)["data"] + bytes(4)), "too long"),
    "packs-too-short": (section(PACKS, lambda p: p.row(PACKS)["data"][:-2]), "list of packs"),
    "packs-session-twice": (packs_of((bytes(16), [0]), (bytes(16), [1])), "not in its place"),
    "packs-number-twice": (packs_of((bytes(16), [1, 1])), "not in its place"),
    "packs-number-all": (packs_of((bytes(16), [0, MEMORY])), "not in its place"),
    "packs-unused": (packs_of((bytes(16), [0, 1]), (b"\xff" * 16, range(100))), ""),
    "packs-four-million": (section(PACKS, u32(4) + b"".join(bytes([n] * 16) + u32(1 << 20, *range(1 << 20)) for n in range(4))),
                           "the digests of 4194304 packs"),
    "digests-too-short": (section(DIGESTS, lambda p: p.row(DIGESTS)["data"][:-1]), "digests"),
    "digests-none": (section(DIGESTS, b""), "digests"),
    "digests-size": (digests(32, u32(0)), "no pack of"),
    "digests-size-all": (digests(32, u32(MEMORY)), "no pack of"),
    "digests-index": (digests(36, u32(MEMORY)), "no pack of"),
    "digests-blocks-all": (digests(40, u32(MEMORY)), "no pack of"),
    "digests-blocks": (digests(40, u32(3)), ""),
}
INFOS = {
    "empty": (section(INFO, b""), "unreadable"),
    "text": (section(INFO, b"hello"), "unreadable"),
    "deep": (section(INFO, DEEP), "unreadable"),
    "deep-compressed": (section(INFO, lambda p: zstd_of(DEEP), codec=1, raw=len(DEEP)), "unreadable"),
    "array": (section(INFO, b"[1]"), "unreadable"),
    "nul": (section(INFO, lambda p: p.row(INFO)["data"] + b"\0"), "unreadable"),
    "not-utf-8": (section(INFO, lambda p: p.row(INFO)["data"].replace(b"victim", b"\xff\xfe")), "unreadable"),
    "member-twice": (section(INFO, lambda p: p.row(INFO)["data"].replace(b"{", b'{"name": "other", ', 1)), "unreadable"),
    "format-2": (info(format=2), "newer virt-backup"),
    "format-text": (info(format="1"), "format"),
    "uuid-of-the-innocent": (lambda f: info(uuid="00000000-0000-0000-0000-000000000000")(f), "UUID"),
    "name-empty": (info(name=""), "name"),
    "name-number": (info(name=7), "name"),
    "time": (info(**{"taken-at": "yesterday"}), "taken-at"),
    "state": (info(**{"guest-state": "asleep"}), "guest-state"),
    "base": (info(base="../../x"), "base"),
    "derived-from": (info(**{"derived-from": "0" * 32}), "made from another"),
    "stored": (info(stored=-1), "stored"),
    "stored-huge": (info(stored=1e300), "stored"),
    "tags-33": (info(tags=[f"t{number}" for number in range(33)]), "tags"),
    "tag-with-dots": (info(tags=["../../x"]), "tag"),
    "disks-none": (info(disks=[]), "image"),
    "disks-1025": (point(many_disks), "disks"),
    "disk-twice": (info(disks=[{"target": "vda", "size": SIZE}] * 2), "twice"),
    "disk-size": (info(disks=[{"target": "vda", "size": SIZE + 1}]), "its map is of"),
    "disk-size-huge": (info(disks=[{"target": "vda", "size": 1 << 62}]), "size"),
    "memory": (info(memory=True), "images"),
    "bomb": (bomb(INFO, 64 << 20), "INFO"),
    "bomb-that-says-less": (bomb(INFO, 64 << 20, 1 << 20), "section 4"),
}
MAPS = {
    "empty": (section(MAP, b""), "map"),
    "size-all": (section(MAP, struct.pack(">Q", MAX)), "cannot have"),
    "size-above-limit": (section(MAP, map_of((1 << 48) + 1)), "cannot have"),
    "size-other": (section(MAP, map_of(SIZE - 1, (0, 1, 1, 0))), "its map is of"),
    "first-run-without-pack": (section(MAP, map_of(SIZE, (0, 1, 0))), "names no pack"),
    "count-0": (section(MAP, map_of(SIZE, (0, 0, 1, 0))), "is empty"),
    "count-beyond-image": (section(MAP, map_of(SIZE, (0, 9, 1, 0))), "beyond its image"),
    "count-all": (section(MAP, map_of(SIZE, (0, MAX, 1, 0))), "beyond its image"),
    "count-wraps": (section(MAP, map_of(SIZE, (2, MAX, 1, 0))), "beyond its image"),
    "gap-all": (section(MAP, map_of(SIZE, (MAX, 1, 1, 0))), "beyond its image"),
    "gap-back": (section(MAP, map_of(SIZE, (0, 2, 1, 0), (MAX, 1, 0))), "beyond its image"),
    "block-beyond-pack": (section(MAP, map_of(SIZE, (0, 1, 1, 9999))), "beyond its pack"),
    "block-all": (section(MAP, map_of(SIZE, (0, 1, 1, MAX))), "beyond its pack"),
    "block-wraps": (section(MAP, map_of(SIZE, (0, 2, 1, MAX))), "beyond its pack"),
    "place-beyond": (section(MAP, map_of(SIZE, (0, 1, 1 + 4, 0))), "in no pack"),
    "place-negative": (section(MAP, map_of(SIZE, (0, 1, 1 + 1, 0))), "in no pack"),
    "place-all": (section(MAP, map_of(SIZE, (0, 1, MAX, 0))), "in no pack"),
    "goes-on-beyond-pack": (section(MAP, map_of(SIZE, (0, 1, 1 + 2, 0), (0, 5, 0))), "beyond its pack"),
    "varint-long": (section(MAP, struct.pack(">Q", SIZE) + b"\x80" * 20), "map"),
    "varint-not-shortest": (section(MAP, struct.pack(">Q", SIZE) + b"\x80\0" + varint(1) + varint(1) + varint(0)), "map"),
    "varint-above-64-bits": (section(MAP, struct.pack(">Q", SIZE) + b"\xff" * 9 + b"\x02"), "map"),
    "cut": (section(MAP, lambda p: p.row(MAP)["data"][:-1]), "map"),
    "too-long": (section(MAP, struct.pack(">Q", SIZE) + bytes(BLOCK + 16 * 9)), "map"),
    "unused-pack": (section(MAP, map_of(SIZE, (0, 1, 1, 0))), "its maps use"),
    "of-memory": (point(lambda p: p.add(MAP, map_of(0), MEMORY)), "image"),
    "bomb": (bomb(MAP, 64 << 20), "map"),
}
SMALLS = {
    "kind-0": (small((0, 1, b"x")), "unreadable"),
    "kind-unknown": (small((9, 1, b"x")), "unreadable"),
    "twice": (small((1, 1, b"x"), (1, 1, b"x")), "unreadable"),
    "not-ascending": (small((2, 1, b"x"), (1, 1, b"x")), "unreadable"),
    "length-all": (small((1, MAX, b"x")), "unreadable"),
    "length-wraps": (small((1, MAX - 15, b"x")), "unreadable"),
    "bomb": (point(lambda p: p.add(SMALL, bomb_of(130 << 20), codec=1, raw=130 << 20)), ""),
}
MANIFESTS = {
    "empty": (section(MANIFEST, b""), ""),
    "text": (section(MANIFEST, b"hello"), ""),
    "deep": (section(MANIFEST, b"<a>" * 100000), ""),
    "entities": (section(MANIFEST, b'<!DOCTYPE a [<!ENTITY a "aaaaaaaaaa"><!ENTITY b "&a;&a;&a;&a;&a;&a;&a;&a;">]><a>&b;&b;</a>'), ""),
    "bomb": (bomb(MANIFEST, 4 << 20), ""),
    "of-the-innocent": (manifest_of_the_innocent, ""),
    "map-7": (manifest('map="0"', 'map="7"'), ""),
    "map-memory": (manifest('map="0"', 'map="memory"'), ""),
    "map-text": (manifest('map="0"', 'map="../../x"'), ""),
    "file-beside": (manifest('map="0"', 'map="0" name="victim-vda.raw"'), ""),
    "small-that-is-not-there": (manifest('map="0"', 'small="1"'), ""),
    "raw-size": (manifest(f'raw-size="{SIZE}"', f'raw-size="{SIZE * 2}"'), ""),
    "chunk-size": (manifest('chunk-size="1048576"', 'chunk-size="65536"'), ""),
}
WHOLES = {
    "facts-of-the-innocent": (facts_of_the_innocent, "UUID"),
    "empty": (lambda f: f.write(f.slot(), b""), "too short"),
    "one-byte": (lambda f: f.write(f.slot(), b"V"), "too short"),
    "cut": (lambda f: f.write(f.slot(), f.read(f.slot())[:-1]), "unreadable"),
    "zeros": (lambda f: f.write(f.slot(), bytes(100000)), "begin like a point"),
    "as-short-as-a-tombstone": (lambda f: f.write(f.slot(), f.read(f.slot())[:128]), "unreadable"),
    "tombstone-too-long": (tombstone(2, 256), "too long"),
    "tombstone-with-flags": (tombstone(2, flags=4), "unreadable"),
    "tombstone-of-no-kind": (tombstone(7), "kind is 7"),
    "sparse": (lambda f: os.truncate(f.at(f.slot()), 1 << 40), "unreadable"),
}


# They do not name the pack.
OTHER_PACKS = ("packs-none", "packs-unused", "packs-four-million")


def set_count(count):
    return point(lambda p: setattr(p, "count", count))


def cases():
    tables = {"head-" + name: row for name, row in HEADS.items()}
    tables |= {"head-" + name: (set_count(count), "section") for name, count in COUNTS.items()}
    for prefix, rows in {"": tables, "table-": TABLES, "list-": PACK_LISTS, "info-": INFOS, "map-": MAPS, "small-": SMALLS,
                         "manifest-": MANIFESTS, "is-": WHOLES}.items():
        for name, (change, says) in rows.items():
            yield unreadable(prefix + name, change, says or "victim", keeps=name not in OTHER_PACKS)
    yield StoredCase("point-of-nobody", of_nobody, names="p/default/" + "0" * 32)
    yield StoredCase("point-list-digests-sha256", digests(0, bytes(32)), "not the pack", names="d/default")
    # What is in the images is only seen when they are read.
    for name, change, keeps in (("with-packs-of-the-innocent", with_packs_of_the_innocent, False),
                                ("map-one-block-everywhere", one_block_everywhere, True),
                                ("manifest-content", other_content, True)):
        yield StoredCase("point-" + name, change, "digest", verifies=True, keeps=keeps)
    # What was made from an archive names no point that it was made from.
    yield StoredCase("point-head-derived", head(12, u32(8)))
    yield StoredCase("point-table-many-sections", point(many_sections))
    yield StoredCase("point-small-head-of-no-memory", small((3, 1, b"x")))
    yield StoredCase("point-info-name-escapes", info(name=ESCAPES), "has no guest 'victim'", verifies=True)
    for name in ("host", "program"):
        yield StoredCase(f"point-info-{name}-escapes", info(**{name: ESCAPES}))
    yield StoredCase("point-info-unknown-members", info(**{"surprise": {"a": [1] * 10000}}))
    yield StoredCase("point-info-tags", info(tags=["a", "b" * 64]))
    # What libvirt would be told to do is looked at wherever the definition comes from.
    for case in cases_definition.cases():
        if case.base == "none" and not case.defines and not case.writes_archive:
            yield dataclasses.replace(case, name="point-" + case.name, base="point")
