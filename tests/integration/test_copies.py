# SPDX-License-Identifier: LGPL-2.1-or-later
"""Points go from an archive into a repository and back: copy and export."""

import glob
import os
import re
import shutil
import signal

from vbtest import disks, leftovers, tpm
from vbtest.archive import Archive
from vbtest.command import expect, same, wait_until
from vbtest.disks import MIB
from vbtest.midway import offspring
from vbtest.repository import point_of, sections_of


def copy(t, repository, *arguments, source=None, **options):
    return t.vb("copy", "--from", source or t.archive.path, "--to", repository, *arguments, **options)


def export(t, repository, to, *arguments, **options):
    return t.vb("export", "--repository", repository, "--destination-path", to, *arguments, **options)


def contents(path):
    with open(path, "rb") as file:
        return file.read()


def facts_of(path):
    """A manifest without what a copy may have otherwise: its digest and seal, and how its images are stored."""
    def stored(match):
        return re.sub(r' (size|compression|chunk-size|dictionary)="[^"]*"', "", re.sub(r'\.(xz|zst)"', '"', match[0]))

    text = re.sub(r' (sha256|seal)="[0-9a-f]{64}"', "", contents(path).decode())
    return re.sub(r"<vb:stored [^>]*>", stored, text)


def check_same_manifest(one, other):
    same(facts_of(other), facts_of(one), f"{other}, compared with {one},")


def check_images(t, guest, archive, codec):
    for disk in guest.disks:
        raw = archive.decode(guest.name, disk.target, codec, t.path("decoded"))
        disks.compare(disk.path, disk.format, raw, "raw", f"{disk.target} in {archive.path}")


def there_and_back(t, first, second, third):
    """Archive, repository, archive, each with its own compression."""
    guest = t.guest("web", t.disk("vda", "raw", size=6 * MIB + 512 * 40), t.disk("vdb", "qcow2")).define()
    t.backup(guest, "--compression", first, "--chunk-size", "1M")
    repository = t.repository()
    copy(t, repository, "--compression", second, "--tag", "moved")
    (point,) = t.points(repository)
    same((point["derived"], point["tags"], point["guest"]), (True, ["moved"], "web"), "the point")
    same(point["time"], t.archive.manifest("web").backup.get("time"), "time of the point")
    t.vb("verify", "--repository", repository)
    to = t.path("exported")
    events = t.events(export(t, repository, to, "--compression", third, "--chunk-size", "1M", "--point", point["point"][:12], "--json"))
    same([event["disk"] for event in events if event["event"] == "disk-done"], ["vda", "vdb"], "disks that were exported")
    check_same_manifest(t.archive.file("web.xml"), os.path.join(to, "web.xml"))
    check_images(t, guest, Archive(to), third.split(":", maxsplit=1)[0])
    t.check_good(guest, source=to)
    same(t.archive.manifest("web").stored("vda")["content-sha256"], Archive(to).manifest("web").stored("vda")["content-sha256"],
         "content digest")
    guest.undefine()
    t.restore(source=to)
    for disk in guest.disks:
        restored = os.path.join(t.restored, os.path.basename(disk.path))
        disks.compare(disk.path, disk.format, restored, disk.format, f"{disk.target} after all")


def test_uncompressed_there_and_back(t):
    there_and_back(t, "none", "zstd", "none")


def test_zstd_there_and_back(t):
    there_and_back(t, "zstd", "none", "lzma:1")


def test_lzma_there_and_back(t):
    there_and_back(t, "lzma:1", "lzma:1", "zstd")


def test_memory_goes_along(t):
    """The seal of this host, too: the guest is resumed with its own definition."""
    guest = t.guest("web", t.boot_disk("qcow2")).running()
    t.backup(guest, "--guest-memory", "save", "--compression", "zstd")
    token, _ = guest.serial.last()
    repository, to = t.repository(), t.path("exported")
    copy(t, repository)
    export(t, repository, to, "--compression", "lzma:0")
    check_same_manifest(t.archive.file("web.xml"), os.path.join(to, "web.xml"))
    same(Archive(to).manifest("web").backup.get("key"), t.archive.manifest("web").backup.get("key"), "key of the seal")
    t.check_good(guest, source=to)
    guest.destroy()
    guest.undefine()
    t.restore("--allow-autorun", source=to)
    guest.goes_on(token, 0)
    guest.destroy()
    guest.undefine()
    t.restore_point(repository, "--allow-autorun", to=t.path("of-the-point"))
    guest.goes_on(token, 0)


def test_nvram_and_tpm_go_along(t):
    guest, _ = tpm.firmware_guest(t, t.disk("vda", size=MIB))
    t.backup(guest)
    repository, to = t.repository(), t.path("exported")
    copy(t, repository)
    export(t, repository, to)
    check_same_manifest(t.archive.file("web.xml"), os.path.join(to, "web.xml"))
    for file in ("web-nvram.fd", "web-tpm.state"):
        expect(contents(t.archive.file(file)) == contents(os.path.join(to, file)), f"{file} differs")
    t.check_good(guest, source=to)
    guest.undefine("--keep-nvram")


