# SPDX-License-Identifier: LGPL-2.1-or-later
"""Faults that are made on purpose, each of which doctor finds, and the sound host, where it finds none. It changes nothing."""

import fcntl
import glob
import os
import re
import shutil
import stat
import time

from vbtest.command import expect, run, same, virsh
from vbtest.disks import MIB, Disk, create_luks
from vbtest.repository import Repository

STATE = "/var/lib/virt-backup"


# ---- making one ------------------------------------------------------------------------------
# Each returns the options that doctor is given, or None for none.

def no_libvirt(_):
    return ["--hypervisor-uri", "qemu+unix:///system?socket=/nonexistent"]


def tools_of(t, scripts):
    """A PATH with these programs of QEMU's, each a script."""
    folder = t.make_dir("tools")
    for name, text in scripts.items():
        path = os.path.join(folder, name)
        with open(path, "w", encoding="utf-8") as file:
            file.write(f"#!/bin/sh\n{text}\n")
        os.chmod(path, 0o755)
    t.environment["PATH"] = folder
    return None


def no_qemu_img(t):
    return tools_of(t, {"qemu-nbd": "echo qemu-nbd 9.0.0"})


def old_qemu_nbd(t):
    return tools_of(t, {"qemu-img": "echo qemu-img version 99.0.0", "qemu-nbd": "echo qemu-nbd 5.2.0"})


def open_state(t):
    os.chmod(STATE, 0o777)
    t.undo.callback(os.chmod, STATE, 0o700)


def in_state(t, name, text):
    path = os.path.join(STATE, name)
    with open(path, "w", encoding="utf-8") as file:
        file.write(text)
    os.chmod(path, 0o600)
    t.undo.callback(os.unlink, path)
    return path


def journal(t):
    here = os.path.dirname(os.path.realpath(__file__))
    with open(os.path.join(here, "../journals/version-3/backup-pause.intent"), encoding="utf-8") as file:
        in_state(t, "12345678-1234-4234-8234-123456789abc.intent", file.read())


def bad_journal(t):
    in_state(t, "12345678-1234-4234-8234-123456789abc.intent", "{")


def held_lock(t, name):
    held = open(in_state(t, f"{name}.lock", "812 2026-05-01T10:02:00Z\n"), "rb")  # pylint: disable=consider-using-with
    t.undo.callback(held.close)
    fcntl.flock(held, fcntl.LOCK_EX)


def lock(t):
    held_lock(t, t.small_guest().define().uuid())


def lock_of_job(t):
    held_lock(t, "job-nightly")


def missing_image(t):
    guest = t.small_guest().define()
    os.unlink(guest.disks[0].path)


def two_bad_images(t):
    guest = t.guest("web", t.boot_disk(), t.disk("vdb"), t.disk("vdc")).define()
    for disk in guest.disks[1:]:
        with open(disk.path, "wb") as file:
            file.write(bytes(MIB))


def encrypted(t):
    with open(t.path("key"), "w", encoding="ascii") as file:
        file.write("correct horse")
    create_luks(t.path("secret.qcow2"), t.path("key"))
    t.guest("web", t.boot_disk(), Disk(t.path("secret.qcow2"), "qcow2", "vdb")).define()


def marked_corrupt(t):
    guest = t.small_guest().define()
    with open(guest.disks[0].path, "r+b") as file:
        file.seek(79)  # the last byte of incompatible_features
        file.write(b"\x02")


def raw(t):
    t.guest("web", t.boot_disk("raw")).define()


def old_qcow2(t):
    t.guest("web", t.disk("vda", boot=1, options={"compat": "0.10"})).define()


def internal_snapshot(t):
    guest = t.small_guest().define()
    guest.call("snapshot-create-as", "--name", "before")


def external_snapshot(t):
    guest = t.guest("web; reboot", t.boot_disk()).running()
    guest.call("snapshot-create-as", "--name", "nightly", "--disk-only")


def foreign_checkpoint(t):
    t.small_guest().running().call("checkpoint-create-as", "--name", "other")


