# SPDX-License-Identifier: LGPL-2.1-or-later
"""Finds the functions test_* in tests/integration/test_*.py and runs them.

The runner itself starts workers, each with a private libvirt of its own (tests/lib/private-libvirt), and
hands them one test after the other: a name a line on their standard input, an answer a line on their
standard output. So tests can run side by side, and one that takes its worker down takes no other with it.
Modules with MOSTLY_WAITS = True have workers of their own beside the others: their tests wait for a time that
libvirt, or virt-backup, gives something, and take no processor from anybody meanwhile.
"""

import argparse
import fnmatch
import glob
import importlib
import json
import os
import queue
import random
import resource
import signal
import subprocess
import sys
import threading
import time
import traceback

from vbtest import command
from vbtest.context import Context

HERE = os.path.dirname(os.path.realpath(__file__))
INTEGRATION = os.path.realpath(os.path.join(HERE, "../../integration"))
PRIVATE_LIBVIRT = os.path.realpath(os.path.join(HERE, "../private-libvirt"))
TEST_LIMIT_S = 900
WAITING_JOBS = 2  # workers for tests that mostly wait


def discover():
    """name ("file.function") -> function, in the order of the source."""
    found = {}
    sys.path.insert(0, INTEGRATION)
    for path in sorted(glob.glob(os.path.join(INTEGRATION, "test_*.py"))):
        name = os.path.basename(path)[:-3]
        module = importlib.import_module(name)
        for attribute, value in vars(module).items():
            if attribute.startswith("test_") and callable(value) and value.__module__ == name:
                found[f"{name.removeprefix('test_')}.{attribute.removeprefix('test_')}"] = value
    return found


def said_by_module(function, what):
    return vars(sys.modules[function.__module__]).get(what)


def build_guests(tests, build_dir):
    """What the modules of these tests want to have been built."""
    wanted = {said_by_module(function, "BUILT_BEFORE") for function in tests}
    for builder in sorted(wanted - {None}):
        done = subprocess.run([os.path.join(INTEGRATION, "../guests", builder), build_dir], check=False)
        if done.returncode != 0:
            # The tests that need it will tell, the others can run.
            print(f"run: {builder} could not be built", file=sys.stderr, flush=True)


def choose(names, patterns):
    def wanted(name):
        return any(fnmatch.fnmatch(name, pattern) or pattern in name for pattern in patterns)

    for pattern in patterns:
        if not any(fnmatch.fnmatch(name, pattern) or pattern in name for name in names):
            sys.exit(f"run: no test matches '{pattern}'")
    return [name for name in names if not patterns or wanted(name)]


# ---- one test -----------------------------------------------------------------------------------


def on_alarm(_number, _frame):
    raise command.Failure(f"the test had not ended after {TEST_LIMIT_S} s")


def run_test(name, function, options):
    """Returns (verdict, why, log)."""
    command.log.clear()
    command.failed = False
    verdict, why = "ok", ""
    context = None
    signal.alarm(TEST_LIMIT_S)
    try:
        try:
            context = Context(name, options.seed, options.binary, options.build_dir)
            function(context)
        except command.Skip as skip:
            verdict, why = "skip", str(skip)
        except command.Failure as failure:
            verdict, why = "not ok", f"{failure} [{place(failure)}]"
        except Exception as error:  # pylint: disable=broad-except # a broken test is a failed one
            verdict, why = "not ok", f"{type(error).__name__}: {error} [{place(error)}]"
            command.note(traceback.format_exc())
        except BaseException:
            # Interrupted: nothing is left to be judged, but all to be cleaned up.
            command.failed = True
            if context is not None:
                context.undo.close()
            raise
        command.failed = verdict == "not ok"
        signal.alarm(TEST_LIMIT_S)
        try:
            if context is not None:
                context.close()
        except Exception as error:  # pylint: disable=broad-except
            command.note(traceback.format_exc())
            if verdict != "not ok":
                verdict, why = "not ok", f"after the test: {error}"
    finally:
        signal.alarm(0)
    return verdict, " ".join(why.split()), "\n".join(command.log)


def place(error):
    """Where in the test the error came up."""
    frames = [frame for frame in traceback.extract_tb(error.__traceback__)
              if os.path.dirname(os.path.realpath(frame.filename)) == INTEGRATION]
    return f"{os.path.basename(frames[-1].filename)}:{frames[-1].lineno}" if frames else "outside the test"


def work(options):
    """The worker: tests from standard input, until it ends."""
    # What a test prints must not get between our answers.
    answers = os.fdopen(os.dup(1), "w", encoding="utf-8")
    os.dup2(2, 1)
    tests = discover()
    signal.signal(signal.SIGALRM, on_alarm)
    # A signal raises an exception, so that the running test cleans up after itself.
    for number in (signal.SIGTERM, signal.SIGHUP):
        signal.signal(number, signal.default_int_handler)
    try:
        answer(tests, options, answers)
    except KeyboardInterrupt:
        sys.exit(130)


def used_by_children():
    """Seconds of processors that programs of the tests have used; guests are libvirt's, and not in it."""
    used = resource.getrusage(resource.RUSAGE_CHILDREN)
    return used.ru_utime + used.ru_stime


def answer(tests, options, answers):
    for line in sys.stdin:
        name = line.strip()
        started, used = time.monotonic(), used_by_children()
        verdict, why, log = run_test(name, tests[name], options)
        json.dump({"name": name, "verdict": verdict, "why": why, "log": log if verdict == "not ok" else "",
                   "seconds": time.monotonic() - started, "used": used_by_children() - used}, answers)
        answers.write("\n")
        answers.flush()


