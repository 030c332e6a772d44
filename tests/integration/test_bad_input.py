# SPDX-License-Identifier: LGPL-2.1-or-later
"""What cannot work ends with one line that names guest, file and remedy, and leaves everything as it was."""

import os
import shutil
import subprocess

from vbtest import proc
from vbtest.command import expect, run, same, virsh, wait_until
from vbtest.disks import MIB, Disk
from vbtest.midway import SLOW


def one_guest(t, **options):
    return t.guest("web", t.disk("vda", size=2 * MIB, **options)).define()


def refused_backup(t, guest, *options, says=(), status=1, to=None):
    before = guest.snapshot()
    line = t.refused(*t.backup_line(guest, *options, to=to), status=status, says=says)
    guest.check_unchanged(before)
    same(t.archive.names(), [], "files in the archive")
    return line


def test_unknown_guest(t):
    one_guest(t)
    t.refused("backup", "--destination-path", t.archive.path, "--domain-names", "nobody", says=["'nobody'"])
    expect(not os.path.exists(t.archive.path), "the archive's folder was made")


def test_unknown_guest_beside_known_ones(t):
    """It is told first, and does not cost the others their backup."""
    guest = one_guest(t)
    t.guest("other", t.disk("vda", "raw", size=MIB, name="other.raw")).define()
    result = t.vb(*t.backup_line(guest), "gone", "--exclude-domains", "nobody", "--exclude-disk", "vdz", "--json", status=3)
    events = t.events(result)
    same([(event["event"], event.get("name")) for event in events[:3]],
         [("no-match", "gone"), ("no-match", "nobody"), ("no-match", "vdz")], "the first events")
    same((events[-1]["good"], events[-1]["failed"]), (1, 3), "good and failed ones")
    expect("--exclude-disk: none of the guests has a disk 'vdz'" in result.err, f"standard error: {result.err}")
    t.check_good(guest)
    for verb in ("verify", "list"):
        t.vb(verb, "--source-path", t.archive.path, "--domain-names", guest.name, "gone", status=3)
        t.vb(verb, "--source-path", t.archive.path, "--domain-names", "gone", status=1)
    guest.undefine()
    t.vb(*t.restore_line("--domain-names", guest.name, "gone"), status=3)


def test_guests_by_uuid_and_pattern(t):
    for number, name in enumerate(("web-1", "web-2", "db")):
        t.guest(name, t.disk("vda", "raw", size=MIB, name=f"{number}.raw")).define()
    uuid = virsh("domuuid", "db").out.strip()
    t.vb("backup", "--destination-path", t.archive.path, "--domain-names", "web-*", uuid.upper(), "--exclude-domains", "*2")
    same([name for name in t.archive.names() if name.endswith(".xml")], ["db.xml", "web-1.xml"], "manifests")
    result = t.vb("list", "--source-path", t.archive.path, "--domain-names", uuid, "--json")
    same([event["guest"] for event in t.events(result) if event["event"] == "backup"], ["db"], "guests by their UUID")


def test_unknown_excluded_guest(t):
    one_guest(t)
    t.vb("backup", "--destination-path", t.archive.path, "--exclude-domains", "nobody", status=3)
    same([name for name in t.archive.names() if name.endswith(".xml")], ["web.xml"], "manifests")


def test_unreachable_hypervisor(t):
    uri = "qemu+unix:///system?socket=/nonexistent/socket"
    t.refused("backup", "--destination-path", t.archive.path, "--hypervisor-uri", uri, says=[uri])


def test_uri_that_is_none(t):
    t.refused("backup", "--destination-path", t.archive.path, "--hypervisor-uri", "nonsense", says=["nonsense"],
              status=2)


def test_hypervisor_of_another_host(t):
    """The images are there, not here: refused without even trying to get there."""
    for uri in ("qemu+ssh://root@backup.example.org/system", "qemu+tls://192.0.2.1/system"):
        host = uri.split("//")[1].split("/")[0].split("@")[-1]
        t.refused("backup", "--destination-path", t.archive.path, "--hypervisor-uri", uri, says=[host])
    one = one_guest(t)
    t.backup(one)
    t.refused(*t.restore_line("--hypervisor-uri", "qemu+ssh://backup.example.org/system"), says=["backup.example.org"])


