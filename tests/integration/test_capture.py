# SPDX-License-Identifier: LGPL-2.1-or-later
"""Captures of running guests that meet other jobs, deaths, odd devices and shortages."""

import json
import os
import signal
import time

from vbtest import linux, oracle
from vbtest.command import Process, expect, run, same, wait_until
from vbtest.disks import MIB, Disk, compare, create_luks
from vbtest.events import Events
from vbtest.midway import SLOW, check_nothing_left, job_xml, kill_run_and_guardian, pid_in, private_files, wait_for_reading

# Built before the tests run: there is no network where they do.
BUILT_BEFORE = "linux-guest"



def slow_guest(t, size=8 * MIB, **more):
    """Its backup takes some seconds, with SLOW."""
    return t.guest("web", t.slow_disk(size=size, boot=1), **more)


# ---- jobs that are there already ------------------------------------------------------------------


def test_job_of_somebody_else_is_left_alone(t):
    guest = t.small_guest().running()
    socket, scratch = t.path("other.sock"), t.path("other.scratch")
    os.chmod(t.dir, 0o777)
    job = t.path("job.xml")
    with open(job, "w", encoding="utf-8") as file:
        file.write(f"<domainbackup mode='pull'><server transport='unix' socket='{socket}'/><disks><disk name='vda' "
                   f"backup='yes' type='file'><scratch file='{scratch}'/></disk></disks></domainbackup>")
    guest.call("backup-begin", "--backupxml", job)
    there, (token, count) = job_xml(guest), guest.serial.last()
    began = time.monotonic()
    for mode in "none", "save", "pause", "live":
        result = t.vb(*t.backup_line(guest, "--guest-memory", mode), status=None)
        expect(result.status in (1, 6), f"{mode}: exit status {result.status}")
        expect("job" in result.err and "web" in result.err, f"{mode}: the job is not named: {result.err}")
        same(job_xml(guest), there, f"{mode}: the job of somebody else")
        same(guest.state(), "running", f"{mode}: state of the guest")
        same(t.archive.names(), [], f"{mode}: files in the archive")
    expect(time.monotonic() - began < 20, "it waited for the job of somebody else")
    guest.goes_on(token, count, steps=3)
    guest.call("domjobabort")
    wait_until(lambda: job_xml(guest) is None, "the end of the job")
    t.backup(guest)
    t.check_good(guest)


def leave_job(t, guest):
    process = t.start_vb(*t.backup_line(guest, "--guest-memory", "pause", *SLOW))
    wait_for_reading(guest, process)
    kill_run_and_guardian(process)
    expect(job_xml(guest), "the job has ended with its owner: there is nothing to be found")


def test_left_over_job_is_ended_by_recover(t):
    guest = slow_guest(t).running()
    before, (token, count) = guest.snapshot(), guest.serial.last()
    leave_job(t, guest)
    result = t.vb("recover")
    expect("web" in result.out + result.err, "recover does not say what it did")
    check_nothing_left(guest)
    guest.goes_on(token, count, steps=3)
    guest.check_unchanged(before)
    same(t.archive.names(), [], "files in the archive")


def test_left_over_job_is_ended_by_the_next_backup(t):
    guest = slow_guest(t).running()
    before, (token, count) = guest.snapshot(), guest.serial.last()
    leave_job(t, guest)
    t.backup(guest, "--compression", "zstd:1")
    check_nothing_left(guest)
    guest.goes_on(token, count, steps=3)
    guest.check_unchanged(before)
    t.check_good(guest)


def test_second_backup_of_a_guest_is_told_who_has_it(t):
    guest = slow_guest(t).running()
    token, count = guest.serial.last()
    process = t.start_vb(*t.backup_line(guest, *SLOW))
    wait_for_reading(guest, process)
    other = t.path("other")
    t.refused(*t.backup_line(guest, to=other), status=6, says=["guest 'web'", "in use since 2", f"by virt-backup (pid {process.pid})"])
    expect(process.running(), "the first backup has ended meanwhile: nothing is shown")
    same(os.listdir(other) if os.path.isdir(other) else [], [], "files in the other archive")
    same(process.finish().status, 0, "exit status of the first")
    guest.goes_on(token, count, steps=3)
    t.check_good(guest)


# ---- deaths in the middle -----------------------------------------------------------------------------


