# SPDX-License-Identifier: LGPL-2.1-or-later
"""The seal: what this host has made is restored without questions, and nothing else is."""

import hashlib
import os
import re
import stat

from vbtest import disks
from vbtest.command import expect, same, virsh
from vbtest.disks import MIB

KEY = "/var/lib/virt-backup-key"
OWN = re.compile(r'(<vb:backup xmlns:vb="[^"]*" sha256=")[0-9a-f]*')


def backed_up(t):
    """Its serial line is a file of the host, which is beyond its own files."""
    guest = t.guest("web", t.disk("vda", size=MIB)).define()
    t.backup(guest)
    guest.undefine()
    return guest


def change(t, old, new):
    """As somebody does who can write to the archive: the manifest's own digest fits again."""
    path = t.archive.file("web.xml")
    with open(path, encoding="utf-8") as file:
        text = file.read()
    expect(re.search(old, text), f"the manifest does not hold {old}")
    text = OWN.sub(r"\1", re.sub(old, new, text, count=1), 1)
    text = OWN.sub(r"\g<1>" + hashlib.sha256(text.encode()).hexdigest(), text, 1)
    with open(path, "w", encoding="utf-8") as file:
        file.write(text)


def check_listed(t, words, name):
    result = t.vb("list", "--source-path", t.archive.path)
    expect(f", {words}\n" in result.out, f"not '{words}': {result.out}")
    result = t.vb("list", "--source-path", t.archive.path, "--json")
    same([event["seal"] for event in t.events(result) if event["event"] == "backup"], [name], "seal")


def check_asked(t, guest, words):
    t.refused(*t.restore_line(), says=["guest 'web'", guest.serial.path, words, "--trust-definition"])
    same(guest.state(), "gone", "state of the guest")
    t.restore(trust=True)
    same(guest.state(), "shut off", "state of the guest")


def test_own_backups_need_no_trust(t):
    guest = backed_up(t)
    check_listed(t, "sealed by this host", "fits")
    result = t.restore()
    same(guest.state(), "shut off", "state of the guest")
    expect("trusted" not in result.out + result.err, f"a question where there is none: {result.err}")


def test_backups_of_another_host_are_asked_about(t):
    guest = backed_up(t)
    t.forget_key()
    check_listed(t, "sealed by another host", "foreign")
    t.verify()
    check_asked(t, guest, "sealed by another host")
    other = t.guest("other", t.disk("vdb", size=MIB)).define()
    t.backup(other)
    result = t.vb("list", "--source-path", t.archive.path)
    expect("sealed by another host" in result.out and "sealed by this host" in result.out, f"not told apart: {result.out}")


def test_a_changed_backup_is_told(t):
    guest = backed_up(t)
    change(t, "<title>.*</title>|<devices>", "<devices><!-- changed -->")
    check_listed(t, "SEAL BROKEN", "broken")
    result = t.verify()
    expect("its seal is broken" in result.err, f"verify does not say it: {result.err}")
    check_asked(t, guest, "seal is broken")


def test_without_its_seal_a_backup_is_asked_about(t):
    guest = backed_up(t)
    change(t, ' seal="[0-9a-f]*" key="[0-9a-f]*"', "")
    check_listed(t, "not sealed", "none")
    check_asked(t, guest, "no seal")


def test_as_the_former_format_a_backup_is_asked_about(t):
    guest = backed_up(t)
    change(t, ' host-uuid="[^"]*"', "")
    change(t, ' seal="[0-9a-f]*" key="[0-9a-f]*" format="3"', ' format="2"')
    check_listed(t, "not sealed", "none")
    check_asked(t, guest, "no seal")


def test_a_backup_is_made_without_the_key(t):
    """Said once, however many guests there are; the next one, when all is well again, is sealed."""
    guests = [t.guest(name, t.disk(target, size=MIB)).define() for name, target in (("web", "vda"), ("other", "vdb"))]
    t.backup(guests[0])
    os.chmod(KEY, 0o755)
    try:
        result = t.backup(*guests, "--replace")
        same(result.err.count("not sealed"), 1, f"warnings in {result.err}")
        expect(KEY in result.err, f"the place is not named: {result.err}")
    finally:
        os.chmod(KEY, 0o700)
    result = t.vb("list", "--source-path", t.archive.path)
    same(result.out.count("not sealed"), 2, "backups without a seal")
    t.backup(*guests, "--replace")
    result = t.vb("list", "--source-path", t.archive.path)
    same(result.out.count("sealed by this host"), 2, "sealed backups")


def test_the_key_stays_where_it_is(t):
    """It is nobody else's, is in no output and in no file of the archive, and a dry run makes none."""
    guest = t.guest("web", t.disk("vda", size=MIB)).define()
    t.forget_key()
    t.backup(guest, "--dry-run")
    same(os.listdir(KEY), [], "files of the key")
    outputs = [t.backup(guest, "--verbose", "--json"), t.vb("list", "--source-path", t.archive.path, "--json"),
               t.verify("--verbose")]
    with open(os.path.join(KEY, "seal"), "rb") as file:
        secret = file.read()
    same(len(secret), 32, "bytes of the key")
    same(stat.S_IMODE(os.stat(os.path.join(KEY, "seal")).st_mode), 0o600, "mode of the key")
    same(os.listdir(KEY), ["seal"], "files of the key")
    for result in outputs:
        for form in (secret.hex(), secret.hex().upper()):
            expect(form not in result.out + result.err, "the key is told")
    for name in t.archive.names():
        with open(t.archive.file(name), "rb") as file:
            data = file.read()
        expect(secret not in data and secret.hex().encode() not in data, f"the key is in {name}")


