# SPDX-License-Identifier: LGPL-2.1-or-later
"""Kills what a run depends on - libvirtd, QEMU, a child process, the guardian - while it is at some effect."""

import contextlib
import os
import signal
import subprocess
import time

from look import look
from vbtest import leftovers
from vbtest.command import Failure, Skip, expect, note, same, wait_until
from vbtest.session import wait_for_socket

LIBVIRTD_PID = "/run/libvirt/libvirtd.pid"


def pid_in(path):
    try:
        with open(path, encoding="ascii") as file:
            return int(file.read())
    except (FileNotFoundError, ValueError):
        return None


def name_of(pid):
    with contextlib.suppress(OSError), open(f"/proc/{pid}/comm", encoding="utf-8") as file:
        return file.read().strip()
    return None


def kill(pid):
    with contextlib.suppress(ProcessLookupError):
        os.kill(pid, signal.SIGKILL)
    wait_until(lambda: pid not in leftovers.processes(), f"the end of process {pid}")


def kill_libvirtd(_process):
    """It comes back at once, as its service manager would see to."""
    pid = pid_in(LIBVIRTD_PID)
    with open(f"/proc/{pid}/cmdline", "rb") as file:
        arguments = [os.fsdecode(word) for word in file.read().split(b"\0") if word]
    kill(pid)
    environment = dict(os.environ, DBUS_SYSTEM_BUS_ADDRESS="unix:path=/nonexistent", LC_ALL="C")
    with open("/var/log/libvirt/daemons.log", "ab") as log:
        daemon = subprocess.Popen(arguments, env=environment, stdin=subprocess.DEVNULL, stdout=log, stderr=log,
                                  cwd="/", start_new_session=True)
    wait_for_socket("/run/libvirt/libvirt-sock", daemon, "libvirtd")
    return daemon


def kill_qemu(_process):
    pid = pid_in("/run/libvirt/qemu/web.pid")
    if pid is None or name_of(pid) is None:
        raise Skip("there is no QEMU at this effect")
    kill(pid)


def offspring(process, wanted):
    """The processes that come from the run, by what they are: child, spawner or guardian."""
    parents = leftovers.parents()
    own = [pid for pid, parent in parents.items() if parent == process.pid]
    guardians = [pid for pid in own if name_of(pid) == "vb-guardian"]
    if wanted == "guardian":
        return guardians
    spawners = [pid for pid in own if pid not in guardians and name_of(pid) == "virt-backup"]
    if wanted == "spawner":
        return spawners
    return [pid for pid, parent in parents.items() if parent in spawners]


def kill_offspring(wanted):
    def deed(process):
        found = offspring(process, wanted)
        if not found:
            raise Skip(f"there is no {wanted} at this effect")
        kill(found[-1])
    return deed


DEEDS = {
    "kill-libvirtd": kill_libvirtd,
    "kill-qemu": kill_qemu,
    "kill-child": kill_offspring("child"),
    "kill-spawner": kill_offspring("spawner"),
    "kill-guardian": kill_offspring("guardian"),
}


def strike(bench, fault, words):
    """Run it, and kill the bystander at the effect or so long after. Returns the result."""
    process, release = bench.hold(fault, words)
    skipped = None
    try:
        if fault.ms:
            release()
            time.sleep(fault.ms / 1000)   # the moment itself is what is drawn
        DEEDS[fault.do](process)
    except Skip as skip:
        skipped = skip
    finally:
        if not fault.ms:
            release()
    result = bench.finish(process)
    label = bench.label(fault)
    note(f"effect {fault.at}: {label}")
    if skipped:
        bench.check(fault)
        raise skipped
    return result, label


def point(bench, fault):
    """A guest whose QEMU is killed is down; in all other cases it is as it was. Either way nothing is left."""
    bench.prepare()
    result, label = strike(bench, fault, bench.words())
    expect(result.status in (0, 1, 3), f"exit status {result.status}: {result.err}")
    if fault.do in ("kill-guardian", "kill-child"):
        same(result.status, 0, f"exit status ({result.err.strip()})")
    if fault.do == "kill-qemu":
        check_qemu_killed(bench, result, fault)
    else:
        bench.check(fault)
    return label


def check_qemu_killed(bench, result, fault):
    """Down, as the kill has left it - unless its memory was saved before: then it is back."""
    wait_until(lambda: look("web")[0].state == "shut off", "libvirt noticing it", 20)
    now = look("web")[0]
    if now.definition != bench.before.definition or now.flags != bench.before.flags:
        raise Failure(f"the guest's definition has changed: {now.definition}")
    bench.check_nothing_left(bench.t.archive.path)
    bench.check_archive(bench.t.archive.path, may_be_empty=not bench.replace)
    if result.status == 0:
        bench.archive_good = True
    bench.bring_up()
    bench.prepare()
    if fault.thorough:
        bench.check(fault)