def libvirtd_dies(t, mode):
    guest = slow_guest(t).running()
    before, (token, count) = guest.snapshot(), guest.serial.last()
    process = t.start_vb(*t.backup_line(guest, "--guest-memory", mode, *SLOW))
    wait_for_reading(guest, process)
    t.restart_libvirtd(signal.SIGKILL)
    expect(process.running(), "virt-backup has ended meanwhile: nothing is shown")
    result = process.finish()
    same(result.status, 0, f"exit status ({result.err.strip()})")
    check_nothing_left(guest)
    guest.goes_on(token, count, steps=3)
    guest.check_unchanged(before)
    t.check_good(guest)
    oracle.check_slots(t.archive.decode("web", "vda", "lzma", t.path("decoded")))


def test_save_that_libvirtd_has_forgotten(t):
    """libvirtd was killed after it had stopped the guest for a save and before it had noted why: when it is back, the
    guest is paused, as if a user had asked for that. The journal knows better."""
    guest = t.small_guest().running()
    before, (token, count) = guest.snapshot(), guest.serial.last()
    guest.suspend()
    journal = f"/var/lib/virt-backup/{guest.uuid()}.intent"
    os.makedirs(os.path.dirname(journal), mode=0o700, exist_ok=True)
    # Of a run that is dead: no process has had this pid since the host was started.
    intent = {"version": 1, "pid": 1, "pid-started": 1, "since": "2024-05-01 03:00:00", "uri": "qemu:///system",
              "uuid": guest.uuid(), "name": "web", "persistent": True, "was-running": True, "saved": True,
              "memory": t.path("memory.scratch"), "live-xml": guest.dump("--migratable")}
    with open(journal, "w", encoding="utf-8") as file:
        json.dump(intent, file)
    t.vb("recover")
    guest.goes_on(token, count, steps=3)
    guest.check_unchanged(before)
    expect(not os.path.exists(journal), "the journal is left")


def test_libvirtd_killed_and_started_anew(t):
    libvirtd_dies(t, "pause")


def test_libvirtd_killed_and_started_anew_without_memory(t):
    libvirtd_dies(t, "none")


def test_qemu_killed(t):
    guest = slow_guest(t).running()
    process = t.start_vb(*t.backup_line(guest, *SLOW))
    wait_for_reading(guest, process)
    os.kill(pid_in("/run/libvirt/qemu/web.pid"), signal.SIGKILL)
    result = process.finish(60)
    same(result.status, 1, "exit status")
    expect("guest 'web'" in result.err and "ended" in result.err, f"it is not said: {result.err}")
    wait_until(lambda: guest.state() == "shut off", "libvirt noticing it")
    same(t.archive.names(), [], "files in the archive")
    same(private_files(guest), [], "files in the guest's private folder")
    guest.start()
    guest.serial.wait_for_steps(3)
    t.backup(guest, "--compression", "zstd:1")
    t.check_good(guest)


# ---- disks and devices of all kinds -------------------------------------------------------------------


def bring_back(t, guest):
    token, _ = guest.serial.last()
    guest.destroy()
    guest.undefine()
    t.restore("--allow-autorun")
    guest.goes_on(token, 0)


def test_eight_disks(t):
    kinds = ("qcow2", "raw") * 4
    disks = [t.disk(f"vd{letter}", kind, size=2 * MIB, boot=number)
             for number, (letter, kind) in enumerate(zip("abcdefgh", kinds), 1)]
    guest = t.guest("web", *disks).running()
    before, (token, count) = guest.snapshot(), guest.serial.last()
    t.backup(guest, "--guest-memory", "pause", "--compression", "zstd:1")
    guest.goes_on(token, count)
    guest.check_unchanged(before)
    t.check_good(guest)
    same(t.archive.manifest("web").targets(), [disk.target for disk in disks], "disks in the backup")
    highest = {oracle.check_slots(t.archive.decode("web", disk.target, "zstd", t.path(disk.target)))
               for disk in disks}
    expect(max(highest) - min(highest) <= 1, f"the disks are of different instants: {highest}")
    bring_back(t, guest)


def serve(t, path, socket):
    """The file as an NBD export that QEMU's user may open."""
    server = Process(["qemu-nbd", "--format", "raw", "--persistent", "--shared", "8", "--export-name", "disk",
                      "--socket", socket, path])

    def stop():
        server.signal(signal.SIGTERM)
        server.finish(20)

    t.undo.callback(stop)
    wait_until(lambda: os.path.exists(socket), "the NBD server")
    os.chmod(socket, 0o666)


def network_guest(t):
    content, socket = t.disk("content", "raw", size=16 * MIB), t.path("nbd.sock")
    serve(t, content.path, socket)
    network = Disk("", "raw", "vdb", kind="network", boot=2,
                   source=f"<source protocol='nbd' name='disk'><host transport='unix' socket='{socket}'/></source>")
    return t.guest("web", t.boot_disk("qcow2"), network).running(), content.path


