# SPDX-License-Identifier: LGPL-2.1-or-later
"""Restoring: where things go, what is refused, and what the guest looks like afterwards."""

import os
import re
import resource
import signal

from vbtest import disks
from vbtest.command import expect, run, same, virsh, wait_until
from vbtest.disks import MIB
from vbtest.guest import normal_xml


def backed_up(t, *guest_disks, **options):
    guest = t.guest("web", *(guest_disks or (t.disk("vda"), t.disk("vdb", "raw", size=MIB))), **options).define()
    t.backup(guest)
    return guest


def check_nothing_restored(t):
    expect(not os.path.exists(t.restored) or not os.listdir(t.restored),
           f"{t.restored} holds {os.listdir(t.restored) if os.path.exists(t.restored) else ''}")


def test_definition_differs_in_its_paths_only(t):
    guest = backed_up(t)
    before = normal_xml(guest.dump("--inactive"))
    guest.undefine()
    t.restore()
    for disk in guest.disks:
        before = before.replace(disk.path, os.path.join(t.restored, os.path.basename(disk.path)))
    same(normal_xml(guest.dump("--inactive")), before, "definition of the restored guest")


def test_every_mention_of_a_disk_is_rewritten(t):
    """The path of a disk stands in other places too: here in the guest's command line and in a description."""
    disk = t.disk("vda")
    guest = backed_up(t, disk, head_xml=f"<description>lives in {disk.path}</description>",
                      devices_xml=f"<sound model='ac97'><audio id='1'/></sound><audio id='1' type='file' path='{disk.path}.wav'/>")
    guest.undefine()
    t.restore()
    new = os.path.join(t.restored, "vda.qcow2")
    expect(f"<source file='{new}'/>" in guest.dump(), "the disk is not the restored one")
    expect(f"lives in {disk.path}" in guest.dump(), "free text is nobody's business")


def test_secure_parts_come_back(t):
    """The password of a console is shown to nobody without being asked for, and must not be lost."""
    guest = backed_up(t, devices_xml="<graphics type='vnc' port='-1' autoport='yes' passwd='s3cret'/>")
    guest.undefine()
    t.restore()
    expect("passwd='s3cret'" in guest.dump(), "the password is lost")


def test_a_definition_that_reaches_further_is_refused(t):
    """The serial line of the guest is a file of the host; nothing is written, and --dry-run names it too."""
    guest = backed_up(t)
    guest.undefine()
    t.forget_key()
    for more in ((), ("--dry-run",)):
        t.refused(*t.restore_line(*more), says=["guest 'web'", guest.serial.path, "--trust-definition"])
        check_nothing_restored(t)
        same(guest.state(), "gone", "state of the guest")
    result = t.restore("--json", trust=True)
    expect(guest.serial.path in result.err, f"what is trusted is not told: {result.err}")
    same(guest.state(), "shut off", "state of the guest")


def test_ordinary_guests_need_no_trust(t):
    """Definitions as virt-install and virt-manager make them come back. TPMs are left out: not every host has swtpm."""
    samples = os.path.join(os.path.dirname(os.path.realpath(__file__)), "../unit/guest/samples")
    for name in sorted(name for name in os.listdir(samples) if name.startswith("ordinary-") and "tuned" not in name):
        with open(os.path.join(samples, name), encoding="utf-8") as file:
            text = file.read()
        guest = t.guest(re.search("<name>(.*)</name>", text).group(1), t.disk("vda", "raw", size=MIB, name=name + ".raw"))
        text = re.sub(r"/var/lib/libvirt/images/[\w-]+\.(qcow2|raw)", guest.disks[0].path, text)
        text = re.sub(r"(?s)<firmware>.*</firmware>|<metadata>.*</metadata>|<tpm .*</tpm>| firmware='efi'| secure='yes'", "", text)
        with open(guest.file, "w", encoding="utf-8") as file:
            file.write(text.replace("type='qcow2'", "type='raw'").replace("templateFormat='raw' format='raw'", ""))
        virsh("define", guest.file)
        t.backup(guest, to=t.path(name))
        guest.undefine("--keep-nvram")
        t.forget_key()
        t.restore(source=t.path(name), to=t.path(name + ".restored"))
        same(guest.state(), "shut off", f"state of {guest.name}")
        guest.remove()


