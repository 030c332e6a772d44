# SPDX-License-Identifier: LGPL-2.1-or-later
"""Signals, errors and dying child processes in the middle: the guest ends as it was found."""

import os
import pty
import signal
import subprocess
import time

from vbtest import leftovers, proc
from vbtest.checkpoints import image_bitmaps
from vbtest.command import Failure, expect, run, same, wait_until
from vbtest.disks import MIB, Disk

SLOW = ("--compression", "lzma:9e", "--chunk-size", "4M")
# A backup whose restore, or check, takes some seconds with LATER.
SLOW_LATER = ("--compression", "lzma:0", "--chunk-size", "512K")
LATER = ("--children", "1", "--bandwidth-limit", "1M")


def slow_guest(t):
    return t.guest("web", t.slow_disk(boot=1))


def child_processes(control_pid):
    """The children do the spawner's work, and the spawner is a child of the control process."""
    parents = leftovers.parents()
    return [pid for pid, parent in parents.items() if parents.get(parent) == control_pid]


def wait_for_busy_child(process):
    """A child process that is in the middle of compressing: it has used processor time."""
    def busy():
        expect(process.running(), "virt-backup has ended already")
        return [pid for pid in child_processes(process.pid) if leftovers.cpu_ticks(pid) >= 3]

    return wait_until(busy, "a busy child process")[0]


def interrupted(t, number, status, mode, meanwhile):
    guest = slow_guest(t).running()
    before, (token, count) = guest.snapshot(), guest.serial.last()
    process = t.start_vb(*t.backup_line(guest, "--guest-memory", mode, *SLOW))
    wait_for_busy_child(process)
    same(guest.state(), meanwhile, "state of the guest in the middle of its backup")
    process.signal(number)
    result = process.finish(60)
    same(result.status, status, "exit status")
    guest.goes_on(token, count)
    guest.check_unchanged(before)
    same(guest.serial.boots(), 1, "boots")
    same(t.archive.names(), [], "files in the archive")


def test_sigint(t):
    interrupted(t, signal.SIGINT, 130, "save", "shut off")


def test_sigint_while_the_guest_runs(t):
    interrupted(t, signal.SIGINT, 130, "pause", "running")


def test_sigterm(t):
    interrupted(t, signal.SIGTERM, 143, "save", "shut off")


def test_sigterm_while_the_guest_runs(t):
    interrupted(t, signal.SIGTERM, 143, "pause", "running")


def test_sighup(t):
    interrupted(t, signal.SIGHUP, 129, "save", "shut off")


def test_sighup_while_the_guest_runs(t):
    interrupted(t, signal.SIGHUP, 129, "pause", "running")


def test_checkpoint_of_an_interrupted_backup_of_a_guest_that_is_off_is_deleted(t):
    """By qemu-img, which the signal must not end, nor somebody who presses Control-C twice."""
    path = t.path("vda.qcow2")
    run("qemu-img", "convert", "-O", "qcow2", t.slow_disk().path, path)
    guest = t.guest("web", Disk(path, "qcow2")).define()
    repository = t.repository()
    t.vb("backup", "--repository", repository)
    before, bitmaps = guest.snapshot(), image_bitmaps(guest.disks[0])
    same(len(bitmaps), 1, "bitmaps of the first night")
    state = sorted(os.listdir("/var/lib/virt-backup"))

    def recorded():
        """It may be looked at while qemu-img writes it."""
        look = run("qemu-img", "info", "-U", "-f", "qcow2", path, status=None)
        return look.status == 0 and look.out.count("granularity:") == 2

    for numbers in ((signal.SIGTERM,), (signal.SIGHUP,), (signal.SIGINT, signal.SIGINT)):
        process = t.start_vb("backup", "--repository", repository, "--full-read", *LATER)
        wait_until(recorded, "the new bitmap")
        same(len(image_bitmaps(guest.disks[0])), 2, "bitmaps in the middle")
        for number in numbers:
            process.signal(number)
        result = process.finish(60)
        same(result.status, 128 + numbers[0], f"exit status: {result.err}")
        expect("recover" not in result.err, result.err)
        same(image_bitmaps(guest.disks[0]), bitmaps, "bitmaps")
        same(sorted(os.listdir("/var/lib/virt-backup")), state, "files of state, a journal among them")
        guest.check_unchanged(before)
        same(len(t.points(repository)), 1, "points")
    t.vb("backup", "--repository", repository)
    t.vb("verify", "--repository", repository)


