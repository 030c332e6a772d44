# SPDX-License-Identifier: LGPL-2.1-or-later
"""One word for one thing, in messages, pages, comments and tests."""

import re

import tree

# What is not said, and what is said instead.
EVERYWHERE = {
    r"\b\w+n't\b": "the two words: cannot, do not",
}

SKIP = re.compile(r"LICENSE|tests/fuzz/corpus/.*|tests/journals/version-.*|tests/samples/.*|tests/style/words\.py")


def check(path):
    text = tree.read(path)
    for pattern, instead in EVERYWHERE.items():
        for line, found in tree.matches(re.compile(pattern, re.I), text):
            yield f"{path}:{line}: '{found}'; write {instead}"


paths = [path for path in tree.files() if not SKIP.fullmatch(path)]
tree.finish([problem for path in paths for problem in check(path)], f"{len(paths)} files")
