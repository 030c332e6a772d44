# SPDX-License-Identifier: LGPL-2.1-or-later
"""Which moments are tried, and what came of them."""

import argparse
import collections
import os
import random
import signal
import sys
import time
import traceback

import powerbench
import powerincrements
import powerinplace
import powerrepository
from vbtest import command

HERE = os.path.dirname(os.path.abspath(__file__))
ROOT = os.path.normpath(os.path.join(HERE, "../.."))
PRIVATE_LIBVIRT = os.path.join(ROOT, "tests/lib/private-libvirt")
PER_RUN = 6
MOMENT_LIMIT_S = 240
SCENARIOS = powerbench.SCENARIOS | powerinplace.SCENARIOS | powerrepository.SCENARIOS | powerincrements.SCENARIOS
SLOW = ("--bandwidth-limit", "3M", "--chunk-size", "64K")


def on_alarm(_number, _frame):
    raise command.Failure(f"it had not ended after {MOMENT_LIMIT_S} s")


class Campaign:
    def __init__(self, options):
        self.options = options
        self.counts = collections.Counter()
        self.found = collections.defaultdict(collections.Counter)
        self.lengths = {}
        self.in_control = False

    def report(self, name, verdict, offset, why):
        self.counts[verdict] += 1
        if verdict == "ok":
            self.found[name][why] += 1
        if self.in_control:
            if self.options.verbose:
                print(f"control at {offset:.3f} s: {why}", flush=True)
            return
        if verdict != "ok" or self.options.verbose:
            print(f"{verdict} {name} at {offset:.3f} s: {why}", flush=True)
        if verdict != "ok" and not self.options.brief:
            print("".join(f"    {line}\n" for entry in command.log for line in entry.splitlines()), end="", flush=True)

    def one_moment(self, bench, at_work, moment, started):
        """Returns whether the bench can be used on."""
        del command.log[started:]
        command.failed = False
        signal.alarm(MOMENT_LIMIT_S)
        try:
            bench.boot_from(moment.path)
            self.report(bench.name, "ok", moment.offset, bench.check(at_work, moment))
            return True
        except Exception as error:  # pylint: disable=broad-except # whatever it is, it is a failed moment
            command.note(traceback.format_exc())
            self.report(bench.name, "not ok", moment.offset, " ".join(f"{type(error).__name__}: {error}".split()))
            return False
        finally:
            signal.alarm(0)

    def control(self, rng):
        """Without flushes the cuts must do harm, or nothing is shown. The run is slow enough for all of them to come while
        the guest is down."""
        self.in_control = True
        self.one_run("backup-save", PER_RUN, rng, control=True)
        self.in_control = False
        harm, self.counts = self.counts["not ok"], collections.Counter()
        self.found.clear()
        self.lengths.clear()
        print(f"control: {harm} of {PER_RUN} moments without flushes do harm", flush=True)
        if not harm:
            self.counts["not ok"] = 1

    def one_run(self, name, count, rng, control=False):
        """One run, with COUNT moments in it."""
        kind, more = SCENARIOS[name]
        command.log.clear()
        bench = kind(self.options, f"{name}-{rng.getrandbits(32):08x}", **more)
        bench.name = name
        good = True
        try:
            signal.alarm(MOMENT_LIMIT_S)
            bench.prepare()
            # Of the first one it is not known how long it takes, and how much it does.
            if bench.by_effects:
                length = self.lengths.get(name, 40)
                first = max(0, length - bench.late_effects)
                offsets = sorted(rng.randrange(first if number % 2 else 0, length) for number in range(count - 1))
            else:
                offsets = sorted(rng.uniform(0, self.lengths.get(name, 1.5) * 1.05) for _ in range(count))
            words, preload = bench.words(), None
            if control:
                words, preload, offsets = [*words, *SLOW], self.options.shim, [number / 5 for number in range(count)]
            began = time.monotonic()
            at_work, moments = bench.copies_of(words, offsets, preload)
            signal.alarm(0)
            command.same(at_work.status, 0, "exit status of the run itself")
            self.lengths[name] = len(moments[-1].effects_after) if bench.by_effects else at_work.ended - began
            started = len(command.log)
            for moment in moments:
                good = self.one_moment(bench, at_work, moment, started) and good
        except Exception as error:  # pylint: disable=broad-except
            good = False
            command.note(traceback.format_exc())
            self.report(name, "not ok", 0.0, f"the run: {type(error).__name__}: {error}")
        finally:
            signal.alarm(0)
            bench.close(broken=not good)

    def go(self):
        options = self.options
        rng = random.Random(options.seed)
        names = options.scenario.split(",") if options.scenario else list(SCENARIOS)
        left = options.sample
        print(f"seed {options.seed}", flush=True)
        self.control(rng)
        while left > 0:
            for name in names:
                count = min(PER_RUN, left)
                if count:
                    self.one_run(name, count, rng)
                left -= count
        for name in names:
            print(f"{name}: " + ", ".join(f"{count} {what}" for what, count in sorted(self.found[name].items())))
        print(f"{self.counts['ok']} passed, {self.counts['not ok']} failed")
        return 1 if self.counts["not ok"] else 0


def main():
    parser = argparse.ArgumentParser(description="Cuts the power at random moments of backups and restores.")
    parser.add_argument("--power", action="store_true", help=argparse.SUPPRESS)
    parser.add_argument("--sample", type=int, default=24, metavar="N", help="number of moments, over all scenarios")
    parser.add_argument("--seed", default=str(random.SystemRandom().getrandbits(32)), help="seed of all random choices; it is printed")
    parser.add_argument("--scenario", metavar="NAMES", help="only these: " + ", ".join(SCENARIOS))
    parser.add_argument("--binary", default=os.path.join(ROOT, "build/src/virt-backup"), help="the virt-backup to test")
    parser.add_argument("--shim", default=os.path.join(ROOT, "build/tests/fault/nosync-shim.so"), help=argparse.SUPPRESS)
    parser.add_argument("--build-dir", default=os.path.join(ROOT, "build/guests"), help="where test guests are built")
    parser.add_argument("--verbose", action="store_true", help="each moment, not only those that failed")
    parser.add_argument("--brief", action="store_true", help="no log of those that failed")
    options = parser.parse_args()
    options.binary = os.path.abspath(options.binary)
    options.build_dir = os.path.abspath(options.build_dir)
    options.shim = os.path.abspath(options.shim)
    if "PRIVATE_LIBVIRT" not in os.environ:
        words = [word for word in sys.argv[1:] if word != "--power"]
        os.execv(PRIVATE_LIBVIRT, [PRIVATE_LIBVIRT, "--", sys.executable, "-B", os.path.join(HERE, "power"),
                                   *words, "--seed", options.seed])
    signal.signal(signal.SIGALRM, on_alarm)
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))
    sys.exit(Campaign(options).go())
