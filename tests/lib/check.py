#!/usr/bin/python3
# SPDX-License-Identifier: LGPL-2.1-or-later
"""Builds virt-backup in several configurations and runs all of its tests; scripts/check calls it.

  gcc       warnings are errors; unit tests but those that are slow, style tests, a choice of the faults of scripts/fault,
            single calls that fail, some thousand damaged archives and some bits of a repository, some hostile
            archives; the model of collection, and a short storm in a repository
  clang     without the libraries that may be missing; warnings are errors; unit tests but those that are slow and that
            no compiler changes; the fuzz targets, a few seconds each
  sanitize  AddressSanitizer, LeakSanitizer and UndefinedBehaviorSanitizer; unit tests, and single calls that
            fail and the integration tests against this virt-backup

Every check of a unit test program counts as one test, as does each style test and each integration test.
A configuration that cannot be built counts as a failed test. Each step says how long it took, and how many seconds of
processors, which other work on the machine changes little; the list of them comes at the end, and the beginning of
each failure once more, then a line of each. The integration tests wait more than they work: the rest is done
meanwhile, so lines of both alternate.
"""

import argparse
import concurrent.futures
import contextlib
import json
import os
import re
import subprocess
import sys
import threading
import time
import traceback

ROOT = os.path.realpath(os.path.join(os.path.dirname(os.path.realpath(__file__)), "../.."))
BUILD = os.path.join(ROOT, "build/check")
GUESTS = os.path.join(ROOT, "build/guests")
# Lines are all that reports of sanitizers show of debug information; without any, others build faster.
SANITIZE = ["-Db_sanitize=address,undefined", "-Db_lundef=false", "-Doptimization=1",
            "-Dc_args=-fno-sanitize-recover=all -g1"]

# Many files of a layer as one compile several times as fast. gcc and clang keep them apart: so they find a missing include. A call
# within such a file is still wrapped where a test asks for it, by lld, because in position-independent code gcc takes
# none for granted.
TOGETHER = ["-Dtogether=true"]

# Compiler and options of meson setup. What users get is linked by the compiler's own linker, the rest by a faster one.
CONFIGURATIONS = {
    "gcc": ("gcc", ["--werror", "-Ddebug=false"]),
    "clang": ("clang", ["--werror", "-Ddebug=false", "-Dipsec_mb=disabled"]),
    # At fixed addresses: a program that is put anywhere takes longer to start, and it is started thousands of times.
    "sanitize": ("gcc", [*SANITIZE, *TOGETHER, "-Dc_link_args=-Wl,-no-pie"]),
    "fuzz": ("clang", ["--werror", "-Dfuzz=true", *SANITIZE, *TOGETHER]),
}
# Tests wait more than they work: how many unit tests and integration tests are run at a time.
UNIT_TESTS = 2 * os.cpu_count()
INTEGRATION_TESTS = os.cpu_count() + 1
QUICK = ["--suite", "unit", "--no-suite", "slow"]
FUZZ_S = 5  # for each target
FLIPS = 4000
VERB_FLIPS = 20  # half a second of processor time each
HOSTILE = 40
STORM_S = 5
CALLS = {"gcc": 80, "sanitize": 30}
TAP_LINE = re.compile(r"^(not )?ok\b(.*)$", re.MULTILINE)
TAP_PLAN = re.compile(r"^1\.\.(\d+)", re.MULTILINE)
SUMMARY = re.compile(r"^(\d+) passed, (\d+) failed, (\d+) skipped$", re.MULTILINE)
LOCK = threading.Lock()  # of the output, and of what is counted
FAILURES = []  # of each failed test its first lines, which are shown again at the end
FAILURE_LINES = 25
USED = threading.local()  # seconds of processors, by each lane


class Counts:
    def __init__(self, failed=0):
        self.passed = self.skipped = 0
        self.failed = failed

    def add(self, other):
        self.passed += other.passed
        self.failed += other.failed
        self.skipped += other.skipped

    def __str__(self):
        return f"{self.passed} passed, {self.failed} failed, {self.skipped} skipped"


