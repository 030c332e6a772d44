# SPDX-License-Identifier: LGPL-2.1-or-later
"""The groups whose guests run while their disks live on from night to night, beside virtnbdbackup's increments."""

import dataclasses
import json
import os

from vbbench import life
from vbbench.groups import about
from vbbench.lab import Group, Side, call, remove, same_content
from vbbench.repository import COMPRESSION, QUICK_DAYS, TOLD_EVERY
from vbtest import linux
from vbtest.disks import Disk

NIGHTS = 30
UNIT = 64 << 10


class Runner:
    """A guest that runs with a disk of its own, and leaves it alone: between two nights its disk becomes another day's."""

    def __init__(self, lab, name, image):
        self.lab, self.name, self.day = lab, name, image
        self.path = os.path.join(lab.work, "disks", f"{name}.qcow2")
        self.pieces = lab.out(f"{name}-pieces")
        call("qemu-img", "convert", "-f", "raw", "-O", "qcow2", image, self.path)
        os.chmod(self.path, 0o644)
        self.guest = linux.linux_guest(lab.t, name, Disk(self.path, "qcow2"), asked="filler:1:1").define()
        self.start()

    def start(self):
        self.guest.start()
        self.guest.serial.wait_for_steps(2)

    def stop(self):
        """As an administrator who switches it off: QEMU stores its bitmaps."""
        self.guest.destroy()

    def without_checkpoints(self):
        """Each program refuses, or is slowed down by, the checkpoints of others."""
        for name in self.guest.call("checkpoint-list", "--name").out.split():
            self.guest.call("checkpoint-delete", "--checkpointname", name)

    def become(self, image):
        """What differs is written as QEMU writes, so that bitmaps note it."""
        self.stop()
        remove(self.pieces)
        os.mkdir(self.pieces)
        commands = []
        with open(self.day, "rb") as one, open(image, "rb") as other:
            for offset, data in changes(one, other):
                piece = os.path.join(self.pieces, str(offset))
                with open(piece, "wb") as file:
                    file.write(data)
                commands.append(f"write -q -s {piece} {offset} {len(data)}")
        if commands:
            call("qemu-io", "-f", "qcow2", *(word for command in commands for word in ("-c", command)), self.path)
        remove(self.pieces)
        self.day = image
        self.start()

    def remove(self):
        self.guest.destroy()
        self.guest.undefine()
        remove(self.path)


def changes(one, other):
    """Offset and new bytes of each unit that differs."""
    offset = 0
    while data := other.read(UNIT):
        if one.read(UNIT) != data:
            yield offset, data
        offset += len(data)


# ---- the programs -------------------------------------------------------------------------------


def _ours(lab, folder, runner):
    return [lab.binary, "backup", "--repository", folder, "--domain-names", runner.name, "--guest-memory", "none",
            "--compression", COMPRESSION, "--json"]


def _virtnbdbackup(folder, runner, level):
    return ["virtnbdbackup", "-d", runner.name, "-z", "-l", level, "-n", "-o", folder]


def _new_repository(lab, folder):
    remove(folder)
    call(lab.binary, "repository", "create", folder)


# ---- the second night ---------------------------------------------------------------------------


def _second_night(lab, runner, folder, first, image):
    """A repository with a first night, and the guest's disk as it is in the second."""
    runner.become(first)
    runner.without_checkpoints()
    _new_repository(lab, folder)
    call(*_ours(lab, folder, runner))
    runner.become(image)


def _lose_bitmaps(runner):
    """As when the host has crashed: there are none any more."""
    runner.stop()
    info = json.loads(call("qemu-img", "info", "--output=json", "-f", "qcow2", runner.path))
    for bitmap in info["format-specific"]["data"].get("bitmaps", []):
        call("qemu-img", "bitmap", "--remove", "-f", "qcow2", runner.path, bitmap["name"])
    runner.start()