def test_names_that_are_taken(t):
    """Two disks of one base name from two folders: the second gets a name of its own."""
    t.make_dir("one")
    t.make_dir("two")
    one, two = t.disk("vda", name="one/disk.qcow2"), t.disk("vdb", "raw", name="two/disk.qcow2", size=2 * MIB)
    guest = backed_up(t, one, two)
    guest.undefine()
    t.restore()
    same(sorted(os.listdir(t.restored)), ["disk.qcow2", "web-vdb.raw"], "restored files")
    disks.compare(two.path, "raw", os.path.join(t.restored, "web-vdb.raw"), "raw", "second disk")


def test_existing_file_is_never_overwritten(t):
    guest = backed_up(t)
    guest.undefine()
    os.mkdir(t.restored)
    for name in ("vdb.raw", "web-vdb.raw"):
        with open(os.path.join(t.restored, name), "w", encoding="ascii") as file:
            file.write("mine")
    t.refused(*t.restore_line(), says=["guest 'web'", "vdb", "exists"])
    same(sorted(os.listdir(t.restored)), ["vdb.raw", "web-vdb.raw"], "files in the destination")
    for name in os.listdir(t.restored):
        with open(os.path.join(t.restored, name), encoding="ascii") as file:
            same(file.read(), "mine", name)
    same(guest.state(), "gone", "state of the guest")


def test_existing_guest_is_refused(t):
    guest = backed_up(t)
    before = guest.snapshot()
    t.refused(*t.restore_line(), says=["guest 'web'", "exists", "--replace", "--new-name"])
    guest.check_unchanged(before)
    check_nothing_restored(t)


def test_guest_of_the_same_uuid_is_refused(t):
    guest = backed_up(t)
    guest.call("domrename", "--new-name", "other")
    other = t.restored_guest(guest, "other")
    t.refused(*t.restore_line(), says=["guest 'web'", "other", "UUID"])
    same(other.state(), "shut off", "state of the other guest")
    check_nothing_restored(t)


def test_replace_exchanges_a_guest_that_is_shut_off(t):
    guest = backed_up(t)
    run("qemu-io", "-f", "qcow2", "-c", "write -q -P 1 0 64k", guest.disks[0].path)
    guest.call("desc", "--title", "--new-desc", "newer", "--config")
    t.restore("--replace")
    expect("newer" not in guest.dump(), "the definition is not the one of the backup")
    expect(t.restored in guest.dump(), "the disks are not the restored ones")


def test_replace_of_a_running_guest_is_refused(t):
    guest = t.small_guest().define()
    t.backup(guest)
    guest.start()
    guest.serial.wait_for_steps(2)
    before = guest.snapshot()
    t.refused(*t.restore_line("--replace"), says=["guest 'web'", "run"])
    guest.check_unchanged(before)
    check_nothing_restored(t)


def test_new_name(t):
    """A second guest beside the first: own name, UUID and MAC addresses, and no memory."""
    # The first is ended, because both have the same file as their serial line.
    guest = t.small_guest(devices_xml="<interface type='user'><mac address='52:54:00:11:22:33'/></interface>").running()
    t.backup(guest)
    guest.destroy()
    twin = t.restored_guest(guest, "web two")
    result = t.restore("--new-name", "web two", "--allow-autorun")
    expect("memory" in result.out + result.err, "it does not say that memory is not restored")
    expect(twin.uuid() != guest.uuid(), "it has the same UUID")
    expect("52:54:00:11:22:33" not in twin.dump(), "it has the same MAC address")
    (disk,) = os.listdir(t.restored)
    expect(os.path.join(t.restored, disk) in twin.dump(), "it does not use the restored disk")
    same(guest.state(), "shut off", "state of the first guest")
    same(twin.state(), "running", "state of the second guest")


def test_new_name_that_is_taken(t):
    guest = backed_up(t)
    other = t.guest("other", t.disk("vda", name="other.qcow2", size=MIB)).define()
    guest.undefine()
    before = other.snapshot()
    t.refused(*t.restore_line("--new-name", "other"), says=["other", "exists"])
    other.check_unchanged(before)
    check_nothing_restored(t)


