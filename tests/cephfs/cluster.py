# SPDX-License-Identifier: LGPL-2.1-or-later
"""A Ceph cluster on loopback: a monitor, an OSD that keeps everything in memory, a metadata server, and mounts.

Meant for namespaces of processes, mounts and network of its own: the daemons and mounts end with those.
"""

import os
import subprocess
import time

FSID = "3f0c6a52-0000-4000-8000-000000000001"
PORT = 13300
START_LIMIT_S = 120
GIB = 1 << 30
# One OSD, one copy of everything, no manager; small intervals, so that it is up in seconds.
CONFIG = """\
[global]
fsid = {fsid}
mon host = [v2:127.0.0.1:{port}/0]
mon initial members = a
public addr = 127.0.0.1
cluster addr = 127.0.0.1
ms bind ipv6 = false
keyring = {folder}/keyring
run dir = {folder}
pid file =
admin socket = {folder}/$name.asok
log file = {folder}/$name.log
crash dir = {folder}
mon cluster log to file = false
osd pool default size = 1
osd pool default min size = 1
osd pool default pg num = 4
osd pool default pgp num = 4
osd pool default pg autoscale mode = off
osd crush chooseleaf type = 0
mon allow pool size one = true
mon warn on pool no redundancy = false
mon data avail warn = 1
mon data avail crit = 1
mon tick interval = 1
mon client hunt interval = 0.5
paxos propose interval = 0.05
paxos min wait = 0.01
[mon.a]
mon data = {folder}/mon
[osd.0]
osd data = {folder}/osd
osd objectstore = memstore
memstore device bytes = {size}
osd class update on start = false
osd crush update on start = false
[mds.a]
mds data = {folder}/mds
"""
KEYS = (("mon.", "mon", "allow *"),
        ("client.admin", "mon", "allow *", "osd", "allow *", "mds", "allow *"),
        ("osd.0", "mon", "allow profile osd", "osd", "allow *"),
        ("mds.a", "mon", "profile mds", "osd", "allow rwx", "mds", "allow *"))


class ClusterFailed(Exception):
    pass


class Cluster:
    def __init__(self, folder, size=8 * GIB):
        self.folder, self.size, self.daemons = folder, size, []
        self.env = dict(os.environ, CEPH_CONF=self.path("ceph.conf"), CEPH_ARGS="")

    def path(self, name):
        return os.path.join(self.folder, name)

    def call(self, *argv, limit_s=30):
        done = subprocess.run(argv, env=self.env, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.STDOUT,
                              text=True, errors="replace", check=False, timeout=limit_s)
        if done.returncode != 0:
            raise ClusterFailed(f"{' '.join(argv)} ended with {done.returncode}: {done.stdout.strip()}")
        return done.stdout

    def launch(self, *argv):
        with open(self.path("daemons.out"), "ab") as out:
            self.daemons.append(subprocess.Popen(argv, env=self.env, stdin=subprocess.DEVNULL, stdout=out, stderr=out))

    def wait_for(self, what, ready):
        deadline = time.monotonic() + START_LIMIT_S
        while not ready():
            for daemon in self.daemons:
                if daemon.poll() is not None:
                    raise ClusterFailed(f"{daemon.args[0]} has ended with {daemon.returncode}, see {self.folder}")
            if time.monotonic() > deadline:
                raise ClusterFailed(f"{what} is not up after {START_LIMIT_S} s, see {self.folder}")
            time.sleep(0.1)

    def says(self, text, *argv):
        try:
            return text in self.call(*argv, limit_s=10)
        except (ClusterFailed, subprocess.TimeoutExpired):
            return False

    def start(self):
        for name in ("mon", "osd", "mds"):
            os.makedirs(self.path(name))
        with open(self.path("ceph.conf"), "w", encoding="ascii") as file:
            file.write(CONFIG.format(fsid=FSID, port=PORT, folder=self.folder, size=self.size))
        for name, *caps in KEYS:
            words = [word for pair in zip(caps[::2], caps[1::2]) for word in ("--cap", *pair)]
            create = () if os.path.exists(self.path("keyring")) else ("-C",)
            self.call("ceph-authtool", *create, self.path("keyring"), "--gen-key", "-n", name, *words)
        self.call("monmaptool", "--create", "--fsid", FSID, "--addv", "a", f"[v2:127.0.0.1:{PORT}/0]", "--set-min-mon-release",
                  "16", self.path("monmap"))
        self.call("ceph-mon", "--mkfs", "-i", "a", "--monmap", self.path("monmap"), "--keyring", self.path("keyring"))
        self.launch("ceph-mon", "-f", "-i", "a")
        self.wait_for("the monitor", lambda: self.says(FSID, "ceph", "fsid"))
        self.call("ceph", "auth", "import", "-i", self.path("keyring"))
        self.call("ceph", "osd", "new", FSID, "0")
        self.call("ceph-osd", "--mkfs", "-i", "0", "--osd-uuid", FSID, "--monmap", self.path("monmap"), "--keyring",
                  self.path("keyring"))
        self.call("ceph", "osd", "crush", "add", "osd.0", "1.0", "root=default", "host=h0")
        self.launch("ceph-osd", "-f", "-i", "0")
        self.wait_for("the OSD", lambda: self.says("1 up", "ceph", "osd", "stat"))
        self.call("ceph", "osd", "pool", "create", "metadata", "4")
        self.call("ceph", "osd", "pool", "create", "data", "4")
        self.call("ceph", "fs", "new", "files", "metadata", "data")
        self.launch("ceph-mds", "-f", "-i", "a")
        self.wait_for("the metadata server", lambda: self.says("up:active", "ceph", "mds", "stat"))

    def mount(self, folder):
        """Each mount is a client of its own, as on another host."""
        os.makedirs(folder)
        self.launch("ceph-fuse", "-f", "-n", "client.admin", folder)
        self.wait_for(folder, lambda: os.path.ismount(folder))