def test_terminal_sends_the_signal_to_all(t):
    """Control-C goes to the children as well: they must not die of it before the guest is back."""
    guest = slow_guest(t).running()
    token, count = guest.serial.last()
    process = t.start_vb(*t.backup_line(guest, *SLOW), start_new_session=True)
    wait_for_busy_child(process)
    os.killpg(process.pid, signal.SIGINT)
    same(process.finish(60).status, 130, "exit status")
    guest.goes_on(token, count)
    same(t.archive.names(), [], "files in the archive")


def test_signals_at_random_moments(t):
    """Whenever it comes: the guest is as it was, the archive whole or empty, the status tells which."""
    guest = t.guest("web", t.slow_disk(size=3 * MIB, boot=1)).running()
    before, (token, _) = guest.snapshot(), guest.serial.last()
    for attempt in range(8):
        archive = t.path(f"archive-{attempt}")
        number = t.rng.choice((signal.SIGINT, signal.SIGTERM, signal.SIGHUP))
        process = t.start_vb(*t.backup_line(guest, "--compression", "lzma:9e", to=archive))
        # Not a wait for something to be ready: the moment itself is what is drawn.
        time.sleep(t.rng.uniform(0, 1.6))
        if process.running():
            process.signal(number)
        result = process.finish(60)
        # Before the program is ready for signals one ends it: it has done nothing by then.
        expect(result.status in (0, 128 + number, -number), f"attempt {attempt}: status {result.status}")
        names = os.listdir(archive) if os.path.isdir(archive) else []
        expect(bool(names) == (result.status == 0), f"attempt {attempt}: status {result.status}, files {names}")
        guest.check_unchanged(before)
        guest.goes_on(token, guest.serial.last()[1], steps=2)
    same(guest.serial.boots(), 1, "boots")


def test_interrupted_restore_leaves_nothing(t):
    guest = t.guest("web", t.slow_disk()).define()
    t.backup(guest, *SLOW_LATER)
    guest.undefine()
    process = t.start_vb(*t.restore_line(*LATER))
    wait_for_busy_child(process)
    process.signal(signal.SIGTERM)
    same(process.finish(60).status, 143, "exit status")
    same(guest.state(), "gone", "state of the guest")
    expect(not os.path.exists(t.restored) or not os.listdir(t.restored), "files are left in the destination")


def test_killed_restore_of_disks_leaves_nothing(t):
    """It takes no guest's place, and has a journal all the same."""
    guest = t.guest("web", t.slow_disk()).define()
    t.backup(guest, *SLOW_LATER)
    process = t.start_vb(*t.restore_line(*LATER, "--disks", "vda"))
    wait_for_busy_child(process)
    own = [process.pid, *(pid for pid, parent in leftovers.parents().items() if parent == process.pid)]
    process.signal(signal.SIGKILL)
    same(process.finish(60).status, -signal.SIGKILL, "exit status")
    wait_until(lambda: not set(own) & set(leftovers.processes()), "the end of the guardian")
    expect(not os.path.exists(t.restored) or not os.listdir(t.restored), "files are left in the destination")


def child_killed(t, children):
    guest = t.guest("web", t.slow_disk(size=6 * MIB, boot=1)).running()
    before, (token, count) = guest.snapshot(), guest.serial.last()
    process = t.start_vb(*t.backup_line(guest, "--compression", "lzma:6", "--chunk-size", "1M",
                                        "--children", str(children)))
    victim = wait_for_busy_child(process)
    os.kill(victim, signal.SIGKILL)
    same(process.finish().status, 0, "exit status")
    guest.goes_on(token, count)
    guest.check_unchanged(before)
    t.check_good(guest)


def test_killed_child_is_replaced(t):
    child_killed(t, 2)


def test_killed_only_child_is_replaced(t):
    child_killed(t, 1)


def test_child_killed_while_verifying(t):
    guest = t.guest("web", t.slow_disk()).define()
    t.backup(guest, *SLOW_LATER)
    process = t.start_vb("verify", "--source-path", t.archive.path, *LATER)
    os.kill(wait_for_busy_child(process), signal.SIGKILL)
    same(process.finish().status, 0, "exit status")


def test_killed_spawner_fails_the_backup_and_not_the_guest(t):
    guest = slow_guest(t).running()
    before, (token, count) = guest.snapshot(), guest.serial.last()
    process = t.start_vb(*t.backup_line(guest, *SLOW, "--children", "1"))
    child = wait_for_busy_child(process)
    parents = leftovers.parents()
    os.kill(parents[child], signal.SIGKILL)
    proc.kill(child, signal.SIGKILL)   # unless it has ended with its spawner
    result = process.finish()
    expect(result.status in (0, 1), f"exit status {result.status}")
    guest.goes_on(token, count)
    guest.check_unchanged(before)
    t.archive.check_nothing_half()
    if result.status == 0:
        t.verify()


