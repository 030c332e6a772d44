# SPDX-License-Identifier: LGPL-2.1-or-later
"""What others have written into a repository is not parsed in the control process.

Each verb is run with a shim that kills the control process if it decompresses anything, or gives the
JSON of others to a library. The repository is made by a host of another name, which its objects have.
"""

import json
import os
import subprocess
import sys
import tempfile
import unittest

BINARY, SHIM = sys.argv[1:3]
SAMPLE = os.path.join(os.path.dirname(os.path.realpath(__file__)), "..", "samples", "format-2")
# Of the host of the sample, of the one that made the repository, and what only its config has.
FOREIGN = "host.example,foreign-host,id-salt"


def run(*words, **variables):
    """Returns the exit status and what was said on both channels."""
    done = subprocess.run([BINARY, *words], stdin=subprocess.DEVNULL, stdout=subprocess.PIPE,
                          stderr=subprocess.PIPE, text=True, check=False,
                          env=dict(os.environ, LD_PRELOAD=SHIM, **variables))
    return done.returncode, done.stdout, done.stderr


class ApartTest(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        folder = tempfile.TemporaryDirectory()
        cls.addClassCleanup(folder.cleanup)
        cls.folder = folder.name
        cls.repository = os.path.join(folder.name, "repository")
        cls.make("repository", "create", cls.repository)
        for _ in range(3):
            cls.make("copy", "--from", SAMPLE, "--to", cls.repository, "--tag", "weekly")

    @classmethod
    def make(cls, *words):
        """Runs a verb as another host."""
        status, out, said = run(*words, VB_HOST="foreign-host")
        if status != 0:
            raise AssertionError(f"{words}: exit status {status}: {said}")
        return out

    def points(self):
        out = self.make("list", "--repository", self.repository, "--json")
        return [event["point"] for event in map(json.loads, out.splitlines()) if event["event"] == "point"]

    def check(self, *words, status=0):
        found, _, said = run(*words, VB_FOREIGN=FOREIGN)
        self.assertEqual(found, status, f"{words}: {said}")

    def on_repository(self, verb, *words, **settings):
        self.check(verb, "--repository", self.repository, *words, **settings)

    def test_the_shim_sees_who_parses(self):
        """What is written is read back, by the control process: these are its own bytes."""
        status, _, said = run("hold", "--repository", self.repository, self.points()[1], VB_FOREIGN="by command")
        self.assertEqual((status, said), (-6, "json_loadb in the control process\n"))

    def test_list(self):
        self.make("hold", "--repository", self.repository, self.points()[0])
        self.make("verify", "--repository", self.repository)
        self.on_repository("list")
        self.on_repository("list", "--holds")
        self.on_repository("list", "--domain-names", "web@latest")
        self.make("release", "--repository", self.repository, self.points()[0])

    def test_marks(self):
        point = self.points()[0]
        self.on_repository("hold", point)
        self.on_repository("release", point)
        self.on_repository("tag", "--add", "monthly", "web@latest")
        self.on_repository("remove", "--yes", point)
        self.on_repository("undelete", point)

    def test_prune(self):
        self.on_repository("prune", "--keep-last", "1", "--dry-run")

    def test_collect(self):
        self.on_repository("collect", "--dry-run")

    def test_verify(self):
        self.make("verify", "--repository", self.repository)
        self.on_repository("verify")

    def test_export(self):
        self.on_repository("export", "--destination-path", os.path.join(self.folder, "archive"))

    def test_copy(self):
        """The point that it makes has the host of the sample."""
        status, _, said = run("copy", "--from", SAMPLE, "--to", self.repository, VB_FOREIGN="foreign-host,id-salt")
        self.assertEqual(status, 0, said)


if __name__ == "__main__":
    unittest.main(argv=sys.argv[:1])