# ---- whose copies are believed -----------------------------------------------------------------------


def test_what_another_host_has_sealed_gets_no_seal(t):
    """A copy is not believed more than what it is a copy of."""
    guest = t.small_guest().define()
    t.backup(guest)
    t.forget_key()
    t.backup(t.guest("db", t.disk("vda", name="db.qcow2")).define(), to=t.path("other"))
    repository, to = t.repository(), t.path("exported")
    copy(t, repository)
    export(t, repository, to)
    same(Archive(to).manifest("web").backup.get("seal"), None, "seal of the copy")
    guest.undefine()
    for place in (("--source-path", to), ("--repository", repository)):
        t.refused("restore", *place, "--destination-path", t.restored, says=["--trust-definition"])


def test_a_forged_cookie_is_found(t):
    """The manifest, which is sealed, has a digest of what is before the memory of a point."""
    guest = t.guest("web", t.boot_disk("qcow2")).running()
    repository = t.repository()
    t.add_point(repository, guest, "--guest-memory", "save")
    (slot,) = glob.glob(f"{repository}/p/default/*/*")
    data = contents(slot)
    sections = sections_of(data)
    cookie = b"<cookie><x/></cookie>"
    at = sections[8, 0].index(b"<cookie>")
    end = sections[8, 0].index(b"</cookie>") + 9
    expect(end - at >= len(cookie), "the cookie is too short for this test")
    sections[8, 0] = sections[8, 0][:at] + cookie.ljust(end - at) + sections[8, 0][end:]
    with open(slot, "wb") as file:
        file.write(point_of(data[:96], sections))
    t.refused("export", "--repository", repository, "--destination-path", t.path("exported"), status=4,
              says=["another header"])
    guest.destroy()
    guest.undefine()
    t.refused("restore", "--repository", repository, "--destination-path", t.restored, says=["another header"])
    result = t.vb("verify", "--repository", repository, status=4)
    expect("another header" in result.out + result.err, f"verify does not say what is wrong: {result}")


# ---- which points, and over what ---------------------------------------------------------------------


def two_nights(t):
    guest = t.guest("web", t.disk("vda", "raw", size=2 * MIB)).define()
    repository, kept = t.repository(), []
    for night in range(2):
        kept.append(shutil.copyfile(guest.disks[0].path, t.path(f"night-{night}")))
        t.add_point(repository, guest)
        with open(guest.disks[0].path, "r+b") as file:
            file.write(t.rng.randbytes(100000))
    return guest, repository, [point["point"] for point in t.points(repository)], kept


def test_each_way_to_name_a_point(t):
    _, repository, points, kept = two_nights(t)
    ways = [(("--point", points[0]), 0), (("--point", f"web@{points[0][:12]}"), 0), (("--domain-names", f"web@{points[0]}"), 0),
            (("--domain-names=web", "--point", points[0]), 0), (("--point", "latest"), 1), ((), 1)]
    for number, (words, night) in enumerate(ways):
        to = t.path(f"exported-{number}")
        export(t, repository, to, *words)
        expect(contents(os.path.join(to, "web-vda.raw")) == contents(kept[night]), f"{words} has exported another point")
    to = t.path("none")
    for words, says in ((("--point", "ffffffffff"), "no point 'ffffffffff'"), (("--point", "web@ffffffffff"), "no point"),
                        (("--domain-names=db",), "db")):
        t.refused("export", "--repository", repository, "--destination-path", to, *words, says=[says])
    expect(not os.path.exists(to), "a folder was made for nothing")


def test_a_point_in_the_trash_is_not_one_that_never_was(t):
    """Nor if the trash has all points of its guest."""
    _, repository, points, _ = two_nights(t)
    for point in points:
        t.vb("remove", "--repository", repository, f"web@{point}", "--yes")
        t.refused("export", "--repository", repository, "--destination-path", t.path("exported"), "--point", point,
                  says=["guest 'web'", point[:8], "in the trash", "virt-backup undelete"])


def test_a_backup_that_is_there_is_replaced_only_when_told(t):
    _, repository, points, kept = two_nights(t)
    to = t.path("exported")
    export(t, repository, to, "--point", points[0])
    before = sorted(os.listdir(to))
    t.refused("export", "--repository", repository, "--destination-path", to, says=["guest 'web'", "--replace"])
    expect(contents(os.path.join(to, "web-vda.raw")) == contents(kept[0]), "a refused export has changed a backup")
    export(t, repository, to, "--replace")
    same(sorted(os.listdir(to)), before, "files")
    expect(contents(os.path.join(to, "web-vda.raw")) == contents(kept[1]), "the backup was not replaced")


def test_libvirt_is_not_needed(t):
    _, repository, points, _ = two_nights(t)
    nowhere = {"env": dict(t.environment, LIBVIRT_DEFAULT_URI="nonexistent:///system")}
    to = t.path("exported")
    export(t, repository, to, **nowhere)
    copy(t, repository, source=to, **nowhere)
    same([point["derived"] for point in t.points(repository)], [False, False, True], "derived points")
    expect("nonexistent" in t.vb("backup", "--destination-path", t.path("other"), status=2, **nowhere).err, "a backup without it")
    same([point["point"] for point in t.points(repository)][:2], points, "older points")


