# SPDX-License-Identifier: LGPL-2.1-or-later
"""Where libvirt writes a guest's memory: never where somebody else than root could lead it elsewhere."""

import os
import pwd
import re
import stat
import sys

from vbtest.command import Process, expect, run, same, virsh, wait_until
from vbtest.disks import MIB
from vbtest.events import Events
from vbtest.midway import check_nothing_left, kill_run_and_guardian, wait_for_reading

USUAL = "/var/lib/libvirt/virt-backup"
USER = "nobody"

# Runs as USER, who owns the folder FOLDER: whatever appears there that libvirt or QEMU might open by its path is taken
# away, and a symbolic link to TARGET put in its place, again and again; what lies in it is carried off to LOOT.
SWAP = """
import os, sys
folder, target, loot, ready, *wanted_parts = sys.argv[1:]
os.close(os.open(ready, os.O_CREAT | os.O_WRONLY))
def wanted(name):
    return any(part in name for part in wanted_parts)
seen = set()
while True:
    seen |= {name for name in os.listdir(folder) if wanted(name)}
    for name in seen:
        path = os.path.join(folder, name)
        try:
            if not os.path.islink(path):
                if os.path.lexists(path):
                    os.rename(path, os.path.join(loot, name))
                os.symlink(target, path)
        except OSError:
            pass
"""


def swapped(t, place, *parts):
    """Somebody at work in the folder, on names that hold one of these; returns the file of root's that he wants to have
    overwritten, where he puts what he takes, and the process."""
    account = pwd.getpwnam(USER)
    victim, loot, script, ready = t.path("victim"), t.make_dir("loot"), t.path("swap.py"), t.path("tmp", "ready")
    for folder in place, loot:
        os.chown(folder, account.pw_uid, account.pw_gid)
    with open(victim, "w", encoding="ascii") as file:
        file.write("root's own")
    os.chmod(victim, 0o600)
    with open(script, "w", encoding="utf-8") as file:
        file.write(SWAP)
    process = Process(["setpriv", f"--reuid={account.pw_uid}", f"--regid={account.pw_gid}", "--clear-groups",
                       sys.executable, script, place, victim, loot, ready, *parts])

    def stop():
        process.signal(9)
        process.finish(20)

    t.undo.callback(stop)
    wait_until(lambda: os.path.exists(ready), "the one who swaps")
    os.unlink(ready)
    return victim, loot, process


def swapped_destination(t, mode):
    place = t.make_dir("his", 0o755)
    guest = t.small_guest().running()
    victim, loot, process = swapped(t, place, ".scratch", "vb-")
    before, (token, count) = guest.snapshot(), guest.serial.last()
    t.backup(guest, "--guest-memory", mode, "--compression", "zstd:1", to=place, status=None)
    expect(process.running(), "nobody was there to swap anything: nothing is shown")
    with open(victim, "rb") as file:
        same(file.read(32), b"root's own", "a file of root's that has nothing to do with the backup")
    same(stat.S_IMODE(os.stat(victim).st_mode), 0o600, "its mode")
    same(os.stat(victim).st_uid, 0, "its owner")
    same(os.listdir(loot), [], "what was carried off")
    guest.goes_on(token, count, steps=3)
    guest.check_unchanged(before)
    check_nothing_left(guest)
    t.verify(source=place)


def test_destination_in_which_another_user_swaps_names_with_save(t):
    swapped_destination(t, "save")


def test_destination_in_which_another_user_swaps_names_with_pause(t):
    swapped_destination(t, "pause")


def test_guest_is_resumed_from_no_image_in_a_destination_of_another_user(t):
    guest = t.small_guest().running()
    t.backup(guest)
    token, _ = guest.serial.last()
    guest.destroy()
    guest.undefine()
    place = t.make_dir("his", 0o755)
    victim, loot, process = swapped(t, place, ".sav")
    t.restore("--allow-autorun", to=place)
    expect(process.running(), "nobody was there to swap anything: nothing is shown")
    guest.goes_on(token, 0, steps=3)
    same(os.listdir(loot), [], "what was carried off")
    same(sorted(os.listdir(place)), ["vda.qcow2"], "files in the destination")
    with open(victim, "rb") as file:
        same(file.read(32), b"root's own", "a file of root's that has nothing to do with the restore")


def test_image_that_can_not_be_resumed_is_kept_in_the_staging_folder(t):
    """The message names it, and it works once nothing is in the way any more."""
    guest = t.small_guest().running()
    t.backup(guest)
    token, _ = guest.serial.last()
    guest.destroy()
    guest.undefine()
    place = t.make_dir("his", 0o755)
    os.chown(place, pwd.getpwnam(USER).pw_uid, -1)
    serial = os.path.dirname(guest.serial.path)
    moved = os.path.join(serial, "in-the-way")
    os.rename(guest.serial.path, moved)
    os.mkdir(guest.serial.path)
    line = t.refused(*t.restore_line("--allow-autorun", to=place), says=["guest 'web'", "could not be started", USUAL])
    os.rmdir(guest.serial.path)
    os.rename(moved, guest.serial.path)
    image = re.search(rf"{USUAL}/[^'` ]*\.sav", line).group(0)
    virsh("restore", image)
    os.unlink(image)
    os.rmdir(os.path.dirname(image))
    guest.goes_on(token, 0, steps=3)


