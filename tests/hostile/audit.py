# SPDX-License-Identifier: LGPL-2.1-or-later
"""Runs a program under strace and looks at every file that it opens, every change and every program it starts.

What is allowed is a list; an attempt that fails counts too, but for programs, which are looked for along PATH."""

import dataclasses
import os
import re
import select
import signal
import subprocess
import time

from vbtest.command import wait_until

CALLS = ("open,openat,openat2,creat,execve,execveat,unlink,unlinkat,rename,renameat,renameat2,mkdir,mkdirat,rmdir,link,"
         "linkat,symlink,symlinkat,mknod,mknodat,truncate,chmod,fchmodat,chown,lchown,fchownat,setxattr,lsetxattr,"
         "removexattr,lremovexattr,utimensat,mount,umount2,connect,bind")
LINE = re.compile(r"^(\d+)\s+(\w+)\((.*)$")
RESUMED = re.compile(r"^(\d+)\s+<\.\.\. (\w+) resumed>(.*)$")
# A descriptor of a folder, which the name behind it is relative to, and a name.
NAME = re.compile(r'(?:(?:AT_FDCWD|\d+)<((?:[^<>"]|\\[<>])*)>, )?"((?:[^"\\]|\\.)*)"')
SOCKET = re.compile(r'sun_path="((?:[^"\\]|\\.)*)"')
RESULT = re.compile(r"\)\s+= (-?\d+)(?:<([^>]*)>)?")
WRITING = re.compile(r"O_WRONLY|O_RDWR|O_CREAT|O_TRUNC|O_APPEND|O_TMPFILE")

SYSTEM = ("/usr", "/lib", "/lib64", "/bin", "/proc", "/sys", "/etc/ld.so.cache", "/etc/ld.so.preload", "/etc/nsswitch.conf",
          "/etc/passwd", "/etc/group", "/etc/host.conf", "/etc/hosts", "/etc/resolv.conf", "/etc/gai.conf",
          "/etc/localtime", "/etc/locale.alias", "/etc/ssl/openssl.cnf", "/etc/libvirt", "/etc/selinux", "/etc/qemu", "/run/libvirt",
          "/var/lib/virt-backup", "/var/lib/virt-backup-key", "/dev/null", "/dev/zero", "/dev/random", "/dev/urandom", "/etc/sasl2", "/etc/pki")
OWN_WRITES = ("/var/lib/virt-backup", "/dev/null", "/proc/self", "/proc/thread-self")
# Sockets are reached through the descriptor of their folder, which was judged when it was opened.
SOCKETS = ("/proc/self/fd", "/run/libvirt", "/var/run/libvirt", "/var/run/nscd", "/run/nscd", "/var/lib/virt-backup")
PROGRAMS = ("/usr/bin/qemu-img", "/usr/bin/qemu-nbd", "/bin/qemu-img", "/bin/qemu-nbd")


@dataclasses.dataclass
class Ran:
    status: int
    out: str
    err: str
    seconds: float
    peak: int               # bytes: the largest of its processes
    violations: list


def below(path, folders):
    return any(path == folder or path.startswith(folder.rstrip("/") + "/") for folder in folders)


def unescape(text):
    return text.encode("latin-1", "replace").decode("unicode_escape").encode("latin-1").decode("utf-8", "replace")


