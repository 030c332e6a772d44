# SPDX-License-Identifier: LGPL-2.1-or-later
"""What /proc says about a process of others: it may end at any moment, and close what it has open."""

import contextlib
import os


def stat_of(pid):
    """Name and further fields of /proc/PID/stat; None if the process is gone."""
    try:
        with open(f"/proc/{pid}/stat", encoding="utf-8", errors="replace") as file:
            name, _, rest = file.read().partition("(")[2].rpartition(")")
    except OSError:
        return None
    return name, rest.split()


def name_of(pid):
    """None if it is gone."""
    found = stat_of(pid)
    return found and found[0]


def state_of(pid):
    """Its letter in /proc/PID/stat; None if it is gone."""
    found = stat_of(pid)
    return found and found[1][0]


def open_files(pid):
    """number -> what /proc calls it, of each descriptor that is open; empty if the process is gone."""
    folder, found = f"/proc/{pid}/fd", {}
    with contextlib.suppress(OSError):
        for number in os.listdir(folder):
            with contextlib.suppress(OSError):
                found[int(number)] = os.readlink(os.path.join(folder, number))
    return found


def has_open(pid, path):
    """Whether the process has this file open."""
    return os.path.realpath(path) in open_files(pid).values()


def kill(pid, number):
    """If it is still there."""
    with contextlib.suppress(ProcessLookupError):
        os.kill(pid, number)
