# SPDX-License-Identifier: LGPL-2.1-or-later
"""Exported symbols carry the name of their file or folder, stand in a header, are no variables, and are
used: by another file of the program, or by their own and by a test, which could not reach them otherwise.

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
    "ops/guests/select.c": ("ops/guests/select.h", ["selection_"]),
}

USED = {"base", "codec", "record", "archive", "disk", "guest", "mtcp", "ops"}


def prefixes_of(source):
    """The file's name, that of each folder it is in, and every beginning of the file's name that is whole
    words: what sizing_host.c exports may begin with sizing_."""
    *folders, name = source.split("/")
    words = name.removesuffix(".c").split("_")
    found = {"_".join(words[:count]) + "_" for count in range(1, len(words) + 1)}
    found.update(folder + "_" for folder in folders)
    found.update(FAMILIES.get(source, ("", []))[1])
    return found


# Meson calls the object of base/buf.c base_buf.c.o.
SOURCES = {path.removeprefix("src/").replace("/", "_") + ".o": path.removeprefix("src/")
           for path in tree.files(".c", under="src/")}


def symbols(nm, path):
    """Object, section and name of each, *UND* for one that the object needs. The sysv format names the
    section: a constant table with pointers in it lies in .data.rel.ro, which no other format tells from
    .data."""
    output = subprocess.run([nm, "-A", "-g", "-f", "sysv", path], check=True, stdout=subprocess.PIPE).stdout
    for line in output.decode().splitlines():
        fields = [field.strip() for field in line.split("|")]
        if len(fields) == 7:
            where, _, name = fields[0].rpartition(":")
            yield where.split(":")[-1], fields[6], name


def check(source, section, name, headers):
    if not any(name.startswith(prefix) for prefix in prefixes_of(source)) and name != "main":
        yield f"src/{source}: exports {name}, which begins with neither its file's nor its folder's name"
    if name != "main" and not re.search(rf"\b{name}\b", headers[source.split("/")[0]]):
        yield f"src/{source}: exports {name}, which stands in no header of its folder; make it static"
    if re.fullmatch(r"\.t?data|\.t?bss|\*COM\*|COM", section):
        yield f"src/{source}: exports the variable {name}"


def words_of(under):
    """All names that the C files there contain."""
    return {name for path in tree.files(".c", ".h", under=under)
            for name in re.findall(r"\w+", tree.code_only(tree.read(path)))}


def check_use(source, name, needed, tested):
    if name in needed or source.split("/")[0] not in USED:
        return
    uses = len(re.findall(rf"\b{name}\b", tree.code_only(tree.read("src/" + source)))) - 1
    if uses == 0 and name in tested:
        yield f"src/{source}: exports {name}, which only tests use; take it out, or put it into the tests"
    elif name not in tested:
        yield f"src/{source}: exports {name}, which no other file uses; " + (
            "make it static" if uses else "take it out")


nm, *archives = sys.argv[1:]
headers = {}
for path in tree.files(".h", under="src/"):
    headers.setdefault(path.split("/")[1], "")
    headers[path.split("/")[1]] += tree.code_only(tree.read(path))
problems, defined = [], []
needed = words_of("src/cli/")  # not an archive
for text in headers.values():  # what a macro calls is used as that
    for line in re.findall(r"^(?:#define|DEFINE_CLEANUP).*", text, re.M):
        needed.update(re.findall(r"\w+", line))
for archive in archives:
    for member, section, name in symbols(nm, archive):
        # Compilers and sanitizers add symbols of their own.
        if name.startswith("_") or "." in name:
            continue
        if re.fullmatch(r"\*UND\*|", section):
            needed.add(name)
        else:
            defined.append((SOURCES[os.path.basename(member)], section, name))
tested = words_of("tests/")
for source, section, name in defined:
    problems += check(source, section, name, headers)
    problems += check_use(source, name, needed, tested)
for source, (header, families) in FAMILIES.items():
    for family in families:
        if not re.search(rf"\b{family}\w+\(", tree.read("src/" + header)):
            problems.append(f"{header}: documents no {family} functions; take the family out of the table")
tree.finish(sorted(problems), f"{len(defined)} symbols")
