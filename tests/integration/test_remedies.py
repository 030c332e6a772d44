# SPDX-License-Identifier: LGPL-2.1-or-later
"""What doctor says is to be done is done: it works, and there is nothing more to be said."""

import glob
import os

from vbtest.command import expect, run, same
from vbtest.leftovers import STATE_DIR


def remedies(t, subject, *options):
    events = t.events(t.vb("doctor", "--json", *options, status=None))
    return [event["remedy"] for event in events if event["event"] == "finding" and event["subject"] == subject and event["remedy"]]


def carry_out(t, remedy):
    run("sh", "-c", remedy.replace("virt-backup ", t.binary + " ", 1) if remedy.startswith("virt-backup ") else remedy, env=t.environment)


def test_remedies_of_a_guest_that_is_off(t):
    """libvirt deletes the checkpoints and commits the overlays of guests that run."""
    guest = t.small_guest("web,1").running()
    guest.call("checkpoint-create-as", "--name", "other")
    options = ["--repository", t.repository("second")]
    t.add_point(t.repository("first"), guest)
    for note in glob.glob(f"{STATE_DIR}/*.point"):
        os.unlink(note)
    guest.destroy()
    found = remedies(t, "checkpoint", *options)
    same(len(found), 2, "checkpoints")
    for remedy in found:
        carry_out(t, remedy)
    same((remedies(t, "checkpoint", *options), guest.call("checkpoint-list", "--name").out.split()), ([], []), "checkpoints")
    expect("bitmaps" not in run("qemu-img", "info", guest.disks[0].path).out, "a bitmap is left")


def test_remedy_of_an_overlay_of_a_guest_that_is_off(t):
    guest = t.guest("web", t.boot_disk()).running()
    guest.call("snapshot-create-as", "--name", "nightly", "--disk-only")
    guest.destroy()
    (remedy,) = remedies(t, "snapshot")
    carry_out(t, remedy)
    same(remedies(t, "snapshot"), [], "snapshots")
    expect("nightly" not in guest.dump(), "the guest still has its overlay")


def test_what_only_needs_the_first_backup_is_no_problem(t):
    for options in (["--repository", t.repository(), "--scope", "east"], ["--destination-path", t.path("new") + "/"]):
        events = t.events(t.vb("doctor", "--json", *options))
        (found,) = [event for event in events if event["event"] == "finding" and "is not there yet" in event["text"]]
        same((found["severity"], found["remedy"]), ("note", None), f"with {options}")


def test_a_journal_of_a_newer_version_is_not_dismissed(t):
    path = os.path.join(STATE_DIR, "12345678-1234-4234-8234-123456789abc.intent")
    with open(path, "w", encoding="utf-8") as file:
        file.write('{"version": 99, "kind": "backup"}')
    os.chmod(path, 0o600)
    t.undo.callback(os.unlink, path)
    same(remedies(t, "journal"), [], "remedies")
    line = t.refused("recover", status=5, says=["a newer version of virt-backup"])
    expect("dismiss" not in line, line)
