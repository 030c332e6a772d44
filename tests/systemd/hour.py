#!/usr/bin/python3
# SPDX-License-Identifier: LGPL-2.1-or-later
"""What a new administrator does in the first hour, in a container that scripts/in-systemd has booted."""

import argparse
import json
import os
import random
import sys
import time
import traceback

sys.path.insert(0, os.path.join(os.path.dirname(os.path.realpath(__file__)), "../lib"))
from vbtest import disks  # noqa: E402
from vbtest.command import Failure, expect, run, same, wait_until  # noqa: E402
from vbtest.guest import Guest  # noqa: E402

OUT = "/srv/out"  # shared with scripts/in-systemd
IMAGES = "/var/lib/libvirt/images"
REPOSITORY = "/backup/guests"
METRICS = "/var/lib/virt-backup.prom"
JOB = "/etc/virt-backup/jobs.d/nightly.conf"
UNIT = "virt-backup@nightly.service"
TIMER = "virt-backup@nightly.timer"
DAY_S = 24 * 3600
NIGHT_LIMIT_S = 300
# What the job is, in five lines.
JOB_TEXT = f"""\
repository = {REPOSITORY}
compression = zstd
keep-daily = 7
keep-monthly = 12
metrics = {METRICS}
"""


def properties(unit, *names):
    lines = run("systemctl", "show", unit, *(f"--property={name}" for name in names)).out.splitlines()
    return dict(line.split("=", 1) for line in lines)


def drop_in(unit, name, text):
    folder = f"/etc/systemd/system/{unit}.d"
    os.makedirs(folder, exist_ok=True)
    with open(os.path.join(folder, name), "w", encoding="ascii") as file:
        file.write(text)
    run("systemctl", "daemon-reload")


def remove_drop_in(unit, name):
    os.unlink(f"/etc/systemd/system/{unit}.d/{name}")
    run("systemctl", "daemon-reload")


