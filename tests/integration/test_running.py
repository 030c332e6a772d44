# SPDX-License-Identifier: LGPL-2.1-or-later
"""Guests that run: memory and disks of one instant, and the guest goes on in the state it was found in."""

import os

from vbtest import consistency, oracle
from vbtest.archive import sav_header
from vbtest.command import expect, run, same, virsh, wait_until
from vbtest.disks import MIB


def two_disks(t):
    return t.guest("web", t.boot_disk("qcow2"), t.disk("vdb", "raw", boot=2))


def bring_back(t, guest, *options):
    """Take a guest that runs away, restore it with its memory, and see it go on."""
    token, count = guest.serial.last()
    guest.destroy()
    if guest.exists():
        guest.undefine()
    t.restore("--allow-autorun", *options)
    guest.goes_on(token, 0)
    return token, count


def check_instant(t, guest, codec):
    """All disks in the archive are of the instant at which the guest stopped."""
    counts = set()
    for disk in guest.disks:
        raw = t.archive.decode(guest.name, disk.target, codec, t.path("decoded-" + disk.target))
        counts.add(oracle.check_slots(raw))
    expect(max(counts) - min(counts) <= 1, f"the disks are of different instants: {counts}")


def goes_on(t, mode):
    guest = two_disks(t).running()
    before, (token, count) = guest.snapshot(), guest.serial.last()
    t.backup(guest, "--guest-memory", mode)
    guest.goes_on(token, count)
    guest.check_unchanged(before)
    same(guest.serial.boots(), 1, "boots")
    t.archive.check_holds("web.xml", "web.sav", "web-vda.raw", "web-vdb.raw")
    t.check_good(guest)
    check_instant(t, guest, "none")
    manifest = t.archive.manifest("web")
    same(manifest.domain()["state"], "running", "recorded state")
    same(manifest.consistency(), mode, "recorded consistency")
    expect(0 < manifest.downtime_ms() < 60000, f"downtime {manifest.downtime_ms()} ms")


def test_running_guest_saved_goes_on(t):
    goes_on(t, "save")


def test_running_guest_paused_goes_on(t):
    goes_on(t, "pause")


def test_running_guest_captured_live_goes_on(t):
    goes_on(t, "live")


def test_default_is_a_short_stop(t):
    """QEMU before 9 cannot be trusted with live images of a guest that it emulates."""
    guest = two_disks(t).running()
    t.backup(guest)
    same(t.archive.manifest("web").consistency(), "live" if consistency.live_is_trusted() else "pause", "recorded consistency")


def test_disks_alone(t):
    guest = two_disks(t).running()
    before, (token, count) = guest.snapshot(), guest.serial.last()
    t.backup(guest, "--guest-memory", "none", "--compression", "zstd")
    guest.goes_on(token, count)
    guest.check_unchanged(before)
    t.archive.check_holds("web.xml", "web-vda.raw.zst", "web-vdb.raw.zst")
    same(t.archive.manifest("web").consistency(), "crash-consistent", "recorded consistency")
    t.check_good(guest)
    check_instant(t, guest, "zstd")


def there_and_back(t, codec):
    guest = two_disks(t).running()
    t.backup(guest, "--compression", codec)
    t.check_good(guest)
    check_instant(t, guest, codec.split(":")[0])
    token, _ = bring_back(t, guest)
    same(guest.state(), "running", "state of the restored guest")
    for disk in guest.disks:
        expect(os.path.join(t.restored, os.path.basename(disk.path)) in guest.dump(), "it runs on its old disks")
    same(guest.serial.boots(), 1, "boots")
    same(guest.serial.last()[0], token, "token")
    expect(not [name for name in os.listdir(t.restored) if name.endswith(".sav")], "the memory image is left over")


def test_memory_comes_back_uncompressed(t):
    there_and_back(t, "none")


def test_memory_comes_back_from_lzma(t):
    there_and_back(t, "lzma:1")


def test_memory_comes_back_from_zstd(t):
    there_and_back(t, "zstd")


