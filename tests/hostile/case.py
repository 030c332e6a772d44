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


@dataclasses.dataclass
class StoredCase:
    """A change of a repository in which there are points of a guest that the change is about, and of an innocent one."""
    name: str
    change: typing.Callable         # gets a store.StoreForge
    says: str = ""                  # part of the line with which the restore is refused; "": it goes well
    names: str = ""                 # "point", "pack" or other words: what the line of verify is about
    blocks: str = ""                # part of the line with which every verb refuses the repository as a whole
    warns: str = ""                 # part of what one of the verbs says that goes well
    verifies: bool = False          # verify, which reads packs and not images, finds nothing
    stops_all: bool = False         # what is wrong is in the way of others, too: they must be told
    keeps: bool = True              # the pack of that guest's newest point is never collected
    defines: bool = False           # never: no guest is restored but its disk
