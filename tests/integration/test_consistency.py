# SPDX-License-Identifier: LGPL-2.1-or-later
"""Memory and disks of one instant, judged by a guest that never stops writing; scripts/consistency does more."""

from vbtest import consistency
from vbtest.command import note, same

# Built before the tests run: there is no network where they do.
BUILT_BEFORE = "linux-guest"


def find_alike(t, mode):
    bench = consistency.Bench(t, mode)
    for _ in range(2):
        good, bad, downtime_ms = bench.go_round()
        note(f"ok={good} bad={bad}, {downtime_ms} ms")
        same(bad, 0, "blocks that differ")
    # Only a guest that can find something wrong has shown anything.
    note(f"{bench.mix()} blocks of another instant found")


def test_writing_guest_finds_disks_and_memory_alike(t):
    find_alike(t, "pause")


def test_writing_guest_captured_live_finds_disks_and_memory_alike(t):
    find_alike(t, "live")