def test_paused_guest_stays_paused(t):
    guest = two_disks(t).running().suspend()
    before, (token, count) = guest.snapshot(), guest.serial.last()
    t.backup(guest, "--compression", "zstd")
    same(guest.state(), "paused", "state after the backup")
    guest.check_unchanged(before)
    same(guest.serial.last(), (token, count), "progress of the paused guest")
    same(t.archive.manifest("web").domain()["state"], "paused", "recorded state")
    guest.destroy()
    guest.undefine()
    t.restore("--allow-autorun")
    same(guest.state(), "paused", "state after the restore")
    guest.resume()
    guest.goes_on(token, count)


def test_transient_guest(t):
    guest = two_disks(t).create()
    guest.serial.wait_for_steps(3)
    before, (token, count) = guest.snapshot(), guest.serial.last()
    t.backup(guest)
    guest.goes_on(token, count)
    guest.check_unchanged(before)
    same(t.archive.manifest("web").domain()["persistent"], "no", "recorded persistence")
    bring_back(t, guest)
    same(guest.info()["Persistent"], "no", "persistence after the restore")


def test_autostart_is_kept(t):
    guest = t.small_guest().define(autostart=True).start()
    guest.serial.wait_for_steps(3)
    before = guest.snapshot()
    same(before["Autostart"], "enable", "autostart before the backup")
    t.backup(guest)
    guest.check_unchanged(before)
    bring_back(t, guest)
    same(guest.info()["Autostart"], "enable", "autostart after the restore")


def test_without_autorun_the_guest_stays_down(t):
    guest = t.small_guest().running()
    t.backup(guest, "--compression", "lzma:0")
    token, count = guest.serial.last()
    guest.destroy()
    guest.undefine()
    result = t.restore()
    same(guest.state(), "shut off", "state after the restore")
    sav = os.path.join(t.restored, "web.sav")
    expect(f"to resume it, run: virsh restore {sav}" in result.out, f"the output does not say how to resume it: {result.out}")
    virsh("restore", sav)
    guest.goes_on(token, 0)


def test_managed_save_is_the_memory(t):
    guest = t.small_guest().running()
    token, count = guest.serial.last()
    guest.call("managedsave")
    before = guest.snapshot()
    same(before["Managed save"], "yes", "managed save")
    t.backup(guest, "--compression", "lzma:1")
    guest.check_unchanged(before)
    t.check_good(guest)
    expect("web.sav" in t.archive.names(), "the memory is not in the backup")
    guest.call("managedsave-remove")
    guest.undefine()
    t.restore("--allow-autorun")
    same(guest.state(), "shut off", "state after the restore")
    virsh("restore", os.path.join(t.restored, "web.sav"))
    guest.goes_on(token, count)


def test_damaged_managed_save_image_says_the_way_out(t):
    """The guest does not start from it either; once it is thrown away, the disks can be backed up."""
    guest = t.small_guest().running()
    guest.call("managedsave")
    os.truncate("/var/lib/libvirt/qemu/save/web.save", 100)
    t.refused(*t.backup_line(guest), says=["guest 'web'", "managed-save image", "virsh managedsave-remove web"])
    guest.call("managedsave-remove")
    t.backup(guest)
    t.check_good(guest)


def saved_as_sparse(t, stream=b""):
    """A guest with a managed-save image that says "sparse" in its header, as libvirt from 11 on can write it; STREAM: for
    the begin of its stream. Returns the image's path too."""
    guest = t.small_guest().running()
    last = guest.serial.last()
    guest.call("managedsave")
    path = "/var/lib/libvirt/qemu/save/web.save"
    with open(path, "r+b") as file:
        head = file.read(92)
        file.seek(28)
        file.write((6).to_bytes(4, "little"))
        if stream:
            file.seek(92 + int.from_bytes(head[20:24], "little"))
            file.write(stream)
    return guest, last, path


def test_save_image_of_unknown_layout_comes_back(t):
    """It is stored as it is, compressed or not, and restored to the byte."""
    guest, _, path = saved_as_sparse(t, b"QEVM\0\0\0\3\7\0\0\0\2pc\12mapped-ram")
    with open(path, "rb") as file:
        saved = file.read()
    for codec in ("none", "lzma:0", "zstd:1"):
        result = t.backup(guest, "--compression", codec, to=t.path(codec))
        expect("layout" in result.err, f"nothing is said of its layout: {result.err}")
        t.verify(source=t.path(codec))
    guest.call("managedsave-remove")
    guest.undefine()
    for codec in ("none", "lzma:0", "zstd:1"):
        t.restore(source=t.path(codec), to=t.path(codec + ".restored"))
        with open(os.path.join(t.path(codec + ".restored"), "web.sav"), "rb") as file:
            same(file.read() == saved, True, f"the image that was stored with {codec} is the same")
        guest.undefine()
    t.forget_key()
    t.refused(*t.restore_line(source=t.path("zstd:1"), to=t.path("refused")), says=["memory image", "--trust-definition"])


