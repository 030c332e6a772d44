# SPDX-License-Identifier: LGPL-2.1-or-later
"""What a case is."""

import dataclasses
import typing


@dataclasses.dataclass
class Case:
    name: str
    change: typing.Callable         # gets a forge.Forge
    base: str = "none"
    says: str = ""                  # part of the one line with which the restore is refused; "": it is restored
    options: tuple = ()             # of the restore
    verify: tuple = (0, 4)          # what verify may end with
    list: tuple = (0, 3, 1)
    writes_archive: bool = False    # finishing an exchange changes the archive itself
    defines: bool = False           # it comes to the guest's lock, or is defined: not beside others
    warns: str = ""                 # part of a warning
    check: typing.Callable | None = None   # of what was restored: gets the destination and the folder that nobody may touch


def restore_disks(name, change, says, base="none", disks="vda", options=None, **more):
    """No libvirt is needed: the files of the archive alone."""
    return Case(name, change, base, says, options or ("--disks", disks), **more)