class Hour:
    def __init__(self, seed):
        self.rng = random.Random(seed)
        self.web = self.guest("web", boot=True)
        self.db = self.guest("db")
        self.first = None  # the content of db's disk in the first night
        self.night = ""    # systemd's name for the last one

    def disk(self, name, boot):
        raw, path = f"{IMAGES}/{name}.raw", f"{IMAGES}/{name}.qcow2"
        disks.fill(raw, 32 * disks.MIB, self.rng, f"{OUT}/boot-sector.bin" if boot else None)
        disks.convert(raw, path, "qcow2")
        os.unlink(raw)
        return disks.Disk(path, boot=1 if boot else None)

    def guest(self, name, boot=False):
        return Guest(name, [self.disk(name, boot)], f"/var/lib/libvirt/qemu/{name}.serial")

    # ---- the hour, in this order ------------------------------------------------------------------

    def install_the_package(self):
        run("dpkg", "--install", f"{OUT}/virt-backup.deb")
        run("virt-backup", "--version")
        same(run("systemctl", "--failed", "--no-legend").out, "", "failed units")

    def have_two_guests(self):
        run("systemctl", "start", "libvirtd.service")
        self.web.running()
        self.db.define()

    def write_a_job(self):
        os.makedirs(os.path.dirname(REPOSITORY))
        run("virt-backup", "repository", "create", REPOSITORY)
        os.makedirs(os.path.dirname(JOB), exist_ok=True)
        with open(JOB, "w", encoding="ascii") as file:
            file.write(JOB_TEXT)
        run("virt-backup", "job", "check", "nightly")
        shown = run("virt-backup", "job", "show", "nightly").out
        expect("web" in shown and "db" in shown, f"the guests are not shown: {shown}")

    def have_a_first_night(self):
        """A day ago, as the program sees it. The timer is real, but it fires at once."""
        drop_in(TIMER, "soon.conf", "[Timer]\nOnCalendar=\nOnActiveSec=1s\nRandomizedDelaySec=0\nAccuracySec=1s\nPersistent=no\n")
        drop_in(UNIT, "past.conf", f"[Service]\nEnvironment=LD_PRELOAD={OUT}/past-shim.so VIRT_BACKUP_PAST_S={DAY_S}\n")
        self.first = self.digest(self.db.disks[0].path)
        run("systemctl", "enable", "--now", TIMER)
        self.wait_for_night()
        remove_drop_in(UNIT, "past.conf")
        self.check_night(points=1)

    def have_a_second_night(self):
        run("qemu-io", "-f", "qcow2", "-c", "write -P 7 20M 256k", self.db.disks[0].path)
        token, count = self.web.serial.last()
        run("systemctl", "restart", TIMER)
        self.wait_for_night()
        self.check_night(points=2)
        self.web.goes_on(token, count, steps=3)

    def see_that_all_is_well(self):
        run("virt-backup", "status", "--repository", REPOSITORY, "--max-age", "26h")
        first = run("virt-backup", "status", "--repository", REPOSITORY, "--nagios").out.splitlines()[0]
        expect(" OK" in first or first.startswith("OK"), f"the first line for monitoring is '{first}'")
        run("virt-backup", "verify", "--repository", REPOSITORY)
        with open(METRICS, encoding="utf-8") as file:
            expect('guest="web"' in file.read(), "the metrics do not name the guest")

    def lose_a_guest_and_restore_it(self):
        token, _ = self.web.serial.last()
        self.web.destroy()
        for guest in (self.web, self.db):
            run("virsh", "undefine", "--checkpoints-metadata", guest.name)
            os.unlink(guest.disks[0].path)
        run("virt-backup", "restore", "--repository", REPOSITORY, "--original-places", "--domain-names", "web",
            "--allow-autorun")
        same(self.web.state(), "running", "state of the restored guest")
        same(self.web.serial.wait_for_steps(3)[0], token, "what the restored guest has in its memory")

    def restore_as_of_the_night_before(self):
        points = json.loads("[" + ",".join(run("virt-backup", "list", "--repository", REPOSITORY, "--domain-names", "db",
                                               "--json").out.splitlines()) + "]")
        names = [point["point"] for point in points if point["event"] == "point"]
        same(len(names), 2, "points of db")
        run("virt-backup", "restore", "--repository", REPOSITORY, "--original-places", "--domain-names", "db",
            "--point", min(names))
        same(self.digest(self.db.disks[0].path), self.first, "content of the disk as of the first night")

    def see_a_failure(self):
        """In systemd's list, in the journal, in the status and in the metrics."""
        broken = self.guest("broken")
        broken.define()
        os.unlink(broken.disks[0].path)
        run("systemctl", "restart", TIMER)
        self.wait_for_night()
        expect(UNIT in run("systemctl", "--failed", "--no-legend").out, "systemd does not list the job as failed")
        lines = run("journalctl", "--unit", UNIT, "--priority", "err", "--output", "cat").out
        expect("broken" in lines and "broken.qcow2" in lines, f"the journal's errors do not name guest and disk: {lines}")
        status = run("virt-backup", "status", "--repository", REPOSITORY, status=1).out
        line = next((line for line in status.splitlines() if "broken" in line), "")
        expect("never" in line, f"the status does not say that it has no point: {status}")
        with open(METRICS, encoding="utf-8") as file:
            expect('guest="broken"' in file.read(), "the metrics do not name the guest")
        broken.undefine()

    def get_rid_of_the_failure(self):
        run("systemctl", "restart", TIMER)
        self.wait_for_night()
        same(run("systemctl", "--failed", "--no-legend").out, "", "failed units")

    def start_a_job_that_is_not_there(self):
        run("systemctl", "start", "virt-backup@nightyl.service", status=1)
        lines = run("journalctl", "--unit", "virt-backup@nightyl.service", "--output", "cat").out
        expect("nightyl" in lines, f"the journal does not say what is missing: {lines}")
        run("systemctl", "reset-failed")

    # ---- what they share -----------------------------------------------------------------------------

    @staticmethod
    def digest(path):
        raw = path + ".whole"
        disks.convert(path, raw, "raw")
        found = run("sha256sum", raw).out.split()[0]
        os.unlink(raw)
        return found

    def wait_for_night(self):
        """The timer's trigger, then the end of what it has started."""
        def over():
            now = properties(UNIT, "InvocationID", "ActiveState")
            return now["InvocationID"] not in ("", self.night) and now["ActiveState"] in ("inactive", "failed") and now
        self.night = wait_until(over, f"the end of {UNIT}", NIGHT_LIMIT_S)["InvocationID"]

    def check_night(self, points):
        result = properties(UNIT, "Result", "ExecMainStatus")
        journal = run("journalctl", "--unit", UNIT, "--output", "cat").out
        same((result["Result"], result["ExecMainStatus"]), ("success", "0"), f"result of the night; its journal:\n{journal}")
        for guest in (self.web, self.db):
            found = run("virt-backup", "list", "--repository", REPOSITORY, "--domain-names", guest.name).out
            same(sum(guest.name in line for line in found.splitlines()), points, f"points of {guest.name}:\n{found}")


STEPS = ("install_the_package", "have_two_guests", "write_a_job", "have_a_first_night", "have_a_second_night",
         "see_that_all_is_well", "lose_a_guest_and_restore_it", "restore_as_of_the_night_before", "see_a_failure",
         "get_rid_of_the_failure", "start_a_job_that_is_not_there")


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--seed", default="1")
    options = parser.parse_args()
    print(f"seed {options.seed}", flush=True)
    hour, passed, failed = Hour(options.seed), 0, 0
    for name in STEPS:
        started = time.monotonic()
        try:
            getattr(hour, name)()
        except (Failure, OSError) as failure:
            failed += 1
            print(f"not ok {name}: {failure}")
            traceback.print_exc(file=sys.stdout)
            break  # the next ones build on it
        passed += 1
        print(f"ok {name} ({time.monotonic() - started:.1f} s)", flush=True)
    print(f"{passed} passed, {failed} failed, 0 skipped", flush=True)


if __name__ == "__main__":
    main()
