#!/usr/bin/python3
# SPDX-License-Identifier: LGPL-2.1-or-later
"""Builds virt-backup in several configurations and runs all of its tests; scripts/check calls it.

  gcc       warnings are errors; unit tests, style tests, a choice of the faults of scripts/fault,
            single calls that fail, some thousand damaged archives, some hostile ones; the model of collection
  clang     without the libraries that may be missing; warnings are errors; unit tests; the fuzz targets, a few seconds each
  sanitize  AddressSanitizer, LeakSanitizer and UndefinedBehaviorSanitizer; unit tests, and single calls that
            fail and the integration tests against this virt-backup

Every check of a unit test program counts as one test, as does each style test and each integration test.
A configuration that cannot be built counts as a failed test.
"""

import argparse
import json
import os
import re
import subprocess
import sys
import time

ROOT = os.path.realpath(os.path.join(os.path.dirname(os.path.realpath(__file__)), "../.."))
BUILD = os.path.join(ROOT, "build/check")
SANITIZE = ["-Db_sanitize=address,undefined", "-Db_lundef=false", "-Dc_args=-fno-sanitize-recover=all"]

# name, compiler, options of meson setup, suites of meson test
CONFIGURATIONS = (
    ("gcc", "gcc", ["--werror"], ["unit", "style"]),
    ("clang", "clang", ["--werror", "-Dipsec_mb=disabled"], ["unit"]),
    ("sanitize", "gcc", SANITIZE, ["unit"]),
)
# Tests wait more than they work: how many unit tests and integration tests are run at a time.
UNIT_TESTS = 2 * os.cpu_count()
INTEGRATION_TESTS = os.cpu_count() + 1
FUZZ_S = 5  # for each target
FLIPS = 4000
HOSTILE = 40
CALLS = {"gcc": 80, "sanitize": 30}
TAP_LINE = re.compile(r"^(not )?ok\b(.*)$", re.MULTILINE)
TAP_PLAN = re.compile(r"^1\.\.(\d+)", re.MULTILINE)
SUMMARY = re.compile(r"^(\d+) passed, (\d+) failed, (\d+) skipped$", re.MULTILINE)


class Counts:
    def __init__(self):
        self.passed = self.failed = self.skipped = 0

    def add(self, other):
        self.passed += other.passed
        self.failed += other.failed
        self.skipped += other.skipped

    def __str__(self):
        return f"{self.passed} passed, {self.failed} failed, {self.skipped} skipped"


def run(arguments, **options):
    return subprocess.run(arguments, cwd=ROOT, text=True, errors="replace", stdin=subprocess.DEVNULL,
                          stdout=subprocess.PIPE, stderr=subprocess.STDOUT, check=False, **options)


def build(name, compiler, options, *targets):
    """The build folder, or None after its output was printed."""
    folder = os.path.join(BUILD, name)
    environment = dict(os.environ, CC=compiler)
    # A folder of an earlier run is used again; one that no longer fits is made anew.
    again = ["--reconfigure"] if os.path.exists(os.path.join(folder, "build.ninja")) else []
    done = run(["meson", "setup", *again, *options, folder], env=environment)
    if done.returncode != 0 and os.path.isdir(folder):
        done = run(["meson", "setup", "--wipe", *options, folder], env=environment)
    if done.returncode == 0:
        done = run(["ninja", "-C", folder, *targets])
    if done.returncode == 0:
        return folder
    print(done.stdout)
    print(f"not ok build with {name}", flush=True)
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
    print(f"not ok {test['name']} ({test['result']})")
    for stream in ("stdout", "stderr"):
        for line in test.get(stream, "").splitlines():
            print(f"    {line}")


def run_suites(folder, suites, environment):
    """meson test; its log has one JSON object a line and a program."""
    counts = Counts()
    words = [word for suite in suites for word in ("--suite", suite)]
    log = os.path.join(folder, "meson-logs/testlog.json")
    if os.path.exists(log):
        os.unlink(log)
    done = run(["meson", "test", "-C", folder, "--no-rebuild", "--num-processes", str(UNIT_TESTS),
                "--timeout-multiplier", "20", *words], env=environment)
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
        print(done.stdout)
        counts.failed += 1
    return counts


def run_integration(folder, arguments):
    counts = Counts()
    words = [os.path.join(ROOT, "tests/integration/run"), "--binary", os.path.join(folder, "src/virt-backup"),
             "--build-dir", os.path.join(ROOT, "build/guests"), "--jobs", str(INTEGRATION_TESTS), *arguments]
    # Its lines are shown as they come: this takes longest.
    with subprocess.Popen(words, cwd=ROOT, text=True, errors="replace", stdin=subprocess.DEVNULL,
                          stdout=subprocess.PIPE) as process:
        last = ""
        for line in process.stdout:
            last = line.strip() or last
            print(f"  {line}", end="", flush=True)
    found = SUMMARY.fullmatch(last)
    if found:
        counts.passed, counts.failed, counts.skipped = map(int, found.groups())
    if not found or (process.returncode != 0 and counts.failed == 0):
        print(f"not ok integration tests: status {process.returncode}")
        counts.failed += 1
    return counts


