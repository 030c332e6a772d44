# SPDX-License-Identifier: LGPL-2.1-or-later
"""The emulated TPM of a guest: its files, and what an owner keeps in it, asked in the TPM's own language.

The commands are those of TPM 2.0, part 3: a header of tag, length and code, handles, one empty password for the
owner, and parameters, all big-endian.
"""

import contextlib
import os
import shutil
import signal
import socket
import struct
import uuid

from vbtest.command import Failure, Process, wait_until

SYSTEM = "/var/lib/libvirt/swtpm"
USER = "tss"                     # whom Debian's libvirt runs swtpm as

WITH_SESSIONS = 0x8002
OWNER = 0x40000001
EMPTY_PASSWORD = struct.pack(">IHBH", 0x40000009, 0, 0, 0)
DEFINE_SPACE, WRITE, READ = 0x12A, 0x137, 0x14E
SHA256 = 0x000B
OWNER_MAY_WRITE_AND_READ = 1 << 1 | 1 << 2 | 1 << 17 | 1 << 18 | 1 << 25
INDEX = 0x01500001


def xml(version="2.0", inner="", attributes=""):
    return (f"<tpm model='tpm-tis'><backend type='emulator' version='{version}' {attributes}>{inner}</backend></tpm>")


def folder(guest_uuid, version="2.0", base=SYSTEM):
    return os.path.join(base, guest_uuid, "tpm2" if version == "2.0" else "tpm1.2")


def state_file(guest_uuid, version="2.0", base=SYSTEM):
    name = "tpm2-00.permall" if version == "2.0" else "tpm-00.permall"
    return os.path.join(folder(guest_uuid, version, base), name)


def firmware_guest(t, *disks):
    """A guest that was never started, with NVRAM and a TPM that has a secret. Returns it, and the path of its NVRAM."""
    name = str(uuid.UUID(int=t.rng.getrandbits(128), version=4))
    t.undo.callback(shutil.rmtree, os.path.dirname(folder(name)), ignore_errors=True)
    code, template, nvram = "/usr/share/OVMF/OVMF_CODE_4M.fd", "/usr/share/OVMF/OVMF_VARS_4M.fd", t.path("web_VARS.fd")
    shutil.copyfile(template, nvram)
    guest = t.guest("web", *disks, head_xml=f"<uuid>{name}</uuid>", devices_xml=xml(),
                    os_xml=f"<loader readonly='yes' type='pflash'>{code}</loader><nvram template='{template}'>{nvram}</nvram>")
    guest.define()
    make(t, name, t.rng.randbytes(64))
    return guest, nvram


class Tpm:
    """An swtpm on the state in DIRECTORY, for as long as the context lasts; like libvirt's, it owns that."""

    def __init__(self, t, directory, version="2.0"):
        self.socket_path = t.path("tmp", "tpm.sock")
        words = ["--tpm2"] if version == "2.0" else []
        self.process = Process(["swtpm", "socket", *words, "--tpmstate", f"dir={directory},mode=0600", "--flags",
                                "not-need-init,startup-clear", "--server", f"type=unixio,path={self.socket_path}"])

    def __enter__(self):
        self.socket = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        wait_until(self._connects, "swtpm's socket")
        return self

    def _connects(self):
        with contextlib.suppress(OSError):
            self.socket.connect(self.socket_path)
            return True
        return False

    def __exit__(self, *_):
        self.socket.close()
        self.process.signal(signal.SIGTERM)
        self.process.finish()
        with contextlib.suppress(FileNotFoundError):
            os.unlink(self.socket_path)

    def command(self, code, handles, parameters):
        body = handles + struct.pack(">I", len(EMPTY_PASSWORD)) + EMPTY_PASSWORD + parameters
        self.socket.sendall(struct.pack(">HII", WITH_SESSIONS, 10 + len(body), code) + body)
        _, size, status = struct.unpack(">HII", self._take(10))
        answer = self._take(size - 10)
        if status != 0:
            raise Failure(f"the TPM answers command {code:#x} with {status:#x}")
        return answer[4:]        # the length of the parameters stands before them

    def _take(self, size):
        data = b""
        while len(data) < size:
            more = self.socket.recv(size - len(data))
            if not more:
                raise Failure("swtpm has ended")
            data += more
        return data

    def keep(self, data):
        """Make an index that outlives a power failure, and write into it."""
        public = struct.pack(">IHIHH", INDEX, SHA256, OWNER_MAY_WRITE_AND_READ, 0, len(data))
        self.command(DEFINE_SPACE, struct.pack(">I", OWNER), struct.pack(">HH", 0, len(public)) + public)
        self.command(WRITE, struct.pack(">II", OWNER, INDEX), struct.pack(">H", len(data)) + data + b"\0\0")

    def kept(self, size):
        answer = self.command(READ, struct.pack(">II", OWNER, INDEX), struct.pack(">HH", size, 0))
        return answer[2:2 + size]


def make(t, guest_uuid, secret, base=SYSTEM, user=USER):
    """A state for a guest that was never started, with the secret in it, as libvirt would have it."""
    directory = folder(guest_uuid, base=base)
    os.makedirs(directory, mode=0o711)
    os.chmod(directory, 0o700)
    with Tpm(t, directory) as tpm:
        tpm.keep(secret)
    for path in (directory, state_file(guest_uuid, base=base)):
        shutil.chown(path, user, user if user == USER else None)
    return state_file(guest_uuid, base=base)


def secret_in(t, path, size):
    """What the state in this file holds, asked of a copy: swtpm writes at every start."""
    copy = t.path("tpm-copy")
    os.makedirs(copy)
    shutil.copyfile(path, os.path.join(copy, "tpm2-00.permall"))
    try:
        with Tpm(t, copy) as tpm:
            return tpm.kept(size)
    finally:
        shutil.rmtree(copy)