# ---- all or nothing ----------------------------------------------------------------------------------


def interrupt(t, *words):
    process = t.start_vb(*words)
    wait_until(lambda: any(leftovers.cpu_ticks(pid) >= 3 for pid in offspring(process)[1]), "a busy child process")
    process.signal(signal.SIGINT)
    same(process.finish(60).status, 128 + signal.SIGINT, "exit status")


def test_a_backup_is_copied_once(t):
    guest = t.guest("web", t.disk("vda", "raw", size=2 * MIB)).define()
    with open(guest.disks[0].path, "r+b") as disk:
        disk.write(t.rng.randbytes(MIB))
    t.backup(guest)
    repository = t.repository()
    copy(t, repository)
    (point,) = t.points(repository)
    stored = sorted(glob.glob(f"{repository}/[dps]/default/*/*"))
    again = t.events(copy(t, repository, "--json"))
    same([event["point"] for event in again if event["event"] == "copied-before"], [point["point"]], "the copy that is there")
    same(sorted(glob.glob(f"{repository}/[dps]/default/*/*")), stored, "objects of the repository")
    expect("copied before, as point " + point["point"][:16] in copy(t, repository).out, "nothing is said")
    # What is in the trash is no copy, and another backup has none.
    t.vb("remove", "--repository", repository, f"web@{point['point']}", "--yes")
    copy(t, repository)
    same(sum(not point["in-trash"] for point in t.points(repository)), 1, "points")
    t.backup(guest, "--replace")
    copy(t, repository)
    same(sum(not point["in-trash"] for point in t.points(repository)), 2, "points")
    # One that was found damaged is none either, even if a later look at the outside of it finds nothing.
    for pack in glob.glob(f"{repository}/d/default/*/*"):
        with open(pack, "r+b") as file:
            file.seek(100)
            byte = file.read(1)[0]
            file.seek(100)
            file.write(bytes([byte ^ 1]))
    t.vb("verify", "--repository", repository, status=4)
    t.vb("verify", "--repository", repository, "--level", "objects")
    copy(t, repository)
    same(sum(not point["in-trash"] for point in t.points(repository)), 3, "points")


def test_a_copy_makes_its_scope(t):
    t.backup(t.guest("web", t.disk("vda", "raw", size=2 * MIB)).define())
    repository = t.repository()
    copy(t, repository, "--scope", "new")
    copy(t, repository, "--scope", "new")
    same([point["scope"] for point in t.points(repository)], ["new"], "points")


def test_an_interrupted_copy_leaves_no_point(t):
    t.backup(t.guest("web", t.slow_disk(size=48 * MIB)).define())
    repository = t.repository()
    before = sorted(os.listdir(repository))
    interrupt(t, "copy", "--from", t.archive.path, "--to", repository, "--compression", "lzma:9e")
    same(t.points(repository), [], "points")
    expect(set(os.listdir(repository)) - set(before) <= {"p", "s", "d", "t"}, f"left over: {os.listdir(repository)}")
    copy(t, repository)
    t.vb("verify", "--repository", repository)


def test_an_interrupted_export_leaves_nothing(t):
    guest = t.guest("web", t.slow_disk(size=48 * MIB)).define()
    repository, to = t.repository(), t.path("exported")
    t.add_point(repository, guest)
    interrupt(t, "export", "--repository", repository, "--destination-path", to, "--compression", "lzma:9e")
    expect(not os.path.exists(to), "something is left over")


def test_a_damaged_backup_is_not_copied(t):
    t.backup(t.guest("web", t.disk("vda", "raw", size=2 * MIB)).define())
    repository = t.repository()
    with open(t.archive.file("web-vda.raw"), "r+b") as file:
        file.seek(MIB)
        file.write(b"damage")
    t.refused("copy", "--from", t.archive.path, "--to", repository, status=4, says=["guest 'web'", "disk 'vda'", "web-vda.raw"])
    same(t.points(repository), [], "points")


def test_a_damaged_point_is_not_exported(t):
    _, repository, points, _ = two_nights(t)
    (pack,) = glob.glob(f"{repository}/d/default/*/{points[0]}-00000000")
    os.unlink(pack)
    to = t.path("exported")
    t.refused("export", "--repository", repository, "--destination-path", to, status=None, says=["guest 'web'", os.path.basename(pack)])
    expect(not os.path.exists(to), "something is left over")


def test_holes_stay_holes(t):
    path = t.path("vda.raw")
    with open(path, "wb") as file:
        file.write(t.rng.randbytes(MIB))
        file.truncate(8192 * MIB + 512)
    t.backup(t.guest("web", disks.Disk(path, "raw")).define(), "--compression", "zstd")
    repository = t.repository()
    copy(t, repository)
    export(t, repository, t.path("exported"))
    disks.compare(path, "raw", t.path("exported", "web-vda.raw"), "raw", "the disk with holes")
    blocks = os.stat(t.path("exported", "web-vda.raw")).st_blocks
    expect(blocks * 512 < 8 * MIB, f"{blocks} sectors are allocated")
