# SPDX-License-Identifier: LGPL-2.1-or-later
"""Which calls are made to fail, by workers with a private libvirt each, and what came of it.

A scenario is run once without a fault, which counts the calls that each of its processes makes, by kind. Then it is
run with the first of them failing, the second..., until a run comes to its end without one: once for each, and
again with all later ones failing too.
"""

import argparse
import collections
import os
import random
import shlex
import sys
import time

import callbench
import campaign
from vbtest import command


# Above this many a kind of call is a loop over data that the first ones have shown.
MAX_CALLS = 1500


class Worker(campaign.Worker):
    """As that of the campaign, with one bench for all scenarios."""

    def use(self, scenario):
        if self.bench is None:
            self.bench = callbench.CallBench(self.options)
            self.scenarios = {}
        if scenario not in self.scenarios:
            kind, more = callbench.SCENARIOS[scenario]
            self.scenarios[scenario] = kind(self.bench, **more)
        return self.scenarios[scenario]

    def do(self, item):
        scenario = self.use(item["scenario"])
        if item.get("lie"):
            return self.find_lie(scenario, item)
        state = scenario.try_item(item)
        if "at" not in item:
            return {"most": [[role, kind, count] for (role, kind), count in state.most.items()]}
        return {"label": state.label, "hits": state.hits}


    @staticmethod
    def find_lie(scenario, item):
        """A write of the program is passed off as done: if that is not found, nothing is."""
        try:
            scenario.try_item(item)
        except command.Failure as failure:
            command.expect(scenario.bench.label_at(0) == "pwrite", f"it was no write: {failure}")
            return {"label": "a write that was passed off as done was found out", "hits": 1}
        raise command.Failure("a write that was passed off as done was not found out")


class Crew(campaign.Crew):
    PROGRAM = "calls"


class Calls:
    def __init__(self, options):
        self.options = options
        self.crew = Crew(options)
        self.counts = collections.Counter()
        self.runs = collections.Counter()

    def repeat_line(self, item):
        words = ["scripts/fault", "--calls", "--scenario", item["scenario"]]
        for key in ("role", "kind", "at"):
            if key in item:
                words += ["--" + key, str(item[key])]
        return shlex.join(words + (["--on"] if item.get("on") else []))

    def report(self, item, answer):
        verdict = answer["verdict"]
        reached = verdict != "ok" or answer.get("hits", 0) > 0
        self.runs[item["scenario"]] += reached
        self.counts[verdict if reached else "not reached"] += 1
        if verdict != "ok" or self.options.verbose:
            print(f"{verdict} {self.repeat_line(item)} # {answer.get('label') or ''} {answer['seconds']:.1f} s: "
                  f"{answer['why']}", flush=True)
        if verdict == "not ok" and not self.options.brief:
            print("".join(f"    {line}\n" for line in answer["log"].splitlines()[-40:]), end="", flush=True)
        return reached

    def plan(self):
        """(scenario, role, kind): calls."""
        found = {}
        names = [name for name in callbench.SCENARIOS if self.options.scenario in (None, name)]
        for item, answer in self.crew.all([{"scenario": name} for name in names]):
            if "most" not in answer:
                self.report(item, answer)
            for role, kind, count in answer.get("most", []):
                found[item["scenario"], role, kind] = min(count, MAX_CALLS)
        return dict(sorted(found.items()))

    def items(self, planned):
        options = self.options
        if options.at:
            return [{"scenario": options.scenario, "role": options.role, "kind": options.kind, "at": options.at,
                     "on": options.on}]
        wanted = [key for key in planned if options.kind in (None, key[2]) and options.role in (None, key[1])]
        items = [{"scenario": scenario, "role": role, "kind": kind, "at": at, "on": on}
                 for scenario, role, kind in wanted for at in range(1, planned[scenario, role, kind] + 1)
                 for on in (False, True)]
        rng = random.Random(options.seed)
        if 0 < options.sample < len(items):
            return rng.sample(items, options.sample)
        rng.shuffle(items)
        return items

    def follow(self, hit_last):
        """A run with a fault may make more calls than one without: until a run is not reached by it."""
        while hit_last:
            items = [dict(item, at=item["at"] + 1) for item in hit_last]
            hit_last = [item for item, answer in self.crew.all(items)
                        if self.report(item, answer) and item["at"] < MAX_CALLS]

    def go(self):
        started, interrupted = time.monotonic(), True
        try:
            # The first two are the texts of the guest's locks, on the host and in the archive; then come the images.
            lie = {"scenario": "backup-none", "role": "control", "kind": "file", "at": 3, "lie": True}
            if not self.options.at:
                self.report(lie, self.crew.ask(lie))
            planned = {} if self.options.at else self.plan()
            pairs = sum(planned.values())
            print(f"{len(planned)} kinds of calls, {pairs} calls", flush=True)
            hit_last = []
            for item, answer in self.crew.all(self.items(planned)):
                reached = self.report(item, answer)
                if reached and item["at"] == planned.get((item["scenario"], item["role"], item["kind"])):
                    hit_last.append(item)
            if not self.options.sample and not self.options.at:
                self.follow(hit_last)
            interrupted = False
        finally:
            self.crew.close(interrupted)
        for name, count in sorted(self.runs.items()):
            print(f"{name}: {count} runs with a failing call")
        print(f"{sum(self.runs.values())} runs in which a call failed, of {pairs} calls in all, "
              f"{self.counts['not reached']} not reached; seed {self.options.seed}, {time.monotonic() - started:.0f} s")
        print(f"{self.counts['ok']} passed, {self.counts['not ok']} failed, {self.counts['skip']} skipped", flush=True)
        return 1 if self.counts["not ok"] or not self.counts["ok"] else 0


