# SPDX-License-Identifier: LGPL-2.1-or-later
"""What is in the files: framing that lies, bombs, formats that are not what they seem."""

import binascii
import os
import struct

from case import Case, restore_disks

XZ, ZST, RAW, NVRAM = "web-vda.raw.xz", "web-vda.raw.zst", "web-vda.raw", "web-nvram.fd"
MIB = 1 << 20
CHUNK = 65536


def crc32(data):
    return struct.pack("<I", binascii.crc32(data))


# ---- .xz -------------------------------------------------------------------------------------------


def number(value):
    out = b""
    while value >= 0x80:
        out += bytes([value & 0x7F | 0x80])
        value >>= 7
    return out + bytes([value])


def numbers(data, at, count):
    found = []
    for _ in range(count):
        value = shift = 0
        while True:
            byte = data[at]
            at += 1
            value |= (byte & 0x7F) << shift
            shift += 7
            if not byte & 0x80:
                break
        found.append(value)
    return found, at


class Xz:
    """An .xz file of one stream, taken apart."""

    def __init__(self, data):
        self.flags, footer = data[6:8], data[-12:]
        size = (struct.unpack("<I", footer[4:8])[0] + 1) * 4
        index = data[-12 - size:-12]
        (count,), at = numbers(index, 1, 1)
        flat, _ = numbers(index, at, 2 * count)
        self.records = list(zip(flat[::2], flat[1::2]))
        self.count = None                # what the index says instead of its number of records
        self.blocks = data[12:-12 - size]
        self.backward = None

    def build(self):
        index = b"\0" + number(len(self.records) if self.count is None else self.count)
        index += b"".join(number(stored) + number(raw) for stored, raw in self.records)
        index += bytes(-len(index) % 4)
        index += crc32(index)
        backward = len(index) // 4 - 1 if self.backward is None else self.backward
        tail = struct.pack("<I", backward) + self.flags
        head = self.flags + crc32(self.flags)
        return b"\xfd7zXZ\0" + head + self.blocks + index + crc32(tail) + tail + b"YZ"


def xz(change):
    def both(f):
        file = Xz(f.read(XZ))
        change(file)
        f.put(XZ, file.build())
    return both


def records(change):
    return xz(lambda file: setattr(file, "records", change(file.records)))


def field(name, value):
    return xz(lambda file: setattr(file, name, value))


def block_header(change):
    """Another header of the first block, of the same length, its checksum made anew."""
    def on(file):
        size = (file.blocks[0] + 1) * 4
        header = bytearray(file.blocks[:size - 4])
        change(header)
        file.blocks = bytes(header) + crc32(bytes(header)) + file.blocks[size:]
    return xz(on)


def dictionary(header):
    """The last property of LZMA2, 4 GiB less one byte."""
    at = bytes(header).index(b"\x21\x01", 2) + 2
    header[at] = 40


def other_filter(header):
    header[bytes(header).index(b"\x21\x01", 2)] = 0x03


def longer_block(header):
    """A block that says it holds one byte less than it does."""
    values, _ = numbers(bytes(header), 2, 2)
    at = 2 + len(number(values[0]))
    header[at] ^= 1


