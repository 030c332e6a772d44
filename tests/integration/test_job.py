# SPDX-License-Identifier: LGPL-2.1-or-later
"""Nights of a job with real guests: one that is broken costs the others nothing, and keeps what it has."""

import glob
import json
import os
import shutil
import signal
import time

from vbtest.command import expect, same, wait_until
from vbtest.disks import MIB
from vbtest.midway import job_xml
from vbtest.repository import Repository


def three_guests(t):
    return [t.guest(name, t.disk("vda", size=2 * MIB, name=f"{name}.qcow2")).define() for name in ("a", "b", "c")]


def job_repository(t):
    """A new one. What the host remembers of it, and of how runs ended, goes with the test."""
    def forget():
        for path in glob.glob(f"/var/lib/virt-backup/*-{number}-*"):
            os.unlink(path)
        shutil.rmtree("/var/lib/virt-backup/results", ignore_errors=True)

    path = t.repository()
    with open(os.path.join(path, "config"), encoding="utf-8") as file:
        number = json.load(file)["id"]
    t.undo.callback(forget)
    return path


def job_file(t, repository, *lines):
    path = t.path("nightly.conf")
    with open(path, "w", encoding="utf-8") as file:
        file.write("\n".join((f"repository = {repository}", *lines)) + "\n")
    os.chmod(path, 0o600)
    return path


def points_of(t, repository, in_trash):
    """How many each guest has."""
    counts = {}
    for point in t.points(repository):
        if point["in-trash"] == in_trash:
            counts[point["guest"]] = counts.get(point["guest"], 0) + 1
    return counts


def test_a_broken_guest_costs_the_others_nothing_and_keeps_its_points(t):
    repository = Repository(t, "a", "b", "c")
    t.undo.callback(shutil.rmtree, "/var/lib/virt-backup/results", ignore_errors=True)
    guests, path = repository.guests, repository.guests[1].disks[0].path
    job = job_file(t, repository.path, "domain-names = a, b, c", "keep-last = 2")
    for days in (9, 5):
        result = t.vb("run", job)
        expect("job 'nightly': 3 of 3 guests backed up, " in result.out, f"summary: {result.out}")
        for point in repository.points()[-3:]:
            repository.age(point, days)
    same(points_of(t, repository.path, False), {"a": 2, "b": 2, "c": 2}, "points after two nights")
    os.rename(path, path + ".away")
    before = [guest.snapshot() for guest in guests]
    result = t.vb("run", job, status=3)
    expect("job 'nightly': 2 of 3 guests backed up, 1 failed (b: " in result.out, f"summary: {result.out}")
    expect("guest 'b': keeps all its points, because it has no new one" in result.out, f"output: {result.out}")
    same([line.count("guest 'b': ") for line in result.error_lines], [1], "lines of error, and names of the guest")
    same(points_of(t, repository.path, False), {"a": 2, "b": 2, "c": 2}, "points after the third night")
    same(points_of(t, repository.path, True), {"a": 1, "c": 1}, "points in the trash")
    for guest, state in zip(guests, before):
        guest.check_unchanged(state)
    os.rename(path + ".away", path)
    # It was left out longest, so it is the first.
    events = t.events(t.vb("run", job, "--json"))
    same([event["guest"] for event in events if event["event"] == "guest-done"][0], "b", "first guest")
    same(points_of(t, repository.path, True).get("b"), 1, "points of b in the trash")


def test_hooks_of_a_guest(t):
    three_guests(t)
    notes = t.path("notes")
    job = job_file(t, job_repository(t), "domain-names = a, b, c",
                   f"""after = /bin/sh -c 'cat >> "{notes}"'""",
                   "[guest b]", "before = /bin/false")
    result = t.vb("run", job, status=3)
    expect("guest 'b': hook 'before': /bin/false: exit status 1; the guest is not backed up" in result.err,
           f"errors: {result.err}")
    with open(notes, encoding="utf-8") as file:
        lines = file.read().splitlines()
    expect('"event":"after"' in lines[-1] and '"job":"nightly"' in lines[-1], f"notes: {lines}")


def test_a_job_that_cannot_begin_fails_aloud(t):
    """Names that mean no guest, and a libvirt that is down: the failed hook is run, and the result is kept."""
    three_guests(t)
    repository = job_repository(t)
    notes = t.path("notes")
    hook = f"""failed = /bin/sh -c 'cat >> "{notes}"'"""
    for number, (status, reason, line) in enumerate((
            (3, "1 of the names in the job means no guest or disk", "domain-names = a, gone"),
            (1, "job 'nightly': the hypervisor has no guest 'gone'", "domain-names = gone"),
            (1, "cannot connect to libvirt", "hypervisor-uri = qemu+unix:///system?socket=/nonexistent"))):
        t.vb("run", job_file(t, repository, line, hook, f"metrics = {t.path('m.prom')}"), status=status)
        with open(t.path("m.prom"), encoding="utf-8") as file:
            metrics = file.read()
        expect(f'last_run_exit_status{{job="nightly",verb="run"}} {status}\n' in metrics, f"metrics: {metrics}")
        expect('newest_point_timestamp_seconds{guest="a"' in metrics, f"metrics: {metrics}")
        with open(notes, encoding="utf-8") as file:
            told = [json.loads(text) for text in file]
        same(len(told), number + 1, "times that the hook was run")
        expect(reason in told[-1]["reason"], f"what the hook gets: {told[-1]}")
        with open("/var/lib/virt-backup/results/job-nightly.json", encoding="utf-8") as file:
            kept = json.load(file)["results"][-1]
        same((told[-1]["status"], kept["status"]), (status, status), f"status, of {line}")


