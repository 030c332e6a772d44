# SPDX-License-Identifier: LGPL-2.1-or-later
"""The Debian package is built from the packages of scripts/packages, and has the version that meson knows."""

import os
import re
import shutil
import subprocess
import tempfile

import tree

# What every Debian build has.
ESSENTIAL = {"gcc", "libc6-dev"}


# Each has its settings in /etc/virt-backup.
JOBS = ["virt-backup@.service", "virt-backup-repository@.service", "virt-backup-prune@.service",
        "virt-backup-collect@.service"]
# One of these is enough.
JOB_PLACES = {"virt-backup@.service": ["|/etc/virt-backup/jobs.d/%i.conf", "|/etc/virt-backup/%i.conf"]}


def unit_problems():
    """What systemd says of the units, beside that the program is not installed here."""
    units = sorted(path for path in tree.files("", under="dist/systemd/") if not path.endswith(".conf"))
    installed = set(re.findall(r"'(systemd/[^']+)'", tree.read("dist/meson.build")))
    for path in units:
        if path.removeprefix("dist/") not in installed:
            yield f"dist/meson.build: does not install {path}"
        if re.search(r"^RestrictSUIDSGID=(yes|true|on|1)$", tree.read(path), re.M):
            yield f"{path}: RestrictSUIDSGID forbids openat2, with which objects of a repository are opened"
    if not shutil.which("systemd-analyze"):
        return
    with tempfile.TemporaryDirectory() as folder:
        for path in units:
            shutil.copy(os.path.join(tree.ROOT, path), folder)
        names = [os.path.join(folder, os.path.basename(path).replace("@.", "@x.")) for path in units]
        for name in names:
            if not os.path.exists(name):
                os.symlink(os.path.basename(name).replace("@x.", "@."), name)
        verified = subprocess.run(["systemd-analyze", "verify", "--man=no", *names], check=False, stdout=subprocess.PIPE,
                                  stderr=subprocess.STDOUT, env=dict(os.environ, LC_ALL="C"))
    for line in verified.stdout.decode().splitlines():
        if line.startswith((folder, "virt-backup")) and "/usr/bin/virt-backup is not executable" not in line:
            yield f"dist/systemd: {line.removeprefix(folder + '/')}"


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
    for name in JOBS:
        asserted = [f"AssertPathExists={path}" for path in JOB_PLACES.get(name, ["/etc/virt-backup/%i.conf"])]
        for line in (*asserted, "SuccessExitStatus=143"):
            if line not in tree.read(f"dist/systemd/{name}").splitlines():
                yield f"dist/systemd/{name}: lacks {line}"
    yield from unit_problems()
    ours, theirs = version("meson.build", r"version: '([^']+)'"), version("debian/changelog", r"\(([^)]+)\)")
    if ours != theirs:
        yield f"debian/changelog: version {theirs}, in meson.build it is {ours}"


tree.finish(list(problems()), "debian/")