XZ_CASES = {
    "raw-sizes-lie": (records(lambda all_: [(s, r + 1) for s, r in all_]), ""),
    "raw-size-smaller": (records(lambda all_: [(s, r - 1) for s, r in all_]), ""),
    "raw-size-0": (records(lambda all_: [(s, 0) for s, r in all_]), ""),
    "raw-size-62-bits": (records(lambda all_: [(s, 1 << 62) for s, r in all_]), ""),
    "raw-size-sum-wraps": (records(lambda all_: [(s, (1 << 63) - 1) for s, r in all_]), ""),
    "stored-size-0": (records(lambda all_: [(0, r) for s, r in all_]), ""),
    "stored-size-62-bits": (records(lambda all_: [(1 << 62, r) for s, r in all_]), ""),
    "stored-size-shifted": (records(lambda all_: [(all_[0][0] + 4, all_[0][1]), (all_[1][0] - 4, all_[1][1]), *all_[2:]]), ""),
    "block-over-two-chunks": (records(lambda all_: [(all_[0][0], 2 * CHUNK), *all_[2:]]), ""),
    "no-records": (records(lambda all_: []), ""),
    "fewer-records": (records(lambda all_: all_[:-1]), ""),
    "more-records": (records(lambda all_: all_ + all_), ""),
    "records-swapped": (records(lambda all_: all_[::-1]), ""),
    "count-lies": (field("count", 3), ""),
    "count-32-bits": (field("count", (1 << 32) - 1), ""),
    "count-62-bits": (field("count", 1 << 62), ""),
    "backward-size-0": (field("backward", 0), ""),
    "backward-size-huge": (field("backward", (1 << 32) - 1), ""),
    "check-none": (field("flags", b"\0\0"), ""),
    "check-crc32": (field("flags", b"\0\1"), ""),
    "check-sha256": (field("flags", b"\0\x0a"), ""),
    "flags-reserved": (field("flags", b"\1\4"), ""),
    "dictionary-4g": (block_header(dictionary), ""),
    "other-filter": (block_header(other_filter), ""),
    "block-says-less": (block_header(longer_block), ""),
    "two-streams": (lambda f: f.put(XZ, f.read(XZ) * 2), ""),
    "padding": (lambda f: f.put(XZ, f.read(XZ) + bytes(4)), ""),
    "odd-length": (lambda f: f.put(XZ, f.read(XZ) + b"x"), ""),
    "cut-off": (lambda f: f.put(XZ, f.read(XZ)[:len(f.read(XZ)) // 8 * 4]), ""),
    "empty": (lambda f: f.put(XZ, b""), ""),
    "header-only": (lambda f: f.put(XZ, f.read(XZ)[:12]), ""),
    "random": (lambda f: f.put(XZ, os.urandom(65536)), ""),
    "is-zstd": (lambda f: f.put(XZ, b"\x28\xb5\x2f\xfd" + bytes(65532)), ""),
    "payload": (lambda f: f.patch(XZ, 60, b"\xff" * 32), ""),
    "declares-1-tib": (lambda f: f.stored(XZ, raw_size=1 << 40), ""),
    "declares-8-eib": (lambda f: f.stored(XZ, raw_size=(1 << 63) - 1), ""),
}


# ---- .zst ------------------------------------------------------------------------------------------


def zst(change_entries=lambda entries: entries, count=None, descriptor=0x80, size=None, frames=lambda data: data):
    """The frames with another seek table."""
    def both(f):
        data = f.read(ZST)
        number_, _ = struct.unpack("<IB", data[-9:-4])
        table = data[-9 - 12 * number_:-9]
        entries = [struct.unpack("<III", table[12 * at:12 * at + 12]) for at in range(number_)]
        body = frames(data[:-9 - 12 * number_ - 8])
        new = change_entries(entries)
        packed = b"".join(struct.pack("<III", *(value & 0xFFFFFFFF for value in entry)) for entry in new)
        length = len(packed) + 9 if size is None else size
        f.put(ZST, body + struct.pack("<II", 0x184D2A5E, length) + packed
              + struct.pack("<IBI", len(new) if count is None else count, descriptor, 0x8F92EAB1))
    return both


def frame(raw_size, blocks, window=None):
    """A frame of RLE blocks, each (byte, length), that says it holds raw_size bytes."""
    if window is None:
        head = b"\x28\xb5\x2f\xfd" + bytes([0xA0]) + struct.pack("<I", raw_size)
    else:
        head = b"\x28\xb5\x2f\xfd" + bytes([0x80, window]) + struct.pack("<I", raw_size)
    for at, (byte, length) in enumerate(blocks):
        value = length << 3 | 1 << 1 | (at == len(blocks) - 1)
        head += struct.pack("<I", value)[:3] + bytes([byte])
    return head


def bomb(raw_size, blocks, window=None):
    """Every chunk is this frame."""
    def both(f):
        one = frame(raw_size, blocks, window)
        count = 8
        entries = [(len(one), CHUNK, 0)] * count
        zst(lambda old: entries, frames=lambda data: one * count)(f)
    return both


ZST_CASES = {
    "raw-sizes-lie": zst(lambda all_: [(s, r + 1, c) for s, r, c in all_]),
    "raw-size-0": zst(lambda all_: [(s, 0, c) for s, r, c in all_]),
    "raw-size-4g": zst(lambda all_: [(s, (1 << 32) - 1, c) for s, r, c in all_]),
    "stored-size-0": zst(lambda all_: [(0, r, c) for s, r, c in all_]),
    "stored-size-4g": zst(lambda all_: [((1 << 32) - 1, r, c) for s, r, c in all_]),
    "stored-sizes-shifted": zst(lambda all_: [(all_[0][0] + 1, *all_[0][1:]), (all_[1][0] - 1, *all_[1][1:]), *all_[2:]]),
    "over-two-chunks": zst(lambda all_: [(all_[0][0] + all_[1][0], 2 * CHUNK, 0), *all_[2:]]),
    "entries-swapped": zst(lambda all_: all_[::-1]),
    "no-entries": zst(lambda all_: []),
    "fewer-entries": zst(lambda all_: all_[:-1]),
    "count-lies": zst(count=3),
    "count-32-bits": zst(count=(1 << 32) - 1),
    "descriptor-reserved": zst(descriptor=0xFC),
    "descriptor-without-checksums": zst(descriptor=0),
    "table-size-lies": zst(size=9),
    "table-size-4g": zst(size=(1 << 32) - 1),
    "frames-cut-off": zst(frames=lambda data: data[:-1]),
    "frames-longer": zst(frames=lambda data: data + b"x"),
    "frames-random": zst(frames=lambda data: os.urandom(len(data))),
    "frames-skippable": zst(frames=lambda data: struct.pack("<II", 0x184D2A50, len(data) - 8) + data[8:]),
    "bomb-1-gib": bomb(CHUNK, [(0, 128 * 1024)] * 8192),
    "bomb-says-4-gib": bomb((1 << 32) - 1, [(0, 128 * 1024)] * 8),
    "bomb-window-2g": bomb(CHUNK, [(0, CHUNK)], window=21 << 3),
    "bomb-window-huge": bomb(CHUNK, [(0, CHUNK)], window=31 << 3 | 7),
    "no-table": lambda f: f.put(ZST, f.read(ZST)[:-17]),
    "empty": lambda f: f.put(ZST, b""),
    "footer-only": lambda f: f.put(ZST, f.read(ZST)[-9:]),
    "is-xz": lambda f: f.put(ZST, b"\xfd7zXZ\0" + bytes(1000)),
    "payload": lambda f: f.patch(ZST, 40, b"\xff" * 32),
    "declares-1-tib": lambda f: f.stored(ZST, raw_size=1 << 40),
}


# ---- raw -------------------------------------------------------------------------------------------


def qcow2_header(canary, version=3, backing=True, incompatible=0):
    name = f"{canary}/secret".encode()
    head = struct.pack(">IIQIIQIIQQIIQ", 0x514649FB, version, 512 if backing else 0, len(name) if backing else 0, 16, 1 << 20,
                       0, 1, 0x30000, 0x10000, 1, 0, 0)
    head += struct.pack(">QQQII", incompatible, 0, 0, 4, 104)
    return (head + bytes(512 - len(head)) + name).ljust(CHUNK, b"\0")


def raw_with(make):
    """The whole image is other bytes, and these are what must be restored."""
    def change(f):
        data = make(f).ljust(512 * 1024, b"\0")
        f.put(RAW, data, data)
        f.restored["vda.raw"] = data
    return change


def vdb_with(make):
    def change(f):
        data = make(f).ljust(512 * 1024, b"\0")
        f.put("web-vdb.raw", data, data)
        f.restored["vdb.qcow2"] = data
    return change


def vmdk(f):
    return (f'# Disk DescriptorFile\nversion=1\nCID=fffffffe\nparentCID=ffffffff\ncreateType="monolithicFlat"\n'
            f'RW 1024 FLAT "{f.places["canary"]}/secret" 0\n').encode()


def json_name(f):
    return ('json:{"driver":"raw","file":{"filename":"%s/secret"}}' % f.places["canary"]).encode()


def sparse(size, chunk):
    def change(f):
        os.truncate(f.at(RAW), size)
        f.stored(RAW, size=size, raw_size=size, chunk_size=chunk)
    return change


def nvram(make, format_name):
    def change(f):
        data = make(f)
        f.put(NVRAM, data, data, 4 << 20)
        f.sub('<vb:extra kind="nvram" format="raw"', f'<vb:extra kind="nvram" format="{format_name}"')
        f.nvram_format(format_name)
    return change


def cases():
    for name, (change, says) in XZ_CASES.items():
        yield restore_disks("xz-" + name, change, says or XZ, base="lzma", verify=(4,))
    yield restore_disks("xz-dictionary-in-the-manifest", lambda f: f.stored(XZ, dictionary=1536 * MIB), "", base="lzma",
                        verify=(0,))
    for name, change in ZST_CASES.items():
        yield restore_disks("zstd-" + name, change, ZST, base="zstd", verify=(4,))
    for name, make in {"qcow2": lambda f: qcow2_header(f.places["canary"]), "vmdk": vmdk, "json": json_name,
                       "luks": lambda f: b"LUKS\xba\xbe\0\1", "elf": lambda f: b"\x7fELF\x02\x01\x01", "vdi":
                       lambda f: b"<<< Oracle VM VirtualBox Disk Image >>>\n"}.items():
        yield Case(f"{name}-header-in-raw", raw_with(make), defines=True, verify=(0,))
        yield restore_disks(f"{name}-header-in-qcow2", vdb_with(make), "", disks="vdb", verify=(0,))
    yield restore_disks("sparse-1-tib", sparse(1 << 40, 16 * MIB), "digest", verify=(4,))
    yield restore_disks("chunk-512-mib-little-memory", lambda f: f.stored(RAW, chunk_size=512 * MIB), "memory",
                        options=("--disks", "vda", "--memory-limit", "512M"))
    yield Case("nvram-backing-file", nvram(lambda f: qcow2_header(f.places["canary"]), "qcow2"), says="names other files",
               defines=True)
    yield Case("nvram-data-file", nvram(lambda f: qcow2_header("", backing=False, incompatible=4), "qcow2"),
               says="names other files", defines=True)
    yield Case("nvram-no-qcow2", nvram(lambda f: b"x" * 4096, "qcow2"), says="not the qcow2 image", defines=True)
    yield Case("nvram-short-qcow2", nvram(lambda f: b"QFI\xfb", "qcow2"), says="too short", defines=True)
    yield Case("nvram-vmdk", nvram(vmdk, "vmdk"), says="os/nvram")
    yield Case("nvram-large", lambda f: f.put(NVRAM, bytes(65 * MIB), b""), says="as it is, with a SHA-256")
    yield Case("nvram-digest", lambda f: f.stored(NVRAM, sha256="0" * 64), says="SHA-256", defines=True)