def test_plain_stream_under_a_sparse_header(t):
    """libvirt 11.3 writes that at a memory snapshot, and cannot restore it."""
    guest, (token, count), _ = saved_as_sparse(t)
    result = t.backup(guest, "--compression", "lzma:0")
    expect("layout" not in result.err, f"it is taken for another layout: {result.err}")
    t.verify()
    guest.call("managedsave-remove")
    guest.undefine()
    t.restore()
    virsh("restore", os.path.join(t.restored, "web.sav"))
    guest.goes_on(token, count)


def refused_running(t, format_name):
    guest = t.guest("web", t.boot_disk(format_name, bus="ide")).running()
    before, (token, count) = guest.snapshot(), guest.serial.last()
    t.refused(*t.backup_line(guest), says=["guest 'web'", format_name])
    guest.check_unchanged(before)
    guest.goes_on(token, count, steps=2)
    same(t.archive.names(), [], "files in the archive")


def test_running_guest_with_vmdk_is_refused(t):
    refused_running(t, "vmdk")


def test_running_guest_with_vdi_is_refused(t):
    refused_running(t, "vdi")


def test_hot_plugged_disk(t):
    """A disk that only the live guest has is in the backup, and comes back with the memory."""
    guest = t.small_guest().running()
    extra = t.disk("vdc", "qcow2")
    guest.call("attach-disk", "--source", extra.path, "--target", "vdc", "--subdriver", "qcow2", "--live")
    before, (token, count) = guest.snapshot(), guest.serial.last()
    expect("vdc" in before["live"] and "vdc" not in before["definition"], "the disk is not only live")
    t.backup(guest)
    guest.goes_on(token, count)
    guest.check_unchanged(before)
    t.check_good(guest)
    same(t.archive.manifest("web").targets(), ["vda", "vdc"], "disks in the backup")
    bring_back(t, guest)
    expect(os.path.join(t.restored, "vdc.qcow2") in guest.dump(), "the restored guest lacks the hot-plugged disk")
    expect("vdc" not in guest.dump("--inactive"), "the persistent definition has got the disk")


def test_definition_edited_since_the_start(t):
    """The persistent definition differs from what runs: both come back as they were."""
    guest = t.small_guest().running()
    guest.call("setmaxmem", "--size", "64M", "--config")
    guest.call("desc", "--title", "--new-desc", "edited", "--config")
    before = guest.snapshot()
    t.backup(guest)
    guest.check_unchanged(before)
    bring_back(t, guest)
    expect("<title>edited</title>" in guest.dump("--inactive"), "the edit is lost")
    expect("65536</memory>" in guest.dump("--inactive"), "the edited memory size is lost")
    expect("16384</memory>" in guest.dump(), "the live memory size has changed")


def test_disk_unplugged_from_the_definition(t):
    """The persistent definition no longer has a disk that the running guest still has."""
    guest = two_disks(t).running()
    guest.call("detach-disk", "--target", "vdb", "--config")
    before = guest.snapshot()
    t.backup(guest, "--compression", "zstd")
    guest.check_unchanged(before)
    bring_back(t, guest)
    expect("vdb" in guest.dump() and "vdb" not in guest.dump("--inactive"), "live and persistent disks are mixed up")


def test_disk_that_only_the_definition_has(t):
    """What the running guest lacks cannot be read from it: the warning says that it is not backed up, and what does it."""
    guest = t.small_guest().running()
    later = t.disk("vdd", "qcow2")
    guest.call("attach-disk", "--source", later.path, "--target", "vdd", "--subdriver", "qcow2", "--config")
    result = t.backup(guest, "--guest-memory", "pause")
    same(t.archive.manifest("web").targets(), ["vda"], "disks in the backup")
    line = next((line for line in result.error_lines if "vdd" in line), "")
    expect("warning" in line and "'vdd' is not backed up" in line and "--guest-memory save" in line, f"the warning: {line!r}")


