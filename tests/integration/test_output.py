# SPDX-License-Identifier: LGPL-2.1-or-later
"""Output that nobody reads keeps no guest down."""

import datetime
import fcntl
import json
import os
import re
import signal
import subprocess

from vbtest import objects
from vbtest.command import expect, same, wait_until
from vbtest.disks import MIB, Disk
from vbtest.midway import SLOW



class Unread:
    """A run whose standard output and standard error are one full pipe, which is not read until that is asked for."""

    def __init__(self, t, *arguments):
        self.reading, writing = os.pipe()
        t.undo.callback(os.close, self.reading)
        fcntl.fcntl(writing, fcntl.F_SETPIPE_SZ, 4096)
        os.set_blocking(writing, False)
        self.filler = 0
        try:
            while True:
                self.filler += os.write(writing, b"." * 4096)
        except BlockingIOError:
            pass
        os.set_blocking(writing, True)
        self.process = subprocess.Popen([t.binary, *arguments], env=t.environment, stdin=subprocess.DEVNULL,
                                        stdout=writing, stderr=writing)
        os.close(writing)
        t.undo.callback(self.end)

    def end(self):
        self.process.kill()
        self.process.wait()

    def running(self):
        return self.process.poll() is None

    def read(self):
        """All that was written, to the end of the last process that could write."""
        text = b""
        while part := os.read(self.reading, 65536):
            text += part
        return text[self.filler:].decode()

    def finish(self):
        text = self.read()
        return self.process.wait(60), text


def down_and_unread(t, *options):
    guest = t.guest("web", t.slow_disk(size=3 * MIB, boot=1), t.slow_disk("vdb", size=4 * MIB)).running()
    before, (token, count) = guest.snapshot(), guest.serial.last()
    run = Unread(t, *t.backup_line(guest, "--guest-memory", "save", *SLOW, *options))
    wait_until(lambda: guest.state() == "shut off" or not run.running(), "the guest to be down")
    expect(run.running(), "virt-backup has ended already")
    return guest, run, before, token, count


def test_guest_is_let_go_though_nobody_reads(t):
    guest, run, before, token, count = down_and_unread(t, "--json")
    guest.goes_on(token, count)
    guest.check_unchanged(before)
    expect(run.running(), "virt-backup has not waited for its reader after that")
    status, text = run.finish()
    same(status, 0, "exit status")
    events = [json.loads(line) for line in text.splitlines() if line.startswith("{")]
    same([event["disk"] for event in events if event["event"] == "disk-done"], ["vda", "vdb", "memory"],
         "disks that are told as done")
    same(events[-1]["event"], "summary", "the last event")


def test_guardian_puts_the_guest_back_though_nobody_reads(t):
    guest, run, before, token, count = down_and_unread(t)
    run.process.send_signal(signal.SIGKILL)
    guest.goes_on(token, count)
    guest.check_unchanged(before)
    status, text = run.finish()
    same(status, -signal.SIGKILL, "exit status")
    expect("guest 'web'" in text, f"the guardian has said nothing of the guest: {text!r}")
    same(t.archive.names(), [], "files in the archive")


def test_signal_ends_a_run_that_nobody_reads(t):
    """The guest is let go, and what is still to be said does not keep the run for ever."""
    guest, run, before, token, count = down_and_unread(t)
    run.process.send_signal(signal.SIGTERM)
    guest.goes_on(token, count)
    guest.check_unchanged(before)
    same(run.process.wait(60), 128 + signal.SIGTERM, "exit status")


def test_journal_gets_priorities_and_the_status_by_name(t):
    t.guest("web", t.disk("vda", "raw", size=MIB)).define()
    log = t.path("journal")
    with open(log, "wb") as file:
        about = os.fstat(file.fileno())
        stream = f"{about.st_dev}:{about.st_ino}"
        line = t.backup_line("--domain-names", "web", "gone")
        process = subprocess.run([t.binary, *line], env=dict(t.environment, JOURNAL_STREAM=stream), stdin=subprocess.DEVNULL,
                                 stdout=subprocess.DEVNULL, stderr=file, check=False)
    same(process.returncode, 3, "exit status")
    with open(log, encoding="utf-8") as file:
        lines = file.read().splitlines()
    same(lines[0], "<3>virt-backup: --domain-names: the hypervisor has no guest 'gone'", "the first line")
    same(lines[-1], "<6>virt-backup: exit status 3: some guests failed, the others are good", "the last line")