def say(text):
    """Lines that no other gets between."""
    with LOCK:
        sys.stdout.write(text + "\n" if text else "")
        sys.stdout.flush()


def note_failures(lines):
    """A failed test has a line "not ok", and what belongs to it is indented more."""
    depth = None
    for line in map(str.rstrip, lines):
        indented = len(line) - len(line.lstrip())
        if line.lstrip().startswith("not ok"):
            depth = indented
            FAILURES.append([line])
        elif depth is not None and indented > depth:
            FAILURES[-1].append(line)
        elif line:
            depth = None


def start(arguments, **options):
    """A process that ends with us, however we end."""
    return subprocess.Popen(["setpriv", "--pdeathsig", "TERM", *arguments], cwd=ROOT, text=True, errors="replace",
                            stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, **options)


def end(process):
    """Waits, and adds what the process and all that it waited for have used of processors to this lane's."""
    _, status, used = os.wait4(process.pid, 0)
    process.returncode = os.waitstatus_to_exitcode(status)
    USED.seconds = used_seconds() + used.ru_utime + used.ru_stime


def used_seconds():
    return getattr(USED, "seconds", 0.0)


def run(arguments, **options):
    process = start(arguments, stderr=subprocess.STDOUT, **options)
    with process.stdout:
        output = process.stdout.read()
    end(process)
    return subprocess.CompletedProcess(arguments, process.returncode, output)


def build(name, *targets):
    """The build folder, or None after its output was printed."""
    compiler, options = CONFIGURATIONS[name]
    folder = os.path.join(BUILD, name)
    environment = dict(os.environ, CC=compiler, **({} if name == "gcc" else {"CC_LD": "lld"}))
    # A folder of an earlier run is used again; one that no longer fits is made anew.
    again = ["--reconfigure"] if os.path.exists(os.path.join(folder, "build.ninja")) else []
    done = run(["meson", "setup", *again, *options, folder], env=environment)
    if done.returncode != 0 and os.path.isdir(folder):
        done = run(["meson", "setup", "--wipe", *options, folder], env=environment)
    if done.returncode == 0:
        done = run(["ninja", "-C", folder, *targets])
    if done.returncode == 0:
        return folder
    say(f"{done.stdout}\nnot ok build with {name}")
    FAILURES.append([f"not ok build with {name}", *(f"    {line}" for line in done.stdout.splitlines()[-FAILURE_LINES:])])
    return None


def count_one(test):
    """One program of meson test. It may speak TAP, then each of its lines is a test."""
    counts = Counts()
    output = test.get("stdout", "")
    planned = sum(int(number) for number in TAP_PLAN.findall(output))
    for negated, rest in TAP_LINE.findall(output):
        # cmocka writes "not ok 3 # SKIP name", which meson takes for a failure.
        if re.search(r"#\s*skip", rest, re.IGNORECASE):
            counts.skipped += 1
        elif negated:
            counts.failed += 1
        else:
            counts.passed += 1
    speaks_tap = planned > 0 and planned == counts.passed + counts.failed + counts.skipped
    good = test["result"] in ("OK", "SKIP", "EXPECTEDFAIL") or (speaks_tap and test["returncode"] == 0)
    if not good and counts.failed == 0:
        counts.failed += 1  # it died, or did not say what its exit status says
    elif counts.passed + counts.failed + counts.skipped == 0:
        counts.passed += test["result"] != "SKIP"
        counts.skipped += test["result"] == "SKIP"
    return counts


def show_failure(test):
    lines = [f"not ok {test['name']} ({test['result']})"]
    for stream in ("stdout", "stderr"):
        lines += [f"    {line}" for line in test.get(stream, "").splitlines()]
    say("\n".join(lines))
    note_failures(lines)