def test_missing_image(t):
    guest = one_guest(t)
    os.unlink(guest.disks[0].path)
    refused_backup(t, guest, says=["guest 'web'", "vda", guest.disks[0].path, "No such file"])


def test_missing_backing_file(t):
    base, top = t.disk("vda", "raw", name="base.raw", size=MIB), t.path("top.qcow2")
    run("qemu-img", "create", "-q", "-f", "qcow2", "-b", base.path, "-F", "raw", top)
    guest = t.guest("web", Disk(top)).define()
    os.unlink(base.path)
    refused_backup(t, guest, says=["guest 'web'", "vda", base.path])


def test_folder_in_the_place_of_an_image(t):
    guest = one_guest(t)
    os.unlink(guest.disks[0].path)
    os.mkdir(guest.disks[0].path)
    refused_backup(t, guest, says=["guest 'web'", "vda", guest.disks[0].path])


def test_image_that_is_not_what_the_definition_says(t):
    """The definition says qcow2, the file is raw: it is not guessed what it may be."""
    guest = one_guest(t)
    with open(guest.disks[0].path, "r+b") as file:
        file.write(b"no qcow2 header")
    refused_backup(t, guest, says=["guest 'web'", "vda", guest.disks[0].path])


def test_image_with_a_broken_cluster_table(t):
    """qcow2 with a cluster at an impossible place: a read error in the middle of the disk."""
    guest = t.guest("web", t.disk("vda", size=8 * MIB)).define()
    path = guest.disks[0].path
    with open(path, "r+b") as file:
        file.seek(40)
        file.seek(int.from_bytes(file.read(8), "big"))
        table = int.from_bytes(file.read(8), "big") & 0x00FFFFFFFFFFFE00
        file.seek(table + 8 * 64)
        file.write((0x8000000000000000 | 0x100200).to_bytes(8, "big"))
    refused_backup(t, guest, says=["guest 'web'", "vda", path])


def test_read_error_in_the_middle_of_a_device(t):
    disk = t.loop_disk("vda", size=16 * MIB)
    os.truncate(t.path("vda.backing"), 9 * MIB)
    guest = t.guest("web", disk).define()
    for codec in ("none", "zstd"):
        refused_backup(t, guest, "--compression", codec, says=["guest 'web'", "vda", disk.path, "Input/output error"])


def test_destination_that_is_full(t):
    guest = t.guest("web", t.disk("vda", "raw", size=12 * MIB)).define()
    with open(guest.disks[0].path, "r+b") as file:
        file.write(t.rng.randbytes(12 * MIB))
    small = t.small_filesystem("small", 3 * MIB)
    for codec in ("none", "lzma:0", "zstd"):
        refused_backup(t, guest, "--compression", codec, to=small, says=["guest 'web'", small])
        same(os.listdir(small), [], "files in the destination")


def test_target_of_a_restore_that_is_full(t):
    guest = t.guest("web", t.disk("vda", "raw", size=12 * MIB)).define()
    t.backup(guest, "--compression", "lzma:0")
    guest.undefine()
    small = t.small_filesystem("small", 2 * MIB)
    t.refused(*t.restore_line(to=small), says=["guest 'web'", small])
    same(os.listdir(small), [], "files in the destination")
    same(guest.state(), "gone", "state of the guest")


def test_destination_that_is_read_only(t):
    guest = one_guest(t)
    place = t.small_filesystem("readonly", MIB)
    run("mount", "-o", "remount,ro", place)
    t.refused(*t.backup_line(guest, to=os.path.join(place, "archive")), says=[place, "Read-only"])
    t.backup(guest)
    guest.undefine()
    t.refused(*t.restore_line(to=os.path.join(place, "restored")), says=[place, "Read-only"])
    same(guest.state(), "gone", "state of the guest")