def stray_checkpoint(t):
    """Of a repository into which this host does not back up any more."""
    guest = t.small_guest().running()
    t.add_point(t.repository("first"), guest)
    for note in glob.glob(f"{STATE}/*.point"):
        os.unlink(note)
    return ["--repository", t.repository("second")]


def stray_bitmap(t):
    run("qemu-img", "bitmap", "--add", t.small_guest().define().disks[0].path, "left")


def full_staging(t):
    t.small_guest().running()
    return ["--staging-path", t.small_filesystem("staging", 4 * MIB)]


def full_scratch(t):
    t.small_guest().running()
    return ["--scratch-path", t.small_filesystem("scratch", 4 * MIB)]


def open_scratch(t):
    t.small_guest().running()
    return ["--scratch-path", t.make_dir("scratch", 0o777)]


def paused(t):
    t.small_guest().running().suspend()


def no_agent(t):
    t.small_guest().running()


def other_job(t):
    guest = t.small_guest().running()
    path = t.path("job.xml")
    with open(path, "w", encoding="utf-8") as file:
        file.write(f"<domainbackup mode='pull'><server transport='unix' socket='{t.path('job.sock')}'/></domainbackup>")
    os.chmod(t.dir, 0o777)
    virsh("backup-begin", guest.name, path)


def later_disk(t):
    guest = t.small_guest().running()
    virsh("attach-disk", guest.name, t.disk("vdb").path, "vdb", "--subdriver", "qcow2", "--config")


def no_pool(t):
    os.mkdir(t.path("pool"))
    virsh("pool-define-as", "img", "dir", "--target", t.path("pool"))
    t.undo.callback(virsh, "pool-undefine", "img")
    disk = Disk("", "qcow2", "vdb", kind="volume", source="<source pool='img' volume='a.qcow2'/>")
    t.guest("web", t.boot_disk(), disk).define()


def read_only_archive(t):
    path = t.small_filesystem("archive", 100 * MIB)
    run("mount", "-o", "remount,ro", path)
    return ["--destination-path", path]


def full_archive(t):
    return ["--destination-path", t.small_filesystem("archive", 4 * MIB)]


def archive_of(t):
    t.backup(t.small_guest().define())
    return ["--destination-path", t.archive.path]


def bad_manifest(t):
    options = archive_of(t)
    os.truncate(t.path("archive/web.xml"), 100)
    return options


def orphan(t):
    options = archive_of(t)
    os.unlink(t.path("archive/web.xml"))
    return options


def no_repository(t):
    return ["--repository", t.path("nowhere")]


def not_a_repository(t):
    return ["--repository", t.make_dir("folder", 0o700)]


def no_reserve(t):
    repository = t.repository()
    os.unlink(os.path.join(repository, "reserve"))
    return ["--repository", repository]


def dead_session(t):
    repository = t.repository()
    folder = os.path.join(repository, "s/default/" + 32 * "1")
    os.makedirs(folder)
    with open(os.path.join(folder, int((time.time() - 2 * 86400) * 1000).to_bytes(6, "big").hex() + 20 * "0"), "wb"):
        pass
    return ["--repository", repository]


def trash(t):
    repository = Repository(t, "web")
    t.add_point(repository.path, *repository.guests)
    t.vb("remove", "--yes", "--repository", repository.path, "web@latest")
    return ["--repository", repository.path]


def future(t):
    repository = Repository(t, "web")
    t.add_point(repository.path, *repository.guests)
    for path in repository.find("p/default/*/*"):
        os.utime(path, (time.time() + 3 * 86400,) * 2)
    return ["--repository", repository.path]


def over(t, folder):
    """Changes below the folder are seen here alone."""
    layers = t.small_filesystem("layers", 16 * MIB)
    for name in ("upper", "work"):
        os.mkdir(os.path.join(layers, name))
    run("mount", "-t", "overlay", "vbtest", "-o", f"lowerdir={folder},upperdir={layers}/upper,workdir={layers}/work", folder)
    t.undo.callback(run, "umount", "--lazy", folder)


