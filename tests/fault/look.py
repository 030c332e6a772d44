# SPDX-License-Identifier: LGPL-2.1-or-later
"""How guests are found, in one question to libvirt, and what a run may have left behind."""

import glob
import os
import re

from vbtest import command, leftovers
from vbtest.command import Failure, expect, virsh
from vbtest.guest import normal_xml

QUESTIONS = {
    "state": "domstate --reason",
    "info": "dominfo",
    "job": "domjobinfo",
    "live": "dumpxml --security-info",
    "definition": "dumpxml --security-info --inactive",
}
# Reasons for which a guest runs or is shut off are its history; those of a pause tell who has to end it.
PAUSED_BY_USER = ("user", "migrating", "unknown", "restored", "snapshot")


def difference(what, old, new):
    """Of long texts only where they part."""
    start = next((index for index, (one, other) in enumerate(zip(str(old), str(new))) if one != other), 0)
    if min(len(str(old)), len(str(new))) > 200:
        start = max(0, start - 30)
        return f"{what} was ...{str(old)[start:start + 150]!r}, is ...{str(new)[start:start + 150]!r}"
    return f"{what} was {str(old)[:200]!r}, is {str(new)[:200]!r}"


class Look:
    """One guest at one moment."""

    def __init__(self, name, answers):
        self.name = name
        state = re.fullmatch(r"(.*?)(?: \((.*)\))?", answers["state"].strip())
        self.state, self.reason = state.group(1) or "gone", state.group(2) or ""
        pairs = dict(line.split(":", 1) for line in answers["info"].splitlines() if ":" in line)
        self.flags = {key: pairs[key].strip() for key in ("Persistent", "Autostart", "Managed save") if key in pairs}
        self.job = "".join(line.split(":", 1)[1].strip() for line in answers["job"].splitlines()
                           if line.startswith("Job type:"))
        self.live = normal_xml(answers["live"]) if self.active else ""
        self.definition = normal_xml(answers["definition"]) if self.flags.get("Persistent") == "yes" else ""

    @property
    def exists(self):
        return self.state != "gone"

    @property
    def active(self):
        return self.state not in ("gone", "shut off")

    def differences(self, before):
        """From how it was before, as far as a run must not change it."""
        found = [difference(what, old, new) for what, old, new in (
            ("state", before.state, self.state), ("flags", before.flags, self.flags),
            ("live XML", before.live, self.live), ("definition", before.definition, self.definition)) if old != new]
        if self.state == "paused" and self.reason not in (before.reason, *PAUSED_BY_USER):
            found.append(f"it is paused ({self.reason}), was paused ({before.reason})")
        if self.active and self.job != "None":
            found.append(f"a job is left over: {self.job}")
        return found


def look(*names):
    """The guests of these names."""
    words = []
    for name in names:
        for key, question in QUESTIONS.items():
            words += [f"echo @@{name}/{key}@@", f"{question} {name}"]
    result = virsh("; ".join(words), status=None)
    command.log.pop()   # pages of XML, of which only a difference matters
    strange = [line for line in result.error_lines
               if "failed to get domain" not in line and "domain is not running" not in line]
    expect(not strange, f"libvirt does not answer: {strange}")
    parts = re.split("@@(.*?)@@", result.out)
    answers = dict(zip(parts[1::2], parts[2::2]))
    if len(answers) != len(words) // 2:
        raise Failure(f"libvirt does not answer: {answers}")
    return [Look(name, {key: answers[f"{name}/{key}"] for key in QUESTIONS}) for name in names]


def own_processes(binary):
    """Processes of virt-backup, and those that it runs."""
    own = (os.path.basename(binary), "qemu-nbd", "qemu-img")
    return {pid: line for pid, line in leftovers.processes().items()
            if line and os.path.basename(line.split()[0]) in own}


def left_files(archive, *folders):
    """Temporary files, sockets, scratch files, notes and locks that are still there."""
    found = sorted(set(leftovers.files_below(leftovers.STATE_DIR)) - set(leftovers.notes()))
    for folder in folders:
        found += sorted(leftovers.files_below(folder))
    found += glob.glob("/var/lib/libvirt/qemu/domain-*/vb-*") + glob.glob("/var/lib/libvirt/virt-backup/*")
    if archive and os.path.isdir(archive):
        found += [os.path.join(archive, name) for name in os.listdir(archive) if name.startswith((".", "vb-"))]
    return found
