# SPDX-License-Identifier: LGPL-2.1-or-later
"""Static functions and the structures of a source file carry their subject: no two files have one of the same
name, no header declares it, and none has a verb alone. So a line of a backtrace, or `break NAME`, tells which one is
meant. Neither do two files of a layer have a variable or a macro of the same name: the builds that compile many files
as one need that."""

import re

import tree

FOLDERS = {"base", "codec", "record", "archive", "disk", "guest", "mtcp", "store", "repository", "ops", "cli"}
BARE = set("""add answer ask attend await begin build capture check choose close commit copy count damaged defect
describe do done drop emit end enter explain feed fetch fill find finish flush free get give handle hold init job
judge leave learn let load look look_at loop lose make match measure move next note open parse piece post put queue
read record refresh refuse release remove reply reserve run save see send serve set share show skip stage start step
stop store submit take tell try undo update use wait walk window work wrap write""".split())


def names(path):
    """Line and name of each: static functions, and the structures that a source file has for itself."""
    text = re.sub(r"__attribute__\(\(.*?\)\)+", "", tree.code_only(tree.read(path)))
    for match in re.finditer(r"^static [^;{}()=]*?\b(\w+)\([^;{}]*\)\s*\{", text, re.M):
        yield text.count("\n", 0, match.start()) + 1, match.group(1)
    if path.endswith(".c"):
        for match in re.finditer(r"^(?:static )?(?:const )?((?:struct|enum|union) \w+) ?\{", text, re.M):
            yield text.count("\n", 0, match.start()) + 1, match.group(1)


# What a library's header wants to be told.
FOREIGN_MACROS = {"ZSTD_STATIC_LINKING_ONLY"}


def variables_and_macros(path):
    """Line and name of each that a source file has for itself, at file scope."""
    text = tree.code_only(tree.read(path))
    for match in re.finditer(r"^#\s*define (\w+)|^(?:static|const|_Thread_local)\b[^;{}()=]*?\b(\w+)(?:\[[^]]*\])* ?[=;]|"
                             r"^\} (\w+)(?:\[[^]]*\])* ?[=;]", text, re.M):
        name = match.group(match.lastindex)
        if name not in FOREIGN_MACROS:
            yield text.count("\n", 0, match.start()) + 1, name


problems, where = [], {}
paths = [path for path in tree.files(".c", ".h", under="src/") if path.split("/")[1] in FOLDERS]
for path in paths:
    for line, name in names(path):
        if name.rpartition(" ")[2] in BARE:
            problems.append(f"{path}:{line}: {name} does not say what it is about")
        where.setdefault(name, set()).add(path)
for name, places in where.items():
    if len(places) > 1:
        first, *others = sorted(places)
        problems.append(f"{first}: {name} is also a name in {', '.join(others)}")
for path in tree.files(".h", under="src/"):
    for name in re.findall(r"^(?!static\b|typedef\b)\w[^;{}()=]*?\b(\w+)\(", tree.code_only(tree.read(path)), re.M):
        if name in where and where[name] != {path}:
            problems.append(f"{min(where[name])}: {name} is also a function of {path}")
within = {}
for path in tree.files(".c", under="src/"):
    for line, name in variables_and_macros(path):
        first = within.setdefault((path.split("/")[1], name), path)
        if first != path:
            problems.append(f"{path}:{line}: {name} is also a name in {first}")
tree.finish(sorted(problems), f"{len(where) + len(within)} names")
