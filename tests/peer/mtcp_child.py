#!/usr/bin/python3
# SPDX-License-Identifier: LGPL-2.1-or-later
"""An MTCP child process in Python, for virt-backup's --child-command.

MTCP_COMPRESSION, MTCP_DECODE, MTCP_CHUNK_SIZE and MTCP_BLOCK_DIGESTS say what it is for; with VB_CHILD_PLAIN=1
it knows nothing of the last. For tests it can misbehave:
VB_CHILD_FAULT=KIND-at:ID[,...] does so at the chunk of that id, and with VB_CHILD_FAULT_ONCE=PATH only if the
file PATH is not there yet (it is made then), so that the next child behaves; if PATH is a folder, a file in it for
each chunk. A "sick" child goes on to fail at
that chunk, others do not. With VB_CHILD_SHY=FOLDER some chunks fail when they are tried first, by E or by
death; what was tried is noted in there. With VB_CHILD_UP=FOLDER each makes a file there when it is ready. Not faults, and not once: "wait" waits until the file VB_CHILD_RELEASE is there
("late-error" does that first, "early-error" makes it afterwards, "slow-error" takes its time), "nap" takes its time, "release" makes that file and then does so.
"""

import os
import random
import signal
import sys
import time

sys.dont_write_bytecode = True
sys.path.insert(0, os.path.dirname(os.path.realpath(__file__)))
import mtcp_wire as wire  # noqa: E402


NO_FAULTS = (None, "wait", "nap", "release")
# Not about the digests themselves: nothing follows.
BAD_BLOCKS = ("early-blocks", "stray-blocks", "huge-blocks")


def fault_at(chunk_id):
    """The kind of fault that is due at this chunk, or None."""
    faults = [fault.partition("-at:") for fault in os.environ.get("VB_CHILD_FAULT", "").split(",")]
    kind = next((kind for kind, _, at in faults if at and int(at) == chunk_id), None)
    once = os.environ.get("VB_CHILD_FAULT_ONCE")
    if once and kind not in NO_FAULTS:
        if os.path.isdir(once):
            once = os.path.join(once, str(chunk_id))
        try:
            with open(once, "x", encoding="ascii") as file:
                file.write(str(os.getpid()))
        except FileExistsError:
            if kind != "sick" or not is_mine(once):
                return None
    return kind


def shy_fault(chunk_id):
    """Whether this chunk fails when it is tried first, and how; VB_CHILD_SEED decides, and how long it takes."""
    folder = os.environ.get("VB_CHILD_SHY")
    if not folder:
        return None
    rng = random.Random(f"{os.environ['VB_CHILD_SEED']} {chunk_id}")
    kind = rng.choice(("error", "error", "die", None, None, None, None))
    time.sleep(rng.choice((0, 0.001, 0.03)))
    try:
        with open(os.path.join(folder, str(chunk_id)), "x", encoding="ascii"):
            return kind
    except FileExistsError:
        return None


def release():
    with open(os.environ["VB_CHILD_RELEASE"], "wb"):
        pass


def is_mine(path):
    with open(path, encoding="ascii") as file:
        return file.read() == str(os.getpid())