def test_new_name_for_several_guests_is_refused(t):
    one, two = backed_up(t), t.guest("db", t.disk("vda", name="db.qcow2")).define()
    t.backup(two)
    t.refused(*t.restore_line("--new-name", "other"), status=2, says=["--new-name"])
    same((one.state(), two.state()), ("shut off", "shut off"), "states of the guests")
    check_nothing_restored(t)


def test_dry_run_predicts_and_does_nothing(t):
    guest = t.guest("web", t.boot_disk(), t.disk("vdb", "raw")).running()
    t.backup(guest, "--compression", "zstd")
    guest.destroy()
    guest.undefine()
    result = t.restore("--dry-run", "--allow-autorun")
    for part in ("web", os.path.join(t.restored, "vda.qcow2"), os.path.join(t.restored, "vdb.raw"), "memory"):
        expect(part in result.out, f"the plan does not mention {part}: {result.out}")
    same(guest.state(), "gone", "state of the guest")
    check_nothing_restored(t)


def test_plan_for_programs_is_complete(t):
    """What would be read and written, where, and by whom."""
    guest = t.guest("web", t.boot_disk(), t.disk("vdb", "raw"), t.disk("vdc", "raw")).running()
    (planned,) = [event for event in t.events(t.backup(guest, "--json", "--dry-run", "--exclude-disk", "vdc"))
                  if event["event"] == "plan"]
    expect(planned["memory"]["image-size"] >= guest.memory_mib * MIB, f"memory: {planned['memory']}")
    t.backup(guest, "--compression", "zstd", "--exclude-disk", "vdc")
    guest.destroy()
    guest.undefine()
    (event,) = [event for event in t.events(t.restore("--json", "--dry-run", "--new-name", "twin"))
                if event["event"] == "plan"]
    same((event["guest"], event["backup-of"], event["source"], event["destination"], event["defined"]),
         ("twin", "web", t.archive.path, t.restored, True), "plan")
    same([disk["path"] for disk in event["disks"]],
         [os.path.join(t.restored, name) for name in ("twin-vda.qcow2", "twin-vdb.raw")], "disks")
    same([disk["file"] for disk in event["disks"]], ["web-vda.raw.zst", "web-vdb.raw.zst"], "files of the archive")
    same([(disk["target"], disk["path"]) for disk in event["left-out"]], [("vdc", None)], "left out")
    same(event["image-size"], sum(disk["image-size"] for disk in event["disks"]), "bytes")
    same(event["disk-usage"], sum(disk["disk-usage"] for disk in event["disks"]), "disk usage")
    same(event["children-memory"], event["children"] * event["memory-per-child"], "memory of all children")
    (event,) = [event for event in t.events(t.restore("--json", "--dry-run", "--disk-map", f"vdc={t.path('vdc.raw')}"))
                if event["event"] == "plan"]
    same([(disk["target"], disk["path"]) for disk in event["left-out"]], [("vdc", t.path("vdc.raw"))], "left out, mapped")
    same(os.path.basename(event["memory"]["path"]), "web.sav", "memory")
    check_nothing_restored(t)


def test_some_disks_only(t):
    guest = backed_up(t)
    before = guest.snapshot()
    t.restore("--disks", "vdb")
    same(os.listdir(t.restored), ["vdb.raw"], "restored files")
    disks.compare(guest.disks[1].path, "raw", os.path.join(t.restored, "vdb.raw"), "raw", "vdb")
    guest.check_unchanged(before)


def test_disks_without_a_hypervisor(t):
    """Images can be got out of an archive where there is no libvirt at all."""
    backed_up(t)
    environment = dict(t.environment, LIBVIRT_DEFAULT_URI="qemu+unix:///system?socket=/nonexistent")
    t.vb(*t.restore_line("--disks", "vda"), env=environment)
    same(os.listdir(t.restored), ["vda.qcow2"], "restored files")


def test_disks_are_restored_side_by_side(t):
    """What takes no guest's place is in nobody's way: the second does not wait for the first, which stands still."""
    backed_up(t)
    first = t.start_vb(*t.restore_line("--disks", "vda", to=t.path("first")))
    state = "/var/lib/virt-backup"
    wait_until(lambda: any(name.endswith(".intent") for name in os.listdir(state)) or not first.running(), "a journal")
    with first.stopped():
        t.restore("--disks", "vda", to=t.path("second"))
    same(first.finish().status, 0, "status of the first")