def test_network_disk_of_a_running_guest(t):
    guest, _ = network_guest(t)
    before, (token, count) = guest.snapshot(), guest.serial.last()
    t.backup(guest, "--guest-memory", "pause", "--compression", "zstd:1")
    guest.goes_on(token, count)
    guest.check_unchanged(before)
    t.check_good(guest)
    highest = [oracle.check_slots(t.archive.decode("web", target, "zstd", t.path(target))) for target in ("vda", "vdb")]
    expect(max(highest) - min(highest) <= 1, f"the disks are of different instants: {highest}")
    bring_back(t, guest)
    expect("protocol='nbd'" not in guest.dump(), "the restored guest runs on its old disk")
    expect(os.path.join(t.restored, "web-vdb.raw") in guest.dump(), "the network disk has not become a file")


def test_network_disk_alone(t):
    """Its content comes back byte by byte; the guest, paused, leaves it alone."""
    guest, content = network_guest(t)
    guest.suspend()
    t.backup(guest, "--guest-memory", "none")
    t.restore("--disks", "vdb")
    compare(content, "raw", os.path.join(t.restored, "web-vdb.raw"), "raw", "network disk")
    guest.resume()


def test_uefi_guest_stands_still_for_a_moment(t):
    code, template = "/usr/share/OVMF/OVMF_CODE_4M.fd", "/usr/share/OVMF/OVMF_VARS_4M.fd"
    nvram = t.path("web_VARS.fd")
    guest = t.guest("web", t.disk("vda", "qcow2"), t.disk("vdb", "raw"), memory_mib=64,
                    os_xml=f"<loader readonly='yes' type='pflash'>{code}</loader>"
                           f"<nvram template='{template}'>{nvram}</nvram>").define().start()
    before = guest.snapshot()
    events = Events(t, guest)
    t.backup(guest, "--guest-memory", "pause", "--compression", "zstd:1")
    same(len(events.standstills_ms()), 1, "times that the guest was stopped")
    guest.check_unchanged(before)
    t.check_good(guest)
    t.archive.check_holds("web.xml", "web.sav", "web-nvram.fd", "web-vda.raw.zst", "web-vdb.raw.zst")
    guest.destroy()
    guest.undefine("--keep-nvram")
    os.unlink(nvram)
    t.restore("--allow-autorun")
    same(guest.state(), "running", "state of the restored guest")
    same(guest.call("domstate", "--reason").out.strip(), "running (unpaused)", "how it came to run")


def test_device_that_forbids_saving_memory(t):
    """The reason is said, and the way out works."""
    name = f"vbtest-{os.getpid()}"
    t.undo.callback(run, "rm", "-f", f"/dev/shm/{name}")
    shared = f"<shmem name='{name}'><model type='ivshmem-plain'/><size unit='M'>4</size></shmem>"
    guest = t.small_guest(devices_xml=shared).running()
    before, (token, count) = guest.snapshot(), guest.serial.last()
    for words in (), ("--guest-memory", "pause"), ("--guest-memory", "live"), ("--guest-memory", "save"):
        t.refused(*t.backup_line(guest, *words), says=["guest 'web'", "shared memory", name, "--guest-memory none"])
    guest.check_unchanged(before)
    same(t.archive.names(), [], "files in the archive")
    t.backup(guest, "--guest-memory", "none")
    same(t.archive.manifest("web").consistency(), "crash-consistent", "recorded consistency")
    guest.goes_on(token, count, steps=3)
    t.check_good(guest)


def test_memory_alone(t):
    """All disks are left out: there is no job, and the guest goes on."""
    guest = t.small_guest().running()
    before, (token, count) = guest.snapshot(), guest.serial.last()
    for mode in "pause", "none":
        t.backup(guest, "--guest-memory", mode, "--exclude-disk", "vda", "--replace")
        guest.goes_on(token, count, steps=3)
        guest.check_unchanged(before)
        check_nothing_left(guest)
        same(t.archive.manifest("web").left_out(), {"vda": "excluded"}, f"{mode}: what is left out")
    t.backup(guest, "--guest-memory", "pause", "--exclude-disk", "vda", "--replace")
    t.check_good(guest)


