# SPDX-License-Identifier: LGPL-2.1-or-later
"""MTCP in Python, written from virt-backup-mtcp(7) alone: messages, results, and two codecs.

Nothing but the standard library is used. Both peers import this: mtcp_peer.py (a control process) and
mtcp_child.py (a child process).
"""

import hashlib
import lzma
import struct
import zlib

MIN_CHUNK, MAX_CHUNK = 64 << 10, 512 << 20
MAX_DATA = 1 << 30
MAX_TEXT = 4096
LEAF = 32768
BLOCK = 65536
MAX_BLOCKS = MAX_CHUNK // BLOCK * 32

WITH_ID = b"BCMDFE"
WITH_SIZE = b"BCME"
MAX_SIZE = {b"B": MAX_BLOCKS, b"E": MAX_TEXT}


class ProtocolError(Exception):
    """The other side has sent something that is not in the protocol."""


# ---- messages -----------------------------------------------------------------------------------


def read_exactly(stream, length):
    """LENGTH bytes; fewer only at the end of the stream."""
    parts = []
    while length > 0:
        part = stream.read(length)
        if not part:
            break
        parts.append(part)
        length -= len(part)
    return b"".join(parts)


def read_whole(stream, length):
    data = read_exactly(stream, length)
    if len(data) < length:
        raise ProtocolError("the stream ended in the middle of a message")
    return data


class Message:
    def __init__(self, pid, command, chunk_id=None, data=b"", size=None):
        self.pid, self.command, self.id, self.data = pid, command, chunk_id, data
        self.size = len(data) if size is None else size

    def __repr__(self):
        return f"{self.pid}{self.command} {self.id} S{self.size}"

    def encode(self):
        command = self.command.encode("ascii")
        out = struct.pack(">Ic", self.pid, command)
        if command in WITH_ID:
            out += struct.pack(">Q", self.id)
        if command in WITH_SIZE:
            out += b"S" + struct.pack(">I", self.size)
        return out + self.data


def read_message(stream):
    """The next message, or None at the end of the stream."""
    head = read_exactly(stream, 5)
    if not head:
        return None
    if len(head) < 5:
        raise ProtocolError("the stream ended in the middle of a message")
    pid, command = struct.unpack(">Ic", head)
    if command not in b"IBCMDFEQ":
        raise ProtocolError(f"unknown command {command!r}")
    message = Message(pid, command.decode("ascii"))
    if command in WITH_ID:
        message.id, = struct.unpack(">Q", read_whole(stream, 8))
    if command in WITH_SIZE:
        mark, message.size = struct.unpack(">cI", read_whole(stream, 5))
        if mark != b"S" or message.size > MAX_SIZE.get(command, MAX_DATA):
            raise ProtocolError(f"bad size in {message}")
    if command in b"BCE":
        message.data = read_whole(stream, message.size)
    return message


# ---- results ------------------------------------------------------------------------------------


def chunk_digest(raw):
    """SHA-256 over the SHA-256 of each of its leaves."""
    leaves = (raw[at:at + LEAF] for at in range(0, len(raw), LEAF))
    return hashlib.sha256(b"".join(hashlib.sha256(leaf).digest() for leaf in leaves)).digest()


def block_digests(raw):
    """Those of the chunk's blocks, one after the other."""
    return b"".join(chunk_digest(raw[at:at + BLOCK]) for at in range(0, len(raw), BLOCK))


def build_result(raw, blocks):
    """BLOCKS: pairs of stored bytes and raw length."""
    head = chunk_digest(raw) + struct.pack(">II", len(raw), len(blocks))
    table = b"".join(struct.pack(">II", len(stored), raw_length) for stored, raw_length in blocks)
    return head + table + b"".join(stored for stored, _ in blocks)


def parse_result(data):
    """The digest (None: not known), the raw length, and the blocks."""
    if len(data) < 40:
        raise ValueError("a result is too short")
    digest = data[:32] if any(data[:32]) else None
    raw_length, count = struct.unpack(">II", data[32:40])
    position = 40 + 8 * count
    if position > len(data):
        raise ValueError("a result is too short for its table")
    blocks = []
    for index in range(count):
        stored_length, block_raw = struct.unpack(">II", data[40 + 8 * index:48 + 8 * index])
        blocks.append((data[position:position + stored_length], block_raw))
        if len(blocks[-1][0]) < stored_length:
            raise ValueError("a result is too short for its blocks")
        position += stored_length
    if position != len(data) or sum(block_raw for _, block_raw in blocks) != raw_length:
        raise ValueError("lengths in a result do not add up")
    return digest, raw_length, blocks


