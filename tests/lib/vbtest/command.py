# SPDX-License-Identifier: LGPL-2.1-or-later
"""Running programs: every call and its output goes into a log that a failing test shows."""

import contextlib
import shlex
import signal
import subprocess
import time

from vbtest.virsh_shell import Shell

# Only there so that a broken test ends: a good one on a host with other work to do, where guests are emulated, takes many
# times as long as on an idle one.
RUN_LIMIT_S = 300
WAIT_LIMIT_S = 180

log = []
failed = False   # whether the running test has failed already
virsh_shell = Shell()


class Failure(Exception):
    """What a test found wrong."""


class Skip(Exception):
    """Why a test cannot be run here."""


def note(text):
    log.append(text)


def note_first(text):
    """What explains a failure goes before the commands that led to it."""
    log.insert(0, text)


def expect(condition, text):
    if not condition:
        raise Failure(text)


def same(found, expected, what):
    if found != expected:
        raise Failure(f"{what}: {found!r}, expected {expected!r}")


class Result:
    def __init__(self, arguments, status, out, err):
        self.arguments, self.status, self.out, self.err = arguments, status, out, err

    @property
    def line(self):
        return shlex.join(self.arguments)

    @property
    def error_lines(self):
        return [line for line in self.err.splitlines() if line.strip()]


def _text(data):
    return data.decode("utf-8", "backslashreplace")


def _record(result, seconds):
    note(f"$ {result.line}\n" + "".join(f"  | {line}\n" for line in (result.out + result.err).splitlines()[:200])
         + f"  = {result.status} after {seconds:.2f} s")


class Process:
    """A program that runs beside the test."""

    def __init__(self, arguments, **options):
        self.arguments = [str(argument) for argument in arguments]
        self.started = time.monotonic()
        self.process = subprocess.Popen(self.arguments, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE,
                                        stderr=subprocess.PIPE, **options)

    @property
    def pid(self):
        return self.process.pid

    def running(self):
        return self.process.poll() is None

    def signal(self, number):
        self.process.send_signal(number)

    @contextlib.contextmanager
    def stopped(self):
        """Stands still meanwhile, in the middle of what it does, however long that takes."""
        expect(self.running(), f"it is done already: {' '.join(self.arguments)}")
        self.signal(signal.SIGSTOP)
        yield
        self.signal(signal.SIGCONT)

    def finish(self, limit_s=RUN_LIMIT_S):
        try:
            out, err = self.process.communicate(timeout=limit_s)
        except subprocess.TimeoutExpired:
            # SIGABRT, so that a sanitizer or a core file tells where it hangs.
            self.process.send_signal(signal.SIGABRT)
            out, err = self.process.communicate()
            note(_text(out) + _text(err))
            raise Failure(f"{shlex.join(self.arguments)} had not ended after {limit_s} s") from None
        result = Result(self.arguments, self.process.returncode, _text(out), _text(err))
        _record(result, time.monotonic() - self.started)
        return result


def run(*arguments, status=0, limit_s=RUN_LIMIT_S, **options):
    """Run a program to its end. STATUS is what it must end with; None: whatever it likes."""
    return _with_status(Process(arguments, **options).finish(limit_s), status)


def _with_status(result, status):
    if status is not None and result.status != status:
        last = (result.error_lines or result.out.splitlines() or ["no output"])[-1]
        raise Failure(f"{result.line} ended with {result.status} instead of {status}: {last}")
    return result


def virsh(*arguments, status=0, limit_s=RUN_LIMIT_S, **options):
    """By the virsh that runs all the time, or, with options of a process, by one of its own."""
    started = time.monotonic()
    words = ["virsh", "-q", *map(str, arguments)]
    try:
        found = None if options else virsh_shell.run(arguments, limit_s)
    except TimeoutError:
        raise Failure(f"{shlex.join(words)} had not ended after {limit_s} s") from None
    if found is None:
        return run(*words, status=status, limit_s=limit_s, **options)
    result = Result(words, found[0], _text(found[1]), _text(found[2]))
    _record(result, time.monotonic() - started)
    return _with_status(result, status)


def virsh_many(*commands, **options):
    """Several commands of virsh, each a tuple of words. Returns what each has printed, None for those that failed."""
    results = [virsh(*command, status=None, **options) for command in commands]
    return [result.out if result.status == 0 else None for result in results]


def libvirt_version():
    """Such as (9, 0, 0)."""
    return tuple(map(int, run("virsh", "--version").out.strip().split(".")))


def wait_until(condition, what, limit_s=WAIT_LIMIT_S):
    """Poll until the condition holds."""
    deadline = time.monotonic() + limit_s
    while True:
        value = condition()
        if value:
            return value
        if time.monotonic() > deadline:
            raise Failure(f"waited {limit_s} s in vain: {what}")
        time.sleep(0.02)