class Policy:
    def __init__(self, binary, reads, writes, temporary):
        """TEMPORARY: the folder for temporary files, in which qemu-nbd is met in a folder of its own."""
        self.reads = (*SYSTEM, *reads, *writes, binary, temporary)
        self.writes = (*OWN_WRITES, *writes)
        self.meeting = re.compile(re.escape(temporary) + "/virt-backup-[A-Za-z0-9]{6}(/nbd)?")
        self.programs = (*PROGRAMS, binary)
        # The folder around what is made, opened to be flushed; nothing else in it.
        self.around = {os.path.dirname(path) for path in writes}
        self.writes_below = [path.rstrip("/") + "/" for path in writes]

    def leads_on(self, path, arguments):
        """A folder above what is made, passed through and not read: whose it is matters."""
        return "O_PATH" in arguments and any(below.startswith(path.rstrip("/") + "/") for below in self.writes_below)

    def judge(self, call, arguments):
        """Yields what is wrong with one call; arguments up to the end of the line, with the result."""
        result = RESULT.search(arguments)
        done = result is not None and int(result.group(1)) >= 0
        if call.startswith("mkdir") and "EEXIST" in arguments:
            return
        if call in ("connect", "bind"):
            for path in SOCKET.findall(arguments):
                # "\\0..." is of the abstract namespace.
                if not path.startswith("@") and not path.startswith("\\0") and not below(path, SOCKETS):
                    yield f"{call} to {path}"
            return
        paths = [os.path.normpath(os.path.join(unescape(folder), unescape(name)))
                 for folder, name in NAME.findall(arguments)]
        if call.startswith("exec"):
            if done and paths and paths[0] not in self.programs:
                yield f"starts {paths[0]}"
            return
        if call == "openat" and paths == ["/"] and result and not done:
            return      # the sandbox was tried out, and has denied it
        if result and result.group(2) and result.group(2).startswith("/"):
            paths.append(result.group(2).removesuffix(" (deleted)"))
        writing = not call.startswith("open") or WRITING.search(arguments)
        for path in paths:
            if not path.startswith("/"):
                continue
            if not writing and "O_DIRECTORY" in arguments and (path in self.around or self.leads_on(path, arguments)):
                continue
            if not below(path, self.writes if writing else self.reads) and not self.meeting.fullmatch(path):
                yield f"{call} {'changes' if writing else 'reads'} {path}"

    def look(self, lines):
        pending, found = {}, []
        for line in lines:
            match = LINE.match(line)
            if match and line.rstrip().endswith("<unfinished ...>"):
                pending[match.group(1), match.group(2)] = match.group(3).rstrip().removesuffix("<unfinished ...>")
                continue
            resumed = RESUMED.match(line)
            if resumed:
                key = (resumed.group(1), resumed.group(2))
                call, arguments = key[1], pending.pop(key, "") + resumed.group(3)
            elif match:
                call, arguments = match.group(2), match.group(3)
            else:
                continue
            found += self.judge(call, arguments)
        for (_, call), arguments in pending.items():
            found += self.judge(call, arguments)
        return sorted(set(found))


# Beside the program (-D), which thus stays our child; stopping it at the calls that are asked for only.
STRACE = ("strace", "-D", "-f", "--seccomp-bpf", "-qqq")


def traced(log, arguments):
    return [*STRACE, "-y", "-s", "4096", "-e", "signal=none", "-e", "trace=" + CALLS, "-o", log,
            "--", *arguments]


def run(arguments, log, policy, limit_s, environment, cwd):
    """Runs it to the end of its last process, or to the limit."""
    alive, held = os.pipe()
    started = time.monotonic()
    with open(log + ".out", "wb") as out, open(log + ".err", "wb") as err:
        process = subprocess.Popen(traced(log, arguments), stdin=subprocess.DEVNULL, stdout=out, stderr=err,
                                   pass_fds=[held], env=environment, cwd=cwd, start_new_session=True)
    os.close(held)
    ended = select.select([alive], [], [], limit_s)[0]
    if not ended:
        os.killpg(process.pid, signal.SIGKILL)
    _, status, usage = os.wait4(process.pid, 0)
    process.returncode = os.waitstatus_to_exitcode(status)
    select.select([alive], [], [], 10)
    os.close(alive)
    seconds = time.monotonic() - started
    with open(log, encoding="utf-8", errors="surrogateescape") as file:
        violations = policy.look(file)
    if not ended:
        violations.append(f"it had not ended after {limit_s} s")
    texts = []
    for suffix in (".out", ".err"):
        with open(log + suffix, encoding="utf-8", errors="surrogateescape") as file:
            texts.append(file.read())
        os.unlink(log + suffix)
    os.unlink(log)
    return Ran(process.returncode, *texts, seconds, usage.ru_maxrss * 1024, violations)


class Watcher:
    """What a daemon starts, whoever asks it to. THROUGH: the words that it is to be started with."""

    def __init__(self, log):
        self.log = log
        self.through = [*STRACE, "-s", "4096", "-e", "signal=none", "-e", "trace=execve,execveat", "-o", log, "--"]
        self.tracer = 0

    def watch(self, pid):
        with open(f"/proc/{pid}/status", encoding="ascii") as file:
            self.tracer = int(re.search(r"^TracerPid:\s*(\d+)$", file.read(), re.MULTILINE).group(1))

    def started(self):
        """The programs that were started so far."""
        with open(self.log, encoding="utf-8", errors="surrogateescape") as file:
            return re.findall(r'execve\("((?:[^"\\]|\\.)*)"', file.read())

    def wait_for_end(self):
        """Of strace, once the daemon has ended: it is not to be killed, for that ends the daemon too, or leaves it unable to
        start anything, as the version of strace may be."""
        if self.tracer:
            wait_until(lambda: not os.path.exists(f"/proc/{self.tracer}"), "the end of strace")
