# SPDX-License-Identifier: LGPL-2.1-or-later
"""Judges what the guests of tests/guests leave behind: on the serial line and on their disks."""

import re
import struct

from vbtest.command import WAIT_LIMIT_S, Failure, wait_until
from vbtest.disks import AREA, SECTOR, SLOTS

PROGRESS = re.compile(r"^token=([0-9a-f]+) count=([0-9]+)\n", re.MULTILINE)


class Serial:
    """The file that a guest's serial line goes to. All guests print "token=X count=N"."""

    def __init__(self, path):
        self.path = path

    def text(self):
        try:
            with open(self.path, encoding="ascii", errors="replace") as file:
                return file.read().replace("\r", "")
        except FileNotFoundError:
            return ""

    def last(self):
        """(token, count) of the last whole line, or None."""
        found = PROGRESS.findall(self.text())
        return (found[-1][0], int(found[-1][1])) if found else None

    def wait(self, condition, what, limit_s=WAIT_LIMIT_S):
        return wait_until(lambda: condition(self.last()), what, limit_s)

    def wait_for_steps(self, steps):
        """Wait until the guest has made so many more steps; returns the last (token, count)."""
        start = len(PROGRESS.findall(self.text()))
        wait_until(lambda: len(PROGRESS.findall(self.text())) >= start + steps, f"{steps} steps of the guest")
        return self.last()

    def boots(self):
        return self.text().splitlines().count("boot")

    def check(self):
        """The guest itself has found nothing wrong: no disk of another instant than its memory."""
        for line in self.text().splitlines():
            if line.startswith(("bad", "ioerror")):
                raise Failure(f"the guest says '{line}' on its serial line {self.path}")


def slots(raw):
    """The counts in the slots of a boot-sector guest's disk."""
    counts = []
    with open(raw, "rb") as file:
        for slot in range(SLOTS):
            file.seek((AREA + slot) * SECTOR)
            words = struct.unpack(f"<{SECTOR // 4}I", file.read(SECTOR))
            if len(set(words)) != 1:
                raise Failure(f"{raw}: slot {slot} is torn: {words[0]} to {words[-1]}")
            counts.append(words[0])
    return counts


def check_slots(raw, at_least=1):
    """The slots are those of one instant: the highest count, and before it each one in its place."""
    counts = slots(raw)
    highest = max(counts)
    if highest < at_least:
        raise Failure(f"{raw}: the highest count is {highest}, expected {at_least} or more")
    for slot, count in enumerate(counts):
        expected = highest - (highest - slot) % SLOTS
        if count != max(expected, 0):
            raise Failure(f"{raw}: slot {slot} holds {count}, with {highest} the highest it must be {expected}")
    return highest
