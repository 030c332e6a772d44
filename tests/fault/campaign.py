# SPDX-License-Identifier: LGPL-2.1-or-later
"""Which faults are tried, the workers that try them, and what came of it.

Like the runner of the integration tests, the campaign starts workers with a private libvirt each, and hands
them one fault after the other, as a line of JSON. A worker keeps the guest of a scenario for as long as
faults of that scenario come.
"""

import argparse
import collections
import concurrent.futures
import json
import os
import random
import re
import shlex
import signal
import subprocess
import sys
import threading
import time
import traceback

import bench
import bystanders
import roomrepository
import shortage
from record import Record
from scenarios import LEFT_OUT, ROOM, ROOM_STORE, RUNNING, SCENARIOS, UNGUARDED
from vbtest import command

HERE = os.path.dirname(os.path.abspath(__file__))
ROOT = os.path.normpath(os.path.join(HERE, "../.."))
PRIVATE_LIBVIRT = os.path.join(ROOT, "tests/lib/private-libvirt")
POINT_LIMIT_S = 180
PROGRESS_POINTS = 250

# Calls that take their time: killed in the middle of them, more than once.
LONG = re.compile("virDomain(SaveFlags|RestoreFlags|SnapshotCreateXML|BackupBegin|AbortJob|Resume|DefineXMLFlags)$")
REMOTE = re.compile("vir[A-Z]|nbd_aio_connect|nbd_aio_disconnect|fsync|rename")
CANNOT_FAIL = re.compile("(nbd_close|kill)$")
# What the short run does not leave out.
TELLING = re.compile("virDomain(SaveFlags|RestoreFlags|SnapshotCreateXML|BackupBegin|CheckpointDelete|Resume|AbortJob|DefineXMLFlags)$"
                     "|nbd_aio_connect_socket|renameat .virt-backup-.*exchange$|renameat web.xml|renameat .*intent$|linkat")
MOMENTS_MS = (1, 3, 10, 30, 100, 300)


# ---- the worker -----------------------------------------------------------------------------------


class Worker:
    """One process with one libvirt: answers items from standard input on standard output."""

    def __init__(self, options):
        self.options = options
        self.bench = None

    def use(self, scenario):
        if self.bench is not None and self.bench.name != scenario:
            self.drop(False)
        if self.bench is None:
            kind, more = SCENARIOS[scenario]
            self.bench = kind(scenario, self.options, **more)
        return self.bench

    def drop(self, broken):
        old, self.bench = self.bench, None
        if old is not None:
            old.close(broken)

    def do(self, item):
        current = self.use(item["scenario"])
        if item.get("do") is None:
            return {"effects": current.plan()}
        fault = bench.Fault(item)
        if fault.do in bystanders.VICTIMS:
            return {"label": bystanders.point(current, fault)}
        return {"label": current.point(fault)}

    def try_item(self, item):
        command.log.clear()
        command.failed = False
        answer = {"verdict": "ok", "why": ""}
        started = time.monotonic()
        signal.alarm(POINT_LIMIT_S)
        try:
            answer |= self.do(item)
        except command.Skip as skip:
            answer |= {"verdict": "skip", "why": str(skip)}
        except Exception as error:  # pylint: disable=broad-except # whatever it is, it is a failed point
            answer |= {"verdict": "not ok", "why": f"{type(error).__name__}: {error}"}
            command.note(traceback.format_exc())
            answer["log"] = "\n".join(command.log)
            if self.bench is not None:
                answer["label"] = self.bench.label_at(item.get("at", 0))
        try:
            signal.alarm(POINT_LIMIT_S)
            if answer["verdict"] == "not ok":
                self.drop(True)
        except Exception as error:  # pylint: disable=broad-except # the rest of what is wrong
            answer["log"] += f"\nafterwards: {error}"
        finally:
            signal.alarm(0)
        return answer | {"seconds": time.monotonic() - started}

    def work(self):
        answers = os.fdopen(os.dup(1), "w", encoding="utf-8")
        os.dup2(2, 1)
        signal.signal(signal.SIGALRM, on_alarm)
        signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))
        broken = True
        try:
            for line in sys.stdin:
                json.dump(self.try_item(json.loads(line)), answers)
                answers.write("\n")
                answers.flush()
            broken = False
        finally:
            self.drop(broken)