def test_stopped_guardian_does_not_keep_the_run(t):
    """It has nothing to do when the run has done its work."""
    guest = t.small_guest().define()
    process = t.start_vb(*t.backup_line(guest))

    def guardian():
        expect(process.running(), "virt-backup has ended already")
        own = [pid for pid, parent in leftovers.parents().items() if parent == process.pid]
        return [pid for pid in own if proc.name_of(pid) == "vb-guardian"]

    pid = wait_until(guardian, "the guardian")[0]
    os.kill(pid, signal.SIGSTOP)
    t.undo.callback(proc.kill, pid, signal.SIGKILL)
    same(process.finish().status, 0, "exit status")
    expect(pid not in leftovers.processes(), "the guardian is still there")
    t.check_good(guest)


def broken_loop_disk(t, target, **more):
    """A block device whose second half cannot be read."""
    disk = t.loop_disk(target, size=16 * MIB, **more)
    os.truncate(t.path(f"{target}.backing"), 8 * MIB)
    return disk


def test_read_error_while_the_guest_is_down(t):
    guest = t.guest("web", t.boot_disk("qcow2"), broken_loop_disk(t, "vdb", boot=2)).running()
    before, (token, count) = guest.snapshot(), guest.serial.last()
    for mode in "save", "pause", "none":
        t.refused(*t.backup_line(guest, "--guest-memory", mode, "--compression", "zstd"),
                  says=["guest 'web'", "vdb", guest.disks[1].path])
    guest.goes_on(token, count)
    guest.check_unchanged(before)
    same(t.archive.names(), [], "files in the archive")


def test_destination_that_fills_while_the_guest_is_down(t):
    guest = t.guest("web", t.boot_disk("raw"), t.disk("vdb", "raw", size=8 * MIB)).running()
    with open(guest.disks[1].path, "r+b") as file:
        file.truncate(160 * MIB)
        file.seek(16 * MIB)
        for _ in range(120):
            file.write(t.rng.randbytes(MIB))
    before, (token, count) = guest.snapshot(), guest.serial.last()
    small = t.small_filesystem("small", 100 * MIB)
    t.refused(*t.backup_line(guest, "--guest-memory", "save", to=small), says=["guest 'web'", small])
    guest.goes_on(token, count)
    guest.check_unchanged(before)
    same(os.listdir(small), [], "files in the destination")


def test_guest_started_by_somebody_else_meanwhile(t):
    """Its memory is not restored over it; the image is kept, the run says so with status 5."""
    guest = t.guest("web", t.slow_disk(size=6 * MIB, boot=1)).running()
    token, _ = guest.serial.last()
    process = t.start_vb(*t.backup_line(guest, "--guest-memory", "save", "--compression", "lzma:6",
                                        "--chunk-size", "1M"))
    wait_for_busy_child(process)
    started = guest.call("start", status=None).status == 0
    if not started:
        # The image is locked against it: then the guest simply comes back as it was.
        same(process.finish().status, 0, "exit status")
        guest.goes_on(token, 0)
        return
    result = process.finish()
    same(result.status, 5, "exit status")
    same(guest.serial.boots(), 2, "boots")
    kept = [word.strip("`'\":;,.") for word in result.err.split() if word.strip("`'\":;,.").endswith(".sav")]
    expect(kept and os.path.exists(kept[0]), f"the message names no memory image that exists: {result.err}")
    run("rm", kept[0])
    expect("guest 'web': runs again" in t.vb("recover").out, "its journal does not end")


def test_failure_needs_no_libvirt_restart(t):
    """After an interrupted backup the very same one succeeds."""
    guest = t.guest("web", t.slow_disk(size=6 * MIB, boot=1)).running()
    process = t.start_vb(*t.backup_line(guest, *SLOW))
    wait_for_busy_child(process)
    process.signal(signal.SIGTERM)
    if process.finish(60).status != 143:
        raise Failure("the backup was not interrupted")
    t.backup(guest, "--compression", "lzma:0")
    t.check_good(guest)


NAMES = ("a", "b", "c")


def three_slow_guests(t):
    return [t.guest(name, t.slow_disk(f"vd{name}", size=4 * MIB)).define() for name in NAMES]