def run_suites(folder, *words):
    """meson test; its log has one JSON object a line and a program."""
    counts = Counts()
    log = os.path.join(folder, "meson-logs/testlog.json")
    if os.path.exists(log):
        os.unlink(log)
    done = run(["meson", "test", "-C", folder, "--no-rebuild", "--num-processes", str(UNIT_TESTS),
                "--timeout-multiplier", "20", *words], env=sanitizer_environment())
    tests = []
    if os.path.exists(log):
        with open(log, encoding="utf-8", errors="replace") as file:
            tests = [json.loads(line) for line in file if line.strip()]
    for test in tests:
        found = count_one(test)
        counts.add(found)
        if found.failed:
            show_failure(test)
    # The status of meson itself counts its own failures, some of which are none; see count_one().
    if not tests or done.returncode < 0:
        say(done.stdout)
        counts.failed += 1
    return counts


def run_integration(folder, seed):
    counts = Counts()
    words = [os.path.join(ROOT, "tests/integration/run"), "--binary", os.path.join(folder, "src/virt-backup"),
             "--build-dir", GUESTS, "--jobs", str(INTEGRATION_TESTS), *(["--seed", seed] if seed else [])]
    # Its lines are shown as they come: this takes longest.
    process = start(words)
    lines = []
    with process.stdout:
        for line in process.stdout:
            lines.append(line)
            say(f"  {line.rstrip()}")
    end(process)
    note_failures(lines)
    found = SUMMARY.fullmatch("".join(lines[-1:]).strip())
    if found:
        counts.passed, counts.failed, counts.skipped = map(int, found.groups())
    if not found or (process.returncode != 0 and counts.failed == 0):
        say(f"not ok integration tests: status {process.returncode}")
        counts.failed += 1
    return counts


def run_harness(words, environment=None):
    """A program whose last line is a summary, and whose line before that says how much it has done."""
    counts = Counts()
    done = run(words, env=environment)
    lines = done.stdout.strip().splitlines()
    found = SUMMARY.fullmatch(lines[-1]) if lines else None
    if found:
        counts.passed, counts.failed, counts.skipped = map(int, found.groups())
        say("".join(f"   {line}" for line in lines[-2:-1]))
    if not found or done.returncode != 0:
        say(done.stdout)
        note_failures(done.stdout.splitlines())
        counts.failed = counts.failed or 1
    return counts


def run_script(folder, name, *words):
    return run_harness([os.path.join(ROOT, "scripts", name), *words], dict(os.environ, VIRT_BACKUP_BUILD=folder))


def run_calls(folder, sample):
    """Some of the calls of backup, restore, verify and list fail."""
    return run_harness([os.path.join(ROOT, "tests/fault/calls"), "--binary", os.path.join(folder, "src/virt-backup"),
                        "--build-dir", GUESTS, "--sample", str(sample)], sanitizer_environment())


def run_fuzz(folder):
    return run_harness([os.path.join(ROOT, "tests/fuzz/run"), "--build-dir", os.path.join(folder, "tests/fuzz"),
                        "--seconds", str(FUZZ_S)])


def sanitizer_environment():
    return dict(os.environ, ASAN_OPTIONS="detect_leaks=1:detect_stack_use_after_return=1",
                UBSAN_OPTIONS="print_stacktrace=1:halt_on_error=1")


