# SPDX-License-Identifier: LGPL-2.1-or-later
"""Includes go downwards only, and a foreign library is seen in its adapter folder only."""

import re

import tree

# folder: what it may include beside itself
LAYERS = {
    "base": [],
    "codec": ["base"],
    "disk": ["base"],
    "guest": ["base"],
    "mtcp": ["codec", "base"],
    "record": ["codec", "base"],
    "archive": ["record", "codec", "base"],
    "store": ["base"],
    "repository": ["store", "record", "codec", "base"],
    "ops": ["mtcp", "archive", "repository", "record", "guest", "disk", "codec", "base"],
    "cli": ["ops", "base"],
}

# Of the folders of a layer: what each must not include. Verbs do not know each other, and what undoes
# them knows only their journal.
APART = {
    "ops/backup": ["ops/restore", "ops/doctor"],
    "ops/restore": ["ops/backup", "ops/doctor"],
    "ops/undo": ["ops/backup", "ops/restore", "ops/doctor"],
    "ops/job": ["ops/backup", "ops/restore", "ops/keep", "ops/doctor"],
    "ops/keep": ["ops/doctor"],
    "ops/doctor": ["ops/restore"],
    "ops/points": ["ops/backup", "ops/restore", "ops/doctor", "ops/job", "ops/keep"],
    "ops/transfer": ["ops/backup", "ops/restore", "ops/doctor", "ops/job", "ops/keep", "ops/undo"],
    "ops/events": ["ops/backup", "ops/restore", "ops/doctor", "ops/job", "ops/keep", "ops/undo"],
    "ops/guests": ["ops/backup", "ops/restore", "ops/doctor", "ops/job", "ops/keep"],
}

# What is seen in some files of a folder only: verbs know archives as one kind of store.
# (folder, what it includes): a pattern of the files that may
RESERVED = {
    ("ops", "archive"): r"src/ops/points/archive\w*\.[ch]",
    ("ops", "repository"): r"src/ops/(points/(repository\w*|scopes)|keep/\w+)\.[ch]",
}

# Single steps past the layers, each with its reason.
EXCEPTIONS = {
    ("src/cli/main.c", "mtcp/spawner.h"): "the spawner is forked before any verb runs",
    ("src/cli/mtcp_child.c", "mtcp/child.h"): "the verb mtcp-child is this loop and nothing else",
    ("src/cli/mtcp_child.c", "codec/codec.h"): "a child is sized by its codec",
    ("src/cli/arguments.c", "codec/codec.h"): "codec names and chunk sizes on the command line",
    ("src/cli/arguments.c", "mtcp/sizing.h"): "how many child processes there can be",
    ("src/ops/events/events.h", "repository/keep/retention.h"): "an event tells for which of its reasons a point is kept",
    ("src/ops/restore/claims.c", "archive/names.h"): "a restored file has a name that an archive could have too",
    ("src/ops/restore/placement.c", "archive/names.h"): "a restored file has a name that an archive could have too",
}

# pattern of a foreign header: the folder that may include it
FOREIGN = {
    r"libvirt/.*": "guest",
    r"libnbd\.h": "disk",
    r"lzma\.h": "codec",
    r"zstd(_errors)?\.h|zdict\.h": "codec",
    r"xxhash\.h": "codec",
    r"libxml/.*": "base",
    r"openssl/.*": "base",
    r"intel-ipsec-mb\.h": "base",
    r"jansson\.h": "base",
    r"ini\.h": "base",
    r"seccomp\.h": "base",
}

STANDARD = re.compile(
    r"(sys|linux|net|netinet|arpa)/\w+\.h|"
    r"(assert|ctype|dirent|endian|errno|fcntl|fnmatch|getopt|grp|inttypes|limits|locale|poll|pthread|pwd|sched|setjmp|"
    r"signal|stdarg|stdatomic|stdbool|stddef|stdint|stdio|stdlib|string|strings|time|unistd|utime|wchar|wctype)\.h")


def check(path, problems):
    folder = path.split("/")[1]
    for number, line in enumerate(tree.read(path).splitlines(), 1):
        match = re.match(r'\s*#\s*include\s*(["<])([^">]+)[">]', line)
        if not match:
            continue
        own, name = match.group(1) == '"', match.group(2)
        where = f"{path}:{number}: {name}"
        if own:
            target = name.split("/")[0] if "/" in name else None
            if target not in LAYERS:
                problems.append(f"{where}: is not written FOLDER/FILE.h from src/")
            elif target not in LAYERS[folder] + [folder] and (path, name) not in EXCEPTIONS:
                problems.append(f"{where}: {folder} may include {', '.join(LAYERS[folder]) or 'base only'}")
            elif not re.fullmatch(RESERVED.get((folder, target), ".*"), path) and (path, name) not in EXCEPTIONS:
                problems.append(f"{where}: only files like {RESERVED[folder, target]} may include {target}")
            inner = path.removeprefix("src/").rpartition("/")[0]
            if name.rpartition("/")[0] in APART.get(inner, []):
                problems.append(f"{where}: {inner} must not know {name.rpartition('/')[0]}")
            continue
        homes = [home for pattern, home in FOREIGN.items() if re.fullmatch(pattern, name)]
        if homes and homes[0] != folder:
            problems.append(f"{where}: belongs to {homes[0]} only")
        elif not homes and not STANDARD.fullmatch(name):
            problems.append(f"{where}: neither a standard header nor one of a known library")


problems = []
paths = tree.files(".c", ".h", under="src/")
for path in paths:
    if path.split("/")[1] not in LAYERS:
        problems.append(f"{path}: is in no layer")
    else:
        check(path, problems)
used = set()
for path, name in EXCEPTIONS:
    if f'#include "{name}"' not in tree.read(path):
        problems.append(f"{path}: does not include {name} any more; take the exception out")
tree.finish(problems, f"{len(paths)} files")
