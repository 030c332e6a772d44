# SPDX-License-Identifier: LGPL-2.1-or-later
"""What lies in a repository's folder: links, pipes, devices, folders in the place of objects and of folders, odd names, too
many names, and objects that grow while they are read."""

import os
import shutil
import socket
import stat

from case import StoredCase

HOLD = b'{"format": 1, "by": "alpha", "when": "2026-05-01T03:00:00.250Z", "reason": "audit"}'
ODD = ("\x1b]0;owned\x07", "a\nb", "-rf", "..x", "\u202ex", "x" * 250, "%s%n", b"\xff\xfe".decode("utf-8", "surrogateescape"),
       "$(touch x)", "A" * 32, "0" * 31, "0" * 33, "0" * 32 + ".", "0" * 32 + "-00000000.")


def link_to(target):
    return lambda f, path: os.symlink(f.fill(target), path)


def node(kind, device=0):
    return lambda f, path: os.mknod(path, kind | 0o600, device)


def sock(_, path):
    with socket.socket(socket.AF_UNIX) as server:
        folder = os.open(os.path.dirname(path), os.O_RDONLY | os.O_DIRECTORY)
        try:
            server.bind(f"/proc/self/fd/{folder}/{os.path.basename(path)}")
        finally:
            os.close(folder)


def file_of(data):
    def make(_, path):
        with open(path, "wb") as file:
            file.write(data)
    return make


# What lies there instead.
KINDS = {
    "link": link_to("{canary}/secret"),
    "link-to-zeros": link_to("/dev/zero"),
    "pipe": node(stat.S_IFIFO),
    "device": node(stat.S_IFCHR, os.makedev(1, 5)),
    "block-device": node(stat.S_IFBLK, os.makedev(7, 250)),
    "socket": sock,
    "folder": lambda f, path: os.mkdir(path),
}
FOLDER_KINDS = {
    "link": link_to("{canary}"),
    "link-to-itself": lambda f, path: os.symlink(os.path.basename(path), path),
    "pipe": node(stat.S_IFIFO),
    "file": file_of(b"x"),
}


def instead(name, make):
    """NAME gets the forge; what was there goes."""
    def change(f):
        path = f.at(name(f))
        if os.path.isdir(path):
            shutil.rmtree(path)
        elif os.path.exists(path):
            os.unlink(path)
        os.makedirs(os.path.dirname(path), mode=0o700, exist_ok=True)
        make(f, path)
    return change


def moved(name):
    """The folder itself is good, and lies elsewhere."""
    def change(f):
        path = f.at(name(f))
        os.rename(path, f.path + "/moved")
        os.symlink(f.path + "/moved", path)
    return change


def odd_names(top):
    def change(f):
        os.makedirs(f.at(top(f)), mode=0o700, exist_ok=True)
        for number, name in enumerate(ODD):
            path = os.path.join(f.at(top(f)), name)
            if os.path.lexists(path):
                continue
            (os.mkdir if number % 2 else file_of(b"x").__get__(f))(path)
    return change


def many(top, count=5000):
    def change(f):
        os.makedirs(f.at(top(f)), mode=0o700, exist_ok=True)
        for number in range(count):
            os.link(f.at("config"), os.path.join(f.at(top(f)), f"junk-{number}"))
    return change


def many_tombstones(begin):
    """Of sessions whose ids begin so."""
    def change(f):
        folder, session = os.path.split(f.at(f.slot()))
        for number in range(100):
            with open(os.path.join(folder, f"{begin(session)}{number:020x}"), "wb") as file:
                file.write(bytes(128))
    return change


def older(_session):
    return 12 * "0"


def newer(session):
    return f"{int(session[:12], 16) + 1:012x}"


def hard_link(name):
    def change(f):
        os.link(f.at(name(f)), f.path + "/beside")
    return change


def linked_to_the_host(name):
    """Bytes of the host that look like nothing of a repository."""
    def change(f):
        path = f.at(name(f))
        os.unlink(path)
        os.link(os.path.join(f.places["canary"], "secret"), path)
    return change


def growing(name):
    def change(f):
        path = f.at(name(f))

        def grow(over):
            while not over.wait(0.002):
                if os.path.exists(path) and os.path.getsize(path) < 64 << 20:
                    with open(path, "ab") as file:
                        file.write(bytes(512))
        f.during = grow
        with open(path, "ab") as file:
            file.write(b"x")
    return change


def slot(f):
    return f.slot()


def pack(f):
    return f.pack_name()


