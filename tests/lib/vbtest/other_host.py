# SPDX-License-Identifier: LGPL-2.1-or-later
"""Another host, as far as libvirt can tell: its own libvirt, name and UUID, and the files of the test as shared storage."""

import json
import os

from vbtest.command import Process, expect, run, wait_until

HERE = os.path.dirname(os.path.realpath(__file__))


class OtherHost:
    def __init__(self, t, name="peer"):
        self.t, self.name = t, name
        self.guests = []
        self.ready = t.path(f"{name}.ready")
        self.process = Process([os.path.join(HERE, "../private-libvirt"), "--host", name, "--", "sh", "-c",
                                'touch "$0" && exec sleep infinity', self.ready])
        t.undo.callback(self.close)
        wait_until(lambda: os.path.exists(self.ready) or not self.process.running(), "another libvirt")
        expect(self.process.running(), "the other libvirt has ended")
        # It is the only one that the program has started; its mounts are the program's own, too.
        with open(f"/proc/{self.process.pid}/task/{self.process.pid}/children", encoding="ascii") as file:
            self.first = int(file.read().split()[0])
        self.uri = f"qemu+unix:///system?socket=/proc/{self.first}/root/run/libvirt/libvirt-sock"

    def close(self):
        self.leave()
        for guest in self.guests:
            guest.user = {}
        self.process.process.terminate()
        self.process.finish()
        os.unlink(self.ready)

    def enter(self):
        """virt-backup is run there from now on; leave() ends that."""
        self.t.through = ("nsenter", "-t", str(self.first), "--mount", "--net", "--uts", "--pid", "--")

    def leave(self):
        self.t.through = ()

    def own_image(self, disk):
        """In the place of its image is another one here, empty and as large."""
        path = f"{disk.path}.{self.name}"
        size = json.loads(run("qemu-img", "info", "--force-share", "--output=json", disk.path).out)["virtual-size"]
        run("qemu-img", "create", "-q", "-f", disk.format, path, str(size))
        os.chmod(path, 0o666)
        run("nsenter", "-t", str(self.first), "--mount", "--", "mount", "--bind", path, disk.path)

    def _migrate(self, guest, *words, storage=False):
        data, nbd = (f"unix://{os.path.join(self.t.tmp, name)}" for name in ("migration.sock", "storage.sock"))
        if storage:
            words = ("--copy-storage-all", "--disks-uri", nbd, *words)
        guest.call("migrate", "--live", "--persistent", "--unsafe", "--migrateuri", data, *words)

    def migrate_here(self, guest, storage=False):
        """A live migration of a running guest, from libvirt to libvirt; storage: with the content of its disks. What virsh does
        with the guest concerns it here."""
        self._migrate(guest, "--p2p", "--desturi", self.uri, storage=storage)
        guest.user = {"env": dict(os.environ, LIBVIRT_DEFAULT_URI=self.uri)}
        self.guests.append(guest)

    def migrate_back(self, guest, storage=False):
        """This libvirt does not see the other, so virsh goes between them."""
        self._migrate(guest, "--desturi", "qemu:///system", storage=storage)
        guest.user = {}
