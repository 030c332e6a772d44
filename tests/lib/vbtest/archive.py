# SPDX-License-Identifier: LGPL-2.1-or-later
"""Looks at an archive with foreign eyes: files, manifests, and the tools that must be able to read them."""

import os
import re
import stat
import struct
import subprocess
import xml.etree.ElementTree as ElementTree

from vbtest.command import Failure, run, same
from vbtest.disks import SUFFIX_BY_CODEC

NAMESPACE = "urn:virt-backup:manifest:1"
SCHEMA = os.path.join(os.path.dirname(os.path.realpath(__file__)), "../../../doc/manifest.rng")


def tag(name):
    return f"{{{NAMESPACE}}}{name}"


class Manifest:
    def __init__(self, path):
        self.path = path
        self.document = ElementTree.parse(path).getroot()
        self.backup = self.document.find(f"metadata/{tag('backup')}")
        if self.backup is None:
            raise Failure(f"{path} holds no state of the backup")

    def check_schema(self):
        run("xmllint", "--noout", "--nonet", "--relaxng", SCHEMA, self.path)

    def domain(self):
        return dict(self.backup.find(tag("domain")).attrib)

    def consistency(self):
        return self.backup.find(tag("consistency")).get("method")

    def downtime_ms(self):
        return int(self.backup.find(tag("consistency")).get("downtime-ms"))

    def disk(self, target):
        for disk in self.backup.findall(tag("disk")):
            if disk.get("target") == target:
                return disk
        raise Failure(f"{self.path}: no disk '{target}'")

    def targets(self):
        return [disk.get("target") for disk in self.backup.findall(tag("disk"))]

    def owner(self, target):
        return dict(self.disk(target).find(tag("owner")).attrib)

    def options(self, target):
        return {option.get("name"): option.get("value") for option in self.disk(target).findall(tag("option"))}

    def stored(self, target):
        return dict(self.disk(target).find(f"{tag('stored')}").attrib)

    def memory(self):
        element = self.backup.find(f"{tag('memory')}/{tag('stored')}")
        return None if element is None else dict(element.attrib)

    def left_out(self):
        return {element.get("target"): element.get("reason") for element in self.backup.findall(tag("left-out"))}


class Archive:
    def __init__(self, path):
        self.path = path

    def file(self, name):
        return os.path.join(self.path, name)

    def manifest(self, domain):
        return Manifest(self.file(domain + ".xml"))

    def names(self):
        return sorted(os.listdir(self.path)) if os.path.isdir(self.path) else []

    def image(self, domain, target, codec):
        return self.file(f"{domain}-{target}{SUFFIX_BY_CODEC[codec]}")

    def check_holds(self, *names):
        """Exactly these files, and nobody else may read them."""
        same(self.names(), sorted(names), f"files in {self.path}")
        same(stat.S_IMODE(os.stat(self.path).st_mode) & 0o077, 0, f"rights of others on {self.path}")
        for name in names:
            same(f"{stat.S_IMODE(os.stat(self.file(name)).st_mode):o}", "600", f"mode of {name}")

    def check_nothing_half(self, excused=lambda path: False):
        """No manifest without its files, no file without a manifest, no temporary name but those that are excused."""
        names = self.names()
        for name in names:
            if name.startswith(".virt-backup-") and not excused(self.file(name)):
                raise Failure(f"{self.path} holds the temporary file {name}")
        if any(name.endswith(".exchange") for name in names):
            return   # names are still being given
        names = [name for name in names if not name.startswith(".virt-backup-")]
        claimed = set()
        for name in names:
            if not name.endswith(".xml"):
                continue
            claimed.add(name)
            for stored in Manifest(self.file(name)).backup.iter(tag("stored")):
                claimed.add(stored.get("name"))
        same(sorted(names), sorted(claimed), f"files in {self.path} and what the manifests there name")

    def decode(self, domain, target, codec, raw):
        """The image by the codec's own tool, not by virt-backup."""
        source = self.image(domain, target, codec)
        if codec == "none":
            return source
        tool = {"lzma": ["xz", "-T0", "-dc", source], "zstd": ["zstd", "-q", "-dc", source]}[codec]
        with open(raw, "wb") as out:
            done = subprocess.run(tool, stdout=out, stderr=subprocess.PIPE, check=False)
        if done.returncode != 0:
            raise Failure(f"{' '.join(tool)}: {done.stderr.decode(errors='replace').strip()}")
        return raw


def sav_header(path):
    """(magic, version, was running, format, XML) of a libvirt save image."""
    with open(path, "rb") as file:
        magic, version, length, running, kind = struct.unpack("=16sIIII", file.read(32))
        file.seek(92)
        text = file.read(length).split(b"\0")[0].decode()
    return magic, version, running, kind, text


def sav_paths(path):
    """The disk sources that stand in the XML inside a save image."""
    return re.findall(r"<source (?:file|dev)='([^']*)'", sav_header(path)[4])