def no_usual_room(t):
    """The usual folder is there, and too small for any guest's memory."""
    os.makedirs(USUAL, mode=0o700, exist_ok=True)
    run("mount", "-t", "tmpfs", "-o", "size=1M,mode=0700", "vbtest", USUAL)
    t.undo.callback(run, "umount", "--lazy", USUAL)


def never_stopped(guest, events):
    guest.suspend()
    guest.resume()
    same(len(events.standstills_ms()), 1, "times that the guest was stopped (once by this test)")


def test_no_room_and_a_destination_of_another_user_is_refused_first(t):
    no_usual_room(t)
    place = t.make_dir("his", 0o755)
    os.chown(place, pwd.getpwnam(USER).pw_uid, -1)
    guest = t.small_guest().running()
    events = Events(t, guest)
    for mode in "save", "pause":
        t.refused(*t.backup_line(guest, "--guest-memory", mode, to=place),
                  says=["guest 'web'", USUAL, "free", place, "belongs to user", "--staging-path"])
    never_stopped(guest, events)
    same(os.listdir(place), [], "files in the archive")


def test_no_room_and_a_way_to_the_destination_that_others_can_change_is_refused_first(t):
    no_usual_room(t)
    place = t.make_dir("open", 0o777)
    guest = t.small_guest().running()
    events = Events(t, guest)
    t.refused(*t.backup_line(guest, "--guest-memory", "save", to=os.path.join(place, "archive")),
              says=["guest 'web'", f"others can write to {place}", "--staging-path"])
    never_stopped(guest, events)


def test_no_room_and_a_destination_of_our_own_stages_there(t):
    no_usual_room(t)
    guest = t.small_guest().running()
    before, (token, count) = guest.snapshot(), guest.serial.last()
    t.backup(guest, "--guest-memory", "save", "--compression", "zstd:1")
    guest.goes_on(token, count, steps=3)
    guest.check_unchanged(before)
    t.check_good(guest)


def test_staging_path_is_used_and_emptied(t):
    place = t.make_dir("staging", 0o700)
    guest = t.guest("web", t.slow_disk(size=8 * MIB, boot=1)).running()
    token, count = guest.serial.last()
    process = t.start_vb(*t.backup_line(guest, "--guest-memory", "pause", "--staging-path", place, "--compression", "lzma:9e",
                                        "--chunk-size", "1M", "--children", "1"))
    wait_for_reading(guest, process)
    folder = os.path.join(place, f"vb-{guest.uuid()}")
    same(stat.S_IMODE(os.stat(folder).st_mode), 0o700, "mode of the guest's folder")
    same(os.listdir(folder), ["memory-1.sav"], "files in it in the middle of the backup")
    same(process.finish().status, 0, "exit status")
    same(os.listdir(place), [], "files there after the backup")
    guest.goes_on(token, count, steps=3)
    t.check_good(guest)


def test_staging_path_that_others_can_change_is_refused_first(t):
    guest = t.small_guest().running()
    events = Events(t, guest)
    for place in t.make_dir("open", 0o777), t.make_dir("tmp2", 0o1777):
        t.refused(*t.backup_line(guest, "--guest-memory", "save", "--staging-path", place),
                  says=["guest 'web'", "--staging-path", f"others can write to {place}"])
    never_stopped(guest, events)


def test_staging_path_without_room_is_refused_first(t):
    small = t.small_filesystem("staging", 4 * MIB)
    guest = t.small_guest().running()
    events = Events(t, guest)
    t.refused(*t.backup_line(guest, "--guest-memory", "pause", "--staging-path", small),
              says=["guest 'web'", f"--staging-path: {small}", "free"])
    never_stopped(guest, events)


def test_scratch_path_that_others_can_change_is_refused_first(t):
    guest = t.small_guest().running()
    events = Events(t, guest)
    place = t.make_dir("open", 0o777)
    for mode in "pause", "none":
        t.refused(*t.backup_line(guest, "--guest-memory", mode, "--scratch-path", place),
                  says=["guest 'web'", "--scratch-path", f"others can write to {place}"])
    never_stopped(guest, events)


def test_scratch_path_of_the_user_that_runs_qemu(t):
    place = t.make_dir("scratch", 0o700)
    os.chown(place, pwd.getpwnam("libvirt-qemu").pw_uid, -1)
    guest = t.small_guest().running()
    t.backup(guest, "--guest-memory", "pause", "--scratch-path", place)
    same(os.listdir(place), [], "scratch files after the backup")
    t.check_good(guest)


def test_dead_run_leaves_nothing_in_the_staging_folder(t):
    guest = t.guest("web", t.slow_disk(size=8 * MIB, boot=1)).running()
    token, count = guest.serial.last()
    process = t.start_vb(*t.backup_line(guest, "--guest-memory", "save", "--compression", "lzma:9e", "--chunk-size", "1M",
                                        "--children", "1"))
    wait_until(lambda: guest.state() == "shut off" and os.path.exists(t.archive.path) and os.listdir(t.archive.path),
               "the guest to be saved")
    same(os.listdir(USUAL), [f"vb-{guest.uuid()}"], "what is staged")
    kill_run_and_guardian(process)
    t.vb("recover")
    same(os.listdir(USUAL), [], "what is staged after recover")
    guest.goes_on(token, count, steps=3)
