# SPDX-License-Identifier: LGPL-2.1-or-later
"""The groups whose guests are shut off: each is a function of the lab that gives its sides."""

import os
import stat

from vbbench.lab import Group, Side, call, same_content
from vbbench.measure import CommandFailed

TIB, MIB = 1 << 40, 1 << 20
SPARSE_SIZE, SPARSE_DATA, SPARSE_PIECES = 4 * TIB, 100 * MIB, 400


def zstd_reads(path):
    call("zstd", "-q", "-t", path)


def xz_reads(path):
    call("xz", "-t", "-T0", path)


def same_as(disk, image_format="raw"):
    return lambda path: same_content(path, "raw", disk, image_format)


def about(path):
    """How the table names a disk."""
    info = os.stat(path)
    return f"{info.st_size / (1 << 30):g} GiB disk, {info.st_blocks * 512 / (1 << 30):.1f} GiB allocated"


def raw_guest(lab, which):
    disk = lab.disks[which]
    return disk, lab.shut_off(f"{which}-raw", disk, "raw")


def raw_zstd(lab, level):
    disk, guest = raw_guest(lab, "whole")
    out = lab.out("peer.zst")
    ours = lab.backup(guest, f"zstd:{level}", [disk], foreign=zstd_reads)
    peer = Side(["zstd", "-q", f"-{level}", "-T2", "-f", disk, "-o", out], out, [disk])

    def done():
        lab.keep(ours.output, lab.kept_ours(disk, f"zstd{level}"))
        lab.keep(out, lab.kept_peer(disk, f"zstd{level}.zst"))

    return Group({"ours": ours, f"zstd -{level} -T2": peer}, about(disk), done)


def raw_none(lab):
    disk, guest = raw_guest(lab, "whole")
    nbdcopy, convert = lab.out("nbdcopy.raw"), lab.out("convert.raw")
    return Group({
        "ours": lab.backup(guest, "none", [disk], foreign=same_as(disk)),
        "nbdcopy from qemu-nbd": Side(["nbdcopy", "--", "[", "qemu-nbd", "-r", "-f", "raw", disk, "]", nbdcopy],
                                      nbdcopy, [disk]),
        "qemu-img convert": Side(["qemu-img", "convert", "-f", "raw", "-O", "raw", disk, convert], convert, [disk]),
    }, about(disk))


def raw_lzma(lab):
    disk, guest = raw_guest(lab, "small")
    xz, pixz = lab.out("peer.xz"), lab.out("peer.pixz.xz")
    ours = lab.backup(guest, "lzma:6", [disk], foreign=xz_reads)

    def done():
        lab.keep(ours.output, lab.kept_ours(disk, "lzma6"))
        lab.keep(xz, lab.kept_peer(disk, "xz6.xz"))

    return Group({
        "ours": ours,
        "xz -6 -T2": Side(["xz", "-6", "-T2", "-k", "-c", disk], xz, [disk], stdout=xz),
        "pixz -6 -p 2": Side(["pixz", "-6", "-p", "2", "-t", disk, pixz], pixz, [disk]),
    }, about(disk), done)


def qcow2_zstd(lab):
    disk = lab.disks["whole"]
    image = lab.qcow2(disk)
    guest = lab.shut_off("whole-qcow2", image, "qcow2")
    out = lab.out("peer.qcow2")
    return Group({
        "ours": lab.backup(guest, "zstd:3", [image], foreign=zstd_reads),
        "qemu-img convert -c, zstd": Side(["qemu-img", "convert", "-f", "qcow2", "-O", "qcow2", "-c", "-o",
                                           "compression_type=zstd", image, out], out, [image]),
    }, about(disk))


def archive_of(lab, guest, compression, kept):
    """The archive that an earlier group has left, or a new one."""
    if not os.path.exists(kept):
        call(lab.binary, "backup", "--destination-path", kept, "--domain-names", guest, "--compression", compression)
    return kept


def restore_zstd(lab):
    disk, guest = raw_guest(lab, "whole")
    archive = archive_of(lab, guest, "zstd:3", lab.kept_ours(disk, "zstd3"))
    packed = lab.kept_peer(disk, "zstd3.zst")
    lab.once(packed, "zstd", "-q", "-3", "-T2", "-f", disk, "-o", packed + ".half")
    stream = lab.kept_peer(disk, "virtnbdbackup")
    lab.once(stream, "virtnbdbackup", "-d", guest, "-r", "-n", "-l", "copy", "-z", "-o", stream + ".half")
    out, folder = lab.out("peer.raw"), lab.out("virtnbdrestore")
    return Group({
        "ours": lab.restore(archive, guest, disk),
        "virtnbdrestore of a -z backup": Side(["virtnbdrestore", "-i", stream, "-o", folder, "-r", "-n", "-L",
                                               lab.out("virtnbdrestore.log")], folder, [stream], sized=False,
                                              check=lambda: same_content(lab.image_of(folder), "raw", disk, "raw")),
        "zstd -d": Side(["zstd", "-q", "-d", "-f", packed, "-o", out], out, [packed], sized=False,
                        check=lambda: same_content(out, "raw", disk, "raw")),
    }, about(disk))