def sparse_guest(t):
    """One whose disk has 256 MiB, nearly all of it holes."""
    path = t.path("vda.raw")
    with open(path, "wb") as file:
        file.write(t.rng.randbytes(MIB))
        file.truncate(256 * MIB)
    os.chmod(path, 0o644)
    return t.guest("web", Disk(path, "raw", "vda")).define()


FEW = r"[12](\.\d+)? MiB"


def check_sizes(event, what):
    same((event["image-size"], event["stored-size"]), (256 * MIB, 256 * MIB), f"sizes of {what}")
    expect(MIB <= event["disk-usage"] < 3 * MIB, f"disk usage of {what}: {event}")


def check_summary(events, usage):
    same(events[-1]["event"], "summary", "the last event")
    check_sizes(events[-1], "all")
    same(events[-1]["disk-usage"], usage, "disk usage in the summary")


def test_backup_tells_what_files_take_on_the_disk(t):
    guest = sparse_guest(t)
    lines = t.backup(guest).out.splitlines()
    expect(re.fullmatch(rf"guest 'web': vda: 256 MiB stored as web-vda\.raw, which takes {FEW}", lines[0]), lines[0])
    expect(re.fullmatch(rf"1 guest backed up: 256 MiB stored in {FEW}, 0:\d\d", lines[-1]), lines[-1])
    events = t.events(t.backup(guest, "--replace", "--json"))
    (done,) = [event for event in events if event["event"] == "guest-done"]
    check_sizes(done, "the guest")
    check_summary(events, done["disk-usage"])


def test_list_tells_what_files_take_on_the_disk(t):
    t.backup(sparse_guest(t))
    line = ("list", "--source-path", t.archive.path)
    lines = t.vb(*line).out.splitlines()
    expect(re.search(rf", 256 MiB stored in {FEW},", lines[0]), lines[0])
    expect(re.search(rf", raw, 256 MiB stored as web-vda\.raw, which takes {FEW} \(none\)$", lines[1]), lines[1])
    event = t.events(t.vb(*line, "--json"))[0]
    check_sizes(event, "the guest")
    (disk,) = event["disks"]
    check_sizes(disk, "the disk")


def test_verify_tells_what_files_take_on_the_disk(t):
    t.backup(sparse_guest(t))
    lines = t.verify().out.splitlines()
    expect(re.fullmatch(rf"guest 'web': good, 1 disk: 256 MiB stored in {FEW}, 0:\d\d", lines[0]), lines[0])
    expect(re.fullmatch(rf"1 guest verified: 256 MiB stored in {FEW}, 0:\d\d", lines[-1]), lines[-1])
    events = t.events(t.verify("--json"))
    (done,) = [event for event in events if event["event"] == "guest-done"]
    check_sizes(done, "the guest")
    check_summary(events, done["disk-usage"])


def test_restore_tells_what_files_take_on_the_disk(t):
    guest = sparse_guest(t)
    t.backup(guest)
    t.restored_guest(guest, "twin")
    lines = t.restore("--new-name", "twin").out.splitlines()
    expect(re.match(rf"guest 'twin': restored, 1 disk: 256 MiB from {FEW}, 0:\d\d, shut off$", lines[1]), lines[1])
    expect(re.fullmatch(rf"1 guest restored: 256 MiB from {FEW}, 0:\d\d", lines[-1]), lines[-1])
    events = t.events(t.restore("--disks", "vda", "--json", to=t.path("disks")))
    for kind in ("disk-done", "guest-done"):
        (done,) = [event for event in events if event["event"] == kind]
        check_sizes(done, kind)
    check_summary(events, done["disk-usage"])


def test_events_of_a_run_have_its_id_and_their_time(t):
    guest = t.guest("web", t.disk("vda", "raw", size=MIB)).define()
    runs = []
    for options in ((), ("--replace",)):
        events = t.events(t.backup(guest, "--json", *options))
        runs.append({event["run"] for event in events})
        for event in events:
            datetime.datetime.fromisoformat(event["at"])
    expect(len(runs[0]) == len(runs[1]) == 1 and runs[0] != runs[1], f"ids of two runs: {runs}")


