# SPDX-License-Identifier: LGPL-2.1-or-later
"""The small Linux guest of tests/guests: started from its kernel, told on the command line what to run."""

import base64
import json
import os
import re
import subprocess
import sys

from vbtest.command import WAIT_LIMIT_S, Failure, expect, run, same, wait_until
from vbtest.disks import MIB, Disk, convert

AGENT_XML = "<channel type='unix'><target type='virtio' name='org.qemu.guest_agent.0'/></channel>"
REPORT = re.compile(r"^token=([0-9a-f]+) sweep=(\d+) writes=(\d+) ok=(\d+) bad=(\d+)$", re.MULTILINE)


def build(build_dir):
    """Its packages come from the network, which a private libvirt does not have: for whoever is about to start one."""
    builder = os.path.join(os.path.dirname(__file__), "../../guests/linux-guest")
    if subprocess.run([builder, build_dir], stdout=sys.stderr, check=False).returncode != 0:
        sys.exit("the Linux guest could not be built")


def os_xml(t, asked):
    """Boots the kernel, which runs what is ASKED for: see linux-init."""
    kernel, initrd = t.linux_kernel()
    words = "console=ttyS0 quiet panic=-1" + (f" vbtest={asked}" if asked else "")
    return f"<kernel>{kernel}</kernel><initrd>{initrd}</initrd><cmdline>{words}</cmdline>"


def linux_guest(t, name, *disks, asked="", agent="", memory_mib=128, devices_xml=""):
    """AGENT: the XML of its agent's channel, such as AGENT_XML."""
    return t.guest(name, *disks, memory_mib=memory_mib, os_xml=os_xml(t, asked), devices_xml=agent + devices_xml)


def ext4_disk(t, target="vda", format_name="qcow2", size=64 * MIB):
    """A disk with a file system, for the guest's writer."""
    raw, path = t.path(f"{target}.content"), t.path(f"{target}.{format_name}")
    with open(raw, "wb") as file:
        file.truncate(size)
    run("mke2fs", "-q", "-F", "-t", "ext4", raw)
    if format_name == "raw":
        os.rename(raw, path)
    else:
        convert(raw, path, format_name)
        os.unlink(raw)
    os.chmod(path, 0o644)
    return Disk(path, format_name, target)


class Agent:
    """The agent in the guest, through libvirt. On a busy host a good one takes its time, too: who waits for an answer
    waits long, and only who expects none gives up sooner."""

    def __init__(self, guest):
        self.guest = guest

    def ask(self, command, status=0, limit_s=60, **arguments):
        words = {"execute": command} | ({"arguments": arguments} if arguments else {})
        result = self.guest.call("qemu-agent-command", "--timeout", str(limit_s), "--cmd", json.dumps(words), status=status)
        return json.loads(result.out)["return"] if result.status == 0 else None

    def answers(self, limit_s=5):
        return self.ask("guest-ping", status=None, limit_s=limit_s) is not None

    def wait(self):
        wait_until(self.answers, "the guest's agent")
        return self

    def frozen(self):
        return self.ask("guest-fsfreeze-status")

    def begin(self, script):
        """Start a shell script in the guest. Returns its process id there, None if nobody answers."""
        started = self.ask("guest-exec", status=None, path="/bin/sh", arg=["-c", script])
        return started and started["pid"]

    def runs(self, script):
        """Whether this script could be run to its end, and ended well."""
        pid = self.begin(script)
        answer = {"exited": False} if pid else None
        while answer and not answer["exited"]:
            answer = self.ask("guest-exec-status", status=None, pid=pid)
        return bool(answer) and answer.get("exitcode") == 0

    def write(self, path, text):
        encoded = base64.b64encode(text.encode()).decode()
        script = f"echo {encoded} | base64 -d >{path} && chmod 755 {path}"
        expect(self.runs(script), f"{path} cannot be written in the guest")


class Verifier:
    """Reads what the guest's verifier says: whether its disks are those that its memory knows."""

    def __init__(self, guest):
        self.serial = guest.serial
        self.mark = 0            # length of the text that was there before the last start or restore

    def text(self):
        return self.serial.text()[self.mark:]

    def reports(self):
        """(token, sweeps, writes, ok, bad) of each report since the mark."""
        return [(token, *map(int, numbers)) for token, *numbers in REPORT.findall(self.text())]

    def set_mark(self):
        self.mark = len(self.serial.text())

    def wait_for_sweeps(self, sweeps, limit_s=WAIT_LIMIT_S):
        """Wait until all blocks were compared so many times since the mark. Returns the last report."""
        def enough():
            found = self.reports()
            # The sweep in which the mark lies does not count.
            return found if found and found[-1][1] > found[0][1] + sweeps else None

        return wait_until(enough, f"{sweeps} sweeps of the guest over its disks", limit_s)[-1]

    def wait_for_writes(self, writes, limit_s=WAIT_LIMIT_S):
        def enough():
            found = self.reports()
            return found and found[-1][2] >= found[0][2] + writes

        wait_until(enough, f"{writes} writes of the guest", limit_s)

    def complaints(self):
        return [line for line in self.text().splitlines() if line.startswith("bad")]

    def check(self, token):
        """All blocks of both disks are as the memory has them, and it is the memory of before."""
        found, _, _, good, bad = self.wait_for_sweeps(1)
        first = self.reports()[0]
        if bad or self.complaints():
            raise Failure(f"the guest has found its disks and its memory to differ: bad={bad}, {self.complaints()[:1]}")
        same(found, token, "token in the guest's memory")
        expect("boot" not in self.text().splitlines(), "the guest was rebooted")
        expect(good > first[3], "the guest has compared nothing")
        return good, bad
