# SPDX-License-Identifier: LGPL-2.1-or-later
"""Repositories in which not all is as it should be: what is good of it is restored and listed, and the rest is told."""

import glob
import os
import re
import time

from vbtest.command import expect, run, same, wait_until
from vbtest.disks import MIB


def test_a_guest_without_such_a_point_costs_no_other(t):
    old = t.guest("old", t.disk("vda", "raw", size=MIB, name="old.raw")).define()
    new = t.guest("new", t.disk("vda", "raw", size=MIB, name="new.raw")).define()
    repository = t.repository()
    t.add_point(repository, old)
    second = int(time.time()) + 1
    moment = time.strftime("%Y-%m-%d %H:%M:%S", time.localtime(second))
    wait_until(lambda: time.time() > second + 1, "the next second")
    t.add_point(repository, old, new)
    old.undefine()
    new.undefine()
    for number, words in enumerate((["--point", moment], ["--domain-names", f"*@{moment}"])):
        result = t.restore_point(repository, *words, to=t.path(f"then-{number}"), status=3)
        expect(old.exists() and not new.exists(), f"the guest that has a point of that time, with {words}")
        expect("guest 'new': has no point of" in result.err, f"why the other is not restored: {result.err}")
        old.undefine()
    (slot,) = glob.glob(f"{repository}/p/*/*/" + t.points(repository, "--domain-names", "new")[0]["point"])
    with open(slot, "r+b") as file:
        file.seek(200)
        file.write(b"damage")
    for number, more in enumerate((["--point", "latest"], ["--hold"], [])):
        result = t.restore_point(repository, *more, to=t.path(f"to-{number}"), status=3)
        expect(old.exists() and not new.exists(), f"with {more}: the guest whose point is good")
        old.undefine()
    same([point["held"] for point in t.points(repository, "--domain-names", "old")], [False, False], "holds")


def test_a_hold_of_somebody_outlives_that_of_a_restore(t):
    guest = t.guest("web", t.slow_disk()).define()
    repository = t.repository()
    t.add_point(repository, guest, "--compression", "lzma:0")
    process = t.start_vb("restore", "--repository", repository, "--destination-path", t.restored, "--disks", "vda", "--hold",
                         "--children", "1", "--bandwidth-limit", "1M")
    wait_until(lambda: t.points(repository)[0]["held"], "the restore's hold")
    t.vb("hold", "--repository", repository, "--reason", "before the upgrade", "web@latest")
    same(process.finish().status, 0, "exit status")
    (point,) = t.points(repository)
    same(point["hold"]["reason"], "before the upgrade", "the hold")


def test_a_copy_without_its_empty_folders_says_what_is_missing(t):
    """As programs make it that copy objects, not folders."""
    guest = t.guest("web", t.disk("vda", "raw", size=MIB)).define()
    repository = t.repository()
    t.add_point(repository, guest)
    run("find", repository, "-type", "d", "-empty", "-delete")
    t.refused("list", "--repository", repository, says=["scope 'default'", "is missing", "mkdir"])
    line = t.refused("verify", "--repository", repository, says=["is missing", "mkdir"])
    for _ in range(20):  # one after the other, as the messages say
        missing = re.search("the folder '([a-z/]+)' is missing", line)
        if not missing:
            break
        os.makedirs(os.path.join(repository, missing.group(1)))
        result = t.vb("verify", "--repository", repository, status=None)
        line = result.err
    same(result.status, 0, f"exit status of verify, which says: {line}")
    t.restore_point(repository, "--disks", "vda")