def job_without_timer(t):
    over(t, "/etc")
    over_run = t.small_filesystem("run", MIB)
    os.makedirs(os.path.join(over_run, "systemd/system"))
    run("mount", "--bind", os.path.join(over_run, "systemd"), make_folder("/run/systemd", t))
    t.undo.callback(run, "umount", "--lazy", "/run/systemd")
    os.makedirs("/etc/virt-backup/jobs.d", exist_ok=True)
    for name in ("nightly", "weekly"):
        with open(f"/etc/virt-backup/jobs.d/{name}.conf", "w", encoding="utf-8") as file:
            file.write("repository = /backup\n")
    os.makedirs("/etc/systemd/system/timers.target.wants", exist_ok=True)
    os.symlink("/usr/lib/systemd/system/virt-backup@.timer", "/etc/systemd/system/timers.target.wants/virt-backup@nightly.timer")


def make_folder(path, t):
    if not os.path.isdir(path):
        os.mkdir(path)
        t.undo.callback(os.rmdir, path)
    return path


def elsewhere(t, script):
    virsh("version")  # libvirt starts a QEMU to learn it, once
    t.through = ("unshare", "--mount", "sh", "-ec", script + '\nexec "$0" "$@"')


CONFINED = """\
mount -t tmpfs none /sys/module
mkdir -p /sys/module/apparmor/parameters
echo Y >/sys/module/apparmor/parameters/enabled
mount -t tmpfs none /etc/apparmor.d
mkdir -p /etc/apparmor.d/abstractions /etc/apparmor.d/local/abstractions
"""
ALLOWED = ": >/etc/apparmor.d/abstractions/virt-backup\n"


def apparmor_without_abstraction(t):
    elsewhere(t, CONFINED)


def apparmor_without_include(t):
    elsewhere(t, CONFINED + ALLOWED)


def selinux(t):
    elsewhere(t, "mount -t tmpfs none /sys/fs; mkdir /sys/fs/selinux; echo 1 >/sys/fs/selinux/enforce")


def mounted_as(t, kind, options="rw"):
    """What the kernel says of all mounts is changed, and nothing is mounted."""
    elsewhere(t, "mount -t tmpfs none /mnt\n"
                 f"sed -E 's/ - [^ ]+ ([^ ]+) .*/ - {kind} \\1 {options}/' /proc/$$/mountinfo >/mnt/mounts\n"
                 "mount --bind /mnt/mounts /proc/$$/mountinfo")


def repository_on_nfs(t, kind="nfs4"):
    options = ["--repository", t.repository()]
    mounted_as(t, kind)
    return options


def repository_on_fat(t):
    return repository_on_nfs(t, "vfat")


def archive_on_fat(t):
    mounted_as(t, "vfat")
    return ["--destination-path", t.make_dir("backups")]


def archive_on_9p(t):
    mounted_as(t, "9p")
    return ["--destination-path", t.make_dir("backups")]


# ---- what is found -----------------------------------------------------------------------------
# how it is made: severity, subject, part of the text, part of the remedy (None: it has none)

