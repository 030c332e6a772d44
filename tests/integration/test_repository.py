# SPDX-License-Identifier: LGPL-2.1-or-later
"""Points in a repository: nights of guests, each of which comes back to the byte."""

import os
import shutil

from vbtest import disks
from vbtest.command import expect, same
from vbtest.disks import MIB


def change(t, disk, places=6):
    """A day in the life of a disk of a guest that is shut off."""
    raw = disks.flatten(disk.path, disk.format, t.path("day.raw"))
    with open(raw, "r+b") as file:
        size = os.fstat(file.fileno()).st_size
        for _ in range(places):
            file.seek(t.rng.randrange(size - 8192))
            file.write(t.rng.choice((t.rng.randbytes(8192), bytes(8192))))
    if disk.format == "raw":
        shutil.copyfile(raw, disk.path)
    else:
        os.unlink(disk.path)
        disks.convert(raw, disk.path, disk.format)
        os.chmod(disk.path, 0o644)
    os.unlink(raw)


def keep(t, guest, night):
    """Copies of the guest's disks as they are, as raw files."""
    return {disk.target: disks.flatten(disk.path, disk.format, t.path(f"{guest.name}-{disk.target}-{night}.kept"))
            for disk in guest.disks}


def check_point(t, repository, guest, point, kept):
    """Restores the disks of the point and compares them with what was kept."""
    to = t.path(f"restored-{point}")
    t.restore_point(repository, f"--domain-names={guest.name}", "--point", point, "--disks",
                    ",".join(disk.target for disk in guest.disks), to=to)
    for disk in guest.disks:
        path = os.path.join(to, os.path.basename(disk.path))
        disks.compare(kept[disk.target], "raw", path, disk.format, f"{disk.target} of point {point}")
    shutil.rmtree(to)


def nights_of(t, guest, count, *options):
    repository = t.repository()
    kept = []
    for night in range(count):
        if night:
            for disk in guest.disks:
                change(t, disk)
        kept.append(keep(t, guest, night))
        before = guest.snapshot()
        t.add_point(repository, guest, *options)
        guest.check_unchanged(before)
    points = t.points(repository)
    same(len(points), count, "points")
    same([point["guest"] for point in points], [guest.name] * count, "guests of the points")
    for point, disks_of_night in zip(points, kept):
        check_point(t, repository, guest, point["point"], disks_of_night)
    return repository, points


def three_nights(t, *options):
    guest = t.guest("web", t.disk("vda"), t.disk("vdb", "raw")).define()
    _, points = nights_of(t, guest, 3, *options)
    for first, later in zip(points, points[1:]):
        expect(later["new-size"] < points[0]["new-size"] // 2, f"a night has stored too much: {later}")
        expect(first["point"] < later["point"], "ids rise")
    same(points[0]["image-size"], 16 * MIB, "size of the images")
    same({point["state"] for point in points}, {"shut off"}, "states")


def test_three_nights_uncompressed(t):
    three_nights(t)


def test_three_nights_zstd(t):
    three_nights(t, "--compression", "zstd")


def test_three_nights_lzma(t):
    three_nights(t, "--compression", "lzma:1")
