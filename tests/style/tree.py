# SPDX-License-Identifier: LGPL-2.1-or-later
"""What the style checks share: which files there are, how to read C roughly, how to report."""

import os
import re
import subprocess
import sys

SKIP = 77  # meson's status for a skipped test

ROOT = os.path.abspath(os.path.join(os.path.dirname(__file__), "..", ".."))


def files(*suffixes, under=""):
    """Paths relative to the root: what git tracks or would track; without git what is there."""
    try:
        text = subprocess.run(["git", "-C", ROOT, "-c", f"safe.directory={ROOT}", "ls-files", "-z", "--cached",
                               "--others", "--exclude-standard"], check=True, stdout=subprocess.PIPE,
                              stderr=subprocess.DEVNULL).stdout.decode()
        paths = [path for path in text.split("\0") if path and os.path.exists(os.path.join(ROOT, path))]
    except (OSError, subprocess.CalledProcessError):
        paths = []
        for folder, folders, names in os.walk(ROOT):
            folders[:] = [name for name in folders if not name.startswith((".", "build", "__pycache__"))]
            paths += [os.path.relpath(os.path.join(folder, name), ROOT) for name in names]
    return sorted(path for path in paths
                  if path.startswith(under) and (not suffixes or path.endswith(suffixes)))


def read(path):
    with open(os.path.join(ROOT, path), encoding="utf-8", errors="replace") as file:
        return file.read()


TOKEN = re.compile(r'/\*.*?\*/|//[^\n]*|"(?:\\.|[^"\\\n])*"|\'(?:\\.|[^\'\\\n])*\'', re.S)


def code_only(text):
    """C with its comments and literals made blank; every line stays where it is."""
    return TOKEN.sub(lambda match: re.sub(r"[^\n]", " ", match.group(0)), text)


def matches(pattern, text):
    """Line number and text of each match."""
    for match in re.finditer(pattern, text):
        yield text.count("\n", 0, match.start()) + 1, match.group(0)


def finish(problems, looked_at):
    """Prints the problems and ends the check."""
    for problem in problems:
        print(problem)
    print(f"{looked_at}: {len(problems)} problem{'' if len(problems) == 1 else 's'}")
    sys.exit(1 if problems else 0)


def skip(reason):
    print(f"skipped: {reason}")
    sys.exit(SKIP)