class Check:
    """What is run, and what came of it."""

    def __init__(self, options):
        self.options = options
        self.started = time.monotonic()
        self.total = Counts()
        self.used = []  # seconds of processors, and of what step
        self.sanitized = concurrent.futures.Future()  # the folder of that build

    def step(self, what):
        say(f"-- {what} [{time.monotonic() - self.started:.0f} s]")

    @contextlib.contextmanager
    def timed(self, what):
        """Says how long something took, what it used, and the result that is put into the list."""
        started, before, result = time.monotonic(), used_seconds(), []
        yield result
        used = used_seconds() - before
        self.used.append((used, what))
        took = f"in {time.monotonic() - started:.0f} s, {used:.0f} s of processors"
        say(f"   {what}: " + ", ".join([*map(str, result), took]))

    def chosen(self, name):
        return self.options.only in (None, name)

    def build(self, name, *targets):
        what = f"{name}: build"
        self.step(what)
        with self.timed(what):
            folder = build(name, *targets)
        if folder is None:
            self.count(Counts(failed=1))
        return folder

    def test(self, what, function, *arguments):
        self.step(what)
        with self.timed(what) as result:
            result.append(function(*arguments))
        self.count(result[0])

    def count(self, counts):
        with LOCK:
            self.total.add(counts)

    def gcc(self):
        folder = self.build("gcc")
        if folder is None:
            return
        self.test("gcc: unit and style tests", run_suites, folder, *QUICK, "--suite", "style")
        if not self.options.no_integration:
            self.test("gcc: kills and failing calls", run_script, folder, "fault")
            self.test("gcc: hostile archives", run_script, folder, "hostile", "--sample", str(HOSTILE))
            self.test("gcc: single calls that fail", run_calls, folder, CALLS["gcc"])
            self.test("gcc: damaged archives", run_script, folder, "flips", "--cases", str(FLIPS),
                      "--verb-cases", str(VERB_FLIPS))
        self.test("gcc: model of collection", run_script, folder, "model")
        self.test("gcc: storm in a repository", run_script, folder, "storm", "--seconds", str(STORM_S))

    def clang(self):
        folder = self.build("clang")
        if folder is not None:
            self.test("clang: unit tests", run_suites, folder, *QUICK, "--no-suite", "rules")
        folder = self.build("fuzz", "fuzz")
        if folder is not None:
            self.test("clang: fuzz targets", run_fuzz, folder)

    def sanitize(self):
        folder = self.sanitized.result()
        if folder is None:
            return
        self.test("sanitize: unit tests", run_suites, folder, "--suite", "unit", "--no-suite", "rules")
        if not self.options.no_integration:
            self.test("sanitize: single calls that fail", run_calls, folder, CALLS["sanitize"])

    def work(self):
        """What works all the time, or mostly."""
        for name in ("gcc", "clang", "sanitize"):
            if self.chosen(name):
                getattr(self, name)()

    def integrate(self):
        """The integration tests wait more than they work, so all the rest is done at the same time."""
        if not self.chosen("sanitize"):
            return
        try:
            self.sanitized.set_result(self.build("sanitize"))
        except Exception as error:
            self.sanitized.set_exception(error)
            raise
        if self.sanitized.result() is not None and not self.options.no_integration:
            self.test("sanitize: integration tests", run_integration, self.sanitized.result(), self.options.seed)

    def guard(self, lane):
        try:
            lane()
        except Exception:  # pylint: disable=broad-except # what the other finds out is shown, too
            say(traceback.format_exc())
            self.count(Counts(failed=1))

    def show_used(self):
        """What is worth making faster."""
        total = sum(used for used, _ in self.used)
        say("\n".join(f"   {used:5.0f} s of processors: {what}"
                      for used, what in [*sorted(self.used, reverse=True), (total, "all")]))

    @staticmethod
    def show_failures():
        """Again, where they are found; and a line for each, for whoever sees only the end."""
        for lines in FAILURES:
            left_out = [f"    ({len(lines) - FAILURE_LINES} more lines above)"] if len(lines) > FAILURE_LINES else []
            say("\n".join(lines[:FAILURE_LINES] + left_out))
        say("\n".join(f"failed: {lines[0].strip().removeprefix('not ok ')[:200]}" for lines in FAILURES))

    def run(self):
        # Daemons: they end when this thread is interrupted.
        lanes = [threading.Thread(target=self.guard, args=(lane,), daemon=True) for lane in (self.integrate, self.work)]
        for lane in lanes:
            lane.start()
        for lane in lanes:
            lane.join()


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--only", choices=("gcc", "clang", "sanitize"), help="one configuration")
    parser.add_argument("--no-integration", action="store_true", help="leave out the integration tests")
    parser.add_argument("--seed", help="seed of the integration tests")
    check = Check(parser.parse_args())
    check.run()
    check.show_used()
    check.step("all done")
    check.show_failures()
    print(check.total, flush=True)
    sys.exit(1 if check.total.failed or not check.total.passed else 0)


if __name__ == "__main__":
    main()
