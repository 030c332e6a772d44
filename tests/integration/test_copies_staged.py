# SPDX-License-Identifier: LGPL-2.1-or-later
"""What copy and export decode into a file of the staging folder, and the time that takes."""

import glob
import os

from vbtest.command import expect, same
from vbtest.disks import MIB


def backed_up(t, size=4 * MIB):
    guest = t.guest("web", t.disk("vda", "raw", size=size)).define()
    with open(guest.disks[0].path, "r+b") as disk:
        disk.write(t.rng.randbytes(size))
    t.backup(guest, "--compression", "none", "--chunk-size", "1M")
    return guest


def refused(t, *words, says, status=1, **options):
    result = t.vb(*words, status=status, **options)
    for part in says:
        expect(part in result.err, f"'{part}' is not in: {result.err}")


def packs_of(repository):
    return glob.glob(f"{repository}/d/default/*/*")


def test_what_the_staging_folder_has_lost_is_not_copied(t):
    """The write was successful, and so is each read: only the bytes are others."""
    backed_up(t)
    repository, staging = t.repository(), t.make_dir("staging")
    lost = t.preloaded("lossy", VIRT_BACKUP_LOST=str(2 * MIB))
    refused(t, "copy", "--from", t.archive.path, "--to", repository, "--staging-path", staging, **lost,
              says=["guest 'web'", "disk 'vda'", staging, f"at byte {2 * MIB}", "--staging-path"])
    same(t.points(repository), [], "points")
    t.vb("copy", "--from", t.archive.path, "--to", repository)
    to = t.path("exported")
    for chunk_size in ("64K", "4M"):
        refused(t, "export", "--repository", repository, "--destination-path", to, "--staging-path", staging,
                  "--compression", "none", "--chunk-size", chunk_size, **lost, says=["disk 'vda'", f"at byte {2 * MIB}"])
        expect(not os.path.exists(to), "something is left over")


def test_what_the_staging_folder_does_not_take_is_not_copied(t):
    backed_up(t)
    repository, staging = t.repository(), t.make_dir("staging")
    refused(t, "copy", "--from", t.archive.path, "--to", repository, "--staging-path", staging,
              **t.preloaded("lossy", VIRT_BACKUP_UNFLUSHED="1"),
              says=["disk 'vda'", staging, "cannot flush", "--staging-path"])
    same(t.points(repository), [], "points")


def test_a_copy_that_decodes_for_hours_is_alive(t):
    """At the last byte, the image turns out to be damaged, so that nothing is encoded."""
    backed_up(t, size=16 * MIB)
    repository = t.repository()
    with open(t.archive.file("web-vda.raw"), "r+b") as file:
        file.seek(-1, os.SEEK_END)
        last = file.read(1)
        file.seek(-1, os.SEEK_END)
        file.write(bytes([last[0] ^ 1]))
    refused(t, "copy", "--from", t.archive.path, "--to", repository, status=4, says=["web-vda.raw"], **t.preloaded("hourly"))
    expect(packs_of(repository), "the session has stored nothing for 16 hours")
