# SPDX-License-Identifier: LGPL-2.1-or-later
"""The files of an archive: links, pipes, devices, what is missing or too much, and journals of an exchange."""

import hashlib
import os
import socket
import stat

from case import restore_disks

VDA = "web-vda.raw"
MANIFEST = "web.xml"
JOURNAL = f".virt-backup-{hashlib.sha256(b'web').hexdigest()[:16]}.exchange"
PART = ".virt-backup-0123456789abcdef.x.part"


def link(name, to):
    def change(f):
        os.unlink(f.at(name))
        os.symlink(f.fill(to), f.at(name))
    return change


def special(name, kind, device=0):
    def change(f):
        os.unlink(f.at(name))
        os.mknod(f.at(name), kind | 0o600, device)
    return change


def sock(name):
    def change(f):
        os.unlink(f.at(name))
        with socket.socket(socket.AF_UNIX) as server:
            server.bind(f"/proc/self/fd/{os.open(f.path, os.O_RDONLY | os.O_DIRECTORY)}/{name}")
    return change


def folder(name):
    def change(f):
        os.unlink(f.at(name))
        os.mkdir(f.at(name))
    return change


def gone(name):
    return lambda f: os.unlink(f.at(name))


def linked_inside(f):
    os.rename(f.at(VDA), f.at("web-other"))
    os.symlink("web-other", f.at(VDA))


def hard_link(f):
    os.link(f.at(VDA), f.at("web-other"))


def hard_link_to_a_file_of_the_host(f):
    os.unlink(f.at(VDA))
    os.link(os.path.join(f.places["canary"], "secret"), f.at(VDA))


def longer(f):
    f.write(VDA, f.read(VDA) + b"x")


def shorter(f):
    f.write(VDA, f.read(VDA)[:-1])


def swapped(f):
    one, two = f.read(VDA), f.read("web-vdb.raw")
    f.write(VDA, two)
    f.write("web-vdb.raw", one)


def odd_names(f):
    for name in ("\x1b]0;owned\x07.xml", "a\nb.xml", "-rf.xml", "..xml", "\u202exml.xml", "x" * 250 + ".xml", "%s%n.xml",
                 b"\xff\xfe.xml".decode("utf-8", "surrogateescape"), "$(touch x).xml", ".virt-backup-1.xml"):
        with open(f.at(name), "w", encoding="ascii") as file:
            file.write("<domain/>")


def other_xml(f):
    for name in ("a.xml", "b.xml"):
        os.mkfifo(f.at(name))
    os.symlink("/etc/shadow", f.at("c.xml"))
    os.symlink("/dev/zero", f.at("d.xml"))


def many_files(f):
    for number in range(500):  # each is parsed in a process of its own
        with open(f.at(f"junk-{number}.xml"), "w", encoding="ascii") as file:
            file.write("<x/>")


def left_parts(f):
    os.symlink(os.path.join(f.places["canary"], "secret"), f.at(PART))


def journal(*lines, sign=True, raw=None):
    def change(f):
        text = "".join(f.fill(line) + "\n" for line in ("virt-backup exchange 1", *lines))
        if sign:
            text += f"sha256 {hashlib.sha256(text.encode()).hexdigest()}\n"
        f.write(JOURNAL, raw if raw is not None else text.encode())
    return change


def journal_is(make):
    def change(f):
        make(f.at(JOURNAL))
    return change


