# SPDX-License-Identifier: LGPL-2.1-or-later
"""What others have written into a repository or an archive is not parsed in the control process.

Each verb is run with a shim that kills the control process if it decompresses anything, or gives the
JSON or XML of others to a library. The repository is made by a host of another name, which its objects
have.
"""

import json
import os
import shutil
import subprocess
import sys
import tempfile
import unittest

BINARY, SHIM = sys.argv[1:3]
SAMPLE = os.path.join(os.path.dirname(os.path.realpath(__file__)), "..", "samples", "format-2")
# Of the one that made the repository, what only its config has, and what only a manifest has.
NOT_OF_SAMPLE = "foreign-host,id-salt,urn:virt-backup:manifest"
# And of the host of the sample.
FOREIGN = NOT_OF_SAMPLE + ",host.example"
SAMPLE_UUID = "2f6a3c1e-7d4b-4c55-9f0e-4f1f6f1c0a02"
# libvirt's own driver for tests, which every process has to itself; and a host for it with one guest,
# which is shut off.
LIBVIRT = ["--hypervisor-uri", "test:///default"]
HOST = """<node><domain type='test' xmlns:test='http://libvirt.org/schemas/domain/test/1.0'>
<name>web</name><uuid>{uuid}</uuid><memory>8192</memory><os><type>hvm</type></os>
<devices><disk type='file' device='disk'><driver type='raw'/><source file='{disk}'/><target dev='vda'/></disk></devices>
<test:runstate>5</test:runstate></domain></node>
"""


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

    def new_folder(self, name):
        path = os.path.join(self.folder, name)
        os.mkdir(path)
        return path

    def new_archive(self, name):
        path = os.path.join(self.folder, name)
        shutil.copytree(SAMPLE, path)
        return path

    def test_the_shim_sees_who_parses_json(self):
        """What is written is read back, by the control process: these are its own bytes."""
        status, _, said = run("hold", "--repository", self.repository, self.points()[1], VB_FOREIGN="by command")
        self.assertEqual((status, said), (-6, "json_loadb in the control process\n"))

    def test_the_shim_sees_who_parses_xml(self):
        """What libvirt says is parsed by the control process."""
        status, _, said = run("restore", *LIBVIRT, "--source-path", SAMPLE, "--destination-path",
                              self.new_folder("seen"), "--dry-run", VB_FOREIGN="<capabilities")
        self.assertEqual((status, said), (-6, "xmlCtxtReadMemory in the control process\n"))

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

    def test_backup(self):
        """Of a guest that has a backup by another host, which is read."""
        disk = os.path.join(self.folder, "disk")
        host = os.path.join(self.folder, "host.xml")
        with open(disk, "wb") as file:
            file.truncate(1 << 20)
        with open(host, "w", encoding="utf-8") as file:
            file.write(HOST.format(uuid=SAMPLE_UUID, disk=disk))
        for place in (["--destination-path", self.new_archive("backup"), "--replace=any-host"],
                      ["--repository", self.repository]):
            self.check("backup", "--hypervisor-uri", "test://" + host, *place)

    def test_restore(self):
        place = self.new_folder("restored")
        self.on_repository("restore", *LIBVIRT, "--destination-path", place, "--dry-run")
        self.on_repository("restore", *LIBVIRT, "--destination-path", place, "--hold")
        self.assertNotIn('"held":true', self.make("list", "--repository", self.repository, "--json"))

    def test_export(self):
        archive = os.path.join(self.folder, "archive")
        self.on_repository("export", "--destination-path", archive)
        self.on_repository("export", "--destination-path", archive, "--replace")

    def test_copy(self):
        """The point that it makes has the host of the sample."""
        status, _, said = run("copy", "--from", SAMPLE, "--to", self.repository, VB_FOREIGN=NOT_OF_SAMPLE)
        self.assertEqual(status, 0, said)

    def test_list_and_verify_an_archive(self):
        self.check("list", "--source-path", SAMPLE)
        self.check("verify", "--source-path", SAMPLE)

    def test_restore_an_archive(self):
        place = self.new_folder("restored-archive")
        self.check("restore", *LIBVIRT, "--source-path", SAMPLE, "--destination-path", place, "--dry-run")
        self.check("restore", *LIBVIRT, "--source-path", SAMPLE, "--destination-path", place)

    def test_remove_from_an_archive(self):
        archive = self.new_archive("removed")
        self.check("remove", "--source-path", archive, "--domain-names", "web", "--yes")
        self.assertEqual(os.listdir(archive), [])

    def test_other_xml_in_an_archive(self):
        """It is looked at, to find out that it is no manifest."""
        archive = self.new_archive("other")
        with open(os.path.join(archive, "other.xml"), "w", encoding="utf-8") as file:
            file.write("<foreign-host/>")
        self.check("list", "--source-path", archive)


if __name__ == "__main__":
    unittest.main(argv=sys.argv[:1])