def test_luks_disk_of_a_running_guest_is_refused(t):
    key = t.path("key")
    with open(key, "w", encoding="utf-8") as file:
        file.write("open sesame")
    path = t.path("vdb.qcow2")
    create_luks(path, key)
    os.chmod(path, 0o666)
    secret = t.secret("open sesame")
    disk = Disk(path, target="vdb", source=f"<source file='{path}'><encryption format='luks'>"
                                           f"<secret type='passphrase' uuid='{secret}'/></encryption></source>")
    guest = t.guest("web", t.boot_disk(), disk).running()
    token, count = guest.serial.last()
    for mode in "pause", "none", "save":
        t.refused(*t.backup_line(guest, "--guest-memory", mode),
                  says=["guest 'web'", "vdb", "encrypted", "--exclude-disk vdb"])
    guest.goes_on(token, count, steps=3)
    t.backup(guest, "--guest-memory", "none", "--exclude-disk", "vdb")
    same(t.archive.manifest("web").left_out(), {"vdb": "excluded"}, "what is left out")
    t.check_good(guest)


# ---- shortages -------------------------------------------------------------------------------------------


def never_long(events, began):
    """The guest does not wait for the run to fail: it stands still for a small part of the time since, however slow all is."""
    longest, limit = max(events.standstills_ms()), max(3000, (time.monotonic() - began) * 1000 / 3)
    expect(longest <= limit, f"the guest stood still for {longest:.0f} ms, at most {limit:.0f} are good")


def test_scratch_that_a_fast_writer_fills(t):
    """The backup is given up; the guest, which writes without end, is never left paused."""
    scratch = t.small_filesystem("scratch", 100 * MIB)
    big = t.slow_disk("vdb", size=128 * MIB)
    os.chmod(big.path, 0o666)
    guest = linux.linux_guest(t, "web", linux.ext4_disk(t), big, agent=linux.AGENT_XML).running()
    agent, events = linux.Agent(guest).wait(), Events(t, guest)
    token, count = guest.serial.last()
    agent.begin("while :; do dd if=/dev/zero of=/dev/vdb bs=1M oflag=direct; done 2>/dev/null")
    began = time.monotonic()
    result = t.start_vb(*t.backup_line(guest, "--guest-memory", "pause", "--scratch-path", scratch, *SLOW)).finish()
    same(result.status, 1, "exit status")
    expect("guest 'web'" in result.err and scratch in result.err and "--scratch-path" in result.err,
           f"it is not said: {result.err}")
    same(guest.state(), "running", "state of the guest")
    never_long(events, began)
    guest.goes_on(token, count, steps=5)
    check_nothing_left(guest)
    same(os.listdir(scratch), [], "scratch files")
    same(t.archive.names(), [], "files in the archive")


def test_scratch_path_is_used_and_emptied(t):
    scratch = t.make_dir("scratch")
    guest = slow_guest(t).running()
    token, count = guest.serial.last()
    process = t.start_vb(*t.backup_line(guest, "--guest-memory", "pause", "--scratch-path", scratch, *SLOW))
    wait_for_reading(guest, process)
    same(len(os.listdir(scratch)), 1, "scratch files in the middle of the backup")
    same(process.finish().status, 0, "exit status")
    same(os.listdir(scratch), [], "scratch files after the backup")
    guest.goes_on(token, count, steps=3)
    t.check_good(guest)


def test_scratch_path_without_room_is_refused_first(t):
    small = t.small_filesystem("scratch", 16 * MIB)
    guest = t.small_guest().running()
    events = Events(t, guest)
    for mode in "pause", "none":
        t.refused(*t.backup_line(guest, "--guest-memory", mode, "--scratch-path", small),
                  says=["guest 'web'", small, "free", "--scratch-path"])
    guest.suspend()
    guest.resume()
    same(len(events.standstills_ms()), 1, "times that the guest was stopped (once by this test)")


def target_fills(t, mode):
    """Room for the memory is there, for the disks it is not."""
    target = t.small_filesystem("small", 112 * MIB)
    guest = t.guest("web", t.boot_disk("qcow2"), t.slow_disk("vdb", size=128 * MIB)).running()
    before, (token, count) = guest.snapshot(), guest.serial.last()
    events, began = Events(t, guest), time.monotonic()
    t.refused(*t.backup_line(guest, "--guest-memory", mode, to=os.path.join(target, "archive")),
              says=["guest 'web'", target])
    same(guest.state(), "running", "state of the guest")
    guest.goes_on(token, count, steps=3)
    guest.check_unchanged(before)
    check_nothing_left(guest)
    same([name for _, _, names in os.walk(target) for name in names], [], "files in the target")
    guest.suspend()
    guest.resume()
    never_long(events, began)


def test_target_that_fills(t):
    target_fills(t, "pause")


def test_target_that_fills_without_memory(t):
    target_fills(t, "none")