def test_destination_that_is_a_file(t):
    guest = one_guest(t)
    place = t.raw_content(MIB)
    t.refused(*t.backup_line(guest, to=place), status=None, says=[place])
    t.backup(guest)
    guest.undefine()
    t.refused(*t.restore_line(to=place), status=None, says=[place])
    same(os.path.getsize(place), MIB, "size of the file")


def test_destination_inside_a_source(t):
    """The archive would lie in the file system on the very disk that is backed up."""
    path = t.path("vda.raw")
    with open(path, "wb") as file:
        file.truncate(16 * MIB)
    run("mke2fs", "-q", "-F", "-t", "ext4", path)
    inside = t.make_dir("inside")
    run("mount", "-o", "loop", path, inside)
    t.undo.callback(run, "umount", "--lazy", inside, status=None)
    guest = t.guest("web", Disk(path, "raw")).define()
    for place in (inside, os.path.join(inside, "new")):
        t.refused(*t.backup_line(guest, to=place), says=["guest 'web'", "vda", inside])
    same(os.listdir(inside), ["lost+found"], "files in the destination")


def test_destination_that_holds_a_source(t):
    """The disk has the name that its stored image would get."""
    directory = t.make_dir("images")
    disk = t.disk("vda", "raw", name="images/web-vda.raw", size=MIB)
    guest = t.guest("web", disk).define()
    with open(disk.path, "rb") as file:
        before = file.read()
    t.refused(*t.backup_line(guest, to=directory), says=["guest 'web'", directory])
    with open(disk.path, "rb") as file:
        expect(file.read() == before, "the disk was written to")
    same(os.listdir(directory), ["web-vda.raw"], "files beside the disk")


def test_no_archive(t):
    t.refused("restore", "--source-path", t.path("nothing"), "--destination-path", t.restored, says=[t.path("nothing")])
    t.refused("verify", "--source-path", t.path("nothing"), says=[t.path("nothing")], status=None)
    t.refused("list", "--source-path", t.path("nothing"), says=[t.path("nothing")])


def test_existing_backup_is_refused(t):
    guest = one_guest(t)
    t.backup(guest)
    before = {name: open(t.archive.file(name), "rb").read() for name in t.archive.names()}  # pylint: disable=consider-using-with
    t.refused(*t.backup_line(guest), says=["guest 'web'", t.archive.path, "--replace"])
    for name, content in before.items():
        with open(t.archive.file(name), "rb") as file:
            expect(file.read() == content, f"{name} was changed")


def test_foreign_file_in_the_way(t):
    """A file of the user's that has one of our names is not overwritten."""
    guest = one_guest(t)
    os.mkdir(t.archive.path)
    with open(t.archive.file("web-vda.raw"), "w", encoding="ascii") as file:
        file.write("mine")
    t.refused(*t.backup_line(guest), says=["guest 'web'", "web-vda.raw"])
    same(t.archive.names(), ["web-vda.raw"], "files in the destination")
    with open(t.archive.file("web-vda.raw"), encoding="ascii") as file:
        same(file.read(), "mine", "content of the user's file")


def usage_error(t, *arguments, says=()):
    t.refused(*arguments, status=2, says=says)
    expect(not os.path.exists(t.archive.path), "the archive's folder was made")


