# SPDX-License-Identifier: LGPL-2.1-or-later
"""Guests that a dead run has left down and that cannot be put back at once: nobody forgets them."""

import os
import signal

from vbtest import leftovers
from vbtest.command import expect, run, same, wait_until
from vbtest.midway import SLOW, kill_run_and_guardian, offspring, pid_in



def down_in_its_backup(t, guest, *options, **more):
    """A run that has saved the guest and reads its disks."""
    process = t.start_vb(*t.backup_line(guest, "--guest-memory", "save", *SLOW, *options, **more))

    def reading():
        expect(process.running(), "virt-backup has ended already")
        busy = [pid for pid in offspring(process)[1] if leftovers.cpu_ticks(pid) >= 3]
        return busy and guest.state() == "shut off"

    wait_until(reading, "the guest to be saved and its disks being read")
    return process


def stranded(t, guest, *options):
    """The run is killed, and libvirt refuses the guest's memory: a disk of it is away."""
    process = down_in_its_backup(t, guest, *options)
    os.rename(guest.disks[0].path, guest.disks[0].path + ".away")
    own, _ = offspring(process)
    process.signal(signal.SIGKILL)
    result = process.finish(60)
    wait_until(lambda: not set(own) & set(leftovers.processes()), "the end of the guardian")
    same(guest.state(), "shut off", "state of the guest")
    return result


def put_disk_back(guest):
    os.rename(guest.disks[0].path + ".away", guest.disks[0].path)


def told(result, *more):
    """Once, with what to do. MORE: what else is said about the guest, a line each."""
    lines = [line for line in result.error_lines if "guest 'web'" in line]
    same(len(lines), 1 + len(more), f"lines about the guest in {result.err}")
    expect("virsh restore" in lines[0] and ".sav" in lines[0],
           f"it is not told that the guest is down, and how to go on: {result.err}")
    for line, words in zip(lines[1:], more):
        expect(words in line and "virsh restore" not in line, f"not what was expected: {line}")


def test_guest_that_is_down_is_told_by_every_command_until_it_is_back(t):
    web = t.guest("web", t.slow_disk(size=6 * 2**20, boot=1)).running()
    other = t.small_guest("db").define()
    token, count = web.serial.last()
    t.backup(other)
    stranded(t, web)
    told(t.vb("list", "--source-path", t.archive.path))
    told(t.vb("verify", "--source-path", t.archive.path))
    # Its own backup and `recover` say it with their status, others' keep theirs.
    told(t.vb("recover", status=5))
    told(t.vb(*t.backup_line(web), status=5), "guest 'web': not put back yet; once you have dealt with it yourself, run: ")
    told(t.vb(*t.backup_line(other, "--replace"), status=0))
    told(t.vb("recover", status=5))
    same(web.state(), "shut off", "state of the guest")
    put_disk_back(web)
    result = t.vb("recover")
    expect("guest 'web': put back" in result.out, f"it is not told that it is back: {result.out}")
    web.goes_on(token, count)
    same(sorted(leftovers.files_below(leftovers.STATE_DIR)), [], "what is left in the state directory")
    same(web.serial.boots(), 1, "boots")


def test_interrupted_recover_names_those_it_did_not_reach(t):
    """libvirt does not answer: the first guest waits for it."""
    guests = [t.guest(name, t.slow_disk(f"vd{name}", size=6 * 2**20, boot=1)).running() for name in "ab"]
    locks = [os.path.join(leftovers.STATE_DIR, f"{guest.uuid()}.lock") for guest in guests]
    for run_of_one in [down_in_its_backup(t, guest) for guest in guests]:
        kill_run_and_guardian(run_of_one)
    daemon = pid_in("/run/libvirt/libvirtd.pid")
    os.kill(daemon, signal.SIGSTOP)
    t.undo.callback(os.kill, daemon, signal.SIGCONT)
    process = t.start_vb("recover", "--json")

    def holder(path):
        with open(path, encoding="ascii") as file:
            return file.read().split(" ")[0]

    wait_until(lambda: any(os.path.exists(path) and holder(path) == str(process.pid) for path in locks), "a guest being tried")
    process.signal(signal.SIGINT)
    result = process.finish(60)
    os.kill(daemon, signal.SIGCONT)
    events = t.events(result)
    failed, not_tried = ([event["guest"] for event in events if event["event"] == name] for name in ("guest-failed", "guest-not-tried"))
    same((len(failed), len(not_tried)), (1, 1), "how many have failed, and how many were not tried")
    same(sorted(failed + not_tried), ["a", "b"], "the guests that are told")
    expect(f"guest '{not_tried[0]}': not tried" in result.err, f"it is not told in words: {result.err}")
    t.vb("recover")
    same([guest.state() for guest in guests], ["running", "running"], "states of the guests")


