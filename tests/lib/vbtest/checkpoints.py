# SPDX-License-Identifier: LGPL-2.1-or-later
"""Checkpoints of ours and their bitmaps."""

import json
import os
import signal

from vbtest import leftovers
from vbtest.command import wait_until
from vbtest.midway import pid_in

from vbtest.command import run

OWNER = "0123456789abcdef"


def drive_of(binary):
    """The program, built beside this virt-backup."""
    return os.path.realpath(os.path.join(os.path.dirname(binary), "../tests/checkpoints/drive"))


def image_bitmaps(disk):
    """Names and flags, as the image file has them."""
    info = json.loads(run("qemu-img", "info", "-U", "-f", "qcow2", "--output=json", disk.path).out)
    return {entry["name"]: entry["flags"] for entry in info["format-specific"]["data"].get("bitmaps", [])}


def loaded_bitmaps(guest):
    """Those that QEMU has now, with the nodes that they belong to."""
    query = guest.call("qemu-monitor-command", "--cmd", '{"execute":"query-named-block-nodes","arguments":{"flat":true}}').out
    return [(node["node-name"], bitmap["name"]) for node in json.loads(query)["return"]
            for bitmap in node.get("dirty-bitmaps", [])]


def kill_qemu(guest):
    pid = pid_in(f"/run/libvirt/qemu/{guest.name}.pid")
    os.kill(pid, signal.SIGKILL)
    wait_until(lambda: pid not in leftovers.processes() and guest.state() == "shut off", "the end of the killed guest")