def test_a_copy_does_not_share_a_disk_unasked(t):
    """A disk that was left out is the original's: as the same guest it is its own, under a new name it is another's."""
    guest = t.guest("web", t.disk("vda", size=MIB), t.disk("vdb", size=MIB)).define()
    t.backup(guest, "--exclude-disk", "vdb")
    left_out = guest.disks[1].path
    t.refused(*t.restore_line("--new-name", "copy", "--keep-left-out"),
              says=[left_out, "two guests", "--trust-definition"])
    guest.undefine()
    t.restore("--keep-left-out")
    expect(left_out in guest.dump(), "its own disk is lost")


def findings(t):
    """The list's line for people, and what its object says."""
    line = [line for line in t.vb("list", "--source-path", t.archive.path).out.splitlines() if "--trust-definition" in line]
    event = t.events(t.vb("list", "--source-path", t.archive.path, "--json"))[0]
    return "".join(line), [entry["what"] for entry in event["findings"]]


def test_list_tells_what_a_restore_refuses(t):
    """The list and a dry run name the same; an ISO in a drive, whose drive would be emptied, is none of it."""
    guest = t.guest("web", t.disk("vda", size=MIB), devices_xml=(
        "<disk type='file' device='cdrom'><source file='/srv/some.iso'/><target dev='sda' bus='sata'/><readonly/></disk>"
        "<input type='evdev'><source dev='/dev/input/event7'/></input>")).define()
    t.backup(guest)
    guest.undefine()
    line, what = findings(t)
    expect("restoring it on another host needs --trust-definition: " in line and guest.serial.path in line, f"line: {line}")
    t.forget_key()
    line, again = findings(t)
    expect("restoring it needs --trust-definition: " in line and guest.serial.path in line, f"line: {line}")
    same(again, what, "findings, with the seal and without")
    plan = [event for event in t.events(t.restore("--dry-run", "--json", status=1)) if event["event"] == "plan"]
    same([entry["what"] for entry in plan[0]["findings"]], what, "findings of the dry run")


def test_list_tells_nothing_of_an_ordinary_guest(t):
    path = t.path("plain.xml")
    disk = t.disk("vda", size=MIB)
    with open(path, "w", encoding="utf-8") as file:
        file.write("<domain type='qemu'><name>plain</name><memory unit='MiB'>16</memory><os><type arch='x86_64' machine='pc'>hvm"
                   f"</type></os><devices>{disk.xml()}</devices></domain>")
    virsh("define", path)
    t.undo.callback(virsh, "undefine", "plain", status=None)
    result = t.backup("--verbose")
    expect("--trust-definition" not in result.err, f"said of an ordinary guest: {result.err}")
    t.forget_key()
    same(findings(t), ("", []), "what the list tells")


def test_backup_tells_what_a_restore_refuses(t):
    """With a seal only in detail, for other hosts; without one as a warning."""
    guest = t.guest("web", t.disk("vda", size=MIB)).define()
    result = t.backup(guest)
    expect("--trust-definition" not in result.err, f"said each night: {result.err}")
    result = t.backup(guest, "--replace", "--verbose")
    expect("restoring it on another host needs --trust-definition: " in result.err and guest.serial.path in result.err, result.err)
    os.chmod(KEY, 0o755)
    try:
        result = t.backup(guest, "--replace")
    finally:
        os.chmod(KEY, 0o700)
    expect("warning: guest 'web': restoring it needs --trust-definition, because its backup has no seal: " in result.err, result.err)


UEFI = ("<loader readonly='yes' type='pflash'>/usr/share/OVMF/OVMF_CODE_4M.fd</loader>"
        "<nvram template='/usr/share/OVMF/OVMF_VARS_4M.fd'>{}</nvram>")


def test_nvram_that_was_never_made(t):
    """Without its file in the backup there is nothing to put anywhere: libvirt makes it in its own place. The guest's own
    host keeps the place; a copy never shares it."""
    place = t.path("own_VARS.fd")
    guest = t.guest("web", t.disk("vda", size=MIB), os_xml=UEFI.format(place)).define()
    t.backup(guest)
    t.restore("--new-name", "copy", to=t.path("copied"))
    expect(place not in t.restored_guest(guest, "copy").call("dumpxml").out, "the copy has the original's NVRAM")
    guest.undefine("--nvram")
    t.restore(to=t.path("own"))
    expect(place in guest.call("dumpxml").out, "its NVRAM has another place")
    guest.undefine("--nvram")
    t.forget_key()
    lines = t.restore("--dry-run", status=1).out
    expect("os/nvram" not in lines and guest.serial.path in lines, f"what is refused: {lines}")


def test_nvram_that_the_restore_makes(t):
    """Its place in the definition was beyond the guest's own files; the file's place after the restore is not."""
    place = t.path("own_VARS.fd")
    with open(place, "wb") as file:
        file.write(b"variables" * 1000)
    guest = t.guest("web", t.disk("vda", size=MIB), os_xml=UEFI.format(place)).define()
    t.backup(guest)
    guest.undefine("--keep-nvram")
    t.forget_key()
    expect("os/nvram" not in " ".join(findings(t)[1]), "the list refuses it")
    lines = t.restore("--dry-run", status=1).out
    expect("os/nvram" not in lines and guest.serial.path in lines, f"what is refused: {lines}")
