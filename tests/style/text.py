# SPDX-License-Identifier: LGPL-2.1-or-later
"""One SPDX line a file; no path of somebody's machine; no unfinished marks; tidy line ends."""

import os
import re

import tree

SPDX = "SPDX-License-Identifier: LGPL-2.1-or-later"
# Read by people, or without comments, or somebody else's licence text.
WITHOUT_SPDX = re.compile(r"(.*/)?(LICENSE|\.gitignore|\.clang-format|README|__init__\.py)|.*\.(md|xml|json|bin|txt|scd)"
                          r"|debian/(changelog|copyright|dirs|docs|source/format)")

# A home folder, or the folder that this tree lies in on this machine.
HOMES = re.compile(r"/(?:home|Users)/[a-z]\w*|(?<![\w$}])/root/\w+")
UNFINISHED = re.compile(r"\b(" + "TO" + r"DO|FIX" + r"ME|XX" + r"X)\b")


def is_text(path):
    with open(os.path.join(tree.ROOT, path), "rb") as file:
        return b"\0" not in file.read(8192)


def check(path):
    text = tree.read(path)
    if path.startswith(("tests/fuzz/corpus/", "tests/journals/version-")):
        return  # bytes for a machine
    if not WITHOUT_SPDX.fullmatch(path) and text.strip() and SPDX not in "\n".join(text.splitlines()[:3]):
        yield f"{path}: has no line '{SPDX}' at its top"
    if path != "LICENSE":
        for line, found in tree.matches(HOMES, text):
            yield f"{path}:{line}: names a place that is of one machine: {found}"
        for line, found in tree.matches(UNFINISHED, text):
            yield f"{path}:{line}: {found}"
    if len(tree.ROOT) > 4 and tree.ROOT + "/" in text:
        yield f"{path}: names this very folder: {tree.ROOT}"
    for line, _ in tree.matches(r"(?<=[^\n])[ \t]+(?=\n)|\r(?=\n)", text if path != "LICENSE" else ""):
        yield f"{path}:{line}: ends with blanks"
    if text and not text.endswith("\n"):
        yield f"{path}: does not end with a newline"


paths = [path for path in tree.files() if os.path.isfile(os.path.join(tree.ROOT, path)) and is_text(path)]
tree.finish([problem for path in paths for problem in check(path)], f"{len(paths)} files")