def test_restored_guest_is_told_by_its_final_name(t):
    guest = t.guest("web", t.disk("vda", "raw", size=MIB)).define()
    t.backup(guest)
    t.restored_guest(guest, "twin")
    events = t.events(t.restore("--new-name", "twin", "--json"))
    same({event["guest"] for event in events if "guest" in event}, {"twin"}, "names of guests in events")


def names(events):
    return {event["event"] for event in events}


def test_every_object_is_as_the_page_says(t):
    """t.events compares the members; here are all events that need no accident."""
    guest = t.small_guest().running()
    seen = {"backup": set(), "restore": set(), "list": set(), "verify": set(), "remove": set()}
    for options in (("--dry-run",), ("--exclude-disk", "vdz"), ("--replace", "--guest-memory", "save", "--bandwidth-limit", "1536K")):
        status = 3 if "vdz" in options else 0
        seen["backup"] |= names(t.events(t.backup(guest, "--json", "--no-sandbox", *options, status=status)))
    seen["verify"] |= names(t.events(t.verify("--json", "--domain-names", "web,gone", status=3)))
    seen["list"] |= names(t.events(t.vb("list", "--source-path", t.archive.path, "--json")))
    seen["restore"] |= names(t.events(t.restore("--json", status=1)))
    guest.destroy()
    guest.undefine()
    for options in (("--dry-run",), ("--disks", "vda"), ()):
        seen["restore"] |= names(t.events(t.restore("--json", *options, to=t.path("restored" + "".join(options)))))
    with open(t.archive.file("web-vda.raw"), "r+b") as file:
        file.write(b"?")
    with open(t.archive.file("x-vda.raw"), "wb"):
        pass
    seen["verify"] |= names(t.events(t.verify("--json", status=4)))
    os.unlink(t.archive.file("web-vda.raw"))
    seen["list"] |= names(t.events(t.vb("list", "--source-path", t.archive.path, "--json", status=1)))
    seen["remove"] |= names(t.events(t.vb("remove", "--source-path", t.archive.path, "--domain-names", "web", "--yes", "--json")))
    same(seen["backup"], {"plan", "warning", "no-match", "disk-done", "guest-done", "progress", "bottleneck", "summary"}, "backup")
    for verb in ("restore", "verify"):  # The slow backup always tells its progress, these only when they take a second.
        seen[verb].discard("progress")
    same(seen["restore"], {"plan", "guest-failed", "disk-done", "guest-done", "bottleneck", "summary"}, "restore")
    same(seen["list"], {"backup", "guest-failed", "summary"}, "list")
    same(seen["verify"], {"no-match", "guest-done", "damage", "orphan", "bottleneck", "summary"}, "verify")
    same(seen["remove"], {"backup-removed", "summary"}, "remove")


def test_quiet_is_quiet(t):
    """Nothing that went well is told, by no verb."""
    guest = t.small_guest().running()
    lines = [t.backup_line(guest, "--compression", "zstd"), t.backup_line(guest, "--replace", "--guest-memory", "save"),
             ("verify", "--source-path", t.archive.path), t.restore_line("--disks", "vda"),
             ("remove", "--source-path", t.archive.path, "--domain-names", "web", "--yes"), ("recover",)]
    for line in lines:
        result = t.vb(*line, "--quiet")
        same((result.out, result.err), ("", ""), f"output of {line[0]} --quiet")


def test_every_event_of_the_source_is_described(t):
    """Those too that take an accident."""
    source = os.path.join(os.path.dirname(__file__), "..", "..", "src")
    text = ""
    for folder, _, files in os.walk(source):
        for name in files:
            if name.endswith(".c"):
                with open(os.path.join(folder, name), encoding="utf-8") as file:
                    text += file.read()
    told = set(re.findall(r'\{\s*"([a-z-]+)",\s*EVENT_AS_', text))
    told |= set(re.findall(r'(?:put_object|object_line)\([^";]*,\s*"([a-z-]+)"', text))
    expect({"guest-done", "guest-recovered", "warning", "summary", "progress"} <= told, f"events are not found: {told}")
    same(told, {what for what, _ in objects.described() if " " not in what}, "events that virt-backup(1) describes")
