# SPDX-License-Identifier: LGPL-2.1-or-later
"""Debian packages: those that the benchmark runs, and those that fill its disk and are never installed."""

import dataclasses
import glob
import os
import subprocess

ROOT = os.path.realpath(os.path.join(os.path.dirname(os.path.realpath(__file__)), "../../.."))
INSTALL_DEPS = os.path.join(ROOT, "scripts/install-deps")


@dataclasses.dataclass
class Deb:
    path: str
    name: str
    unpacked: int


def group(name):
    """The packages of one group of scripts/packages."""
    return subprocess.run([INSTALL_DEPS, "--names", name], check=True, stdout=subprocess.PIPE, text=True).stdout.split()


def install():
    """What virt-backup and its peers need, as far as it is missing."""
    subprocess.run([INSTALL_DEPS, "run", "bench"], check=True)


def _apt(folder, *arguments):
    """apt-get for a machine on which nothing is installed, so that the packages come with all they depend on."""
    options = {"Dir::State::status": os.path.join(folder, "nothing-installed"), "Dir::Cache::archives": folder,
               "Debug::NoLocking": "1", "APT::Sandbox::User": "root", "APT::Install-Recommends": "false"}
    words = [word for name, value in options.items() for word in ("-o", f"{name}={value}")]
    return subprocess.run(["apt-get", *words, *arguments], check=True, stdout=subprocess.PIPE, text=True,
                          stdin=subprocess.DEVNULL).stdout


def _describe(path):
    text = subprocess.run(["dpkg-deb", "-f", path, "Package", "Installed-Size"], check=True, stdout=subprocess.PIPE,
                          text=True).stdout
    fields = dict(line.split(": ", 1) for line in text.splitlines())
    return Deb(path, fields["Package"], int(fields.get("Installed-Size", "0")) * 1024)


def download(folder, say):
    """The packages of the disk and all that they depend on, by name. Those that are there are not fetched again."""
    folder = os.path.realpath(folder)
    os.makedirs(os.path.join(folder, "partial"), exist_ok=True)
    with open(os.path.join(folder, "nothing-installed"), "w", encoding="ascii"):
        pass
    done = os.path.join(folder, "complete")
    if not os.path.exists(done):
        say("downloading the packages that fill the disk")
        subprocess.run(["apt-get", "-q", "-q", "update"], check=True, stdin=subprocess.DEVNULL)
        _apt(folder, "-q", "-y", "--download-only", "install", *group("bench-disk"))
        with open(done, "w", encoding="ascii"):
            pass
    return sorted((_describe(path) for path in glob.glob(os.path.join(folder, "*.deb"))), key=lambda deb: deb.name)