FAULTS = {
    no_libvirt: ("problem", "libvirt", "cannot connect to libvirt", "systemctl start libvirtd"),
    no_qemu_img: ("problem", "qemu-img", "cannot run it", "apt-get install qemu-utils"),
    old_qemu_nbd: ("warning", "qemu-nbd", "older than the QEMU", "apt-get install qemu-utils"),
    open_state: ("problem", "state", "nobody else may write", "chmod 0700 /var/lib/virt-backup"),
    journal: ("problem", "journal", "did not finish", "virt-backup recover"),
    bad_journal: ("problem", "journal", "", "virt-backup recover --dismiss 12345678-1234-4234-8234-123456789abc"),
    lock: ("note", "lock", "by virt-backup (pid 812)", None),
    lock_of_job: ("note", "lock", "job 'nightly': in use since 2026-05-01", None),
    missing_image: ("problem", "disk", "No such file", "--exclude-disk web:vda"),
    two_bad_images: ("problem", "disk", "cannot be backed up", "--exclude-disk web:vdc"),
    encrypted: ("problem", "disk", "encrypted", "--exclude-disk web:vdb"),
    marked_corrupt: ("problem", "disk", "corrupt", "qemu-img check -f qcow2"),
    raw: ("note", "disk", "this one is raw", None),
    old_qcow2: ("note", "disk", "compat=0.10", "qemu-img amend -f qcow2 -o compat=1.1"),
    internal_snapshot: ("note", "snapshot", "'before'", "virsh snapshot-delete web before"),
    external_snapshot: ("warning", "snapshot", "'nightly'", "virsh blockcommit --active --pivot 'web; reboot' vda && virsh snapshot-delete --metadata 'web; reboot' nightly"),
    foreign_checkpoint: ("note", "checkpoint", "of another program", "virsh checkpoint-delete web other"),
    stray_checkpoint: ("warning", "checkpoint", "of a repository into which", "virsh checkpoint-delete web vb-"),
    stray_bitmap: ("note", "disk", "bitmap 'left'", "qemu-img bitmap --remove"),
    full_staging: ("problem", "staging", "has only", "--staging-path"),
    full_scratch: ("problem", "scratch", "make room", "--scratch-path"),
    open_scratch: ("problem", "scratch", "others can write", "--scratch-path"),
    paused: ("note", "guest", "it is paused", None),
    no_agent: ("note", "agent", "no guest agent", "apt-get install qemu-guest-agent"),
    other_job: ("problem", "guest", "backup job of another program", "virsh domjobinfo web"),
    later_disk: ("warning", "disk", "only in the persistent definition", None),
    no_pool: ("problem", "disk", "virsh pool-start img", "--exclude-disk web:vdb"),
    read_only_archive: ("problem", "archive", "Read-only file system", None),
    full_archive: ("problem", "archive", "it is full", None),
    bad_manifest: ("problem", "archive", "web.xml", None),
    orphan: ("warning", "archive", "no manifest names", None),
    no_repository: ("problem", "repository", "No such file", "virt-backup repository create"),
    not_a_repository: ("problem", "repository", "", "virt-backup repository create"),
    no_reserve: ("warning", "repository", "no reserve", None),
    dead_session: ("warning", "session", "seems to be dead", "virt-backup collect"),
    trash: ("note", "repository", "1 of 1 points are in the trash", "virt-backup collect"),
    future: ("problem", "repository", "in the future", "timedatectl"),
    apparmor_without_abstraction: ("note", "apparmor", "not installed", None),
    apparmor_without_include: ("note", "apparmor", "is not used", "echo 'include <abstractions/virt-backup>' >> /etc"),
    selinux: ("note", "selinux", "enforcing", None),
    repository_on_nfs: ("note", "repository", "mounted as nfs4 with an attribute cache", None),
    repository_on_fat: ("problem", "repository", "no hard links", None),
    archive_on_fat: ("warning", "archive", "no file can have more than 4 GiB", None),
    archive_on_9p: ("note", "archive", "may not see the locks", None),
    job_without_timer: ("warning", "timer", "'weekly' is not enabled", "systemctl enable --now virt-backup@weekly.timer"),
}


def fits(event, expected):
    severity, subject, text, remedy = expected
    return ((event["severity"], event["subject"]) == (severity, subject) and text in event["text"] and
            (remedy is None) == (event["remedy"] is None) and (remedy or "") in (event["remedy"] or ""))


def below(written, *folders):
    """All that a file or folder is, but for the time when it was last read. WRITTEN: names of what guests write."""
    found = {}
    for folder in folders:
        for parent, folders_there, files in os.walk(folder):
            for path in (parent, *(os.path.join(parent, name) for name in folders_there + files)):
                status = os.lstat(path)
                if stat.S_ISSOCK(status.st_mode) or written.search(path):
                    continue
                found[path] = (status.st_mode, status.st_uid, status.st_ino, status.st_mtime_ns, status.st_ctime_ns,
                               status.st_size)
    return found


def without_time(text):
    return [line for line in text.splitlines() if "time:" not in line.lower()]


