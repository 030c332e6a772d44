# SPDX-License-Identifier: LGPL-2.1-or-later
"""The night of a repository as the systemd units have it: backup, prune, collect. Each command has what its unit leaves it."""

import glob
import os
import re
import shlex
import shutil

from vbtest.command import expect, run, same
from vbtest.repository import Repository

HERE = os.path.dirname(os.path.realpath(__file__))
UNITS = os.path.join(HERE, "../../dist/systemd")


class Unit:
    """A template of a service, for the instance "x"."""

    def __init__(self, name):
        self.name = name
        with open(os.path.join(UNITS, name.replace("@x.", "@.")), encoding="utf-8") as file:
            self.lines = [line.strip().replace("%i", "x") for line in file if not line.startswith("#")]

    def values(self, key):
        return [word for line in self.lines if line.startswith(key + "=") for word in line.partition("=")[2].split()]

    def command(self, settings):
        """ExecStart as systemd reads it: ${A} is a word, $A as many as it has."""
        (line,) = [line.partition("=")[2] for line in self.lines if line.startswith("ExecStart=")]
        words = []
        for word in shlex.split(line):
            name = re.fullmatch(r"\$(\w+)|\$\{(\w+)\}", word)
            if not name:
                words.append(word)
            elif name.group(1):
                words += settings[name.group(1)].split()
            else:
                words.append(settings[name.group(2)])
        return words

    def run(self, t, words, status=0):
        """As root with the unit's capabilities, and no more."""
        kept = [name.removeprefix("CAP_").lower() for name in self.values("CapabilityBoundingSet")]
        bounds = ",".join(["-all"] + ["+" + name for name in kept]) if kept else "+all"
        run("setpriv", "--no-new-privs", "--inh-caps=-all", f"--bounding-set={bounds}", t.binary, *words, status=status, env=t.environment)


def shipped_settings():
    with open(os.path.join(UNITS, "repository.conf"), encoding="utf-8") as file:
        return dict(line.rstrip("\n").split("=", 1) for line in file if re.match(r"\w+=", line))


def started_in_order(name):
    """What starting this unit starts, each after those that it is ordered after."""
    first = Unit(name)
    waiting, order = [first] + [Unit(wanted) for wanted in first.values("Wants")], []
    names = {unit.name for unit in waiting}
    while waiting:
        ready = [unit for unit in waiting if names & set(unit.values("After")) <= {done.name for done in order}]
        expect(ready, f"these wait for each other: {[unit.name for unit in waiting]}")
        order.append(ready[-1])  # what is not ordered comes in the other order than it is written
        waiting.remove(ready[-1])
    return order


def night(t, settings, statuses=(0, 0, 0)):
    """Whatever became of one, the next one starts: they are wanted, and ordered, but not required."""
    units = started_in_order("virt-backup-repository@x.service")
    same([unit.command(settings)[1] for unit in units], ["backup", "prune", "collect"], "the night")
    for unit in units:
        expect(not unit.values("Requires"), f"{unit.name} would not start after a failure")
    for unit, status in zip(units, statuses):
        program, *words = unit.command(settings)
        same(program, "/usr/bin/virt-backup", "program")
        unit.run(t, words, status)


def shipped_services():
    """Those that carry out a command of ours."""
    names = sorted(os.path.basename(path) for path in glob.glob(os.path.join(UNITS, "*.service")))
    units = [Unit(name.replace("@.", "@x.")) for name in names]
    return [unit for unit in units if any(line.startswith("ExecStart=/usr/bin/virt-backup ") for line in unit.lines)]


def test_each_unit_may_do_what_its_command_does(t):
    """A point is parsed, and a disk read, by a process of another user."""
    repository = Repository(t, "web")
    t.undo.callback(shutil.rmtree, "/var/lib/virt-backup/results", ignore_errors=True)
    settings = {"REPOSITORY": repository.path, "OPTIONS": "", "KEEP": "--keep-last 1", "COLLECT": "--trash-age 0"}
    job = t.path("x.conf")
    with open(job, "w", encoding="utf-8") as file:
        file.write(f"repository = {settings['REPOSITORY']}\nkeep-last = 1\ntrash-age = 0\nverify-share = 1/1\n")
    # What makes points comes first.
    units = sorted(shipped_services(), key=lambda unit: unit.command(settings)[1] not in ("backup", "run"))
    same({unit.command(settings)[1] for unit in units}, {"backup", "run", "prune", "collect", "recover"}, "commands of the units")
    for unit in units:
        words = [job if word == "x" else word for word in unit.command(settings)[1:]]
        unit.run(t, words)


def test_each_unit_of_a_night_gives_an_alarm(t):
    """Whatever part of a night fails, somebody is told."""
    del t
    for unit in shipped_services():
        if "@x." in unit.name:
            same(unit.values("OnFailure"), ["virt-backup-failed@x.service"], f"{unit.name}: OnFailure")


def test_the_night_of_a_repository(t):
    repository = Repository(t, "web", "db")
    settings = shipped_settings() | {"REPOSITORY": repository.path}
    for days in range(12, 0, -1):
        before = set(repository.points())
        repository.backup()
        for point in set(repository.points()) - before:
            repository.age(point, days)
    same(len(repository.points()), 24, "points")
    # Tonight the backup of one guest fails: the other one is pruned, and this one loses nothing.
    web, db = repository.guests
    os.rename(db.disks[0].path, db.disks[0].path + ".away")
    night(t, settings, (3, 0, 0))
    marked = {os.path.basename(os.path.dirname(path)) for path in repository.find("t/default/*/*")}
    same(marked, {web.uuid().replace("-", "")}, "guests that were pruned")
    same(len(repository.points(db.uuid().replace("-", ""))), 12, "points of the guest that failed")
    os.rename(db.disks[0].path + ".away", db.disks[0].path)
    night(t, settings)
    marked = {os.path.basename(os.path.dirname(path)) for path in repository.find("t/default/*/*")}
    same(len(marked), 2, "guests that were pruned")
    # A week later what was pruned is gone.
    before = len(repository.points())
    night(t, settings | {"COLLECT": "--trash-age 0"})
    expect(len(repository.points()) < before + 2, "nothing was collected")
    same(repository.find("t/default/*/*"), [], "markers")
    repository.check_restores(repository.points()[-1])
