# SPDX-License-Identifier: LGPL-2.1-or-later
"""One timed run of one command: wall time, CPU time, and peak memory of all its processes together.

The time runs from the start of the command until it has ended and the file system of its output is flushed.
What was dirty before is flushed before the clock starts. CPU time is that of the command and everything it
has started. Memory is the sum of proportional set sizes (PSS) over the tree of processes, looked at several
times a second: a page that processes share counts once.
"""

import ctypes
import dataclasses
import mmap
import os
import resource
import signal
import subprocess
import threading
import time

PR_SET_CHILD_SUBREAPER = 36
TICKS = os.sysconf("SC_CLK_TCK")
SAMPLE_FIRST_S, SAMPLE_MOST_S = 0.02, 0.2
TREE_END_S = 20
LIMIT_S = 900
libc = ctypes.CDLL(None, use_errno=True)


class CommandFailed(Exception):
    """The command ended badly; with the end of what it said."""


@dataclasses.dataclass
class Figures:
    wall: float
    cpu: float
    peak: int | None  # of memory, if it was watched
    out: str = ""


def adopt_orphans():
    """Processes whose parent dies become ours, so that they can be found, and their CPU time counted."""
    if libc.prctl(PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0) != 0:
        raise OSError(ctypes.get_errno(), "prctl")


def flush(folder):
    """Write what is dirty in the file system of this folder to its device."""
    fd = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
    try:
        if libc.syncfs(fd) != 0:
            raise OSError(ctypes.get_errno(), "syncfs", folder)
    finally:
        os.close(fd)


def _extents(fd, size):
    position = 0
    while position < size:
        try:
            start = os.lseek(fd, position, os.SEEK_DATA)
        except OSError:
            return
        position = os.lseek(fd, start, os.SEEK_HOLE)
        yield start, position


def files_below(path):
    if not os.path.isdir(path):
        return [path]
    return [os.path.join(folder, name) for folder, _, names in os.walk(path) for name in names]


def prepare_cache(paths, state):
    """Bring the data of these files into the page cache ("warm"), or put it out of there ("dropped")."""
    buffer = mmap.mmap(-1, 1 << 20)
    for path in (file for given in paths for file in files_below(given)):
        fd = os.open(path, os.O_RDONLY)
        try:
            if state == "dropped":
                os.fdatasync(fd)
                os.posix_fadvise(fd, 0, 0, os.POSIX_FADV_DONTNEED)
                continue
            for start, end in _extents(fd, os.fstat(fd).st_size):
                while start < end:
                    start += os.preadv(fd, [buffer], start) or end
        finally:
            os.close(fd)


def _stat_of(pid):
    """Fields of /proc/PID/stat from the state on."""
    with open(f"/proc/{pid}/stat", encoding="utf-8", errors="replace") as file:
        return file.read().rpartition(")")[2].split()


def tree_of(roots):
    """The processes that descend from these, the roots among them, zombies left out."""
    children, states = {}, {}
    for name in os.listdir("/proc"):
        if name.isdigit():
            try:
                fields = _stat_of(name)
            except OSError:
                continue
            states[int(name)] = fields[0]
            children.setdefault(int(fields[1]), []).append(int(name))
    found, ahead = [], [root for root in roots if root in states]
    while ahead:
        pid = ahead.pop()
        if states[pid] not in "ZX":
            found.append(pid)
        ahead += children.get(pid, [])
    return found


def memory_of(pids):
    total = 0
    for pid in pids:
        try:
            with open(f"/proc/{pid}/smaps_rollup", encoding="ascii") as file:
                total += sum(int(line.split()[1]) for line in file if line.startswith("Pss:")) * 1024
        except OSError:
            continue
    return total


def cpu_of_servers(pids):
    """CPU seconds of processes that run on, with those of children they have waited for."""
    return sum(sum(int(field) for field in _stat_of(pid)[11:15]) for pid in pids) / TICKS


def _cpu_of_children():
    usage = resource.getrusage(resource.RUSAGE_CHILDREN)
    return usage.ru_utime + usage.ru_stime


class _Sampler(threading.Thread):
    """Looks at the memory of the children of this process, and what descends from the servers."""

    def __init__(self, servers, others):
        super().__init__(daemon=True)
        self.servers, self.others = servers, others
        self.base = memory_of(tree_of(servers))
        self.peak, self.ended = 0, threading.Event()

    def run(self):
        began = time.monotonic()
        pause = SAMPLE_FIRST_S
        while not self.ended.wait(pause):
            pids = [pid for pid in tree_of([os.getpid()]) if pid != os.getpid() and pid not in self.others]
            # What a server has started for the command counts, what it had before does not.
            self.peak = max(self.peak, memory_of({*pids, *tree_of(self.servers)}) - self.base)
            pause = min(SAMPLE_MOST_S, SAMPLE_FIRST_S + (time.monotonic() - began) / 20)

    def finish(self):
        self.ended.set()
        self.join()
        return self.peak


def _reap_the_rest(others):
    """Wait for what the command has left running, so that its CPU time counts; end what does not end."""
    deadline = time.monotonic() + TREE_END_S
    while True:
        left = [pid for pid in tree_of([os.getpid()]) if pid != os.getpid() and pid not in others]
        try:
            while os.waitpid(-1, os.WNOHANG)[0]:
                pass
        except ChildProcessError:
            return
        if not left:
            return
        if time.monotonic() > deadline:
            for pid in left:
                os.kill(pid, signal.SIGKILL)
        time.sleep(0.02)


def _wait(process, limit_s):
    """Returns its output; a command that takes longer than that is ended, and has failed."""
    try:
        return process.communicate(timeout=limit_s)
    except subprocess.TimeoutExpired:
        process.terminate()
        try:
            process.communicate(timeout=TREE_END_S)
        except subprocess.TimeoutExpired:
            process.kill()
            process.communicate()
        raise CommandFailed(f"{process.args[0]} had not ended after {limit_s} s") from None
    except BaseException:
        process.kill()
        process.wait()
        raise


def run(argv, flush_folder, stdout=None, env=None, cwd=None, servers=(), limit_s=LIMIT_S, watch_memory=False):
    """Run and measure. STDOUT: a file for its output instead of having it in the figures. WATCH_MEMORY: its peak is in the
    figures, and it takes longer than it would: to look takes the processors of a command that uses all of them."""
    others = tree_of([os.getpid()])
    flush(flush_folder)
    cpu, cpu_servers = _cpu_of_children(), cpu_of_servers(servers)
    sampler = _Sampler(servers, set(others))
    out = open(stdout, "wb") if stdout else subprocess.PIPE  # pylint: disable=consider-using-with
    try:
        if watch_memory:
            sampler.start()
        began = time.monotonic()
        process = subprocess.Popen(argv, stdin=subprocess.DEVNULL, stdout=out, stderr=subprocess.PIPE, env=env, cwd=cwd)
        said, complained = _wait(process, limit_s)
        flush(flush_folder)
        wall = time.monotonic() - began
    finally:
        peak = sampler.finish() if watch_memory else None
        if stdout:
            out.close()
    _reap_the_rest(set(others))
    if process.returncode != 0:
        last = (complained + (said or b"")).decode("utf-8", "replace").strip().splitlines()[-3:]
        raise CommandFailed(f"{argv[0]} ended with {process.returncode}: {' / '.join(last)}")
    spent = _cpu_of_children() - cpu + cpu_of_servers(servers) - cpu_servers
    return Figures(wall, spent, peak, (said or b"").decode("utf-8", "replace"))
