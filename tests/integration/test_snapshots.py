# SPDX-License-Identifier: LGPL-2.1-or-later
"""Snapshots and checkpoints of a guest that a restore replaces: back when it fails, removed and told when it does not."""

import os

from vbtest.command import expect, same
from vbtest.disks import MIB
from vbtest.history import history

# libvirt writes each definition to this file before it gets its name.
NEW_DEFINITION = "/etc/libvirt/qemu/web.xml.new"


def add_snapshots(guest):
    """By their names children come before their parents; the current one is neither the first nor the last."""
    for name, parent in (("z", None), ("y", "z"), ("x", "y"), ("a", "z"), ("b", "a")):
        if parent:
            guest.call("snapshot-current", "--snapshotname", parent)
        guest.call("snapshot-create-as", "--name", name)
    guest.call("snapshot-current", "--snapshotname", "y")


def add_checkpoints(guest):
    guest.start()
    for name in ("z", "a"):
        guest.call("checkpoint-create-as", "--name", name)
    guest.destroy()


def add_both(guest):
    add_snapshots(guest)
    add_checkpoints(guest)


KINDS = {"snapshot": add_snapshots, "checkpoint": add_checkpoints, "both": add_both}


def replaced(t, kind, own):
    """A guest to be replaced by a backup: its own, or that of another guest that had its name."""
    guest = t.guest("web", t.disk("vda", size=MIB, name=f"{kind}-{own}.qcow2")).define()
    t.backup(guest, to=t.path(f"{kind}-{own}"))
    if not own:
        guest.undefine()
        guest = t.guest("web", t.disk("vda", size=MIB, name=f"{kind}-other.qcow2")).define()
    KINDS[kind](guest)
    return guest


def test_failed_replacement_keeps_snapshots_and_checkpoints(t):
    """libvirt can store no definition, neither the new one nor the former one again; recover puts that back later."""
    for kind in KINDS:
        for own in (True, False):
            guest = replaced(t, kind, own)
            before, uuid = history(guest), guest.uuid()
            os.mkdir(NEW_DEFINITION)
            t.refused(*t.restore_line("--replace", source=t.path(f"{kind}-{own}")), status=5, says=["guest 'web'", "define"])
            os.rmdir(NEW_DEFINITION)
            t.vb("recover")
            same(guest.uuid(), uuid, "UUID of the guest")
            same(history(guest), before, f"what it has ({kind}) after {'its own' if own else 'another'} backup")
            guest.remove()


def test_replacement_removes_snapshots_and_checkpoints_and_says_so(t):
    for kind, number in (("snapshot", "5 snapshots"), ("checkpoint", "2 checkpoints"), ("both", "5 snapshots and 2 checkpoints")):
        for own in (True, False):
            guest = replaced(t, kind, own)
            before = history(guest)
            line = t.restore_line("--replace", source=t.path(f"{kind}-{own}"), to=t.path(f"{kind}-{own}-restored"))
            planned = t.vb(*line, "--dry-run")
            same(history(guest), before, f"what it has ({kind}) after a --dry-run")
            result = t.vb(*line)
            for said in (planned, result):
                expect(number in said.err, f"it does not say that {number} are removed: {said.err}")
            left = history(guest)
            same((left["snapshot"], left["checkpoint"]), ([], []), "what libvirt lists still")
            guest.remove()


def test_replacement_of_a_guest_without_snapshots_says_nothing_of_them(t):
    guest = t.guest("web", t.disk("vda", size=MIB)).define()
    t.backup(guest)
    result = t.restore("--replace")
    expect("snapshot" not in result.err and "checkpoint" not in result.err, f"it warns of nothing: {result.err}")