def test_metrics_of_two_jobs(t):
    """Each has its guests alone, and no series is in both files. Their place is mounted by a hook, and unmounted by another."""
    three_guests(t)
    t.undo.callback(shutil.rmtree, "/var/lib/virt-backup/results", ignore_errors=True)
    folder, mounted = t.make_dir("disk", 0o700), t.make_dir("mounted", 0o700)
    series = {}
    for name in ("a", "b"):
        job, metrics = t.path(f"of-{name}.conf"), t.path(f"{name}.prom")
        with open(job, "w", encoding="utf-8") as file:
            file.write(f"destination-path = {mounted}\ndomain-names = {name}\nmetrics = {metrics}\n"
                       f"before = /bin/mount --bind {folder} {mounted}\nafter = /bin/umount {mounted}\n")
        os.chmod(job, 0o600)
        t.vb("run", job)
        with open(metrics, encoding="utf-8") as file:
            series[name] = dict(line.rsplit(" ", 1) for line in file if not line.startswith("#"))
        newest = {key: float(value) for key, value in series[name].items() if "newest_point_timestamp" in key}
        same(len(newest), 1, f"guests in the metrics of {name}")
        expect(all(f'guest="{name}"' in key and value > 0 for key, value in newest.items()), f"metrics of {name}: {newest}")
    same(sorted(set(series["a"]) & set(series["b"])), [], "series in both files")


def test_the_window_is_that_of_the_night_for_its_second_job_too(t):
    """The clock shows 06:00 while the first one is carried out."""
    three_guests(t)
    repository = job_repository(t)
    first = job_file(t, repository, "domain-names = a", "not-after = 06:00",
                     """after = /bin/sh -c 'while test "$(date +%H)" = 05; do sleep 0.2; done'""")
    second = first.replace("nightly", "second")
    shutil.copy(first, second)
    ahead = int(6 * 3600 - 20 - time.time()) % 86400
    t.environment["TZ"] = f"TEST-{ahead // 3600}:{ahead // 60 % 60}:{ahead % 60}"
    result = t.vb("run", first, second)
    expect("job 'nightly': 1 of 1 guest backed up" in result.out, f"the first job: {result.out}")
    expect("job 'second': 0 of 1 guest backed up, 1 left for the next run" in result.out, f"the second job: {result.out}")


def running_guest_in_the_middle(t):
    """A job that reads its first guest slowly, and has another one before it."""
    slow = t.guest("web", t.slow_disk(boot=1)).running()
    others = [t.guest(name, t.disk("vda", "raw", size=2 * MIB, name=f"{name}.raw")).define() for name in ("a", "b")]
    job = job_file(t, job_repository(t), "domain-names = web, a, b", "[guest web]", "bandwidth-limit = 256K",
                   "guest-memory = none")
    return slow, others, job


def test_a_signal_in_the_middle_leaves_all_guests_as_they_were(t):
    slow, others, job = running_guest_in_the_middle(t)
    before = [guest.snapshot() for guest in (slow, *others)]
    token, count = slow.serial.last()
    process = t.start_vb("run", job, "--parallel", "3", "--json")
    wait_until(lambda: process.running() and job_xml(slow), "the backup of the running guest")
    process.signal(signal.SIGTERM)
    result = process.finish(60)
    same(result.status, 143, "exit status")
    slow.goes_on(token, count)
    for guest, state in zip((slow, *others), before):
        guest.check_unchanged(state)
    done = [event for event in t.events(result) if event["event"] == "job-done"]
    # The others may be done by then or be stopped before it: their order is that of their ends.
    failed = [failure["guest"] for failure in done[0]["failures"]]
    expect("web" in failed, f"guests that were stopped: {failed}")


def test_a_killed_run_leaves_all_guests_as_they_were(t):
    slow, others, job = running_guest_in_the_middle(t)
    before = [guest.snapshot() for guest in (slow, *others)]
    token, count = slow.serial.last()
    process = t.start_vb("run", job, "--parallel", "3")
    wait_until(lambda: process.running() and job_xml(slow), "the backup of the running guest")
    process.signal(signal.SIGKILL)
    process.finish(60)
    wait_until(lambda: not job_xml(slow), "the end of the backup job of the running guest")
    slow.goes_on(token, count)
    for guest, state in zip((slow, *others), before):
        guest.check_unchanged(state)
    t.vb("recover")