def run_harness(words, counts, environment=None):
    """A program whose last line is a summary, and whose line before that says how much it has done."""
    done = run(words, env=environment)
    lines = done.stdout.strip().splitlines()
    found = SUMMARY.fullmatch(lines[-1]) if lines else None
    if found:
        counts.passed += int(found.group(1))
        counts.failed += int(found.group(2))
        counts.skipped += int(found.group(3))
        print("".join(f"   {line}\n" for line in lines[-2:-1]), end="", flush=True)
    if not found or done.returncode != 0:
        print(done.stdout)
        counts.failed += 0 if found and int(found.group(2)) else 1


def run_faults(folder, counts):
    """A choice of the points at which virt-backup is killed, or a call of it fails."""
    run_harness([os.path.join(ROOT, "scripts/fault")], counts, dict(os.environ, VIRT_BACKUP_BUILD=folder))


def run_hostile(folder, counts):
    """Some of the archives that were made to do harm."""
    run_harness([os.path.join(ROOT, "scripts/hostile"), "--sample", str(HOSTILE)], counts,
                dict(os.environ, VIRT_BACKUP_BUILD=folder))


def run_calls(folder, sample, counts):
    """Some of the calls of backup, restore, verify and list fail."""
    run_harness([os.path.join(ROOT, "tests/fault/calls"), "--binary", os.path.join(folder, "src/virt-backup"),
                 "--build-dir", os.path.join(ROOT, "build/guests"), "--sample", str(sample)], counts,
                sanitizer_environment())


def run_flips(folder, counts):
    """Some of the bits of an archive, flipped."""
    run_harness([os.path.join(ROOT, "scripts/flips"), "--cases", str(FLIPS)], counts,
                dict(os.environ, VIRT_BACKUP_BUILD=folder))


def run_model(counts):
    """The small searches of the model of collection."""
    run_harness([os.path.join(ROOT, "scripts/model")], counts)


def run_fuzz(counts):
    folder = build("fuzz", "clang", ["--werror", "-Dfuzz=true", *SANITIZE], "fuzz")
    if folder is None:
        counts.failed += 1
        return
    run_harness([os.path.join(ROOT, "tests/fuzz/run"), "--build-dir", os.path.join(folder, "tests/fuzz"), "--seconds",
                 str(FUZZ_S)], counts)


def sanitizer_environment():
    return dict(os.environ, ASAN_OPTIONS="detect_leaks=1:detect_stack_use_after_return=1",
                UBSAN_OPTIONS="print_stacktrace=1:halt_on_error=1")


def step(what, started):
    print(f"-- {what} [{time.monotonic() - started:.0f} s]", flush=True)


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--only", choices=[name for name, *_ in CONFIGURATIONS], help="one configuration")
    parser.add_argument("--no-integration", action="store_true", help="leave out the integration tests")
    parser.add_argument("--seed", help="seed of the integration tests")
    options = parser.parse_args()
    started, total = time.monotonic(), Counts()
    for name, compiler, setup, suites in CONFIGURATIONS:
        if options.only not in (None, name):
            continue
        step(f"{name}: build", started)
        folder = build(name, compiler, setup)
        if folder is None:
            total.failed += 1
            continue
        step(f"{name}: {' and '.join(suites)} tests", started)
        counts = run_suites(folder, suites, sanitizer_environment())
        print(f"   {counts}", flush=True)
        total.add(counts)
        if name == "gcc" and not options.no_integration:
            step(f"{name}: kills and failing calls", started)
            run_faults(folder, total)
            step(f"{name}: hostile archives", started)
            run_hostile(folder, total)
            step(f"{name}: single calls that fail", started)
            run_calls(folder, CALLS[name], total)
            step(f"{name}: damaged archives", started)
            run_flips(folder, total)
        if name == "gcc":
            step(f"{name}: model of collection", started)
            run_model(total)
        if name == "clang":
            step(f"{name}: fuzz targets", started)
            run_fuzz(total)
        if name == "sanitize" and not options.no_integration:
            step(f"{name}: single calls that fail", started)
            run_calls(folder, CALLS[name], total)
            step(f"{name}: integration tests", started)
            total.add(run_integration(folder, ["--seed", options.seed] if options.seed else []))
    step("all done", started)
    print(total, flush=True)
    sys.exit(1 if total.failed or not total.passed else 0)


if __name__ == "__main__":
    main()
