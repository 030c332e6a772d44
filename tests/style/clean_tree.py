# SPDX-License-Identifier: LGPL-2.1-or-later
"""Building and testing leave the source tree as it was.

usage: clean_tree.py before|after STATE_FILE

"before" runs ahead of all tests and notes the state of the tree, "after" runs behind them and
compares. What a build leaves is found in both: no file of the kinds that builds make may lie here
unless git is told to ignore it."""

import hashlib
import json
import os
import re
import subprocess
import sys

import tree

MADE = re.compile(r".*(\.(o|a|so|d|pyc|gcda|gcno|profraw|log|orig|rej|swp)|~|/core(\.\d+)?)")


def git(*arguments):
    return subprocess.run(["git", "-C", tree.ROOT, "-c", f"safe.directory={tree.ROOT}", *arguments], check=True,
                          stdout=subprocess.PIPE, stderr=subprocess.DEVNULL).stdout.decode()


def digest(path):
    path = os.path.join(tree.ROOT, path)
    if os.path.islink(path) or not os.path.isfile(path):
        return "no file"
    with open(path, "rb") as file:
        return hashlib.sha256(file.read()).hexdigest()


def state():
    """Every path that git would name, with what it holds."""
    entries = git("status", "--porcelain", "-z", "--untracked-files=all").split("\0")
    return {entry[3:]: digest(entry[3:]) for entry in entries if len(entry) > 3}


when, note = sys.argv[1:]
try:
    now = state()
except (OSError, subprocess.CalledProcessError):
    tree.skip("this is no git checkout")
problems = [f"{path}: was made by a build or a test" for path in now if MADE.fullmatch("/" + path)]
if when == "before":
    with open(note, "w", encoding="utf-8") as file:
        json.dump(now, file)
elif not os.path.exists(note):
    tree.skip("nothing was noted before the tests")
else:
    with open(note, encoding="utf-8") as file:
        old = json.load(file)
    os.unlink(note)
    problems += [f"{path}: is new or changed since the tests began"
                 for path in sorted(now.keys() | old.keys()) if now.get(path) != old.get(path)]
tree.finish(problems, f"{len(now)} files that are not committed")