def state_of(t):
    names = virsh("list", "--all", "--name").out.split()
    written = re.compile(r"\.(log|qcow2|nightly|\d+)$" if virsh("list", "--name").out.split() else r"\.log$")
    return (below(written, t.dir, STATE, "/var/lib/virt-backup-key", "/etc/libvirt", "/var/lib/libvirt"),
            [without_time(virsh(command, name, status=None).out) for name in sorted(names)
             for command in ("dominfo", "dumpxml", "snapshot-list", "checkpoint-list", "domblklist")],
            virsh("pool-list", "--all").out, virsh("net-list", "--all").out)


def examine(t, options, status):
    virsh("capabilities")  # libvirt looks at each QEMU once, in its own folder
    before = None if t.environment["PATH"] == t.path("tools") else state_of(t)
    events = t.events(t.vb("doctor", *(options or []), "--json", status=status))
    if before:
        for old, new in zip(before, state_of(t)):
            same(new, old, "what there is after doctor, and before")
    return [event for event in events if event["event"] == "finding"]


def check_fault(t, make):
    options = make(t)
    expected = FAULTS[make]
    findings = examine(t, options, None)
    expect([event for event in findings if fits(event, expected)],
           f"{make.__name__} is not found: {[event for event in findings if event['severity'] != 'good']}")
    problems = [event for event in findings if event["severity"] == "problem"]
    result = t.vb("doctor", *(options or []), status=1 if problems else 0)
    same(sum(line.startswith("problem ") for line in result.out.splitlines()), len(problems), "problems that people are shown")


def finder(make):
    return lambda t: check_fault(t, make)


for maker in FAULTS:
    one = finder(maker)
    one.__name__ = f"test_doctor_finds_{maker.__name__}"
    globals()[one.__name__] = one
del one


def test_a_sound_host_has_no_problems(t):
    guest = t.small_guest().running()
    repository = t.repository()
    t.add_point(repository, guest)
    findings = examine(t, ["--repository", repository], 0)
    same([event for event in findings if event["severity"] in ("warning", "problem")], [], "what is wrong")
    for area in ("sandbox", "libvirt", "qemu", "qemu-img", "qemu-nbd", "state", "key", "repository", "disk", "checkpoint"):
        expect([event for event in findings if event["subject"] == area and event["severity"] == "good"],
               f"nothing is good about {area}: {findings}")


def test_all_of_its_bad_disks_are_named(t):
    two_bad_images(t)
    found = [event.get("disk") for event in examine(t, None, 1) if event["severity"] == "problem"]
    same(found, ["vdb", "vdc"], "disks with a problem")


def test_a_guest_that_is_not_there(t):
    t.small_guest().define()
    t.refused("doctor", "--domain-names", "gone", says=["gone"])
    result = t.vb("doctor", "--domain-names", "web,gone", status=1)
    expect("no guest 'gone'" in result.err, f"not told: {result.err}")


def test_staging_is_not_made(t):
    """The usual folder, which the first backup makes."""
    t.small_guest().running()
    shutil.rmtree("/var/lib/libvirt/virt-backup", ignore_errors=True)
    findings = examine(t, None, 0)
    expect([event for event in findings if event["subject"] == "staging" and event["severity"] == "good"],
           f"no room is found: {findings}")
    expect(not os.path.exists("/var/lib/libvirt/virt-backup"), "doctor has made the staging folder")


def test_what_is_set_up_as_it_says_is_good(t):
    """AppArmor after its remedy, and an NFS without a cache of attributes."""
    repository = t.repository()
    elsewhere(t, CONFINED + ALLOWED)
    remedy = next(event["remedy"] for event in examine(t, None, 0) if event["subject"] == "apparmor")
    elsewhere(t, CONFINED + ALLOWED + remedy)
    same([event["severity"] for event in examine(t, None, 0) if event["subject"] == "apparmor"], ["good"], "AppArmor")
    for options in ("rw,lookupcache=pos", "rw,actimeo=0"):
        mounted_as(t, "nfs4", options)
        found = [event["text"] for event in examine(t, ["--repository", repository], 0) if event["subject"] == "repository"]
        expect(found and not any("nfs" in text for text in found), f"of an NFS with {options}: {found}")
