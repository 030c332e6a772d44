# SPDX-License-Identifier: LGPL-2.1-or-later
"""Commit and exchange: a backup is whole or not there, and --replace keeps the old one until the new one is."""

import os
import signal
import time

from vbtest import disks
from vbtest.command import expect, run, same, wait_until
from vbtest.disks import MIB


def contents(archive):
    found = {}
    for name in archive.names():
        with open(archive.file(name), "rb") as file:
            found[name] = file.read()
    return found


def test_replace_takes_the_new_state(t):
    guest = t.guest("web", t.disk("vda", size=4 * MIB), t.disk("vdb", "raw", size=MIB)).define()
    t.backup(guest, "--compression", "lzma:0")
    old = contents(t.archive)
    run("qemu-io", "-f", "qcow2", "-c", "write -q -P 7 1M 64k", guest.disks[0].path)
    t.backup(guest, "--replace", "--compression", "zstd")
    t.archive.check_holds("web.xml", "web-vda.raw.zst", "web-vdb.raw.zst")
    expect(contents(t.archive)["web.xml"] != old["web.xml"], "the manifest is the old one")
    t.check_good(guest)
    raw = t.archive.decode("web", "vda", "zstd", t.path("decoded"))
    disks.compare(guest.disks[0].path, "qcow2", raw, "raw", "the new state")


def test_replace_without_an_old_backup(t):
    guest = t.guest("web", t.disk("vda", size=MIB)).define()
    t.backup(guest, "--replace")
    t.check_good(guest)


def test_replace_leaves_other_guests_alone(t):
    one = t.guest("a", t.disk("vda", size=MIB, name="a.qcow2")).define()
    two = t.guest("a-vda", t.disk("vda", size=MIB, name="b.qcow2")).define()
    t.backup(one, two)
    other = {name: data for name, data in contents(t.archive).items() if name.startswith("a-vda.xml") or "-vda-vda" in name}
    t.backup(one, "--replace", "--compression", "zstd")
    now = contents(t.archive)
    for name, data in other.items():
        expect(now.get(name) == data, f"{name} of the other guest was changed")
    t.check_good(one, two)


def test_another_guest_of_that_name_is_refused(t):
    guest = t.guest("web", t.disk("vda", size=MIB)).define()
    t.backup(guest)
    old = contents(t.archive)
    guest.undefine()
    t.guest("web", guest.disks[0]).define()
    t.refused(*t.backup_line(guest, "--replace"), says=["guest 'web'", "UUID"])
    expect(contents(t.archive) == old, "the old backup was touched")


def test_failed_replacement_keeps_the_old_backup(t):
    guest = t.guest("web", t.loop_disk("vda", size=8 * MIB)).define()
    t.backup(guest, "--compression", "zstd")
    old = contents(t.archive)
    os.truncate(t.path("vda.backing"), 5 * MIB)
    t.refused(*t.backup_line(guest, "--replace", "--compression", "zstd"), says=["guest 'web'", "vda"])
    expect(contents(t.archive) == old, "the old backup was touched")


def test_interrupted_replacement_keeps_the_old_backup(t):
    guest = t.guest("web", t.slow_disk(size=8 * MIB)).define()
    t.backup(guest, "--compression", "lzma:0")
    old = contents(t.archive)
    process = t.start_vb(*t.backup_line(guest, "--replace", "--compression", "lzma:9e", "--chunk-size", "2M"))
    wait_until(lambda: len(t.archive.names()) > len(old), "the new backup being under way")
    process.signal(signal.SIGINT)
    same(process.finish(60).status, 130, "exit status")
    expect(contents(t.archive) == old, "the old backup was touched")


def test_killed_in_the_middle_leaves_nothing_that_counts(t):
    """kill -9 of everything: the old backup stays whole, and the next run clears the rest away."""
    guest = t.guest("web", t.slow_disk(size=8 * MIB)).define()
    t.backup(guest, "--compression", "lzma:0")
    old = contents(t.archive)
    process = t.start_vb(*t.backup_line(guest, "--replace", "--compression", "lzma:9e", "--chunk-size", "2M"),
                         start_new_session=True)
    wait_until(lambda: len(t.archive.names()) > len(old), "the new backup being under way")
    os.kill(process.pid, signal.SIGKILL)
    process.finish()
    wait_until(lambda: not t.baseline.new_processes(), "the end of the orphaned children")
    now = contents(t.archive)
    expect({name: now.get(name) for name in old} == old, "the old backup was touched")
    t.verify()
    t.backup(guest, "--replace", "--compression", "lzma:0")
    t.check_good(guest)


def test_killed_at_random_moments(t):
    """kill -9 whenever: old or new backup, always a whole one."""
    guest = t.guest("web", t.disk("vda", "raw", size=2 * MIB)).define()
    t.backup(guest, "--compression", "zstd")
    for attempt in range(12):
        process = t.start_vb(*t.backup_line(guest, "--replace", "--compression", t.rng.choice(("none", "zstd", "lzma:0"))))
        # Not a wait for something to be ready: the moment itself is what is drawn.
        time.sleep(t.rng.uniform(0, 0.25))
        if process.running():
            process.signal(signal.SIGKILL)
        process.finish()
        wait_until(lambda: not t.baseline.new_processes(), "the end of the orphaned children")
        t.vb("verify", "--source-path", t.archive.path)
        expect(guest.state() == "shut off", f"attempt {attempt}: the guest is {guest.state()}")
    t.backup(guest, "--replace")
    t.check_good(guest)


def test_folder_is_not_ours_alone(t):
    """Files of others in the archive's folder are left alone."""
    guest = t.guest("web", t.disk("vda", size=MIB)).define()
    os.mkdir(t.archive.path)
    with open(t.archive.file("README"), "w", encoding="ascii") as file:
        file.write("keep me")
    t.backup(guest)
    t.backup(guest, "--replace")
    same(t.archive.names(), ["README", "web-vda.raw", "web.xml"], "files in the archive")
    t.verify()
