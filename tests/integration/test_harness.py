# SPDX-License-Identifier: LGPL-2.1-or-later
"""The helpers of the tests themselves: each must be able to find what it is there to find."""

import os
import signal
import subprocess
import sys

from vbtest import command, disks, leftovers, oracle, proc
from vbtest.command import Failure, Process, expect, run, same, virsh, virsh_many, wait_until
from vbtest.disks import attached_loops


def fails(function, *arguments):
    try:
        function(*arguments)
    except Failure:
        return
    raise Failure(f"{function.__name__}{arguments} found nothing wrong")


def test_guest_tells_disks_of_another_instant(t):
    guest = t.guest("web", t.boot_disk("raw"), t.disk("vdb", "raw", boot=2)).running()
    disk = guest.disks[1].path
    guest.call("save", "--file", t.path("first.sav"))
    run("cp", disk, t.path("old"))
    virsh("restore", t.path("first.sav"))
    guest.serial.wait_for_steps(20)
    guest.serial.check()
    guest.call("save", "--file", t.path("second.sav"))
    oracle.check_slots(disk)
    run("cp", t.path("old"), disk)
    virsh("restore", t.path("second.sav"))
    guest.serial.wait_for_steps(2)
    fails(guest.serial.check)


def test_slots_tell_stale_and_torn_sectors(t):
    disk = t.raw_content()
    with open(disk, "r+b") as file:
        for count in range(100, 100 + disks.SLOTS):
            file.seek((disks.AREA + count % disks.SLOTS) * disks.SECTOR)
            file.write(count.to_bytes(4, "little") * (disks.SECTOR // 4))
        file.flush()
        same(oracle.check_slots(disk), 99 + disks.SLOTS, "highest count")
        place = (disks.AREA + 105 % disks.SLOTS) * disks.SECTOR
        file.seek(place)
        file.write((105 - disks.SLOTS).to_bytes(4, "little") * (disks.SECTOR // 4))
        file.flush()
        fails(oracle.check_slots, disk)
        file.seek(place)
        file.write(bytes(4))
        file.flush()
        fails(oracle.check_slots, disk)


# Opens and closes files as fast as it can, beside one that it keeps.
RESTLESS = """
import os, sys
kept = os.open(sys.argv[1], os.O_RDONLY)
while True:
    for fd in [os.open("/dev/null", os.O_RDONLY) for _ in range(20)]:
        os.close(fd)
"""


def test_open_files_of_a_process_that_closes_them_and_ends(t):
    kept, other = t.raw_content(), t.path("other")
    restless = Process((sys.executable, "-c", RESTLESS, kept))
    wait_until(lambda: proc.has_open(restless.pid, kept), "the file being open")
    seen = [len(proc.open_files(restless.pid)) for _ in range(2000)]
    expect(max(seen) > 10 > min(seen), f"no file was closed in between: {min(seen)} to {max(seen)}")
    expect(not proc.has_open(restless.pid, other), "a file that it does not have is found")
    restless.signal(signal.SIGKILL)
    restless.finish()
    expect(not proc.has_open(restless.pid, kept), "a process that is gone has a file open")
    same(proc.name_of(restless.pid), None, "name of a process that is gone")
    proc.kill(restless.pid, signal.SIGKILL)


def test_comparison_sees_one_changed_byte(t):
    one, two = t.disk("vda", "qcow2"), t.path("copy.raw")
    disks.flatten(one.path, "qcow2", two)
    disks.compare(one.path, "qcow2", two, "raw", "equal disks")
    with open(two, "r+b") as file:
        file.seek(5 * disks.MIB)
        byte = file.read(1)
        file.seek(5 * disks.MIB)
        file.write(bytes([byte[0] ^ 1]))
    fails(disks.compare, one.path, "qcow2", two, "raw", "different disks")


def test_state_of_a_guest_is_compared(t):
    guest = t.small_guest().define()
    before = guest.snapshot()
    guest.check_unchanged(before)
    guest.call("autostart")
    fails(guest.check_unchanged, before)
    guest.call("autostart", "--disable")
    guest.call("desc", "--title", "--new-desc", "changed", "--config")
    fails(guest.check_unchanged, before)


def test_loop_device_is_gone_after_its_owner(t):
    backing = t.raw_content()
    owner = ("import sys, os; sys.path.insert(0, sys.argv[1]); from vbtest.disks import LoopDevice; "
             "print(LoopDevice(sys.argv[2]).path, flush=True); sys.stdin.read()")
    library = os.path.join(os.path.dirname(os.path.realpath(__file__)), "../lib")
    with subprocess.Popen(["/usr/bin/python3", "-B", "-c", owner, library, backing], stdin=subprocess.PIPE,
                          stdout=subprocess.PIPE) as process:
        device = process.stdout.readline().decode().strip()
        same(len(attached_loops(t.dir)), 1, "attached loop devices")
        expect(os.path.exists(device), f"{device} does not exist")
        process.kill()
    wait_until(lambda: not attached_loops(t.dir), "the loop device being detached")


def test_private_libvirt_ends_with_its_owner(t):
    """Killed with -9, it leaves neither daemon nor guest nor command."""
    private = os.path.join(os.path.dirname(os.path.realpath(__file__)), "../lib/private-libvirt")
    guest = t.small_guest()
    xml = guest.write_xml()
    script = f"virsh create {xml} && touch {t.path('up')} && exec sleep 1000"
    with subprocess.Popen([private, "sh", "-c", script], stdout=subprocess.DEVNULL) as process:
        wait_until(lambda: os.path.exists(t.path("up")), "the nested guest")
        expect(any("qemu-system" in command for command in t.baseline.new_processes().values()), "no QEMU is there")
        process.kill()
    wait_until(lambda: not t.baseline.new_processes(), "the end of all processes")


def test_private_libvirt_ends_with_whoever_started_it(t):
    """So that the workers of a runner that is killed do not go on with their tests."""
    private = os.path.join(os.path.dirname(os.path.realpath(__file__)), "../lib/private-libvirt")
    starter = ("import subprocess, sys, time; subprocess.Popen([sys.argv[1], 'sh', '-c', sys.argv[2]], start_new_session=True); "
               "time.sleep(1000)")
    script = f"touch {t.path('up')} && exec sleep 1000"
    with subprocess.Popen(["/usr/bin/python3", "-c", starter, private, script], stdout=subprocess.DEVNULL) as process:
        wait_until(lambda: os.path.exists(t.path("up")), "the command")
        process.kill()
    wait_until(lambda: not t.baseline.new_processes(), "the end of all processes")


def test_virsh_that_runs_all_the_time_answers_as_one_of_its_own(t):
    """Its status, output and errors; also after another libvirtd has come, and of names that it cannot read."""
    odd = t.guest("it's \"odd\" $1; list", t.boot_disk())
    beyond = t.guest("größe\t1", t.disk("vda", "qcow2", name="beyond.qcow2"))
    other = t.guest("web", t.disk("vdb")).define()
    odd.define()
    shell = command.virsh_shell
    for _ in range(2):
        for words in (("list", "--all", "--name"), ("dumpxml", "web"), ("domstate", "--domain", odd.name), ("domstate", "gone"),
                      ("list", "--nothing"), ("nothing",), ("list --all; echo x; uri",), ("start", "--domain", "gone", "--paused")):
            before = shell.pid
            here, own = virsh(*words, status=None), run("virsh", "-q", *words, status=None)
            same((here.status, here.out, here.err), (own.status, own.out, own.err), f"answers of virsh {words}")
            expect(before in (None, shell.pid), "virsh was started anew")
        t.restart_libvirtd()
        virsh("uri")
        expect(before != shell.pid, "virsh was not started anew for another libvirtd")
    beyond.define()
    same(beyond.state(), "shut off", "a guest whose name takes a virsh of its own")
    same(virsh_many(("domstate", "web"), ("domstate", "gone"), ("domuuid", "web"))[1:], [None, other.uuid() + "\n"],
         "answers of which one is an error")
    fails(lambda: virsh("domstate", "gone"))
    fails(lambda: virsh("event", "--all", "--loop", limit_s=0.2))
    same(other.state(), "shut off", "what comes after a virsh that had not ended")


def test_what_is_left_in_libvirt_is_seen(t):
    before = leftovers.libvirt_objects()
    t.guest("web").define()
    t.pool("images", t.make_dir("pool"))
    secret = t.secret("open")
    same(leftovers.libvirt_objects() - before, {"guest web", "pool images", f"secret {secret}"}, "new objects of libvirt")