# ---- codec none ---------------------------------------------------------------------------------


def none_encode(raw):
    return [(b"" if not any(raw) else raw, len(raw))]


def none_decode(stored, raw_length):
    if not stored:
        return bytes(raw_length)
    if len(stored) != raw_length:
        raise ValueError("a stored block has another length than its raw length")
    return stored


# ---- codec lzma: .xz Blocks, section 3 of the .xz file format ------------------------------------

LZMA2_ID = 0x21
CRC64_POLYNOMIAL = 0xC96C5795D7870F42


def crc64_table():
    table = []
    for value in range(256):
        for _ in range(8):
            value = (value >> 1) ^ (CRC64_POLYNOMIAL if value & 1 else 0)
        table.append(value)
    return table


CRC64_TABLE = crc64_table()


def crc64(data):
    value = 0xFFFFFFFFFFFFFFFF
    for byte in data:
        value = CRC64_TABLE[(value ^ byte) & 0xFF] ^ (value >> 8)
    return struct.pack("<Q", value ^ 0xFFFFFFFFFFFFFFFF)


def put_number(value):
    """A variable-length integer: seven bits a byte, the lowest first."""
    out = bytearray()
    while value >= 0x80:
        out.append(value & 0x7F | 0x80)
        value >>= 7
    out.append(value)
    return bytes(out)


def get_number(data, position):
    value, shift = 0, 0
    while True:
        byte = data[position]
        position += 1
        value |= (byte & 0x7F) << shift
        shift += 7
        if not byte & 0x80:
            return value, position
        if shift > 56:
            raise ValueError("a number in a block header is too long")


def dictionary_size(code):
    if code > 40:
        raise ValueError("unknown dictionary size")
    return 0xFFFFFFFF if code == 40 else (2 | (code & 1)) << (code // 2 + 11)


def lzma2(dictionary):
    return [{"id": lzma.FILTER_LZMA2, "dict_size": dictionary}]


def pad(data):
    return data + bytes(-len(data) % 4)


def lzma_encode(raw, preset=1):
    code = 8  # a dictionary of 64 KiB, as large as the smallest chunk
    filters = [{"id": lzma.FILTER_LZMA2, "preset": preset, "dict_size": dictionary_size(code)}]
    packed = lzma.compress(raw, format=lzma.FORMAT_RAW, filters=filters)
    fields = b"\xc0" + put_number(len(packed)) + put_number(len(raw)) + bytes([LZMA2_ID, 1, code])
    header = pad(b"\0" + fields)
    header = bytes([len(header) // 4]) + header[1:]
    header += struct.pack("<I", zlib.crc32(header))
    return [(header + pad(packed) + crc64(raw), len(raw))]


def lzma_decode(stored, raw_length):
    header_length = (stored[0] + 1) * 4
    header, crc = stored[:header_length - 4], stored[header_length - 4:header_length]
    if struct.pack("<I", zlib.crc32(header)) != crc:
        raise ValueError("a block header is damaged")
    if header[1] != 0xC0:
        raise ValueError("a block header does not carry both sizes, or has several filters")
    packed_length, position = get_number(header, 2)
    header_raw, position = get_number(header, position)
    if header[position] != LZMA2_ID or header[position + 1] != 1 or any(header[position + 3:]):
        raise ValueError("a block header has an unknown filter")
    if header_raw != raw_length or header_length + packed_length + -packed_length % 4 + 8 != len(stored):
        raise ValueError("a block has other lengths than announced")
    packed = stored[header_length:header_length + packed_length]
    decoder = lzma.LZMADecompressor(lzma.FORMAT_RAW, filters=lzma2(dictionary_size(header[position + 2])))
    raw = decoder.decompress(packed, raw_length + 1)
    if len(raw) != raw_length or crc64(raw) != stored[-8:]:
        raise ValueError("a block is damaged")
    return raw


CODECS = {"none": (none_encode, none_decode), "lzma": (lzma_encode, lzma_decode)}


def encode_chunk(codec, raw):
    return build_result(raw, CODECS[codec][0](raw))


def decode_chunk(codec, data):
    digest, raw_length, blocks = parse_result(data)
    raw = b"".join(CODECS[codec][1](stored, block_raw) for stored, block_raw in blocks)
    if len(raw) != raw_length or digest not in (None, chunk_digest(raw)):
        raise ValueError("a chunk does not have the digest that its result carries")
    return raw
