# SPDX-License-Identifier: LGPL-2.1-or-later
"""Flips bits in the files of a repository, and asks the verbs: verify must find each, restore must fail or be right to
the byte and leave nothing behind, list must come to an end."""

import os
import shutil
import subprocess
import time

SAMPLE = os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "samples", "format-2")
LONGEST = 120  # seconds
DAMAGE = 4
# What a flip in such a file is, and how often one is chosen. Nothing covers config; what counts in it is used.
KINDS = {"d": ("pack", 5), "p": ("point", 4), "config": ("config", 1)}


class Verbs:
    def __init__(self, binary, folder, rng):
        self.binary, self.folder, self.rng = binary, folder, rng
        self.repository = os.path.join(folder, "repository")
        self.problems, self.tried, self.refused = [], {}, 0
        self.call("repository", "create", self.repository, expect=(0,))
        self.call("copy", "--from", SAMPLE, "--to", self.repository, expect=(0,))
        self.files = [(kind, weight, path) for top, (kind, weight) in KINDS.items()
                      for path in self.below(os.path.join(self.repository, top))]
        _, self.disk = self.restore()

    def below(self, path):
        if os.path.isfile(path):
            return [path]
        return sorted(os.path.join(at, name) for at, _, names in os.walk(path) for name in names)

    def call(self, verb, *arguments, expect):
        with open(os.path.join(self.folder, "told"), "wb") as told:
            status = subprocess.run([self.binary, verb, *arguments], stdin=subprocess.DEVNULL, stdout=told, stderr=told,
                                    timeout=LONGEST, check=False).returncode
        if status not in expect:
            with open(told.name, "rb") as file:
                self.problems.append(f"{verb} ended with {status}: {file.read()[-600:].decode(errors='replace')}")
        return status

    def restore(self):
        """The status, and the bytes of the disk."""
        to = os.path.join(self.folder, "restored")
        os.makedirs(to)
        status = self.call("restore", "--repository", self.repository, "--domain-names", "web", "--disks", "vda",
                           "--destination-path", to, "--quiet", expect=(0, 1))
        found = {}
        for name in os.listdir(to):
            with open(os.path.join(to, name), "rb") as file:
                found[name] = file.read()
        shutil.rmtree(to)
        if status and found:
            self.problems.append(f"restore failed and has left {', '.join(found)}")
        return status, found

    def forget(self):
        """What verify has noted."""
        for path in self.below(os.path.join(self.repository, "v")):
            os.unlink(path)

    def ask(self, kind):
        """Returns whether the damage was found."""
        found = self.call("verify", "--repository", self.repository, "--quiet",
                          expect=(0, 1, DAMAGE) if kind == "config" else (0, DAMAGE)) != 0
        self.call("list", "--repository", self.repository, expect=(0, 1, 3))
        status, disk = self.restore()
        self.refused += status != 0
        if status == 0 and disk != self.disk:
            self.problems.append("restore ended well with other bytes")
        self.forget()
        return found

    def flip(self):
        kind, _, path = self.rng.choices(self.files, [weight for _, weight, _ in self.files])[0]
        at, bit = self.rng.randrange(os.path.getsize(path)), self.rng.randrange(8)
        with open(path, "r+b") as file:
            byte = os.pread(file.fileno(), 1, at)
            os.pwrite(file.fileno(), bytes([byte[0] ^ 1 << bit]), at)
            before = len(self.problems)
            if not self.ask(kind) and kind != "config":
                self.problems.append("verify found nothing")
            self.problems[before:] = [f"{kind}, byte {at}, bit {bit}: {text}" for text in self.problems[before:]]
            os.pwrite(file.fileno(), byte, at)
        self.tried[kind] = self.tried.get(kind, 0) + 1


def run(binary, folder, rng, cases):
    """Returns what was wrong, and a line about what was done."""
    started = time.monotonic()
    verbs = Verbs(binary, folder, rng)
    if not verbs.disk or verbs.ask("pack") or verbs.refused:
        verbs.problems.append("a repository without damage is not good")
    for _ in range(cases):
        verbs.flip()
    told = ", ".join(f"{count} in a {kind}" for kind, count in sorted(verbs.tried.items()))
    return verbs.problems, (f"{cases} bits flipped in files of a repository ({told}), {verbs.refused} restores refused, "
                            f"{time.monotonic() - started:.0f} s")