def test_next_backup_puts_a_guest_back_that_could_not_be_before(t):
    web = t.guest("web", t.slow_disk(size=6 * 2**20, boot=1)).running()
    token, count = web.serial.last()
    stranded(t, web)
    put_disk_back(web)
    t.backup(web, "--compression", "zstd:1")
    web.goes_on(token, count)
    t.check_good(web)


def test_guest_that_is_booted_anew_is_told_once_more_with_its_memory(t):
    web = t.guest("web", t.slow_disk(size=6 * 2**20, boot=1)).running()
    stranded(t, web)
    put_disk_back(web)
    web.call("start")
    result = t.vb("recover")
    kept = [word.strip("'\":;,") for word in result.out.split() if "rescue.sav" in word]
    expect(kept and os.path.exists(kept[0]), f"the memory is not named: {result.out}")
    same(sorted(leftovers.files_below(leftovers.STATE_DIR)), [], "what is left in the state directory")
    os.unlink(kept[0])
    os.rmdir(os.path.dirname(kept[0]))


def test_warnings_of_the_guardian_are_objects_too(t):
    web = t.guest("web", t.slow_disk(size=6 * 2**20, boot=1)).running()
    result = stranded(t, web, "--json")
    warnings = [event["warning"] for event in t.events(result) if event["event"] == "warning" and event["guest"] == "web"]
    expect(any("its backup was killed" in text for text in warnings), f"it is not told that the run is dead: {warnings}")
    expect(any("virsh restore" in text for text in warnings), f"it is not told how to go on: {warnings}")
    for text in warnings:
        expect(f"warning: guest 'web': {text}" in result.err, f"not told in words: {text}")
    put_disk_back(web)
    t.vb("recover")


def test_guest_that_is_dismissed_is_told_no_more(t):
    web = t.guest("web", t.slow_disk(size=6 * 2**20, boot=1)).running()
    stranded(t, web)
    t.refused("recover", "--dismiss", "other", says=["other"])
    result = t.vb("recover", "--dismiss", "web")
    kept = [word.strip("'\":;,") for word in result.out.split() if "rescue.sav" in word]
    expect(kept and os.path.exists(kept[0]), f"the memory is not named: {result.out}")
    expect("1 guest dismissed" in result.out, f"the summary: {result.out}")
    same(t.vb("recover").err, "", "what recover says")
    put_disk_back(web)
    web.call("start")
    t.backup(web, "--compression", "zstd:1")
    os.unlink(kept[0])
    os.rmdir(os.path.dirname(kept[0]))


def test_paths_that_are_not_utf8_lead_back_to_the_guest(t):
    """The journal names the folder of the backups and the memory image by their bytes."""
    place = t.make_dir("s\udce9rie", 0o700)
    web = t.guest("web", t.slow_disk(size=6 * 2**20, boot=1)).running()
    token, count = web.serial.last()
    archive = os.path.join(place, "archive")
    os.mkdir(archive)
    staging = t.make_dir("staging-\udcff", 0o700)
    kill_run_and_guardian(down_in_its_backup(t, web, "--staging-path", staging, to=archive))
    t.vb("recover")
    web.goes_on(token, count)
    same(os.listdir(staging), [], "what is staged")
    same(os.listdir(archive), [], "files in the archive")


def test_putting_back_needs_no_room_in_the_state_directory(t):
    os.makedirs(leftovers.STATE_DIR, 0o700, exist_ok=True)
    run("mount", "-t", "tmpfs", "-o", "size=64k,mode=700", "tmpfs", leftovers.STATE_DIR)
    try:
        web = t.guest("web", t.slow_disk(size=6 * 2**20, boot=1)).running()
        token, count = web.serial.last()
        kill_run_and_guardian(down_in_its_backup(t, web))
        with open(os.path.join(leftovers.STATE_DIR, "ballast"), "wb", buffering=0) as file:
            try:
                while True:
                    file.write(bytes(4096))
            except OSError:
                pass
        t.vb("recover")
        web.goes_on(token, count)
        os.unlink(os.path.join(leftovers.STATE_DIR, "ballast"))
        same(sorted(leftovers.files_below(leftovers.STATE_DIR)), [], "what is left in the state directory")
    finally:
        run("umount", leftovers.STATE_DIR)


def test_memory_that_is_covered_by_a_mount_is_waited_for(t):
    staging = t.make_dir("staging", 0o700)
    web = t.guest("web", t.slow_disk(size=6 * 2**20, boot=1)).running()
    token, count = web.serial.last()
    kill_run_and_guardian(down_in_its_backup(t, web, "--staging-path", staging))
    run("mount", "-t", "tmpfs", "-o", "size=64k,mode=700", "tmpfs", staging)
    try:
        for _ in range(2):
            result = t.vb("recover", status=5)
            expect(f"'{staging}' is no longer the same folder" in result.err and "virt-backup recover" in result.err,
                   f"the remedy is not said: {result.err}")
            same(web.state(), "shut off", "state of the guest")
    finally:
        run("umount", staging)
    t.vb("recover")
    web.goes_on(token, count)
    same(os.listdir(staging), [], "what is staged")