def test_disk_that_the_definition_has_elsewhere(t):
    """The source of the running guest is backed up, and the warning says so."""
    guest = two_disks(t).running()
    other = t.disk("vdd", "qcow2")
    guest.call("detach-disk", "--target", "vdb", "--config")
    guest.call("attach-disk", "--source", other.path, "--target", "vdb", "--subdriver", "qcow2", "--config")
    result = t.backup(guest, "--compression", "zstd")
    same(t.archive.manifest("web").targets(), ["vda", "vdb"], "disks in the backup")
    line = next((line for line in result.error_lines if "'vdb'" in line), "")
    expect("warning" in line and "another source; the source that the running guest uses" in line, f"the warning: {line!r}")


def test_save_image_of_libvirt_is_not_left(t):
    guest = t.small_guest().running()
    t.backup(guest, "--guest-memory", "save")
    t.archive.check_nothing_half()
    magic, version, was_running, kind, _ = sav_header(t.archive.file("web.sav"))
    same((magic, version, was_running, kind), (b"LibvirtQemudSave", 2, 1, 0), "header of the memory image")


def test_two_backups_one_after_the_other(t):
    """The second starts from a guest that the first has restored, and its XML does not grow."""
    guest = t.small_guest().running()
    before = guest.snapshot()
    for name in ("one", "two", "three"):
        t.backup(guest, to=t.path(name))
        guest.check_unchanged(before)
        t.check_good(guest, source=t.path(name))
    sizes = [os.path.getsize(t.path(name, "web.xml")) for name in ("one", "three")]
    expect(abs(sizes[0] - sizes[1]) < 64, f"the manifest grows: {sizes}")


def test_running_guest_with_a_loop_device(t):
    guest = t.guest("web", t.boot_disk("qcow2"), t.loop_disk("vdb", boot=2)).running()
    token, count = guest.serial.last()
    t.backup(guest, "--compression", "zstd:1")
    guest.goes_on(token, count)
    check_instant(t, guest, "zstd")
    bring_back(t, guest)


def test_guest_that_crashed(t):
    """QEMU killed from outside: to libvirt the guest is shut off, and can be backed up as such."""
    guest = t.small_guest().running()
    with open("/run/libvirt/qemu/web.pid", encoding="ascii") as file:
        run("kill", "-9", file.read().strip())
    wait_until(lambda: guest.state() == "shut off", "libvirt noticing it")
    t.backup(guest)
    t.check_good(guest)
    same(t.archive.manifest("web").domain()["state"], "shut off", "recorded state")


def test_room_for_memory_is_checked_first(t):
    """A folder without room for the memory image: refused while the guest runs."""
    guest = t.small_guest().running()
    small = t.small_filesystem("small", 4 * MIB)
    before, (token, count) = guest.snapshot(), guest.serial.last()
    t.refused(*t.backup_line(guest, "--staging-path", small), says=["guest 'web'", small, "free"])
    guest.check_unchanged(before)
    same(guest.serial.boots(), 1, "boots")
    guest.goes_on(token, count, steps=2)
    expect("booted" in guest.call("domstate", "--reason").out, "the guest was saved and restored all the same")


def test_shared_disk_of_another_running_guest_is_refused(t):
    """QEMU cannot fix such a disk, and libvirt 9.0 crashes when it tries: it is refused by name, before."""
    shared = t.disk("vdb", "raw", extra="<shareable/>")
    guest = t.guest("web", t.boot_disk("qcow2"), shared).running()
    other = t.guest("db", t.disk("vda", "qcow2", name="db.qcow2"), shared).define().start()
    before = guest.snapshot()
    for mode in ("none", "pause", "save"):
        t.refused(*t.backup_line(guest, "--guest-memory", mode),
                  says=["guest 'web': disk 'vdb' is shareable", "guest 'db'", "--exclude-disk vdb"])
        guest.check_unchanged(before)
        same(t.archive.names(), [], "files in the archive")
        t.backup(guest, "--guest-memory", mode, "--exclude-disk", "vdb", to=t.path(mode))
        guest.check_unchanged(before)
    guest.destroy()
    t.refused(*t.backup_line(guest), says=["disk 'vdb' is shareable", "guest 'db'"])
    other.destroy()
    t.backup(guest)
    t.check_good(guest)