def on_alarm(_number, _frame):
    raise command.Failure(f"it had not ended after {POINT_LIMIT_S} s")


# ---- workers, seen from outside -----------------------------------------------------------------------


class Closed(Exception):
    """An item came after the workers were sent home."""


class Crew:
    """Hands items to workers; each of its threads has one."""

    PROGRAM = "run"

    def __init__(self, options):
        self.options = options
        self.local = threading.local()
        self.lock = threading.Lock()
        self.processes = []
        self.closed = False
        self.executor = concurrent.futures.ThreadPoolExecutor(options.jobs)

    def _start(self):
        options = self.options
        words = [PRIVATE_LIBVIRT, "--", sys.executable, os.path.join(HERE, self.PROGRAM), "--worker",
                 "--seed", options.seed, "--binary", options.binary, "--shim", options.shim,
                 "--build-dir", options.build_dir]
        # A thread in the middle of a batch must not start one that close() does not see.
        with self.lock:
            if self.closed:
                raise Closed
            process = subprocess.Popen(words, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True,
                                       start_new_session=True)
            self.processes.append(process)
        return process

    def ask(self, item):
        if getattr(self.local, "process", None) is None:
            self.local.process = self._start()
        process = self.local.process
        try:
            process.stdin.write(json.dumps(item) + "\n")
            process.stdin.flush()
            answer = process.stdout.readline()
        except BrokenPipeError:
            answer = ""
        if answer:
            answer = json.loads(answer)
            if answer["verdict"] == "not ok":
                # One failure is one: the next fault meets another libvirt.
                process.stdin.close()
                process.wait()
                self.local.process = None
            return answer
        self.local.process = None
        return {"verdict": "not ok", "why": f"the worker ended with status {process.wait()}", "log": "", "seconds": 0.0}

    def all(self, items):
        """Yields (item, answer) as they come."""
        waiting = {self.executor.submit(self.ask, item): item for item in items}
        for future in concurrent.futures.as_completed(waiting):
            yield waiting[future], future.result()

    def batches(self, scenarios, choose):
        """The same, scenario by scenario: who has counted the effects tries what CHOOSE takes of them."""
        def batch(scenario):
            item = {"scenario": scenario}
            answer = self.ask(item)
            pairs = [(item, answer)]
            for item in choose(scenario, answer["effects"]) if "effects" in answer else []:
                pairs.append((item, self.ask(item)))
            return pairs

        waiting = [self.executor.submit(batch, scenario) for scenario in scenarios]
        for future in concurrent.futures.as_completed(waiting):
            yield from future.result()

    def close(self, interrupted):
        with self.lock:
            self.closed = True
        for process in self.processes:
            if process.poll() is None:
                process.terminate() if interrupted else process.stdin.close()
        for process in self.processes:
            process.wait()
        # Not before: a worker is stopped when the thread ends that has started it.
        self.executor.shutdown(wait=False, cancel_futures=True)


# ---- which faults ------------------------------------------------------------------------------------------


def kill_points(scenario, effects, rng):
    """Before every effect; in the middle of those that take time; after the last."""
    for number, label in enumerate(effects, 1):
        yield {"scenario": scenario, "do": "kill-before", "at": number}
        if LONG.match(label):
            for moment in MOMENTS_MS:
                yield {"scenario": scenario, "do": "kill-during", "at": number, "ms": moment}
        elif REMOTE.match(label):
            yield {"scenario": scenario, "do": "kill-during", "at": number, "ms": rng.choice(MOMENTS_MS[:3])}
    yield {"scenario": scenario, "do": "kill-after", "at": len(effects)}


def fail_points(scenario, effects, _rng):
    for number, label in enumerate(effects, 1):
        if not CANNOT_FAIL.match(label):
            yield {"scenario": scenario, "do": "fail", "at": number}