def test_usage_errors(t):
    to = ("--destination-path", t.archive.path)
    usage_error(t, says=["verb"])
    usage_error(t, "bakcup", *to, says=["bakcup", "backup"])
    usage_error(t, "backup", says=["--destination-path"])
    usage_error(t, "backup", *to, "--no-such-option", says=["--no-such-option"])
    usage_error(t, "backup", *to, "--compression", "gzip", says=["gzip"])
    usage_error(t, "backup", *to, "--compression", "lzma:10", says=["lzma:10"])
    usage_error(t, "backup", *to, "--compression", "zstd:20", says=["zstd:20"])
    usage_error(t, "backup", *to, "--children", "none", says=["--children"])
    usage_error(t, "backup", *to, "--children", "0", says=["--children"])
    usage_error(t, "backup", *to, "--chunk-size", "100K", says=["--chunk-size"])
    usage_error(t, "backup", *to, "--chunk-size", "1G", says=["--chunk-size"])
    usage_error(t, "backup", *to, "--memory-limit", "-5", says=["--memory-limit"])
    usage_error(t, "backup", *to, "--domain-names", "a,,b", says=["--domain-names"])
    usage_error(t, "backup", *to, "--domain-names", says=["--domain-names"])
    usage_error(t, "backup", *to, "stray", says=["stray"])
    usage_error(t, "backup", *to, "--guest-memory", "sometimes", says=["sometimes"])
    usage_error(t, "restore", "--source-path", "x", says=["--destination-path"])
    usage_error(t, "restore", "--source-path", "x", *to, "--disk-map", "vda", says=["--disk-map"])


def test_child_command_that_does_not_exist(t):
    guest = one_guest(t)
    refused_backup(t, guest, "--compression", "zstd", "--child-command", "/nonexistent/child", says=["/nonexistent/child"],
                   status=None)


def test_child_command_that_is_no_child(t):
    """A program that speaks something else: the backup fails with its name, the guest is as it was."""
    guest = t.small_guest().running()
    before, (token, count) = guest.snapshot(), guest.serial.last()
    t.refused(*t.backup_line(guest, "--compression", "zstd", "--child-command", shutil.which("true")), says=["child"])
    guest.check_unchanged(before)
    guest.goes_on(token, count, steps=2)
    same(t.archive.names(), [], "files in the archive")


def test_standard_output_that_is_full(t):
    one_guest(t)
    with open("/dev/full", "wb") as full:
        done = subprocess.run([t.binary, "--help"], stdout=full, stderr=subprocess.PIPE, env=t.environment, check=False)
    same(done.returncode, 1, "exit status")
    expect(b"standard output" in done.stderr, f"no reason given: {done.stderr}")


def test_guest_in_use_by_another_backup(t):
    """Two runs into one archive at the same time: the second is told so, with status 6."""
    guest = t.guest("web", t.slow_disk()).define()
    process = t.start_vb(*t.backup_line(guest, "--compression", "lzma:9e", "--chunk-size", "4M"))
    wait_until(lambda: t.archive.names(), "the first backup being under way")
    t.refused(*t.backup_line(guest), status=6, says=["guest 'web'", "in use since 2"])
    process.signal(15)
    same(process.finish(60).status, 143, "exit status of the first")


def test_started_guest_locks(t):
    """While a shut-off guest's raw image is read it cannot be started."""
    guest = t.guest("web", t.slow_disk(boot=1)).define()
    process = t.start_vb(*t.backup_line(guest, "--compression", "lzma:9e", "--chunk-size", "4M"))
    wait_until(lambda: proc.has_open(process.pid, guest.disks[0].path), "the image being read")
    expect(guest.call("start", status=None).status != 0, "the guest could be started in the middle of its backup")
    process.signal(15)
    process.finish(60)
    guest.start()
    guest.serial.wait_for_steps(2)


def test_block_device_guest_started_meanwhile(t):
    """Block devices cannot be locked: a guest that starts fails its backup."""
    slow = t.slow_disk()
    device = t.loop(slow.path)
    guest = t.guest("web", t.boot_disk("raw", size=MIB), Disk(device, "raw", "vdb", kind="block")).define()
    t.backup(guest, "--exclude-disk", "vda", to=t.path("first"))
    process = t.start_vb(*t.backup_line(guest, "--exclude-disk", "vda", *SLOW))
    wait_until(lambda: proc.has_open(process.pid, device), "the device being read")
    guest.start()
    result = process.finish()
    same(result.status, 1, "exit status")
    expect("started" in result.err, f"the reason is not given: {result.err}")
    same(t.archive.names(), [], "files in the archive")
    guest.serial.wait_for_steps(2)


def test_nothing_to_do(t):
    t.refused("backup", "--destination-path", t.archive.path, says=["no guest"])