def test_disk_that_the_backup_lacks(t):
    backed_up(t)
    t.refused(*t.restore_line("--disks", "vdz"), says=["vdz"])
    check_nothing_restored(t)
    result = t.restore("--disks", "vda,vdz", status=3)
    expect("has no disk 'vdz'" in result.err, f"not told: {result.err}")
    same(len(os.listdir(t.restored)), 1, "files of the disk that it has")


def test_guest_without_memory_boots_anew(t):
    """Its memory is gone from the archive: it is not there to be resumed, and that is said."""
    guest = t.small_guest().running()
    t.backup(guest, "--compression", "lzma:0")
    token, _ = guest.serial.last()
    guest.destroy()
    guest.undefine()
    result = t.restore("--allow-autorun", "--new-name", "twin")
    twin = t.restored_guest(guest, "twin")
    twin.serial.wait(lambda last: last and last[0] != token, "the guest booting anew")
    expect("boots from its disks" in result.out + result.err, "it is not said that it boots from its disks")


def test_transient_guest_without_autorun(t):
    guest = t.small_guest().create()
    guest.serial.wait_for_steps(3)
    token, _ = guest.serial.last()
    t.backup(guest)
    guest.destroy()
    t.restore()
    same(guest.state(), "gone", "a transient guest that does not run")
    virsh("restore", os.path.join(t.restored, "web.sav"))
    guest.goes_on(token, 0)


def test_what_the_host_lacks_is_listed(t):
    iso = t.raw_content(MIB)
    guest = backed_up(t, t.disk("vda"), disks.Disk(iso, "raw", "hdc", device="cdrom", bus="ide", extra="<readonly/>"),
                      devices_xml="<interface type='network'><source network='dmz'/></interface>")
    guest.undefine()
    os.unlink(iso)
    result = t.restore()
    for part in ("dmz", iso):
        expect(part in result.out + result.err, f"'{part}' is not said to be missing")
    same(guest.state(), "shut off", "state of the guest")


def test_start_that_fails_keeps_what_was_restored(t):
    """A folder is in the place of its serial log: all is restored, the message says how to start it later."""
    guest = t.small_guest().running()
    t.backup(guest)
    guest.destroy()
    guest.undefine()
    os.rename(guest.serial.path, guest.serial.path + ".old")
    os.mkdir(guest.serial.path)
    line = t.refused(*t.restore_line("--allow-autorun"), says=["guest 'web'", "virsh restore"])
    os.rmdir(guest.serial.path)
    os.rename(guest.serial.path + ".old", guest.serial.path)
    same(guest.state(), "shut off", "state of the guest")
    sav = os.path.join(t.restored, "web.sav")
    expect(sav in line, f"{sav} is not in the message")
    token, _ = guest.serial.last()
    virsh("restore", sav)
    guest.goes_on(token, 0)


def test_destination_is_made(t):
    guest = backed_up(t)
    guest.undefine()
    t.restore(to=t.path("new"))
    same(sorted(os.listdir(t.path("new"))), ["vda.qcow2", "vdb.raw"], "restored files")
    same(guest.state(), "shut off", "state of the guest")


def test_relative_paths(t):
    guest = t.guest("web", t.disk("vda")).define()
    t.vb("backup", "--destination-path", "archive", cwd=t.dir)
    guest.undefine()
    t.vb("restore", "--source-path", "archive", "--destination-path", "restored", cwd=t.dir)
    expect(f"'{os.path.join(t.restored, 'vda.qcow2')}'" in guest.dump(), "no absolute path in the definition")


def test_file_size_limit_fails_the_restore_and_leaves_nothing(t):
    """A shell's ulimit -f ends a process that writes beyond it, unless the signal is ignored."""
    guest = t.guest("web", t.disk("vda", "raw", size=20 * MIB)).define()
    t.backup(guest)
    guest.undefine()
    result = t.vb(*t.restore_line(), status=1,
                  preexec_fn=lambda: resource.setrlimit(resource.RLIMIT_FSIZE, (8 * MIB, 8 * MIB)))
    expect("File too large" in result.err, f"the reason is not told: {result.err}")
    expect(not os.path.isdir(t.restored) or not os.listdir(t.restored), "files are left")
    expect(not guest.exists(), "a guest is defined")