NO_MANIFEST = f"manifest {'0' * 64} {PART} web.xml"
JOURNALS = {
    "garbage": journal(raw=b"\0\xff" * 1000),
    "unsigned": journal("domain web", NO_MANIFEST, sign=False),
    "guest-dots": journal("domain ../web", NO_MANIFEST),
    "another-guests": journal("domain db", f"manifest {'0' * 64} {PART} db.xml"),
    "manifest-elsewhere": journal("domain web", f"manifest {'0' * 64} {PART} ../web.xml"),
    "manifest-from-elsewhere": journal("domain web", f"manifest {'0' * 64} {{canary}}/secret web.xml"),
    "file-to-elsewhere": journal("domain web", f"file 5 {PART} {{canary}}/secret", NO_MANIFEST),
    "file-from-elsewhere": journal("domain web", "file 5 {canary}/secret web-vdc.raw", NO_MANIFEST),
    "file-from-dots": journal("domain web", "file 5 ../x.part web-vdc.raw", NO_MANIFEST),
    "file-size": journal("domain web", f"file -1 {PART} web-vdc.raw", NO_MANIFEST),
    "removes-elsewhere": journal("domain web", NO_MANIFEST, "remove {canary}/secret"),
    "removes-dots": journal("domain web", NO_MANIFEST, "remove web-/../../canary/secret"),
    "removes-another-guests": journal("domain web", NO_MANIFEST, "remove db.xml"),
    "without-files": journal("domain web", NO_MANIFEST),
    "more-behind-it": journal("domain web", NO_MANIFEST, "surprise"),
    "huge": journal(raw=b"virt-backup exchange 1\n" + b"x" * (16 << 20)),
    "link": journal_is(lambda path: os.symlink("/etc/shadow", path)),
    "pipe": journal_is(os.mkfifo),
    "folder": journal_is(os.mkdir),
}


def cases():
    for name, (change, says) in {
            "link-to-the-host": (link(VDA, "{canary}/web-vda.raw"), "symbolic link"),
            "link-to-shadow": (link(VDA, "/etc/shadow"), "symbolic link"),
            "link-to-zeros": (link(VDA, "/dev/zero"), "symbolic link"),
            "link-to-itself": (link(VDA, VDA), "symbolic link"),
            "link-inside": (linked_inside, "symbolic link"),
            "pipe": (special(VDA, stat.S_IFIFO), "regular file"),
            "zero-device": (special(VDA, stat.S_IFCHR, os.makedev(1, 5)), "regular file"),
            "block-device": (special(VDA, stat.S_IFBLK, os.makedev(7, 250)), VDA),
            "socket": (sock(VDA), VDA),
            "folder": (folder(VDA), "regular file"),
            "gone": (gone(VDA), "No such file"),
            "longer": (longer, "the manifest says"),
            "shorter": (shorter, "the manifest says"),
            "empty": (lambda f: f.write(VDA, b""), "the manifest says"),
            "swapped": (swapped, "digest"),
            "hard-link-of-the-host": (hard_link_to_a_file_of_the_host, "the manifest says"),
    }.items():
        yield restore_disks("stored-" + name, change, says)
    for name, change in {"link": link(MANIFEST, "{canary}/secret"), "link-to-shadow": link(MANIFEST, "/etc/shadow"),
                         "link-to-zeros": link(MANIFEST, "/dev/zero"), "pipe": special(MANIFEST, stat.S_IFIFO),
                         "device": special(MANIFEST, stat.S_IFCHR, os.makedev(1, 5)), "folder": folder(MANIFEST),
                         "socket": sock(MANIFEST), "gone": gone(MANIFEST)}.items():
        yield restore_disks("manifest-is-" + name, change, "has no guest", verify=(1,), list=(0, 1))
    yield restore_disks("files-odd-names", odd_names, "", verify=(0, 4), options=("--disks", "vda", "--domain-names", "web"))
    yield restore_disks("files-other-xml", other_xml, "", verify=(0, 4))
    yield restore_disks("files-many", many_files, "", verify=(0, 4))
    yield restore_disks("files-hard-link", hard_link, "", verify=(0,))
    yield restore_disks("files-left-parts", left_parts, "", verify=(0,))
    for name, change in JOURNALS.items():
        if name == "without-files":
            yield restore_disks("journal-" + name, change, "not the manifest that the journal", verify=(4,), list=(1,))
        else:
            yield restore_disks("journal-" + name, change, "", verify=(0,), list=(0,), warns=JOURNAL)
