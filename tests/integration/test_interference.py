# SPDX-License-Identifier: LGPL-2.1-or-later
"""Backups during which somebody does something to their guest."""

import os

from vbtest.command import expect, same
from vbtest.halt import Halted


def busy(t, halted, *says):
    """The backup goes on, fails because of what was done, and leaves nothing."""
    result = halted.go_on()
    same(result.status, 1, f"exit status; it says: {result.err}")
    for part in says:
        expect(part in result.err, f"'{part}' is not in: {result.err}")
    same([name for name in os.listdir(t.archive.path) if name.startswith("web")], [], "files of the backup")
    return result


def test_guest_that_ends_before_it_is_captured(t):
    """The way of capture was chosen for a guest that runs. Others are backed up all the same."""
    guest, other = t.small_guest().running(), t.guest("zoo", t.disk("vda", name="zoo.qcow2")).define()
    halted = Halted(t, "virConnectGetDomainCapabilities", *t.backup_line(guest, other, "--guest-memory", "pause"))
    guest.destroy()
    result = halted.go_on()
    same(result.status, 3, f"exit status; it says: {result.err}")
    expect("guest 'web': it ended while its backup was being prepared" in result.err, f"it is not told: {result.err}")
    same(guest.state(), "shut off", "state of the guest")
    t.archive.check_holds("zoo.xml", "zoo-vda.raw")
    t.check_good(other)
