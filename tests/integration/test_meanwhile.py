# SPDX-License-Identifier: LGPL-2.1-or-later
"""Restores during which something happens to the place that they are for: to its guest, or to libvirt."""

import os

from vbtest.command import expect, same
from vbtest.disks import MIB
from test_interrupt import LATER, SLOW_LATER, wait_for_busy_child

UUID = "<uuid>c7a5fdbd-edaf-9455-926a-d65c16db1809</uuid>"


def refused_meanwhile(t, guest, do, *options, says):
    """DO is done while its disk is restored. Nothing of the restore is left, and the guest is what DO made of it."""
    process = t.start_vb(*t.restore_line(*LATER, *options))
    wait_for_busy_child(process)
    do()
    before = guest.dump("--inactive") if guest.exists() else None
    result = process.finish()
    same(result.status, 1, "exit status")
    for part in says:
        expect(part in result.err, f"'{part}' is not in: {result.err}")
    same(guest.dump("--inactive") if guest.exists() else None, before, "the definition")
    same(os.listdir(t.restored) if os.path.exists(t.restored) else [], [], "files of the restore")


def test_guest_that_is_started_is_not_replaced(t):
    guest = t.guest("web", t.slow_disk(boot=1)).define()
    t.backup(guest, *SLOW_LATER)
    refused_meanwhile(t, guest, guest.start, "--replace", says=["guest 'web'", "is running", "shut it down"])
    same(guest.state(), "running", "state")


def test_guest_that_is_started_is_not_replaced_by_a_running_one(t):
    """Its disks must not be taken for those of the restored one, nor the memory that was restored be thrown away."""
    guest = t.guest("web", t.slow_disk(boot=1)).running()
    t.backup(guest, *SLOW_LATER)
    guest.destroy()
    refused_meanwhile(t, guest, guest.start, "--replace", "--allow-autorun", says=["is running"])
    same(guest.state(), "running", "state")


def test_guest_that_is_defined_is_not_replaced(t):
    guest = t.guest("web", t.slow_disk(boot=1), head_xml=UUID).define()
    t.backup(guest, *SLOW_LATER)
    guest.undefine()
    refused_meanwhile(t, guest, guest.define, says=["already exists"])


def test_guest_that_is_removed_was_there_for_a_reason(t):
    guest = t.guest("web", t.slow_disk(boot=1), head_xml=UUID).define()
    t.backup(guest, *SLOW_LATER)
    refused_meanwhile(t, guest, guest.undefine, "--replace", says=["has been removed"])


def test_device_of_a_guest_that_is_started(t):
    """It has been written to by then. That must be told."""
    guest = t.guest("web", t.slow_disk(boot=1), t.loop_disk("vdb", size=2 * MIB)).define()
    t.backup(guest, *SLOW_LATER)
    device = guest.disks[1].path
    refused_meanwhile(t, guest, guest.start, "--replace", "--disk-map", f"vdb={device}",
                      says=["is running", f"{device} has been written to"])


def test_libvirtd_that_is_restarted_costs_nothing(t):
    guest = t.guest("web", t.slow_disk(boot=1)).define()
    t.backup(guest, *SLOW_LATER)
    guest.undefine()
    process = t.start_vb(*t.restore_line(*LATER))
    wait_for_busy_child(process)
    t.restart_libvirtd()
    same(process.finish().status, 0, "exit status")
    expect(guest.exists(), "the guest is not defined")


def test_guest_of_that_name_that_is_being_backed_up(t):
    """It has another UUID, and so a lock of its own."""
    old = t.guest("web", t.disk("vda", "raw", size=MIB, name="old.raw"), head_xml=UUID).define()
    t.backup(old)
    old.undefine()
    guest = t.guest("web", t.slow_disk()).define()
    process = t.start_vb("backup", "--destination-path", t.path("other"), "--domain-names", "web", *SLOW_LATER, *LATER)
    wait_for_busy_child(process)
    line = t.refused(*t.restore_line("--replace"), status=6, says=["guest 'web'", "in use since"])
    same(process.finish().status, 0, f"the backup's exit status; the restore said: {line}")
    expect(guest.exists() and UUID not in guest.dump(), "the guest was replaced")