def compound_points(scenario, effects, rng, count):
    """The guardian dies too, at once or in the middle of its work; then recover does, and is run again."""
    from_here = next((number for number, label in enumerate(effects, 1) if "intent" in label), 1)
    for index in range(count):
        item = {"scenario": scenario, "do": "kill-before", "at": rng.randint(from_here, len(effects)),
                "guardian_at": rng.choice((1, rng.randint(2, 40)))}
        if index % 3 == 2:
            item["recover_at"] = rng.randint(1, 40)
        yield item


def victim_points(scenario, effects, rng, count):
    for victim in bystanders.VICTIMS:
        for _ in range(count):
            yield {"scenario": scenario, "do": victim, "at": rng.choice(bystanders.moments(victim, effects)),
                   "ms": rng.choice((0, 0, *MOMENTS_MS[:5]))}


def all_points(scenario, effects, rng):
    if scenario in ROOM_STORE:
        return [*roomrepository.room_points(scenario, effects, rng, 12)]
    if scenario in ROOM:
        return [*shortage.target_points(scenario, effects, rng, 7), *shortage.scratch_points(scenario, effects, rng, 4)]
    items = [*kill_points(scenario, effects, rng), *fail_points(scenario, effects, rng)]
    if scenario not in UNGUARDED:
        items += compound_points(scenario, effects, rng, 20)
    if scenario in RUNNING:
        items += victim_points(scenario, effects, rng, 5)
    for item in items:
        # What a run leaves in the way is met by the next one, too: that gets one effect further.
        item["thorough"] = item["do"] not in ("kill-before", "kill-during", "kill-after") or rng.random() < 0.2
    return items


def short_points(scenario, effects, rng):
    if scenario in ROOM_STORE:
        return [rng.choice([*roomrepository.room_points(scenario, effects, rng, 4)])]
    if scenario in ROOM:
        return [rng.choice([*shortage.target_points(scenario, effects, rng, 7)]),
                rng.choice([*shortage.scratch_points(scenario, effects, rng, 4)])]
    kills = list(kill_points(scenario, effects, rng))
    telling = [item for item in kills if TELLING.match(effects[item["at"] - 1])]
    items = rng.sample(telling, min(2, len(telling))) + rng.sample(kills, 1)
    items += rng.sample(list(fail_points(scenario, effects, rng)), 1)
    if scenario in RUNNING:
        items += rng.sample(list(victim_points(scenario, effects, rng, 1)), 1)
        items += compound_points(scenario, effects, rng, 1)
    return items


# ---- the whole -----------------------------------------------------------------------------------------------