# ---- all tests ----------------------------------------------------------------------------------


class Worker(threading.Thread):
    """Feeds one worker process from a queue of names."""

    def __init__(self, run, todo):
        super().__init__(daemon=True)
        self.run_state = run
        self.todo = todo
        self.process = None

    def start_process(self):
        options = self.run_state.options
        arguments = [PRIVATE_LIBVIRT, "--", sys.executable, os.path.join(INTEGRATION, "run"), "--worker",
                     "--seed", str(options.seed), "--binary", options.binary, "--build-dir", options.build_dir]
        self.process = subprocess.Popen(arguments, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True,
                                        start_new_session=True)

    def ask(self, name):
        try:
            self.process.stdin.write(name + "\n")
            self.process.stdin.flush()
            answer = self.process.stdout.readline()
        except BrokenPipeError:
            answer = ""
        if answer:
            return json.loads(answer)
        status = self.process.wait()
        self.process = None
        return {"name": name, "verdict": "not ok", "why": f"the worker ended with status {status}", "log": "",
                "seconds": 0.0, "used": 0.0}

    def run(self):
        while True:
            try:
                name = self.todo.get_nowait()
            except queue.Empty:
                break
            if self.process is None:
                self.start_process()
            self.run_state.results.put(self.ask(name))
        if self.process is not None:
            self.process.stdin.close()
            self.process.wait()
        self.run_state.results.put(None)

    def stop(self):
        if self.process is not None and self.process.poll() is None:
            self.process.terminate()
            self.process.wait()


class Run:
    def __init__(self, options, tests):
        self.options = options
        self.results = queue.Queue()
        self.workers = []
        self.counts = {"ok": 0, "not ok": 0, "skip": 0}
        waiting = [name for name, function in tests.items() if said_by_module(function, "MOSTLY_WAITS")]
        # One at a time is what --jobs 1 asks for.
        if options.jobs > 1:
            self.add_workers(waiting, WAITING_JOBS)
            self.add_workers([name for name in tests if name not in waiting], options.jobs)
        else:
            self.add_workers(list(tests), 1)

    def add_workers(self, names, jobs):
        todo = queue.Queue()
        for name in names:
            todo.put(name)
        self.workers += [Worker(self, todo) for _ in range(min(jobs, len(names)))]

    def report(self, result):
        self.counts[result["verdict"]] += 1
        why = f": {result['why']}" if result["why"] else ""
        time_taken = f" ({result['seconds']:.1f} s, {result['used']:.1f} s of processors)" if self.options.times else ""
        print(f"{result['verdict']} {result['name']}{why}{time_taken}", flush=True)
        if result["verdict"] == "not ok":
            print("".join(f"    {line}\n" for line in result["log"].splitlines()), end="", flush=True)

    def go(self):
        for worker in self.workers:
            worker.start()
        alive = len(self.workers)
        try:
            while alive:
                result = self.results.get()
                if result is None:
                    alive -= 1
                else:
                    self.report(result)
        finally:
            for worker in self.workers:
                worker.stop()

    def summary(self):
        return f"{self.counts['ok']} passed, {self.counts['not ok']} failed, {self.counts['skip']} skipped"


def find_binary(given):
    binary = given or os.environ.get("VIRT_BACKUP") or os.path.join(HERE, "../../../build/src/virt-backup")
    binary = os.path.realpath(binary)
    if not os.access(binary, os.X_OK):
        sys.exit(f"run: {binary} is no program (--binary PATH, or VIRT_BACKUP in the environment)")
    return binary


def parse_arguments():
    parser = argparse.ArgumentParser(description="Runs the integration tests as root, with a libvirt of their own.")
    parser.add_argument("patterns", metavar="PATTERN", nargs="*", help="only tests whose name contains or matches this")
    parser.add_argument("--seed", help="seed of all random content; it is printed")
    parser.add_argument("--binary", help="the virt-backup to test")
    parser.add_argument("--build-dir", help="where test guests are built and kept")
    parser.add_argument("--jobs", type=int, default=os.cpu_count(), help="number of tests run at a time, beside those that mostly wait")
    parser.add_argument("--list", action="store_true", help="print the names, run nothing")
    parser.add_argument("--times", action="store_true", help="print how long each test took, and what its programs used")
    parser.add_argument("--worker", action="store_true", help=argparse.SUPPRESS)
    options = parser.parse_args()
    options.seed = options.seed or str(random.SystemRandom().randrange(1 << 32))
    options.build_dir = os.path.realpath(options.build_dir or os.path.join(HERE, "../../../build/guests"))
    return options


def interrupt(number, _frame):
    raise SystemExit(128 + number)


def main():
    options = parse_arguments()
    if options.list:
        print("\n".join(discover()))
        return
    options.binary = find_binary(options.binary)
    if options.worker:
        work(options)
        return
    tests = discover()
    names = choose(list(tests), options.patterns)
    if os.geteuid() != 0:
        sys.exit("run: only root can run the integration tests")
    for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        signal.signal(number, interrupt)
    print(f"seed {options.seed}, {len(names)} tests, {options.binary}", flush=True)
    build_guests([tests[name] for name in names], options.build_dir)
    run = Run(options, {name: tests[name] for name in names})
    run.go()
    print(run.summary(), flush=True)
    sys.exit(1 if run.counts["not ok"] else 0)