def beside(top, suffix=""):
    return lambda f: f.name(top, 0, suffix=suffix)


def at(name):
    return lambda f: name


# name: (where it is, what is expected of the case)
OBJECTS = {
    "config": (at("config"), {"blocks": "config"}),
    "slot": (slot, {"says": "victim", "names": "point"}),
    "pack": (pack, {"says": "victim", "names": "pack"}),
    "marker": (beside("t", ".1"), {"warns": ""}),
    "verdict": (beside("t", ".1.v"), {"warns": ""}),
    "hold": (beside("h", "/hold"), {"warns": ""}),
    "session": (beside("s"), {"warns": ""}),
    "bad-record": (lambda f: f"v/default/bad/{os.path.basename(f.pack_name())}", {"warns": ""}),
    "token": (at("c/default/0123456789abcdef"), {"warns": ""}),
    "reserve": (at("reserve"), {"warns": ""}),
    "lone-part": (at("tmp/0123456789abcdef"), {"warns": ""}),
}
FOLDERS = {
    "points": at("p/default"),
    "guests": lambda f: os.path.dirname(f.slot()),
    "packs": at("d/default"),
    "part-of-packs": lambda f: os.path.dirname(f.pack_name()),
    "markers": at("t/default"),
    "markers-of-guest": lambda f: os.path.dirname(f.name("t")),
    "sessions": at("s/default"),
    "sessions-of-guest": lambda f: os.path.dirname(f.name("s")),
    "holds": at("h/default"),
    "holds-of-guest": lambda f: os.path.dirname(f.name("h")),
    "holds-of-point": lambda f: f.name("h"),
    "records": at("v/default"),
    "temporary": at("tmp/default"),
    "tokens": at("c/default"),
    "scopes": at("p"),
}


FOLDER_EXPECTED = {
    "points": {"says": "p/default", "stops_all": True},
    "guests": {"says": "has no guest 'victim'", "verifies": True},
    "packs": {"says": "d/default", "stops_all": True},
    "part-of-packs": {"says": "d/default", "names": "d/default"},
    "markers": {"says": "t/default", "stops_all": True},
    "markers-of-guest": {"says": "t/default", "stops_all": True},
    "sessions": {"stops_all": True},
    "sessions-of-guest": {"stops_all": True},
    "holds": {"stops_all": True},
    "holds-of-guest": {"says": "h/default", "stops_all": True},
    "holds-of-point": {"says": "h/default", "stops_all": True},
    "records": {"stops_all": True},
    "temporary": {"stops_all": True},
    "tokens": {"stops_all": True},
    "scopes": {"says": "p/default", "stops_all": True},
}


def cases():
    for what, (name, expected) in OBJECTS.items():
        for kind, make in KINDS.items():
            yield StoredCase(f"store-{what}-is-{kind}", instead(name, make), **expected)
    for what, name in FOLDERS.items():
        for kind, make in FOLDER_KINDS.items():
            yield StoredCase(f"store-{what}-is-{kind}", instead(name, make), **FOLDER_EXPECTED[what])
    for what in ("points", "guests", "scopes"):
        yield StoredCase(f"store-{what}-is-moved", moved(FOLDERS[what]), **FOLDER_EXPECTED[what])
    for what, name in FOLDERS.items():
        yield StoredCase(f"store-{what}-odd-names", odd_names(name))
    for what in ("guests", "part-of-packs", "markers", "sessions", "temporary"):
        yield StoredCase(f"store-{what}-many", many(FOLDERS[what]))
    yield StoredCase("store-many-unreadable-older", many_tombstones(older), verifies=True, names="SHA-256 differs")
    yield StoredCase("store-many-unreadable-newer", many_tombstones(newer), "unreadable", verifies=True, names="SHA-256 differs")
    for what, name in {"slot": slot, "pack": pack, "config": at("config")}.items():
        yield StoredCase(f"store-{what}-hard-link", hard_link(name))
    yield StoredCase("store-slot-hard-link-of-the-host", linked_to_the_host(slot), "too short", names="point")
    yield StoredCase("store-pack-hard-link-of-the-host", linked_to_the_host(pack), "victim", names="pack")
    yield StoredCase("store-config-hard-link-of-the-host", linked_to_the_host(at("config")), blocks="config")
    yield StoredCase("store-slot-grows", growing(slot), "unreadable", names="point")
    yield StoredCase("store-pack-grows", growing(pack), "victim", names="pack")
    yield StoredCase("store-config-grows", growing(at("config")), blocks="config")