def second(lab):
    living = life.Living(lab.maker, lab.size)
    day_0, day_1 = living.first(), living.later("template", 1)
    runner = Runner(lab, "increments", day_0)

    def ours(name, image, more=lambda: None):
        folder = lab.out(name)

        def prepare():
            _second_night(lab, runner, folder, day_0, image)
            more()

        return Side(_ours(lab, folder, runner), folder, [runner.path], prepare=prepare,
                    check=lambda: call(lab.binary, "verify", "--repository", folder))

    def first():
        folder = lab.out("ours-first")

        def prepare():
            runner.become(day_1)
            runner.without_checkpoints()
            _new_repository(lab, folder)

        return Side(_ours(lab, folder, runner), folder, [runner.path], prepare=prepare)

    def peer():
        folder = lab.out("virtnbdbackup")

        def prepare():
            runner.become(day_0)
            runner.without_checkpoints()
            call(*_virtnbdbackup(folder, runner, "full"))
            runner.become(day_1)

        return Side(_virtnbdbackup(folder, runner, "inc"), folder, [runner.path], prepare=prepare)

    return Group({"ours": ours("ours", day_1), "ours, nothing written": ours("ours-unchanged", day_0),
                  "ours, bitmap lost": ours("ours-lost", day_1, lambda: _lose_bitmaps(runner)),
                  "own first backup": first(), "virtnbdbackup -l inc -z": peer()},
                 f"running guest; {about(day_1)}, a day of 1 %", done=runner.remove)


# ---- many nights --------------------------------------------------------------------------------


@dataclasses.dataclass(frozen=True)
class Chain:
    """One program's nights of a guest: what it keeps, and the disk as it is in the end. Two lives differ, if only in times."""
    name: str
    folder: str
    newest: str
    create: object          # (folder) -> None
    backup: object          # (folder, runner, night) -> argv


def _live_on(lab, living, nights, chain):
    if os.path.exists(chain.folder) and os.path.exists(chain.newest):
        return
    remove(chain.folder)
    current, previous, half = chain.newest + ".half", chain.newest + ".previous", chain.folder + ".half"
    life.copy_disk(living.first(), current)
    runner = Runner(lab, chain.name, current)
    chain.create(half)
    for night in range(nights + 1):
        if night:
            life.copy_disk(current, previous)
            runner.day = previous
            living.live(current, "chain", night)
            runner.become(current)
        call(*chain.backup(half, runner, night))
        if night % TOLD_EVERY == 0:
            lab.maker.say(f"{chain.name}: night {night} of {nights} is backed up")
    remove(previous)
    runner.remove()
    os.rename(half, chain.folder)
    os.rename(current, chain.newest)


def chain(lab):
    living, nights = life.Living(lab.maker, lab.size // lab.small_share), QUICK_DAYS if lab.quick else NIGHTS
    ours = Chain("chain-ours", lab.kept_ours(living.first(), f"chain-{nights}"), living.path(f"chain-ours-{nights}"),
                 lambda folder: _new_repository(lab, folder), lambda folder, runner, night: _ours(lab, folder, runner))
    peer = Chain("chain-peer", lab.kept_peer(living.first(), f"chain-{nights}"), living.path(f"chain-peer-{nights}"), remove,
                 lambda folder, runner, night: _virtnbdbackup(folder, runner, "inc" if night else "full"))
    for each in (ours, peer):
        _live_on(lab, living, nights, each)
    output, peer_output = lab.out("ours"), lab.out("virtnbdrestore")
    argv = [lab.binary, "restore", "--repository", ours.folder, "--destination-path", output, "--domain-names", ours.name,
            "--disks", "vda", "--json"]
    return Group({
        "ours": Side(argv, output, [ours.folder], sized=False,
                     check=lambda: same_content(os.path.join(output, "chain-ours.qcow2"), "qcow2", ours.newest, "raw")),
        "virtnbdrestore": Side(["virtnbdrestore", "-i", peer.folder, "-o", peer_output, "-n", "-L",
                                lab.out("virtnbdrestore.log")], peer_output, [peer.folder], sized=False,
                               check=lambda: same_content(os.path.join(peer_output, os.listdir(peer_output)[0]), "qcow2",
                                                          peer.newest, "raw")),
    }, f"running guest; {about(ours.newest)}, {nights} increments of 1 %")


GROUPS = {"increment-second": second, "increment-chain": chain}
