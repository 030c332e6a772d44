# SPDX-License-Identifier: LGPL-2.1-or-later
"""Files of at most 500 lines; functions of at most 100, nine in ten of them under 60; exported ones with at most
five parameters besides the error."""

import re

import tree

FILE_LINES = 500
FUNCTION_LINES = 100
USUAL_LINES = 60
USUAL_SHARE = 0.9
PARAMETERS = 5


def functions(path):
    """Name, first line and number of lines of each function, from the opening brace's line to the
    closing one's: clang-format puts both in the first column, and nothing else of theirs there."""
    lines = tree.code_only(tree.read(path)).splitlines()
    opened = None
    for number, line in enumerate(lines):
        if line.startswith("{"):
            opened = number
        elif line.startswith("}") and opened is not None:
            head = " ".join(lines[max(0, opened - 6):opened])
            names = re.findall(r"(\w+)\s*\(", head.rpartition("}")[2].rpartition(";")[2])
            yield (names[0] if names else "?"), opened + 1, number - opened + 1
            opened = None


def exported(path):
    """Name and parameters of each function that a header declares."""
    text = re.sub(r"__attribute__\(\(.*?\)\)+", "", tree.code_only(tree.read(path)))
    for match in re.finditer(r"^(?!static|typedef)[a-z][\w *]*?\b(\w+)\(([^;{}]*)\)\s*;", text, re.M):
        callbacks = re.sub(r"\(\*(\w+)\)\([^()]*\)", r"\1", match.group(2))
        yield text.count("\n", 0, match.start()) + 1, match.group(1), [
            parameter for parameter in callbacks.split(",") if not re.match(r"\s*struct err \*", parameter)]


problems, lengths = [], []
for path in tree.files(".c", under="src/"):
    for name, line, length in functions(path):
        lengths.append(length)
        if length > FUNCTION_LINES:
            problems.append(f"{path}:{line}: {name} has {length} lines, {FUNCTION_LINES} are the most")
for path in tree.files(".h", under="src/"):
    for line, name, parameters in exported(path):
        if len(parameters) > PARAMETERS:
            problems.append(f"{path}:{line}: {name} has {len(parameters)} parameters, {PARAMETERS} are the most: "
                            "some of them belong into a structure")
paths = [path for path in tree.files() if re.search(r"\.(c|h|py|sh|s)$", path) or path.startswith("scripts/")]
for path in paths:
    count = tree.read(path).count("\n")
    if count > FILE_LINES:
        problems.append(f"{path}: has {count} lines, {FILE_LINES} are the most")
usual = sum(length < USUAL_LINES for length in lengths)
if lengths and usual < USUAL_SHARE * len(lengths):
    problems.append(f"only {usual} of {len(lengths)} functions are under {USUAL_LINES} lines")
if lengths:
    lengths.sort()
    print(f"{len(lengths)} functions: half are under {lengths[len(lengths) // 2] + 1} lines, nine in ten under "
          f"{lengths[len(lengths) * 9 // 10] + 1}, the longest has {lengths[-1]}")
tree.finish(problems, f"{len(paths)} files")
