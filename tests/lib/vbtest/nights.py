# SPDX-License-Identifier: LGPL-2.1-or-later
"""Points of one guest in a repository, one after the other."""

import os
import shutil

from vbtest import disks


class Nights:
    """Backups of one guest into one repository."""

    def __init__(self, t, guest):
        self.t, self.guest, self.repository = t, guest, t.repository()
        self.read, self.increments, self.warnings, self.stored, self.count = {}, {}, [], 0, 0

    def night(self, *options, mode="none", status=0):
        """The id of the point. Bytes that were read of each disk, whether it was an increment, and the warnings are
        kept."""
        events = self.t.add_point(self.repository, self.guest, "--guest-memory", mode, *options, status=status)
        done = [event for event in events if event["event"] == "disk-done" and event["disk"] != "memory"]
        self.read = {event["disk"]: event["read-size"] for event in done}
        self.increments = {event["disk"]: event["increment"] for event in done}
        self.stored = sum(event["stored-size"] for event in done)
        self.warnings = [event["warning"] for event in events if event["event"] == "warning"]
        return ([event["point"] for event in events if event["event"] == "guest-done"] + [None])[0]

    def restored(self, point):
        """The folder with the disks of a point."""
        self.count += 1
        to = self.t.path(f"restored-{self.count}")
        self.t.restore_point(self.repository, f"--domain-names={self.guest.name}", "--point", point, "--disks",
                             ",".join(disk.target for disk in self.guest.disks), to=to)
        return to

    def check(self, point, whole=None):
        """It equals what is read whole now, as the guest has not run since, or what is in the images of a guest that has
        ended."""
        found = self.restored(point)
        other = self.restored(whole) if whole else None
        for disk in self.guest.disks:
            name = os.path.basename(disk.path)
            disks.compare(os.path.join(found, name), disk.format, os.path.join(other, name) if other else disk.path, disk.format,
                          f"{disk.target} of {point}")
        for folder in filter(None, (found, other)):
            shutil.rmtree(folder)

    def checkpoints(self):
        return self.guest.call("checkpoint-list", "--name").out.split()