class Campaign:
    def __init__(self, options, record=None):
        self.options = options
        self.record = record
        self.crew = Crew(options)
        self.items = []
        self.counts = collections.Counter()
        self.kinds = collections.defaultdict(collections.Counter)

    def repeat_line(self, item):
        words = ["tests/fault/run", "--scenario", item["scenario"]]
        for key, value in item.items():
            if key not in ("scenario", "thorough"):
                words += ["--" + key.replace("_", "-"), str(value)]
        return shlex.join(words + ["--seed", self.options.seed])

    def report(self, item, answer):
        verdict = answer["verdict"]
        self.counts[verdict] += 1
        kind = item["scenario"].split("-")[0] + " " + ("compound" if "guardian_at" in item else item["do"])
        self.kinds[kind][verdict] += 1
        if verdict != "ok" or self.options.verbose:
            why = f": {answer['why']}" if answer["why"] else ""
            print(f"{verdict} {self.repeat_line(item)} # {answer.get('label') or ''} {answer['seconds']:.1f} s{why}",
                  flush=True)
        if verdict == "not ok" and not self.options.brief:
            print("".join(f"    {line}\n" for line in answer["log"].splitlines()), end="", flush=True)

    def choose(self, scenario, effects):
        """What is tried, the same for the same seed and effects."""
        rng = random.Random(f"{self.options.seed}/{scenario}")
        whole = self.options.all or self.options.scenario
        items = (all_points if whole else short_points)(scenario, effects, rng)
        if self.options.only:
            items = [item for item in items if item["do"] in self.options.only.split(",")]
        if 0 < self.options.sample < len(items):
            items = rng.sample(items, self.options.sample)
        return list({json.dumps(item, sort_keys=True): item for item in items}.values())

    def scenarios(self):
        options = self.options
        if options.scenario:
            return [options.scenario]
        return list(SCENARIOS) if options.all or options.list else [name for name in SCENARIOS if name not in LEFT_OUT]

    def count_effects(self, item, answer):
        if "effects" not in answer:
            self.report(item | {"do": "nothing"}, answer)
        elif self.options.list:
            print("".join(f"{item['scenario']} {number} {label}\n"
                          for number, label in enumerate(answer["effects"], 1)), end="")
        else:
            print(f"{item['scenario']}: {len(answer['effects'])} effects", flush=True)
        return answer.get("effects", [])

    def plans(self):
        """scenario -> its effects, in which a record has no scenario twice."""
        found = dict(self.record.plans) if self.record else {}
        missing = [{"scenario": name} for name in self.scenarios() if name not in found]
        for item, answer in self.crew.all(missing):
            found[item["scenario"]] = self.count_effects(item, answer)
            if self.record and "effects" in answer:
                self.record.add_plan(item["scenario"], answer["effects"])
        return found

    def all_answers(self):
        """(item, answer) of every point that is not in the record yet."""
        plans = self.plans()
        self.items = [item for name in self.scenarios() if plans[name] for item in self.choose(name, plans[name])]
        items = [item for item in self.items if not (self.record and self.record.is_done(item))]
        print(f"{len(self.items)} points, {len(self.items) - len(items)} done before", flush=True)
        started = time.monotonic()
        for number, (item, answer) in enumerate(self.crew.all(items), 1):
            if self.record:
                self.record.add(item, answer)
            yield item, answer
            if number % PROGRESS_POINTS == 0:
                print(f"{number} of {len(items)} after {time.monotonic() - started:.0f} s", flush=True)

    def answers(self):
        """(item, answer) of all that is to be tried."""
        options = self.options
        if options.do:
            item = {"scenario": options.scenario, "do": options.do}
            for key in ("at", "ms", "guardian_at", "recover_at", "size"):
                if getattr(options, key):
                    item[key] = getattr(options, key)
            yield from self.crew.all([item])
        elif options.list:
            self.plans()
        elif options.all or options.scenario:
            yield from self.all_answers()
        else:
            yield from self.crew.batches(self.scenarios(), self.choose)

    def go(self):
        started = time.monotonic()
        interrupted = True
        try:
            for item, answer in self.answers():
                if "do" in item:
                    self.report(item, answer)
                else:
                    self.count_effects(item, answer)
            interrupted = False
        finally:
            self.crew.close(interrupted)
            self.print_totals(started)
        return 1 if self.counts["not ok"] else 0

    def print_totals(self, started):
        for kind, counts in sorted(self.kinds.items()):
            print(f"{kind}: " + ", ".join(f"{counts[verdict]} {verdict}" for verdict in ("ok", "not ok", "skip")
                                          if counts[verdict]))
        print(f"seed {self.options.seed}, {time.monotonic() - started:.0f} s")
        if self.record:
            print(self.record.totals(self.items))
        print(f"{self.counts['ok']} passed, {self.counts['not ok']} failed, {self.counts['skip']} skipped", flush=True)


def check_shim(options):
    """A function of libvirt or libnbd that the shim does not know would be an effect that nobody tries."""
    def symbols(path, *words):
        lines = command.run("nm", "-D", *words, path).out.splitlines()
        return {line.split()[-1].split("@")[0] for line in lines}

    called = {name for name in symbols(options.binary, "--undefined-only") if re.match("vir[A-Z]|nbd_", name)}
    harmless = re.compile("virEvent|virTyped|virSetErrorFunc|virGetLast|virConnect(Get(URI|Type)|Ref|Close)$"
                          "|vir[A-Za-z]*(Free|Ref)$|vir(Domain(Snapshot|Checkpoint)?|StoragePool)Get(Name|UUIDString|ID|Connect)$"
                          "|nbd_(get|can|set_request|aio_get|aio_is)_?")
    unknown = sorted(name for name in called - symbols(options.shim, "--defined-only") if not harmless.match(name))
    if unknown:
        sys.exit(f"run: tests/fault/shim.c does not know {', '.join(unknown)}")


