# SPDX-License-Identifier: LGPL-2.1-or-later
"""What the figures were measured on: machine and versions."""

import os
import re
import subprocess

TOOLS = (
    ("virt-backup", None), ("xz", ["xz", "--version"]), ("pixz", ["dpkg-query", "-W", "-f", "${Version}", "pixz"]),
    ("zstd", ["zstd", "--version"]), ("lz4", ["lz4", "--version"]), ("qemu-img", ["qemu-img", "--version"]),
    ("nbdcopy", ["nbdcopy", "--version"]), ("virtnbdbackup", ["virtnbdbackup", "--version"]),
    ("borg", ["borg", "--version"]), ("restic", ["restic", "version"]), ("libvirtd", ["libvirtd", "--version"]),
)


def _first_line(argv):
    try:
        done = subprocess.run(argv, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, stdin=subprocess.DEVNULL, text=True,
                              check=False)
    except OSError:
        return "missing"
    lines = done.stdout.strip().splitlines()
    return lines[0] if lines else "unknown"


def _version(argv):
    line = _first_line(argv)
    found = re.search(r"\d+(\.\d+)+\S*", line)
    return found.group(0).rstrip(",:*") if found else line


def versions(binary):
    return {name: _version(argv or [binary, "--version"]) for name, argv in TOOLS}


def _field(path, pattern, default="unknown"):
    try:
        with open(path, encoding="utf-8", errors="replace") as file:
            found = re.search(pattern, file.read(), re.MULTILINE)
    except OSError:
        found = None
    return found.group(1) if found else default


def describe(work):
    memory = int(_field("/proc/meminfo", r"^MemTotal:\s+(\d+)", "0")) / (1 << 20)
    return {
        "CPU": _field("/proc/cpuinfo", r"^model name\s*:\s*(.+)$"),
        "cores": len(os.sched_getaffinity(0)),
        "memory": f"{memory:.1f} GiB",
        "kernel": f"{os.uname().sysname} {os.uname().release}",
        "system": _field("/etc/os-release", r'^PRETTY_NAME="?([^"\n]+)'),
        "file system": _first_line(["stat", "-f", "-c", "%T", work]).replace("ext2/ext3", "ext4"),
    }
