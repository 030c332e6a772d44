# SPDX-License-Identifier: LGPL-2.1-or-later
"""Runs groups in rounds and keeps the raw figures, group by group, so that a run can go on later."""

import dataclasses
import json
import os
import time

from vbbench import measure
from vbbench.lab import allocated, remove
from vbtest.command import Failure

# What ends a side or a group, and is told in the table.
TROUBLE = (measure.CommandFailed, Failure, OSError, ValueError, KeyError)


class Raw:
    """The raw figures of a run, in a file."""

    def __init__(self, path, resume):
        self.path = path
        self.data = {"groups": {}}
        if resume and os.path.exists(path):
            with open(path, encoding="utf-8") as file:
                self.data = json.load(file)

    def save(self):
        half = self.path + ".half"
        with open(half, "w", encoding="utf-8") as file:
            json.dump(self.data, file, indent=1, sort_keys=True)
            file.write("\n")
        os.rename(half, self.path)

    def complete(self, name, key, rounds):
        """Whether this group needs no other run."""
        found = self.data["groups"].get(name)
        return bool(found) and found.get("key") == key and not found["failed"] and all(
            len(side["runs"]) >= rounds for side in found["sides"].values())


def own_figures(out):
    """What virt-backup's --json output says about itself: the fields of its last bottleneck event, and the bytes that it has
    read of all disks together."""
    bottleneck, read = None, None
    for line in out.splitlines():
        try:
            event = json.loads(line)
        except ValueError:
            continue
        if not isinstance(event, dict):
            continue
        if event.get("event") == "bottleneck":
            bottleneck = event
        elif event.get("event") == "disk-done" and "read-size" in event:
            read = (read or 0) + event["read-size"]
    return {"bottleneck": bottleneck, "read": read}


def _one_run(side, cache, watch_memory):
    remove(side.output)
    side.prepare()
    before = allocated(side.output) if side.added and os.path.exists(side.output) else 0
    measure.prepare_cache(side.sources, cache)
    figures = measure.run(side.argv, os.path.dirname(side.output), stdout=side.stdout, env=side.env, cwd=side.cwd,
                          servers=side.servers, watch_memory=watch_memory)
    run = dataclasses.asdict(figures)
    run |= own_figures(run.pop("out"))
    if side.sized:
        run["size"] = allocated(side.output) - before - (allocated(side.reserved) if side.reserved else 0)
    side.finish()
    return run


def run_group(name, group, options, key, say):
    """Returns what is kept of the group: all its figures, and what failed. Before the rounds comes one of which only the
    memory counts."""
    kept = {"key": key, "disk": group.disk, "cache": options.cache, "failed": {}, "sides": {}}
    for label, side in group.sides.items():
        kept["sides"][label] = {"argv": side.argv, "runs": [], "plan": None}
    labels, peaks = list(group.sides), {}
    for number in range(options.rounds + 1):
        first = number % len(labels)
        for label in labels[first:] + labels[:first]:
            if label in kept["failed"]:
                continue
            try:
                run = _one_run(group.sides[label], options.cache, watch_memory=number == 0)
            except TROUBLE as error:
                kept["failed"][label] = str(error)
                say(f"{name}: {label}: FAILED: {error}")
                continue
            if number == 0:
                peaks[label] = run["peak"]
                continue
            run["peak"] = peaks[label]
            kept["sides"][label]["runs"].append(run)
            size = f", {run['size'] / (1 << 20):.0f} MiB" if "size" in run else ""
            say(f"{name}, round {number}: {label}: {run['wall']:.2f} s, CPU {run['cpu']:.2f} s, "
                f"peak {run['peak'] / (1 << 20):.0f} MiB{size}")
    for label, side in group.sides.items():
        if label not in kept["failed"]:
            try:
                kept["sides"][label]["plan"] = side.plan()
                side.check()
            except TROUBLE as error:
                kept["failed"][label] = f"its output is not good: {error}"
                say(f"{name}: {label}: FAILED: {kept['failed'][label]}")
    group.done()
    for side in group.sides.values():
        remove(side.output)
    return kept


def is_kept(options):
    """Whether what is complete is not measured again. Rows that are named are, unless only missing ones are asked for."""
    return options.missing or (options.resume and not options.rows)


def run_groups(lab, wanted, groups, raw, options, keys, say):
    """Run the groups of this table that are wanted and not complete. KEYS: what figures of a group belong to."""
    for name in wanted:
        if is_kept(options) and raw.complete(name, keys[name], options.rounds):
            say(f"{name}: kept from an earlier run")
            continue
        began = time.monotonic()
        try:
            kept = run_group(name, groups[name](lab), options, keys[name], say)
        except TROUBLE as error:
            kept = {"key": keys[name], "disk": "", "cache": options.cache, "sides": {}, "failed": {"": str(error)}}
            say(f"{name}: FAILED: {error}")
        kept["seconds"] = time.monotonic() - began
        raw.data["groups"][name] = kept
        raw.save()
        say(f"{name}: done after {kept['seconds']:.0f} s")
