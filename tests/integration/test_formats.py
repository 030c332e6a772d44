# SPDX-License-Identifier: LGPL-2.1-or-later
"""Backups of former versions of the program: tests/samples holds some."""

import hashlib
import os
import shutil

from vbtest import disks
from vbtest.command import expect, run, same, virsh

SAMPLES = os.path.join(os.path.dirname(os.path.realpath(__file__)), "../samples")
CONTENT = "747e899744b46bf0382e3d915b0eb06a862c8fa1b035166777ff06c22f1f2d63"
# Of the second disk, changed between the two points of the repository.
CHANGED = "704503451063f9981ed0e9ae9214b4925c2e08ec8ab1c9b932cee817a63b7a29"
UUID = "2f6a3c1e-7d4b-4c55-9f0e-4f1f6f1c0a02"


def sample(t, name):
    shutil.copytree(os.path.join(SAMPLES, name), t.archive.path)
    os.chmod(t.archive.path, 0o700)
    for file in t.archive.names():
        os.chmod(t.archive.file(file), 0o600)


def sample_repository(t):
    run("tar", "-C", t.dir, "-xf", os.path.join(SAMPLES, "repository-1.tar.xz"))
    return t.path("repository")


def content(t, path, kind):
    raw = t.path("content.raw")
    disks.flatten(path, kind, raw)
    with open(raw, "rb") as file:
        return hashlib.sha256(file.read()).hexdigest()


def test_format_2_is_listed_verified_and_restored(t):
    sample(t, "format-2")
    result = t.vb("list", "--source-path", t.archive.path)
    expect("web: 2026-10-01" in result.out, f"not listed: {result.out}")
    t.verify()
    t.restore()
    check_disks(t, (CONTENT, CONTENT))


def check_disks(t, contents):
    try:
        same(virsh("domstate", "web").out.strip(), "shut off", "state of the guest")
        for (name, kind), expected in zip((("web.raw", "raw"), ("web-data.qcow2", "qcow2")), contents):
            same(content(t, os.path.join(t.restored, name), kind), expected, f"content of {name}")
    finally:
        virsh("undefine", "web")


def test_format_3_is_listed_verified_and_restored(t):
    sample(t, "format-3")
    expect("web: 2026-11-29" in t.vb("list", "--source-path", t.archive.path).out, "not listed")
    t.verify()
    t.restore()
    check_disks(t, (CONTENT, CHANGED))


def test_repository_1_is_listed_verified_restored_and_added_to(t):
    repository = sample_repository(t)
    points = t.points(repository)
    same([point["guest"] for point in points], ["web", "web"], "guests of the points")
    t.vb("verify", "--repository", repository)
    for point, contents in zip(points, ((CONTENT, CONTENT), (CONTENT, CHANGED))):
        t.restore_point(repository, "--point", point["point"], "--domain-names=web")
        check_disks(t, contents)
        shutil.rmtree(t.restored)
    same(t.vb("status", "--repository", repository, "--max-age", "26h", status=None).out.count("web"), 1, "lines of its guest")
    guest = t.guest("web", t.disk("vda", "raw", size=disks.MIB), head_xml=f"<uuid>{UUID}</uuid>").define()
    t.add_point(repository, guest)
    same(len(t.points(repository)), 3, "points")
    t.vb("verify", "--repository", repository)


def test_format_2_is_replaced(t):
    """The host of the sample is not this one: it is known by its name, since its UUID is not recorded."""
    sample(t, "format-2")
    guest = t.guest("web", t.disk("vda", size=disks.MIB), head_xml=f"<uuid>{UUID}</uuid>").define()
    t.refused(*t.backup_line(guest), says=["web", "--replace"])
    t.refused(*t.backup_line(guest, "--replace"), says=["web", "host.example", "--replace=any-host"])
    t.verify()
    t.backup(guest, "--replace=any-host")
    t.archive.check_holds("web.xml", "web-vda.raw")
    t.check_good(guest)