class Child:
    def __init__(self):
        self.codec = os.environ.get("MTCP_COMPRESSION", "none").partition(":")[0]
        self.decode = os.environ.get("MTCP_DECODE") == "1"
        self.chunk_size = int(os.environ["MTCP_CHUNK_SIZE"])
        self.blocks = os.environ.get("MTCP_BLOCK_DIGESTS") == "1" and os.environ.get("VB_CHILD_PLAIN") != "1"
        self.pid = os.getpid()
        self.input, self.output = sys.stdin.buffer, sys.stdout.buffer

    def send(self, command, chunk_id=None, data=b"", size=None):
        self.output.write(wire.Message(self.pid, command, chunk_id, data, size).encode())
        self.output.flush()

    def receive(self):
        message = wire.read_message(self.input)
        if message is None or message.command == "Q":
            sys.exit(0)
        if message.pid != self.pid:
            sys.exit("mtcp_child: a message for another process")
        return message

    def send_blocks(self, kind, chunk_id, digests):
        """B, or what a liar says instead."""
        lies = {
            "more-blocks": [digests + digests[:32]],
            "fewer-blocks": [digests[:-32]],
            "odd-blocks": [digests[:-1]],
            "no-blocks": [b""],
            "empty-blocks": [bytes(len(digests))],
            "other-blocks": [digests[:-32] + bytes(31) + b"x"],
            "twice-blocks": [digests, digests],
        }
        for data in lies.get(kind, [digests] if self.blocks else []):
            self.send("B", chunk_id, data)

    def misbehave(self, kind, chunk_id):
        if kind == "die":
            os.kill(self.pid, signal.SIGKILL)
        if kind == "exit":
            sys.exit(3)
        if kind == "hang":
            while True:
                time.sleep(60)
        if kind == "garbage":
            self.output.write(b"this is not a message at all")
        elif kind == "stranger":
            self.output.write(wire.Message(self.pid + 1, "D", chunk_id).encode())
        elif kind == "wrong":
            self.send("D", chunk_id + 1)
        elif kind == "huge":
            self.send("D", chunk_id)
            self.receive()
            self.send("C", chunk_id, size=wire.MAX_DATA)
        elif kind == "long":
            self.send("E", chunk_id, b"x" * (wire.MAX_TEXT + 1))
        elif kind == "early-blocks":
            self.send("B", chunk_id, b"x" * 32)
        elif kind == "stray-blocks":
            self.send("D", chunk_id)
            self.receive()
            self.send("B", chunk_id + 1, b"x" * 32)
        elif kind == "huge-blocks":
            self.send("D", chunk_id)
            self.receive()
            self.send("B", chunk_id, size=wire.MAX_BLOCKS + 32)
        elif kind == "bad":
            self.send("D", chunk_id)
            self.receive()
            self.send("C", chunk_id, b"no result")
        else:
            sys.exit(f"mtcp_child: unknown fault '{kind}'")
        self.output.flush()
        # A child that is broken does not end by itself either.
        while True:
            time.sleep(60)

    def work(self, data):
        if self.decode:
            return wire.decode_chunk(self.codec, data)
        if not 1 <= len(data) <= self.chunk_size:
            raise ValueError(f"a chunk of {len(data)} bytes")
        return wire.encode_chunk(self.codec, data)

    def do_chunk(self, message):
        kind = fault_at(message.id) or shy_fault(message.id)
        if kind in ("wait", "late-error"):
            while not os.path.exists(os.environ["VB_CHILD_RELEASE"]):
                time.sleep(0.01)
        if kind == "release":
            release()
        if kind in ("nap", "release", "slow-error"):
            time.sleep(0.3)
        if kind in ("error", "late-error", "early-error", "slow-error", "sick"):
            self.send("E", message.id, b"told to fail\n\x1b[1m")
            if kind == "early-error":
                release()
            return
        lie = kind if kind and kind.endswith("-blocks") and kind not in BAD_BLOCKS else None
        if kind not in (*NO_FAULTS, lie):
            self.misbehave(kind, message.id)
        try:
            result = self.work(message.data)
        except ValueError as error:
            self.send("E", message.id, str(error).encode()[:wire.MAX_TEXT])
            return
        self.send("D", message.id)
        flush = self.receive()
        if flush.command != "F" or flush.id != message.id:
            sys.exit(f"mtcp_child: {flush} where F {message.id} was expected")
        self.send_blocks(lie, message.id, wire.block_digests(result if self.decode else message.data))
        self.send("C", message.id, result)

    def serve(self):
        self.send("I")
        if "VB_CHILD_UP" in os.environ:
            with open(os.path.join(os.environ["VB_CHILD_UP"], str(self.pid)), "wb"):
                pass
        while True:
            message = self.receive()
            if message.command != "C":
                sys.exit(f"mtcp_child: {message} where C was expected")
            self.do_chunk(message)
            self.send("I")


if __name__ == "__main__":
    try:
        Child().serve()
    except BrokenPipeError:
        os._exit(0)
