# SPDX-License-Identifier: LGPL-2.1-or-later
"""The Debian package is built from the packages of scripts/packages, and has the version that meson knows."""

import re

import tree

# What every Debian build has.
ESSENTIAL = {"gcc", "libc6-dev"}


def group(name):
    """Of all architectures."""
    text = re.sub(r"#.*", "", tree.read("scripts/packages"))
    found = re.findall(rf"^\[{name}(?:-\w+)?\]\n(.*?)(?=^\[|\Z)", text, re.M | re.S)
    return set(" ".join(found).split()) - {"|"}


def field(name):
    found = re.search(rf"^{name}:(.*(?:\n .*)*)", tree.read("debian/control"), re.M)
    return {entry.split()[0] for entry in found.group(1).split(",") if entry.strip()}


def version(path, pattern):
    return re.search(pattern, tree.read(path)).group(1)


def problems():
    built_with = field("Build-Depends")
    for name in sorted(group("build") - ESSENTIAL - built_with):
        yield f"debian/control: Build-Depends lacks {name}, which scripts/packages has in [build]"
    for name in sorted(built_with - group("build") - group("run") - group("test") - group("package") - {"debhelper-compat"}):
        yield f"debian/control: Build-Depends has {name}, which scripts/packages has not"
    packaged = set(tree.read("debian/docs").split()) | {"LICENSE"}  # debian/copyright is that
    for name in sorted(set(re.findall(r"\]\(([^)#:]+)\)", tree.read("README.md"))) - packaged):
        yield f"debian/docs: README.md refers to {name}, which is not in the package"
    unit = tree.read("dist/systemd/virt-backup@.service")
    for line in ("AssertPathExists=/etc/virt-backup/%i.conf", "SuccessExitStatus=143"):
        if line not in unit.splitlines():
            yield f"dist/systemd/virt-backup@.service: lacks {line}"
    ours, theirs = version("meson.build", r"version: '([^']+)'"), version("debian/changelog", r"\(([^)]+)\)")
    if ours != theirs:
        yield f"debian/changelog: version {theirs}, in meson.build it is {ours}"


tree.finish(list(problems()), "debian/")