def not_tried_after(t, *line):
    """A run that is stopped in its first guest names those that it did not get to, in text and as objects."""
    for options in ((), ("--json",)):
        process = t.start_vb(*line, *options)
        wait_for_busy_child(process)
        process.signal(signal.SIGINT)
        result = process.finish(60)
        same(result.status, 130, "exit status")
        for name in NAMES:
            said = f"virt-backup: guest '{name}': not tried" in result.error_lines
            same(said, name != "a", f"guest '{name}' is told as not tried")
    events = t.events(result)
    same([event["guest"] for event in events if event["event"] == "guest-not-tried"], ["b", "c"], "guests not tried")
    same((events[-1]["event"], events[-1]["status"], events[-1]["signal"]), ("summary", 130, signal.SIGINT), "the last event")


def test_interrupted_backup_tells_who_was_not_tried(t):
    three_slow_guests(t)
    not_tried_after(t, *t.backup_line(*SLOW, "--children", "1"))
    same(t.archive.names(), [], "files in the archive")


def test_interrupted_restore_tells_who_was_not_tried(t):
    guests = three_slow_guests(t)
    t.backup(*SLOW_LATER)
    for guest in guests:
        guest.undefine()
    not_tried_after(t, *t.restore_line(*LATER))
    same([guest.state() for guest in guests], ["gone"] * 3, "states")


def test_interrupted_verify_tells_who_was_not_tried(t):
    three_slow_guests(t)
    t.backup(*SLOW_LATER)
    not_tried_after(t, "verify", "--source-path", t.archive.path, *LATER)


def test_interrupted_remove_tells_who_was_not_tried(t):
    """A signal is the answer to the question whether to remove the first one."""
    for name in NAMES:
        t.guest(name, t.disk(f"vd{name}", "raw", size=MIB)).define()
    t.backup()
    before = t.archive.names()
    terminal, stdin = pty.openpty()
    t.undo.callback(os.close, terminal)
    messages = t.path("messages")
    with open(messages, "wb") as stderr:
        process = subprocess.Popen([t.binary, "remove", "--source-path", t.archive.path, "--domain-names", ",".join(NAMES)],
                                   env=t.environment, stdin=stdin, stdout=subprocess.DEVNULL, stderr=stderr)
    os.close(stdin)

    def said(text):
        with open(messages, encoding="utf-8") as file:
            return text in file.read()

    wait_until(lambda: said("[y/N]") or process.poll() is not None, "the question")
    process.send_signal(signal.SIGINT)
    same(process.wait(60), 130, "exit status")
    for name in NAMES:
        same(said(f"guest '{name}': not tried"), name != "a", f"guest '{name}' is told as not tried")
    same(t.archive.names(), before, "files in the archive")


HELD_QEMU_IMG = """#!/bin/sh
case $* in
"bitmap --add"*)
    echo > {folder}/begun
    read -r word < {folder}/go
    /usr/bin/qemu-img "$@" && echo > {folder}/ended
    exit
    ;;
esac
exec /usr/bin/qemu-img "$@"
"""


def test_a_signal_kills_no_program_that_writes_into_an_image(t):
    """One that is killed while it has an image open leaves all bitmaps in it in use: other programs', too, for good."""
    guest = t.guest("web", t.disk("vda", "qcow2", size=2 * MIB)).define()
    repository = t.repository()
    run("qemu-img", "bitmap", "--add", "-f", "qcow2", guest.disks[0].path, "other")
    folder = t.make_dir("tools")
    os.mkfifo(f"{folder}/go")
    with open(f"{folder}/qemu-img", "w", encoding="ascii") as file:
        file.write(HELD_QEMU_IMG.format(folder=folder))
    os.chmod(f"{folder}/qemu-img", 0o755)
    t.environment["PATH"] = f"{folder}:{t.environment['PATH']}"
    with open(f"{folder}/go", "r+b", buffering=0) as go:
        process = t.start_vb("backup", "--repository", repository, "--domain-names", "web")
        wait_until(lambda: os.path.exists(f"{folder}/begun"), "the beginning of qemu-img bitmap --add")
        process.signal(signal.SIGTERM)
        time.sleep(0.5)  # nothing happens now, and this is how long it has for that
        go.write(b"on\n")
        result = process.finish()
    same(result.status, 143, "exit status")
    expect(os.path.exists(f"{folder}/ended"), "qemu-img was killed")
    same(image_bitmaps(guest.disks[0]), {"other": ["auto"]}, "bitmaps of the image")
    same(t.points(repository), [], "points")