def parse_arguments():
    parser = argparse.ArgumentParser(description="Lets each call of backup, restore, verify and list fail once, and from "
                                     "then on, and looks at what comes of it. Needs root.")
    parser.add_argument("--calls", action="store_true", help=argparse.SUPPRESS)
    parser.add_argument("--scenario", choices=callbench.SCENARIOS)
    parser.add_argument("--role", choices=callbench.ROLES[1:], help="only calls of this process")
    parser.add_argument("--kind", choices=callbench.KINDS, help="only calls of this kind")
    parser.add_argument("--at", type=int, default=0, metavar="N", help="one call only, from 1; needs the three above")
    parser.add_argument("--on", action="store_true", help="...and all later ones")
    parser.add_argument("--sample", type=int, default=0, metavar="N", help="only N of them, chosen at random")
    parser.add_argument("--seed", help="seed of the random choice; it is printed")
    parser.add_argument("--verbose", action="store_true", help="also print runs that passed")
    parser.add_argument("--brief", action="store_true", help="no logs of failed runs")
    parser.add_argument("--binary", required=True, help="the virt-backup to test")
    parser.add_argument("--shim", help="calls-shim.so")
    parser.add_argument("--build-dir", help="where test guests are built and kept")
    parser.add_argument("--jobs", type=int, default=os.cpu_count(), help="number of runs at a time")
    parser.add_argument("--worker", action="store_true", help=argparse.SUPPRESS)
    options = parser.parse_args()
    options.seed = options.seed or str(random.SystemRandom().randrange(1 << 32))
    options.binary = os.path.realpath(options.binary)
    below = os.path.dirname(os.path.dirname(options.binary))
    options.shim = os.path.realpath(options.shim or os.path.join(below, "tests/fault/calls-shim.so"))
    options.build_dir = os.path.realpath(options.build_dir or os.path.join(below, "guests"))
    if options.at and not (options.scenario and options.role and options.kind):
        parser.error("--at needs --scenario, --role and --kind")
    return options


def main():
    options = parse_arguments()
    if options.worker:
        Worker(options).work()
        return
    if os.geteuid() != 0:
        sys.exit("calls: only root can run it")
    print(f"seed {options.seed}, {options.binary}", flush=True)
    sys.exit(Calls(options).go())
