# SPDX-License-Identifier: LGPL-2.1-or-later
"""A restore in the place of a guest that has snapshots and checkpoints: they are back as they were, or it has none."""

from bench import RestoreBench, look
from vbtest.command import same
from vbtest.history import history

# name, its parent; by their names children come before their parents, and the current one is neither first nor last
SNAPSHOTS = (("z", None), ("y", "z"), ("x", "y"), ("a", "z"))
CURRENT = "y"
CHECKPOINTS = (("z", None), ("a", "z"))


class PointsBench(RestoreBench):
    def __init__(self, name, options):
        super().__init__(name, options, replace=True)
        self.add_points()
        self.points = history(self.guest)
        same((self.points["snapshot"], self.points["checkpoint"], self.points["current"]),
             (["a", "x", "y", "z"], ["a", "z"], CURRENT), "what the guest has")

    def redefine(self, kind, name, parent, state, *flags):
        """As libvirt has it of one that was made; no disk is touched."""
        path = self.t.path(f"{kind}.xml")
        above = f"<parent><name>{parent}</name></parent>" if parent else ""
        with open(path, "w", encoding="utf-8") as file:
            file.write(f"<domain{kind}><name>{name}</name>{above}{state}<creationTime>1700000000</creationTime>"
                       f"{self.guest.dump('--inactive')}</domain{kind}>")
        self.guest.call(f"{kind}-create", "--xmlfile", path, "--redefine", *flags)

    def add_points(self):
        for name, parent in SNAPSHOTS:
            self.redefine("snapshot", name, parent, "<state>shutoff</state>", *(["--current"] if name == CURRENT else []))
        for name, parent in CHECKPOINTS:
            self.redefine("checkpoint", name, parent, "<disks><disk name='vda' checkpoint='bitmap'/></disks>")

    def check_all_or_nothing(self, label=None):
        web = look("web")[0]
        points = history(self.guest) if web.exists else None
        complete = super().check_all_or_nothing(label)
        if complete:
            same((points["snapshot"], points["checkpoint"]), ([], []), "what the restored guest has")
        else:
            same(points, self.points, "snapshots and checkpoints of the guest that was there")
        return complete

    def take_away(self, web):
        super().take_away(web)
        self.add_points()
