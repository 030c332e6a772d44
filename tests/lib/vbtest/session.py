# SPDX-License-Identifier: LGPL-2.1-or-later
"""A session libvirt (qemu:///session) of an unprivileged user, with a home directory of its own."""

import os
import pwd
import shutil
import socket
import struct
import subprocess
import time

from vbtest import namespace
from vbtest.command import WAIT_LIMIT_S


def daemon_environment():
    """Of libvirt's daemons. What they start runs as other users, who may not write to the folder of our temporary files."""
    environment = {name: value for name, value in os.environ.items() if name != "TMPDIR"}
    return environment | {"DBUS_SYSTEM_BUS_ADDRESS": "unix:path=/nonexistent", "LC_ALL": "C"}


def wait_for_socket(path, daemon, who, limit_s=WAIT_LIMIT_S):
    """Wait until the daemon answers on its unix socket: it, and not a process that an earlier one has left, which holds the
    old socket for a moment longer."""
    deadline = time.monotonic() + limit_s
    while True:
        with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as sock:
            try:
                sock.connect(path)
                peer = sock.getsockopt(socket.SOL_SOCKET, socket.SO_PEERCRED, struct.calcsize("3i"))
                if struct.unpack("3i", peer)[0] == daemon.pid:
                    return
            except OSError:
                pass
        if daemon.poll() is not None:
            raise SystemExit(f"{who}: {daemon.args[0]} ended with status {daemon.returncode}")
        if time.monotonic() > deadline:
            raise SystemExit(f"{who}: {daemon.args[0]} does not answer on {path}")
        time.sleep(0.05)


class Session:
    """The account is an existing one; all that libvirt and virt-backup keep for it lies under ROOT."""

    def __init__(self, user, root):
        self.account = pwd.getpwnam(user)
        self.root = root
        self.daemon = None

    def environment(self):
        """What a login would give the user, as far as programs look at it."""
        home = os.path.join(self.root, "home")
        return {
            "HOME": home,
            "USER": self.account.pw_name,
            "LOGNAME": self.account.pw_name,
            "PATH": "/usr/local/bin:/usr/bin:/bin:/usr/sbin:/sbin",
            "LANG": os.environ.get("LANG", "C.UTF-8"),
            "TMPDIR": os.path.join(self.root, "tmp"),
            "XDG_RUNTIME_DIR": os.path.join(self.root, "run"),
            "XDG_CONFIG_HOME": os.path.join(home, ".config"),
            "XDG_CACHE_HOME": os.path.join(home, ".cache"),
            "XDG_DATA_HOME": os.path.join(home, ".local/share"),
            "XDG_STATE_HOME": os.path.join(home, ".local/state"),
            "LIBVIRT_DEFAULT_URI": "qemu:///session",
        }

    def credentials(self):
        """Arguments of subprocess.Popen that run a program as this user."""
        return {"user": self.account.pw_uid, "group": self.account.pw_gid, "extra_groups": [], "umask": 0o022}

    def start(self):
        os.makedirs(self.root, mode=0o755, exist_ok=True)
        environment = self.environment()
        config = os.path.join(environment["XDG_CONFIG_HOME"], "libvirt")
        for path in (environment["HOME"], environment["TMPDIR"], environment["XDG_RUNTIME_DIR"], config,
                     environment["XDG_CACHE_HOME"]):
            os.makedirs(path, mode=0o700, exist_ok=True)
        with open(os.path.join(config, "qemu.conf"), "w", encoding="utf-8") as file:
            # "logd" would have libvirtd start a virtlogd that nobody ends.
            file.write('stdio_handler = "file"\nsecurity_driver = "none"\ncgroup_controllers = [ ]\n')
        for path, _, files in os.walk(self.root):
            os.chown(path, self.account.pw_uid, self.account.pw_gid)
            for name in files:
                os.chown(os.path.join(path, name), self.account.pw_uid, self.account.pw_gid)
        libvirtd = shutil.which("libvirtd", path="/usr/sbin:/sbin:/usr/bin")
        with open(os.path.join(self.root, "libvirtd.log"), "ab") as log:
            self.daemon = subprocess.Popen(
                [libvirtd, "--pid-file", os.path.join(environment["XDG_RUNTIME_DIR"], "libvirtd.pid")],
                env=dict(environment, DBUS_SYSTEM_BUS_ADDRESS="unix:path=/nonexistent"), **self.credentials(), cwd="/",
                stdin=subprocess.DEVNULL, stdout=log, stderr=log, preexec_fn=namespace.unblock_signals)
        wait_for_socket(os.path.join(environment["XDG_RUNTIME_DIR"], "libvirt/libvirt-sock"), self.daemon, "session")

    def stop(self):
        """End the daemon. Guests that still run are the caller's to end, before this."""
        if self.daemon is not None:
            self.daemon.terminate()
            self.daemon.wait()
            self.daemon = None
