# SPDX-License-Identifier: LGPL-2.1-or-later
"""Kills what a run depends on - libvirtd, QEMU, a child process, the guardian - while it is at some effect; or stops the
run itself there for so long that the guardian lets the guest go."""

import contextlib
import os
import signal
import subprocess
import time

from bench import STRANDED
from look import look
from vbtest import leftovers, proc
from vbtest.command import Failure, Skip, expect, note, same, wait_until
from vbtest.session import wait_for_socket

LIBVIRTD_PID = "/run/libvirt/libvirtd.pid"
QEMU_PID = "/run/libvirt/qemu/web.pid"


def pid_in(path):
    try:
        with open(path, encoding="ascii") as file:
            return int(file.read())
    except (FileNotFoundError, ValueError):
        return None


def end(pid):
    proc.kill(pid, signal.SIGKILL)
    wait_until(lambda: pid not in leftovers.processes(), f"the end of process {pid}")


def restart_libvirtd(bench, arguments):
    """It comes back at once, as its service manager would see to."""
    environment = dict(os.environ, DBUS_SYSTEM_BUS_ADDRESS="unix:path=/nonexistent", LC_ALL="C")
    with open("/var/log/libvirt/daemons.log", "ab") as log:
        daemon = subprocess.Popen(arguments, env=environment, stdin=subprocess.DEVNULL, stdout=log, stderr=log,
                                  cwd="/", start_new_session=True)
    wait_for_socket("/run/libvirt/libvirt-sock", daemon, "libvirtd")
    bench.t.baseline.processes.add(daemon.pid)


def kill(bench, fault, pid):
    if fault.do != "kill-libvirtd":
        end(pid)
        return
    with open(f"/proc/{pid}/cmdline", "rb") as file:
        arguments = [os.fsdecode(word) for word in file.read().split(b"\0") if word]
    end(pid)
    restart_libvirtd(bench, arguments)


def offspring(process):
    """The processes that come from the run: guardian, spawner, child processes."""
    parents = leftovers.parents()
    own = [pid for pid, parent in parents.items() if parent == process.pid]
    spawners = [pid for pid in own if proc.name_of(pid) == "vb-spawner"]
    return {"kill-guardian": [pid for pid in own if proc.name_of(pid) == "vb-guardian"], "kill-spawner": spawners,
            "kill-child": [pid for pid, parent in parents.items() if parent in spawners]}


def find(fault, process):
    """The victim's pid, or None."""
    if fault.do == "stop-run":
        return process.pid
    if fault.do == "kill-libvirtd":
        return pid_in(LIBVIRTD_PID)
    if fault.do == "kill-qemu":
        pid = pid_in(QEMU_PID)
        return pid if pid is not None and proc.name_of(pid) else None
    return max(offspring(process)[fault.do], default=None)


VICTIMS = ("kill-libvirtd", "kill-qemu", "kill-child", "kill-guardian", "kill-spawner", "stop-run")
STOP_LIMIT_S = 40


def moments(victim, effects):
    """The effects at which there is such a process."""
    def first(start):
        return next(number for number, label in enumerate(effects, 1) if label.startswith(start))

    last = len(effects) - [label.startswith("sendmsg") for label in reversed(effects)].index(True)
    if victim in ("kill-child", "kill-spawner"):
        return range(first("nbd_create"), last)
    if victim == "kill-qemu" and "virDomainSaveFlags" in effects:
        return range(2, first("virDomainSaveFlags") + 1)
    return range(2, last)


def stop(bench, fault, words):
    """Run it, and stop it at the effect until the guest is as it was. Returns (result, label)."""
    process, _ = bench.hold(fault, words)
    process.signal(signal.SIGSTOP)

    def let_go():
        now = look("web")[0]
        return now.state == bench.before.state and now.job == bench.before.job

    wait_until(let_go, "the guest to be let go by the guardian", STOP_LIMIT_S)
    with contextlib.suppress(ProcessLookupError):
        process.signal(signal.SIGCONT)

    def released():
        """It waits for that at the effect, unless the guardian has ended it."""
        with contextlib.suppress(OSError):
            os.close(os.open(bench.go, os.O_WRONLY | os.O_NONBLOCK | os.O_CLOEXEC))
            return True
        return not process.running()

    wait_until(released, "the run to go on", STOP_LIMIT_S)
    result = bench.finish(process)
    label = bench.label(fault)
    note(f"effect {fault.at}: {label}")
    return result, label


def strike(bench, fault, words):
    """Run it, and kill the victim at the effect or so long after. Returns (result, label)."""
    if fault.do == "stop-run":
        return stop(bench, fault, words)
    process, release = bench.hold(fault, words)
    pid = find(fault, process)
    if pid is not None and not fault.ms:
        kill(bench, fault, pid)
    release()
    if pid is not None and fault.ms:
        time.sleep(fault.ms / 1000)   # the moment itself is what is drawn
        kill(bench, fault, pid)
    result = bench.finish(process)
    label = bench.label(fault)
    note(f"effect {fault.at}: {label}")
    if pid is None:
        bench.check(fault)
        raise Skip(f"at {label} there is nobody to kill")
    return result, label


def point(bench, fault):
    """A guest whose QEMU is killed is down; in all other cases it is as it was. Either way nothing is left."""
    bench.prepare()
    result, label = strike(bench, fault, bench.words())
    # A stopped run is ended by the guardian only where it was about to open an image of a guest that is down.
    ended = fault.do == "stop-run" and bench.name == "backup-save"
    known = (0, 1, 3, STRANDED, -signal.SIGKILL) if ended else (0, 1, 3, STRANDED)
    expect(result.status in known, f"exit status {result.status}: {result.err}")
    if result.status == STRANDED:
        bench.t.vb("recover", status=None if fault.do == "kill-qemu" else 0)
        label += ", recovered"
    if fault.do in ("kill-guardian", "kill-child"):
        same(result.status, 0, f"exit status ({result.err.strip()})")
    # One that was saved and brought back while we waited to kill it runs in another QEMU.
    if fault.do == "kill-qemu" and find(fault, None) is None:
        check_qemu_killed(bench, fault)
    else:
        bench.check(fault)
    return label


def check_qemu_killed(bench, fault):
    """Down, as the kill has left it."""
    wait_until(lambda: look("web")[0].state == "shut off", "libvirt noticing it", 20)
    now = look("web")[0]
    if now.definition != bench.before.definition or now.flags != bench.before.flags:
        raise Failure(f"the guest's definition has changed: {now.definition}")
    bench.check_nothing_left(bench.t.archive.path)
    bench.check_archive(bench.t.archive.path, may_be_empty=not bench.replace)
    bench.bring_up()
    bench.prepare()
    if fault.thorough:
        bench.check(fault)