def restore_lzma(lab):
    disk, guest = raw_guest(lab, "small")
    archive = archive_of(lab, guest, "lzma:6", lab.kept_ours(disk, "lzma6"))
    packed = lab.kept_peer(disk, "xz6.xz")
    lab.once(packed, "sh", "-c", 'exec xz -6 -T2 -k -c "$0" >"$1"', disk, packed + ".half")
    out = lab.out("peer.raw")
    return Group({
        "ours": lab.restore(archive, guest, disk),
        # With standard output at the beginning of a file, xz leaves holes there as it does by itself.
        "xz -d -T2": Side(["xz", "-d", "-T2", "-k", "-c", packed], out, [packed], stdout=out, sized=False,
                           check=lambda: same_content(out, "raw", disk, "raw")),
    }, about(disk))


def first_backup(lab):
    disk, guest = raw_guest(lab, "whole")
    borg, restic, cache = lab.out("borg"), lab.out("restic"), lab.out("cache")
    own = {"PATH": os.environ["PATH"], "HOME": cache, "LC_ALL": "C.UTF-8"}
    borg_env = own | {"BORG_BASE_DIR": cache, "BORG_PASSPHRASE": "bench",
                      "BORG_UNKNOWN_UNENCRYPTED_REPO_ACCESS_IS_OK": "yes"}
    restic_env = own | {"RESTIC_REPOSITORY": restic, "RESTIC_PASSWORD": "bench", "RESTIC_CACHE_DIR": cache}
    return Group({
        "ours": lab.backup(guest, "zstd:3", [disk], foreign=zstd_reads),
        "borg create, zstd,3, fixed chunks": Side(
            ["borg", "create", "--sparse", "--chunker-params", "fixed,4194304", "--compression", "zstd,3",
             f"{borg}::first", disk], borg, [disk], env=borg_env,
            prepare=lambda: call("borg", "init", "--encryption", "none", borg, env=borg_env)),
        "restic backup": Side(["restic", "backup", "-q", disk], restic, [disk], env=restic_env,
                              prepare=lambda: call("restic", "init", env=restic_env)),
    }, about(disk))


def _sparse_disk(lab):
    """Pieces of the real disk, spread over 4 TiB."""
    disk = lab.disks["whole"]
    path = lab.kept_peer(disk, "sparse.raw")
    if os.path.exists(path):
        return path
    piece = SPARSE_DATA // SPARSE_PIECES
    with open(disk, "rb") as source, open(path + ".half", "wb") as target:
        target.truncate(SPARSE_SIZE)
        step = os.fstat(source.fileno()).st_size // (4 * SPARSE_PIECES)
        written, position = 0, 0
        while written < SPARSE_PIECES:
            position = (position + step) % (os.fstat(source.fileno()).st_size - piece) // 4096 * 4096
            data = os.pread(source.fileno(), piece, position)
            if data.count(0) < piece // 2:
                target.seek(SPARSE_SIZE // SPARSE_PIECES * written // 4096 * 4096)
                target.write(data)
                written += 1
            else:
                position += 7 * 4096
    os.chmod(path + ".half", stat.S_IRUSR | stat.S_IWUSR | stat.S_IRGRP | stat.S_IROTH)
    os.rename(path + ".half", path)
    return path


def sparse(lab):
    path = _sparse_disk(lab)
    guest = lab.shut_off("sparse", path, "raw")
    out = lab.out("convert.raw")
    return Group({
        "ours, none": lab.backup(guest, "none", [path], name="ours-none", foreign=same_as(path)),
        "ours, zstd:3": lab.backup(guest, "zstd:3", [path], name="ours-zstd", foreign=sparse_frames),
        "ours, lzma:6": lab.backup(guest, "lzma:6", [path], name="ours-lzma", foreign=sparse_blocks),
        "qemu-img convert": Side(["qemu-img", "convert", "-f", "raw", "-O", "raw", path, out], out, [path]),
    }, "4 TiB, 100 MiB of data spread over it")


def sparse_frames(path):
    """Decoding 4 TiB of zeros would take an hour: the beginning is read."""
    _reads_beginning("zstd", "-q", "-d", "-c", path)


def sparse_blocks(path):
    call("xz", "--list", path)
    _reads_beginning("xz", "-d", "-c", path)


def _reads_beginning(*argv):
    # head ends the tool, which is then no failure of the tool's.
    text = call("sh", "-c", '"$@" 2>/dev/null | head -c 4294967296 | wc -c', "sh", *argv)
    if int(text) != 4 << 30:
        raise CommandFailed(f"{argv[0]} gives {text.strip()} bytes instead of the first 4 GiB")


GROUPS = {
    "raw-zstd3": lambda lab: raw_zstd(lab, 3),
    "raw-zstd1": lambda lab: raw_zstd(lab, 1),
    "raw-none": raw_none,
    "raw-lzma6": raw_lzma,
    "qcow2-zstd3": qcow2_zstd,
    "restore-zstd3": restore_zstd,
    "restore-lzma6": restore_lzma,
    "first": first_backup,
    "sparse": sparse,
}