def parse_arguments():
    parser = argparse.ArgumentParser(description="Kills virt-backup and others at every effect of a backup or restore, "
                                     "and looks whether guests and files are as they were. Needs root.")
    parser.add_argument("--all", action="store_true", help="every point; default: some of them, for a minute")
    parser.add_argument("--scenario", choices=SCENARIOS)
    parser.add_argument("--do", help="one fault only: kill-before, kill-after, kill-during, fail, "
                        + ", ".join(bystanders.VICTIMS) + ", fill-target, fill-scratch")
    parser.add_argument("--at", type=int, default=0, metavar="N", help="...at this effect, from 1")
    parser.add_argument("--ms", type=int, default=0, help="...this long after it has begun")
    parser.add_argument("--guardian-at", type=int, default=0, metavar="N", help="also kill the guardian at this effect of its own")
    parser.add_argument("--recover-at", type=int, default=0, metavar="N", help="kill the first recover at this effect of its own")
    parser.add_argument("--size", type=int, default=0, help="bytes of room for fill-target and fill-scratch")
    parser.add_argument("--sample", type=int, default=0, metavar="N", help="only N of each scenario, chosen at random")
    parser.add_argument("--only", metavar="DO,...", help="only points that do one of these")
    parser.add_argument("--record", metavar="FILE", help="with --all or --scenario: write each point's outcome there, and go "
                        "on from what is there already")
    parser.add_argument("--list", action="store_true", help="print the effects of each scenario")
    parser.add_argument("--verbose", action="store_true", help="also print points that passed")
    parser.add_argument("--brief", action="store_true", help="no logs of failed points")
    parser.add_argument("--seed", help="seed of the random choices; it is printed")
    parser.add_argument("--binary", help="the virt-backup to test")
    parser.add_argument("--shim", help="fault-shim.so, as built from tests/fault/shim.c")
    parser.add_argument("--build-dir", help="where test guests are built and kept")
    parser.add_argument("--jobs", type=int, default=os.cpu_count(), help="number of faults tried at a time")
    parser.add_argument("--worker", action="store_true", help=argparse.SUPPRESS)
    options = parser.parse_args()
    build = os.path.join(ROOT, "build")
    options.seed_given = options.seed is not None
    options.seed = options.seed or str(random.SystemRandom().randrange(1 << 32))
    options.binary = os.path.realpath(options.binary or os.environ.get("VIRT_BACKUP")
                                      or os.path.join(build, "src/virt-backup"))
    below = os.path.dirname(os.path.dirname(options.binary))
    options.shim = os.path.realpath(options.shim or os.path.join(below, "tests/fault/fault-shim.so"))
    options.build_dir = os.path.realpath(options.build_dir or os.path.join(below, "guests"))
    if options.do and not options.scenario:
        parser.error("--do needs --scenario")
    if options.record and (options.do or options.list or not (options.all or options.scenario)):
        parser.error("--record goes with --all or --scenario")
    return options


def interrupt(number, _frame):
    raise SystemExit(128 + number)


def main():
    options = parse_arguments()
    for path in (options.binary, options.shim):
        if not os.access(path, os.X_OK):
            sys.exit(f"run: {path} is not there; build it, or name it with --binary and --shim")
    if options.worker:
        Worker(options).work()
        return
    if os.geteuid() != 0:
        sys.exit("run: only root can run it")
    check_shim(options)
    for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        signal.signal(number, interrupt)
    record = Record(options.record, options, options.seed_given) if options.record else None
    print(f"seed {options.seed}, {options.binary}", flush=True)
    sys.exit(Campaign(options, record).go())
