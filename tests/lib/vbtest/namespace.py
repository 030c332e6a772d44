# SPDX-License-Identifier: LGPL-2.1-or-later
"""Namespaces with a first process of ours in them, which takes everything along when it ends.

The PID namespace is what makes the end certain: when its first process goes, however it goes, the kernel ends
whatever the command has started and left running.
"""

import ctypes
import os
import select
import signal
import sys
import time

CLONE_NEWNS, CLONE_NEWUTS, CLONE_NEWPID, CLONE_NEWNET = 0x00020000, 0x04000000, 0x20000000, 0x40000000
MS_NOSUID, MS_NODEV, MS_NOEXEC, MS_BIND, MS_REC, MS_PRIVATE = 2, 4, 8, 4096, 16384, 1 << 18
MNT_DETACH = 2
PR_SET_PDEATHSIG = 1
SI_KERNEL = 0x80

FORWARDED = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)

libc = ctypes.CDLL(None, use_errno=True)


def fail(text):
    sys.exit(f"{os.path.basename(sys.argv[0])}: {text}")


def check(result, what):
    if result != 0:
        fail(f"{what}: {os.strerror(ctypes.get_errno())}")


def encoded(text):
    return None if text is None else os.fsencode(text)


def mount(source, target, kind=None, flags=0, data=None):
    check(libc.mount(encoded(source), encoded(target), encoded(kind), ctypes.c_ulong(flags), encoded(data)),
          f"mount on {target}")


def enter_root(path):
    """Makes PATH, which is a mount point, the root; the former root is gone for this namespace."""
    os.chdir(path)
    check(libc.pivot_root(b".", b"."), f"make {path} the root")
    check(libc.umount2(b".", MNT_DETACH), "unmount the former root")
    os.chdir("/")


def unblock_signals():
    """For a child between fork and exec: a blocked signal stays blocked across both."""
    signal.pthread_sigmask(signal.SIG_SETMASK, set())


def kill_quietly(pid, number):
    try:
        os.kill(pid, number)
    except ProcessLookupError:
        pass


def processes():
    return [int(name) for name in os.listdir("/proc") if name.isdigit() and int(name) != os.getpid()]


def reap():
    """Collect every child that has ended; as the first process of the namespace we inherit them all."""
    ended = {}
    while True:
        try:
            pid, status = os.waitpid(-1, os.WNOHANG)
        except ChildProcessError:
            return ended
        if pid == 0:
            return ended
        ended[pid] = status


def end_everything():
    """Let all processes of the namespace close their files; the kernel kills those that have not after ten seconds."""
    for pid in processes():
        kill_quietly(pid, signal.SIGTERM)
        kill_quietly(pid, signal.SIGCONT)
    deadline = time.monotonic() + 10
    while processes() and time.monotonic() < deadline:
        signal.sigtimedwait({signal.SIGCHLD}, 0.2)
        reap()


def as_exit_status(code):
    return 128 - code if code < 0 else code


def wait_for(pid):
    """The exit status of the child; signals are handed on that were sent to us. A terminal sends its own to the whole group."""
    while True:
        info = signal.sigwaitinfo({signal.SIGCHLD, *FORWARDED})
        if info.si_signo in FORWARDED:
            if info.si_code != SI_KERNEL:
                kill_quietly(pid, info.si_signo)
            continue
        status = reap().get(pid)
        if status is not None:
            return as_exit_status(os.waitstatus_to_exitcode(status))


def run(flags, first_process):
    """The exit status of FIRST_PROCESS, a function that is run as the first process of new namespaces.

    Signals are blocked from here on, and taken one by one with sigwaitinfo(), so that none gets lost on the way.
    """
    signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGCHLD, *FORWARDED})
    # Nobody is left to stop us when our parent is killed. To the kernel it is the thread that has started us.
    libc.prctl(PR_SET_PDEATHSIG, signal.SIGTERM)
    alive_fd, hold_fd = os.pipe()
    check(libc.unshare(flags | CLONE_NEWPID), "unshare")
    child = os.fork()
    if child == 0:
        os.close(hold_fd)
        status = 1
        try:
            libc.prctl(PR_SET_PDEATHSIG, signal.SIGKILL)
            # The parent holds the other end for as long as it lives; a closed one means it died before prctl().
            if not select.select([alive_fd], [], [], 0)[0]:
                status = first_process()
        except SystemExit as stop:
            if isinstance(stop.code, str):
                print(stop.code, file=sys.stderr)
        finally:
            end_everything()
            sys.stdout.flush()
            os._exit(status)
    os.close(alive_fd)
    return wait_for(child)
