# SPDX-License-Identifier: LGPL-2.1-or-later
"""A backup of a running guest in its middle: waiting for that, what belongs to it, and what may not be left."""

import os
import signal

from vbtest import leftovers
from vbtest.command import expect, same, wait_until

# A backup that takes some seconds, and little of the processors: it waits between its chunks.
SLOW = ("--compression", "lzma:0", "--chunk-size", "512K", "--children", "1", "--bandwidth-limit", "1M")


def pid_in(path):
    with open(path, encoding="ascii") as file:
        return int(file.read())


def job_xml(guest):
    """The guest's backup job, or None."""
    result = guest.call("backup-dumpxml", status=None)
    return result.out if result.status == 0 else None


def offspring(process):
    """Those that the run has forked itself (the spawner, the guardian), and those that come from these."""
    parents = leftovers.parents()
    own = [pid for pid, parent in parents.items() if parent == process.pid]
    return own, [pid for pid, parent in parents.items() if parent in own]


def wait_for_reading(guest, process):
    """The backup is in its middle: the guest goes on, its disks are being compressed."""
    def reading():
        expect(process.running(), "virt-backup has ended already")
        busy = [pid for pid in offspring(process)[1] if leftovers.cpu_ticks(pid) >= 3]
        return busy and job_xml(guest) and guest.state() == "running"

    wait_until(reading, "the disks being read")


def private_files(guest):
    """What lies in the folder that libvirt has for the guest, without its own."""
    own = ("monitor.sock", "master-key.aes")
    found = []
    for path, _, names in os.walk("/var/lib/libvirt/qemu"):
        if os.path.basename(path).startswith("domain-"):
            found += [os.path.join(path, name) for name in names if name not in own and "agent" not in name]
    return [path for path in found if guest.name in path]


def check_nothing_left(guest):
    expect(job_xml(guest) is None, "a backup job is left over")
    same(private_files(guest), [], "files in the guest's private folder")


def kill_run_and_guardian(process):
    """Nobody is left to undo anything."""
    own, others = offspring(process)
    expect(len(own) >= 2, "the guardian is not there")
    for pid in [*own, process.pid]:
        os.kill(pid, signal.SIGKILL)
    process.finish(20)
    wait_until(lambda: not {*own, *others} & set(leftovers.processes()), "the end of all its processes")
