# SPDX-License-Identifier: LGPL-2.1-or-later
"""A long campaign on paper: what is to be tried, and what came of it so far, a line of JSON each.

A campaign that was killed goes on from its record. The record keeps the seed and the effects that were counted, so that the
points are the same ones, and it is of one commit and one program: that is what its totals are about.
"""

import collections
import hashlib
import json
import os
import subprocess
import sys

ROOT = os.path.normpath(os.path.join(os.path.dirname(os.path.abspath(__file__)), "../.."))


def commit():
    """With "-dirty" if files differ from it; None: this is not a clone."""
    result = subprocess.run(["git", "-C", ROOT, "-c", "safe.directory=*", "describe", "--always", "--abbrev=40", "--dirty",
                             "--exclude=*"], stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True, check=False)
    return result.stdout.strip() or None


def digest(path):
    with open(path, "rb") as file:
        return hashlib.sha256(file.read()).hexdigest()


class Record:
    def __init__(self, path, options, seed_given):
        """Sets OPTIONS.seed to that of the record."""
        identity = {"commit": commit(), "binary": digest(options.binary), "seed": options.seed}
        self.plans = {}
        self.verdicts = {}
        self.failed_once = set()
        self.file = open(path, "a+", encoding="utf-8")  # pylint: disable=consider-using-with # open to the end
        lines = self._whole_lines()
        if not lines:
            self._write(identity)
            return
        found = lines[0]
        if not seed_given:
            identity["seed"] = found.get("seed")
        for what, value in identity.items():
            if found.get(what) != value:
                sys.exit(f"run: {path} is of {what} {found.get(what)}, not of {value}")
        options.seed = found["seed"]
        for line in lines[1:]:
            if "effects" in line:
                self.plans[line["scenario"]] = line["effects"]
            else:
                self._keep(self.key(line["item"]), line["verdict"])

    def _whole_lines(self):
        """A last line that a kill has cut off is taken away."""
        self.file.seek(0)
        text = self.file.read()
        whole = text[:text.rfind("\n") + 1]
        self.file.truncate(len(whole.encode()))
        return [json.loads(line) for line in whole.splitlines()]

    def _write(self, line):
        self.file.write(json.dumps(line) + "\n")
        self.file.flush()

    def _keep(self, key, verdict):
        self.verdicts[key] = verdict
        if verdict == "not ok":
            self.failed_once.add(key)

    @staticmethod
    def key(item):
        return json.dumps(item, sort_keys=True)

    def add_plan(self, scenario, effects):
        self.plans[scenario] = effects
        self._write({"scenario": scenario, "effects": effects})

    def add(self, item, answer):
        self._keep(self.key(item), answer["verdict"])
        self._write({"item": item, "verdict": answer["verdict"], "label": answer.get("label"), "why": answer["why"],
                     "seconds": round(answer["seconds"], 2)})

    def is_done(self, item):
        """One that failed is tried again."""
        return self.verdicts.get(self.key(item)) in ("ok", "skip")

    def totals(self, items):
        counts = collections.Counter(self.verdicts.get(self.key(item)) for item in items)
        return (f"of {len(items)} points in all: {counts['ok']} passed, {counts['not ok']} failed, {counts['skip']} skipped, "
                f"{counts[None]} left; {sum(self.key(item) in self.failed_once for item in items)} have failed at some time")
