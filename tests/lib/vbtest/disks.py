# SPDX-License-Identifier: LGPL-2.1-or-later
"""Disks of test guests: images of all kinds with content that a seed decides."""

import dataclasses
import json
import os

from vbtest.command import Failure, run, wait_until

MIB = 1 << 20
SECTOR = 512
# boot-sector.s: the only sectors that the boot-sector guest writes.
AREA, SLOTS = 64, 16
LUKS_SECRET = "correct horse battery staple"
# What the name of a stored image ends with.
SUFFIX_BY_CODEC = {"none": ".raw", "lzma": ".raw.xz", "zstd": ".raw.zst"}


@dataclasses.dataclass
class Disk:
    path: str
    format: str = "qcow2"
    target: str = "vda"
    kind: str = "file"            # of the <disk> element: file, block, volume, network
    device: str = "disk"          # disk, cdrom, floppy
    bus: str = "virtio"
    boot: int | None = None       # place in the boot order; the BIOS offers no other disk to the guest
    extra: str = ""               # more XML inside <disk>
    source: str | None = None     # the whole <source> element, where it is not just the path
    options: dict = dataclasses.field(default_factory=dict)

    def source_xml(self):
        if self.source is not None:
            return self.source
        attribute = {"file": "file", "block": "dev"}[self.kind]
        return f"<source {attribute}={quote(self.path)}/>" if self.path else ""

    def xml(self):
        boot = "" if self.boot is None else f"<boot order='{self.boot}'/>"
        return (f"<disk type='{self.kind}' device='{self.device}'><driver name='qemu' type='{self.format}'/>"
                f"{self.source_xml()}<target dev='{self.target}' bus='{self.bus}'/>{boot}{self.extra}</disk>")


def escape(text):
    for char, entity in (("&", "&amp;"), ("<", "&lt;"), (">", "&gt;"), ("'", "&apos;"), ('"', "&quot;")):
        text = text.replace(char, entity)
    return text


def quote(text):
    return f"'{escape(str(text))}'"


def fill(path, size, rng, boot_sector=None):
    """Write a raw image that has holes, zeros, text and noise, and room for the guest's slots."""
    words = [bytes(rng.choices(b"abcdefghijklmnopqrstuvwxyz     \n", k=64)) for _ in range(64)]
    with open(path, "wb") as file:
        file.truncate(size)
        if boot_sector is not None:
            with open(boot_sector, "rb") as boot:
                file.write(boot.read())
        position = MIB // 4
        while position < size:
            length = min(rng.choice((4096, 65536, 262144, 524288)), size - position)
            kind = rng.choice(("hole", "hole", "zeros", "text", "noise", "byte"))
            file.seek(position)
            if kind == "zeros":
                file.write(bytes(length))
            elif kind == "text":
                file.write(b"".join(rng.choices(words, k=length // 64 + 1))[:length])
            elif kind == "noise":
                file.write(rng.randbytes(length))
            elif kind == "byte":
                file.write(bytes([rng.randrange(1, 256)]) * length)
            position += length


def convert(raw, path, format_name, options=None, compress=False):
    words = ["-c"] if compress else []
    for name, value in (options or {}).items():
        words += ["-o", f"{name}={value}"]
    run("qemu-img", "convert", "-f", "raw", "-O", format_name, *words, raw, path)


def flatten(path, format_name, raw):
    """The bytes that a guest sees, as a raw file."""
    run("qemu-img", "convert", "-f", format_name, "-O", "raw", path, raw)
    return raw


def compare(one, one_format, other, other_format, what):
    result = run("qemu-img", "compare", "-f", one_format, "-F", other_format, one, other, status=None)
    if result.status != 0:
        raise Failure(f"{what}: {(result.out + result.err).strip()}")


def image_info(path, format_name=None):
    words = [] if format_name is None else ["-f", format_name]
    return json.loads(run("qemu-img", "info", "--output=json", *words, path).out)


class LoopDevice:
    """A loop device that is gone when we are, even if we are killed.

    Detaching a device that is open makes the kernel detach it at the last close. So it lives as long as
    this object keeps it open, and no clean-up has to be reached.
    """

    def __init__(self, backing):
        self.backing = backing
        self.path = run("losetup", "--find", "--show", backing).out.strip()
        self.fd = os.open(self.path, os.O_RDONLY | os.O_CLOEXEC)
        run("losetup", "--detach", self.path)

    def close(self):
        if self.fd >= 0:
            os.close(self.fd)
            self.fd = -1


def attached_loops(directory):
    """The loop devices whose backing file lies in the directory."""
    found = []
    for name in os.listdir("/sys/block"):
        try:
            with open(f"/sys/block/{name}/loop/backing_file", encoding="utf-8") as file:
                backing = file.read().strip().removesuffix(" (deleted)")
        except OSError:
            continue
        if backing.startswith(directory.rstrip("/") + "/"):
            found.append(f"/dev/{name} ({backing})")
    return found


def create_luks(path, key_file, size="4M"):
    """A qcow2 image whose content is encrypted. qemu-img times its own key derivation in the kernel's ticks, and gives
    up when that took less than one ("Unable to get accurate CPU usage"): a slow digest, and another try."""
    def create():
        result = run("qemu-img", "create", "-q", "-f", "qcow2", "--object", f"secret,id=s,file={key_file}", "-o",
                     "encrypt.format=luks,encrypt.key-secret=s,encrypt.iter-time=10,encrypt.hash-alg=sha512", path,
                     size, status=None)
        if result.status != 0 and "accurate CPU usage" not in result.err:
            raise Failure(f"{path} cannot be created: {result.err.strip()}")
        return result.status == 0

    wait_until(create, f"{path}, made by qemu-img")
