#!/usr/bin/python3
# SPDX-License-Identifier: LGPL-2.1-or-later
"""An MTCP control process in Python: drives `PROGRAM mtcp-child` there and back, and compares every byte.

It sends chunks of random data (seeded), fetches the results, checks them, gives them to a decoding child,
and checks what comes back.
"""

import argparse
import os
import random
import subprocess
import sys

sys.dont_write_bytecode = True
sys.path.insert(0, os.path.dirname(os.path.realpath(__file__)))
import mtcp_wire as wire  # noqa: E402


class ChunkFailed(Exception):
    """The child has answered E."""


class ControlProcess:
    """One child, driven over its standard input and output."""

    def __init__(self, argv, block_digests=False, **popen):
        """block_digests: the child was told to give them."""
        self.block_digests = block_digests
        self.process = subprocess.Popen(argv, stdin=subprocess.PIPE, stdout=subprocess.PIPE, **popen)
        self.pid = None
        self.expect("I")

    def send(self, command, chunk_id=None, data=b""):
        self.send_raw(wire.Message(self.pid, command, chunk_id, data).encode())

    def send_raw(self, data):
        self.process.stdin.write(data)
        self.process.stdin.flush()

    def receive(self):
        message = wire.read_message(self.process.stdout)
        if message is None:
            raise wire.ProtocolError(f"the child has ended with status {self.process.wait()}")
        if self.pid is None:
            self.pid = message.pid
        if message.pid != self.pid:
            raise wire.ProtocolError(f"{message} from a child that is {self.pid}")
        return message

    def expect(self, command, chunk_id=None):
        message = self.receive()
        if message.command == "E":
            self.expect("I")
            raise ChunkFailed(message.data.decode())
        if message.command != command or message.id != chunk_id:
            raise wire.ProtocolError(f"{message} where {command} {chunk_id} was expected")
        return message

    def do_chunk(self, chunk_id, data):
        """The whole sequence for one chunk; returns what the child has made of it. The digests of its blocks are in
        `blocks` then."""
        self.send("C", chunk_id, data)
        self.expect("D", chunk_id)
        self.send("F", chunk_id)
        self.blocks = self.expect("B", chunk_id).data if self.block_digests else None
        result = self.expect("C", chunk_id).data
        self.expect("I")
        return result

    def quit(self):
        """Sends Q; returns the exit status."""
        self.send("Q")
        self.process.stdin.close()
        if self.process.stdout.read():
            raise wire.ProtocolError("the child went on after Q")
        return self.process.wait()


def chunk(source, size):
    """Random bytes, text that compresses, zeros, or some of each."""
    kind = source.randrange(4)
    if kind == 0:
        return source.randbytes(size)
    if kind == 1:
        return (b"virt-backup %d " % source.randrange(1000) * (size // 12))[:size]
    if kind == 2:
        return bytes(size)
    return (bytes(size // 2) + source.randbytes(size // 4)).ljust(size, b"x")


def check_result(codec, raw, result):
    digest, raw_length, _ = wire.parse_result(result)
    if digest != wire.chunk_digest(raw) or raw_length != len(raw):
        sys.exit("mtcp_peer: a result is not of the chunk that was sent")
    # Where this peer knows the codec, its own decoder must agree.
    if codec in wire.CODECS and wire.decode_chunk(codec, result) != raw:
        sys.exit("mtcp_peer: a result does not decode to the chunk that was sent")


def there_and_back(options):
    source = random.Random(options.seed)
    codec = options.compression.lower().partition(":")[0]
    command = [options.program, "mtcp-child", "--compression", options.compression,
               "--chunk-size", str(options.chunk_size)] + ["--block-digests"] * options.block_digests
    encoder = ControlProcess(command, options.block_digests)
    decoder = ControlProcess(command + ["--decode"], options.block_digests)
    raw_bytes = stored_bytes = 0
    for index in range(options.chunks):
        last = index == options.chunks - 1
        raw = chunk(source, source.randint(1, options.chunk_size) if last else options.chunk_size)
        chunk_id = index if not last else 2**64 - 1
        result = encoder.do_chunk(chunk_id, raw)
        if index < options.check:
            check_result(codec, raw, result)
        if index % 3 == 1:  # a result whose digest is not known
            result = bytes(32) + result[32:]
        if decoder.do_chunk(chunk_id, result) != raw:
            sys.exit(f"mtcp_peer: chunk {index} came back changed (seed {options.seed})")
        if options.block_digests and not encoder.blocks == decoder.blocks == wire.block_digests(raw):
            sys.exit(f"mtcp_peer: the blocks of chunk {index} have other digests (seed {options.seed})")
        raw_bytes += len(raw)
        stored_bytes += len(result)
    for child in (encoder, decoder):
        status = child.quit()
        if status != 0:
            sys.exit(f"mtcp_peer: the child ended with status {status} after Q")
    print(f"{options.chunks} chunks, {raw_bytes} bytes there as {stored_bytes} and back, all equal")


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("program", metavar="PROGRAM", help="virt-backup")
    parser.add_argument("--compression", default="none", metavar="TYPE")
    parser.add_argument("--chunks", type=int, default=1000, metavar="N")
    parser.add_argument("--chunk-size", type=int, default=64 << 10, metavar="BYTES")
    parser.add_argument("--check", type=int, default=50, metavar="N",
                        help="how many results to decode in Python too (slow)")
    parser.add_argument("--block-digests", action="store_true", help="ask for the digests of blocks, and check them")
    parser.add_argument("--seed", type=int, default=random.randrange(2**32))
    options = parser.parse_args()
    print(f"seed {options.seed}")
    try:
        there_and_back(options)
    except (ChunkFailed, wire.ProtocolError, BrokenPipeError) as error:
        sys.exit(f"mtcp_peer: {error}")


if __name__ == "__main__":
    main()
