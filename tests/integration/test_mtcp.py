# SPDX-License-Identifier: LGPL-2.1-or-later
"""The Multi-Threaded Compression Protocol with a peer that somebody else has written, at either end."""

import os

from vbtest import disks
from vbtest.command import expect, run
from vbtest.disks import MIB

PEERS = os.path.join(os.path.dirname(os.path.realpath(__file__)), "../peer")
CHILD = os.path.join(PEERS, "mtcp_child.py")


def test_foreign_child_compresses(t):
    guest = t.guest("web", t.disk("vda", "raw", size=4 * MIB)).define()
    for codec in ("none", "lzma:1"):
        archive = t.path("archive-" + codec)
        t.backup(guest, "--compression", codec, "--chunk-size", "256K", "--child-command", CHILD, to=archive)
        t.check_good(guest, source=archive)


def test_foreign_child_decodes(t):
    guest = t.guest("web", t.disk("vda", "raw", size=4 * MIB)).define()
    t.backup(guest, "--compression", "lzma:1", "--chunk-size", "256K")
    t.vb("verify", "--source-path", t.archive.path, "--child-command", CHILD)
    guest.undefine()
    t.restore("--child-command", CHILD)
    disks.compare(guest.disks[0].path, "raw", os.path.join(t.restored, "vda.raw"), "raw", "restored disk")


def test_foreign_child_with_a_running_guest(t):
    guest = t.small_guest().running()
    before, (token, count) = guest.snapshot(), guest.serial.last()
    t.backup(guest, "--compression", "lzma:0", "--child-command", CHILD)
    guest.check_unchanged(before)
    guest.goes_on(token, count)
    t.check_good(guest)


def faulty(t, fault, status, says=()):
    """A foreign child that misbehaves at the first chunk, while the guest is down."""
    guest = t.small_guest().running()
    before, (token, count) = guest.snapshot(), guest.serial.last()
    environment = dict(t.environment, VB_CHILD_FAULT=f"{fault}-at:0")
    result = t.vb(*t.backup_line(guest, "--compression", "lzma:0", "--chunk-size", "256K", "--child-command", CHILD),
                  status=status, env=environment)
    for part in says:
        expect(part in result.err, f"'{part}' is not in: {result.err}")
    guest.check_unchanged(before)
    guest.goes_on(token, count, steps=3)
    expect(t.archive.names() == [], "a failed backup has left files")


def test_foreign_child_that_always_dies(t):
    faulty(t, "die", 1, ["guest 'web'"])


def test_foreign_child_that_always_answers_with_an_error(t):
    faulty(t, "error", 1, ["guest 'web'"])


def test_foreign_child_that_dies_once(t):
    guest = t.small_guest().running()
    token, count = guest.serial.last()
    environment = dict(t.environment, VB_CHILD_FAULT="die-at:0", VB_CHILD_FAULT_ONCE=t.path("once"))
    t.vb(*t.backup_line(guest, "--compression", "lzma:0", "--chunk-size", "256K", "--children", "1",
                        "--child-command", CHILD), env=environment)
    expect(os.path.exists(t.path("once")), "no child has died")
    guest.goes_on(token, count)
    t.check_good(guest)


def driven_by_a_peer(t, codec, *options):
    """A thousand chunks through mtcp-child, and every byte back through --decode."""
    run("/usr/bin/python3", "-B", os.path.join(PEERS, "mtcp_peer.py"), "--chunks", "1000", "--compression", codec,
        "--chunk-size", "65536", "--seed", str(t.rng.randrange(1 << 30)), *options, t.binary, env=t.environment,
        limit_s=200)


def test_foreign_control_process_without_compression(t):
    driven_by_a_peer(t, "none")


def test_foreign_control_process_that_wants_the_digests_of_blocks(t):
    driven_by_a_peer(t, "zstd:3", "--block-digests", "--chunk-size", "1048576", "--chunks", "100")


def test_foreign_control_process_lzma(t):
    driven_by_a_peer(t, "lzma:1")


def test_foreign_control_process_zstd(t):
    driven_by_a_peer(t, "zstd:3")
