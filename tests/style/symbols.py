# SPDX-License-Identifier: LGPL-2.1-or-later
"""Exported symbols carry the name of their file or folder, stand in a header, and are no variables.

usage: symbols.py NM ARCHIVE_OR_OBJECT..."""

import os
import re
import subprocess
import sys

import tree

# Families that a header documents under names of their own. (source file: header, prefixes)
FAMILIES = {
    "base/buf.c": ("base/buf.h", ["reader_", "get_", "set_"]),
    "base/cleanup.c": ("base/cleanup.h", ["mem_"]),
}


def singular(word):
    return word[:-1] if word.endswith("s") else word


def prefixes_of(source):
    """The file's name, the folder's, and every beginning of the file's name that is whole words:
    what sizing_host.c exports may begin with sizing_."""
    folder, name = source.split("/")
    words = name.removesuffix(".c").split("_")
    found = {"_".join(words[:count]) + "_" for count in range(1, len(words) + 1)}
    found.add(folder + "_")
    found.update(FAMILIES.get(source, ("", []))[1])
    return found


def source_of(member):
    """foo.c.o, with meson's folder in front or not: the source file, relative to src/."""
    name = os.path.basename(member).removesuffix(".o")
    parts = name.split("_", 1)
    candidates = [path.removeprefix("src/") for path in tree.files(".c", under="src/")]
    for candidate in candidates:
        if candidate.replace("/", "_") == name:
            return candidate
    raise SystemExit(f"{member}: its source file is not known ({parts})")


def symbols(nm, path):
    output = subprocess.run([nm, "-A", "-g", "--defined-only", path], check=True, stdout=subprocess.PIPE).stdout
    for line in output.decode().splitlines():
        where, _, rest = line.rpartition(":")
        fields = rest.split()
        yield where.split(":")[-1], fields[-2], fields[-1]


def check(source, kind, name, headers):
    if not any(name.startswith(prefix) for prefix in prefixes_of(source)) and name != "main":
        yield f"src/{source}: exports {name}, which begins with neither its file's nor its folder's name"
    if name != "main" and not re.search(rf"\b{name}\b", headers[source.split("/")[0]]):
        yield f"src/{source}: exports {name}, which stands in no header of its folder; make it static"
    if kind in "BDCGS":
        yield f"src/{source}: exports the variable {name}"


nm, *archives = sys.argv[1:]
headers = {}
for path in tree.files(".h", under="src/"):
    headers.setdefault(path.split("/")[1], "")
    headers[path.split("/")[1]] += tree.code_only(tree.read(path))
problems, count = [], 0
for archive in archives:
    for member, kind, name in symbols(nm, archive):
        # Compilers and sanitizers add symbols of their own.
        if name.startswith("_") or "." in name:
            continue
        count += 1
        problems += check(source_of(member), kind, name, headers)
for source, (header, families) in FAMILIES.items():
    for family in families:
        if not re.search(rf"\b{family}\w+\(", tree.read("src/" + header)):
            problems.append(f"{header}: documents no {family} functions; take the family out of the table")
tree.finish(sorted(problems), f"{count} symbols")
