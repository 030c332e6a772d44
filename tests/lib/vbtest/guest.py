# SPDX-License-Identifier: LGPL-2.1-or-later
"""One guest of a test: its XML, its life, its state as far as a backup must not change it."""

import difflib
import re
import xml.etree.ElementTree as ElementTree

from vbtest.command import Failure, expect, virsh, virsh_many, wait_until
from vbtest.disks import escape
from vbtest.oracle import Serial


class Guest:
    def __init__(self, name, disks, serial_path, memory_mib=16, os_xml="", devices_xml="", head_xml="", features=""):
        self.name = name
        self.disks = disks
        self.serial = Serial(serial_path)
        self.memory_mib = memory_mib
        self.os_xml = os_xml
        self.devices_xml = devices_xml
        self.head_xml = head_xml
        self.features = features
        self.user = {}           # options of subprocess that run virsh as another user
        self.file = serial_path + ".xml"

    def xml(self):
        disks = "".join(disk.xml() for disk in self.disks)
        return (f"<domain type='qemu'><name>{escape(self.name)}</name>{self.head_xml}"
                f"<memory unit='MiB'>{self.memory_mib}</memory><vcpu>1</vcpu>"
                f"<os><type arch='x86_64' machine='pc'>hvm</type>{self.os_xml}</os>"
                f"<features><acpi/>{self.features}</features>"
                f"<devices>{disks}<serial type='file'><source path='{escape(self.serial.path)}' append='on'/></serial>"
                f"<memballoon model='none'/>{self.devices_xml}</devices></domain>")

    def virsh(self, *arguments, **options):
        return virsh(*arguments, **self.user, **options)

    def write_xml(self):
        with open(self.file, "w", encoding="utf-8") as file:
            file.write(self.xml())
        return self.file

    def define(self, autostart=False):
        self.virsh("define", self.write_xml())
        if autostart:
            self.call("autostart")
        return self

    def call(self, command, *arguments, **options):
        """virsh COMMAND on this guest, whatever its name looks like."""
        return self.virsh(command, *arguments, "--domain", self.name, **options)

    def calls(self, *commands):
        """Several of virsh's commands on this guest, each a tuple of words; what each has printed."""
        return virsh_many(*((*command, "--domain", self.name) for command in commands), **self.user)

    def start(self, *flags):
        self.call("start", *flags)
        return self

    def create(self, *flags):
        """Start it as a transient guest."""
        self.virsh("create", *flags, self.write_xml())
        return self

    def running(self, steps=3):
        """Define, start, and wait until it counts."""
        _, _, state = virsh_many(("define", self.write_xml()), ("start", "--domain", self.name), ("domstate", "--domain", self.name),
                                 **self.user)
        expect(state and state.strip() == "running", f"guest '{self.name}' is not started")
        self.serial.wait_for_steps(steps)
        return self

    def destroy(self):
        self.call("destroy")

    def undefine(self, *flags):
        """With the records of checkpoints, which backups into a repository leave."""
        self.call("undefine", "--checkpoints-metadata", *flags)

    def suspend(self):
        self.call("suspend")
        return self

    def resume(self):
        self.call("resume")

    def exists(self):
        return self.call("domstate", status=None).status == 0

    def state(self):
        result = self.call("domstate", status=None)
        return result.out.strip() if result.status == 0 else "gone"

    def uuid(self):
        return self.call("domuuid").out.strip()

    def dump(self, *flags):
        return self.call("dumpxml", "--security-info", *flags).out

    def info(self):
        return pairs(self.call("dominfo").out)

    def snapshot(self):
        """All that a backup has to leave as it was, in a form that can be compared."""
        info, definition, live = self.calls(("dominfo",), ("dumpxml", "--security-info", "--inactive"),
                                            ("dumpxml", "--security-info"))
        if info is None:
            return {"state": "gone"}
        expect(live is not None, f"guest '{self.name}': its definition cannot be had")
        info = pairs(info)
        found = {key: info[key] for key in ("State", "Persistent", "Autostart", "Managed save")}
        if info["Persistent"] == "yes":
            found["definition"] = normal_xml(definition)
        if info["State"] != "shut off":
            found["live"] = normal_xml(live)
        return found

    def check_unchanged(self, before):
        after = self.snapshot()
        for key in sorted(before.keys() | after.keys()):
            if before.get(key) != after.get(key):
                raise Failure(f"guest '{self.name}': {key} has changed: {difference(before.get(key), after.get(key))}")

    def goes_on(self, token, count, steps=20):
        """It counts on from where it was, without having booted again, and its disks fit its memory."""
        self.serial.wait(lambda last: last and last[1] > count, f"guest '{self.name}' counting on from {count}")
        self.serial.wait_for_steps(steps)
        found, now = self.serial.last()
        if found != token:
            raise Failure(f"guest '{self.name}' has token {found} instead of {token}: it was rebooted")
        if now <= count:
            raise Failure(f"guest '{self.name}' counts {now}, before it was at {count}")
        self.serial.check()

    def remove(self):
        """Leave nothing of it in libvirt, whatever state it is in."""
        def gone():
            undefined, state, destroyed = self.calls(
                ("undefine", "--managed-save", "--nvram", "--snapshots-metadata", "--checkpoints-metadata"), ("domstate",),
                ("destroy",))
            if destroyed is not None or (undefined is not None and state is None):
                return True
            # It is transient, it is gone, or something is wrong.
            self.calls(("destroy",))
            return not self.exists()

        wait_until(gone, f"the end of guest '{self.name}'")


def pairs(text):
    """What virsh prints as "KEY: VALUE", a line each."""
    found = (line.split(":", 1) for line in text.splitlines() if ":" in line)
    return {key.strip(): value.strip() for key, value in found}


def difference(before, after):
    """What is different, without what is the same."""
    old, new = (str(text).replace("><", ">\n<").splitlines() for text in (before, after))
    return " ".join(line for line in difflib.unified_diff(old, new, n=0, lineterm="")
                    if not line.startswith(("---", "+++", "@@")))


def normal_xml(text):
    """The XML without what may differ from one run of a guest to the next: ids, pty numbers, the order of devices."""
    root = ElementTree.fromstring(text)
    root.attrib.pop("id", None)
    for element in root.iter():
        if element.tag in ("source", "backingStore"):
            element.attrib.pop("index", None)
        if element.tag == "mirror":
            element.clear()
        if element.text and not element.text.strip():
            element.text = None
        element.tail = None
    # libvirt gives controllers another place in its list when it reads a guest's XML again.
    devices = root.find("devices")
    devices[:] = sorted(devices, key=lambda element: (element.tag, ElementTree.tostring(element)))
    text = ElementTree.tostring(root, encoding="unicode")
    # The folder of a channel's socket: channel/target/domain-5-web of libvirt 9, channel/5-web of libvirt 11.
    return re.sub(r"/dev/pts/\d+|domain-\d+-|(?<=/channel/)\d+-|fd='\d+'", "", text)
