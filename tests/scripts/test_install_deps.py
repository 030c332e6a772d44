# SPDX-License-Identifier: LGPL-2.1-or-later
"""Which packages scripts/install-deps wants, on hosts that are made up: it meets a dpkg and an apt of ours."""

import os
import shutil
import subprocess
import tempfile
import unittest

ROOT = os.path.join(os.path.dirname(os.path.realpath(__file__)), "../..")

PACKAGES = """\
[one]
plain   # with a remark
new | old

[one-other]
elsewhere

[two]
plain
old
"""
# What they say of a package is in a file of its name.
DPKG = """\
#!/bin/sh
case $1 in --print-architecture) echo amd64 ;; -W) cat "$HOST/installed-$4" ;; esac
"""
APT_CACHE = """\
#!/bin/sh
[ ! -e "$HOST/provided-$2" ] || printf '%s:\\n  Candidate: (none)\\n' "$2"
[ ! -e "$HOST/known-$2" ] || printf '%s:\\n  Candidate: 1.0\\n' "$2"
"""


class InstallDeps(unittest.TestCase):
    def setUp(self):
        folder = tempfile.TemporaryDirectory()
        self.addCleanup(folder.cleanup)
        self.host = folder.name
        shutil.copy(os.path.join(ROOT, "scripts/install-deps"), self.host)
        with open(os.path.join(self.host, "packages"), "w", encoding="utf-8") as file:
            file.write(PACKAGES)
        for name, text in (("dpkg", DPKG), ("dpkg-query", DPKG), ("apt-cache", APT_CACHE)):
            with open(os.path.join(self.host, name), "w", encoding="utf-8") as file:
                file.write(text)
            os.chmod(file.name, 0o755)

    def has(self, *names):
        for name in names:
            with open(os.path.join(self.host, name), "w", encoding="utf-8") as file:
                file.write("installed\n")

    def says(self, *words):
        environment = {"PATH": self.host + ":" + os.environ["PATH"], "HOST": self.host}
        return subprocess.run([os.path.join(self.host, "install-deps"), *words], env=environment, check=True, text=True,
                              stdout=subprocess.PIPE).stdout.split()

    def test_newest_known_name_is_taken(self):
        self.has("known-plain", "known-new", "known-old")
        self.assertEqual(self.says("--names", "one"), ["plain", "new"])

    def test_older_release_knows_the_older_name(self):
        self.has("known-plain", "known-old")
        self.assertEqual(self.says("--names", "one"), ["plain", "old"])

    def test_package_that_others_only_provide_is_not_a_name(self):
        self.has("provided-new", "known-old")
        self.assertEqual(self.says("--names", "one"), ["plain", "old"])

    def test_newest_known_name_is_taken_though_another_is_installed(self):
        self.has("known-new", "known-old", "installed-old")
        self.assertEqual(self.says("--missing", "one"), ["plain", "new"])

    def test_newest_name_without_package_lists(self):
        self.assertEqual(self.says("--missing", "one"), ["plain", "new"])

    def test_package_of_two_groups_is_named_once(self):
        self.has("known-old")
        self.assertEqual(self.says("--missing", "one", "two"), ["plain", "old"])

    def test_nothing_is_missing(self):
        self.has("installed-plain", "known-new", "installed-new")
        self.assertEqual(self.says("--missing", "one"), [])
        self.assertEqual(self.says("one"), [])

    def test_unknown_group_is_refused(self):
        with self.assertRaises(subprocess.CalledProcessError):
            self.says("--missing", "one", "nothing")


if __name__ == "__main__":
    unittest.main()
