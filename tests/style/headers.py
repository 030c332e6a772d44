# SPDX-License-Identifier: LGPL-2.1-or-later
"""Each header compiles alone, says what it is for, and is included first by its own .c file.

usage: headers.py COMPILER...   (the command and its arguments)"""

import os
import re
import subprocess
import sys

import tree


def compile_alone(header):
    """Once by itself, and twice in a row: it must guard itself."""
    name = header.removeprefix("src/")
    source = f'#include "{name}"\n#include "{name}"\n'
    return subprocess.run(
        [*sys.argv[1:], "-std=gnu17", "-D_GNU_SOURCE", "-D_FILE_OFFSET_BITS=64", "-Wall", "-Wextra", "-Werror",
         "-I", os.path.join(tree.ROOT, "src"), "-fsyntax-only", "-x", "c", "-"],
        input=source.encode(), stdout=subprocess.PIPE, stderr=subprocess.STDOUT, check=False)


problems = []
headers = tree.files(".h", under="src/")
for header in headers:
    result = compile_alone(header)
    if result.returncode:
        problems.append(f"{header}: does not compile alone:\n{result.stdout.decode(errors='replace').rstrip()}")
    text = tree.read(header)
    if not re.match(r"/\* SPDX[^\n]*\n \*\n \* \S", text):
        problems.append(f"{header}: does not begin by saying what it is for")
    source = header[:-1] + "c"
    if os.path.exists(os.path.join(tree.ROOT, source)):
        first = re.search(r'^#\s*include\s*(\S+)', tree.read(source), re.M)
        if not first or first.group(1) != f'"{header.removeprefix("src/")}"':
            problems.append(f"{source}: does not include its own header first")
tree.finish(problems, f"{len(headers)} headers")
