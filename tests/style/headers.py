# SPDX-License-Identifier: LGPL-2.1-or-later
"""Each header compiles alone, guards itself, says what it is for, and is included first by its own .c file.

The build compiles that file, and with it the header before anything else; only headers without one are compiled here.

usage: headers.py COMPILER...   (the command and its arguments)"""

import os
import re
import subprocess
import sys

import tree


def compile_alone(header):
    name = header.removeprefix("src/")
    return subprocess.run(
        [*sys.argv[1:], "-std=gnu17", "-D_GNU_SOURCE", "-D_FILE_OFFSET_BITS=64", "-Wall", "-Wextra", "-Werror",
         "-I", os.path.join(tree.ROOT, "src"), "-fsyntax-only", "-x", "c", "-"],
        input=f'#include "{name}"\n'.encode(), stdout=subprocess.PIPE, stderr=subprocess.STDOUT, check=False)


def begins_with(text, directive):
    """After comments only: not even a declaration or a macro comes before it."""
    before, hash_sign, rest = text.partition("\n#")
    return (hash_sign + rest).startswith(f"\n{directive}\n") and not tree.code_only(before).strip()


def check(header):
    text = tree.read(header)
    if not re.match(r"/\* SPDX[^\n]*\n \*\n \* \S", text):
        yield f"{header}: does not begin by saying what it is for"
    if not begins_with(text, "#pragma once"):
        yield f"{header}: does not guard itself with #pragma once before all else"
    source = header[:-1] + "c"
    if os.path.exists(os.path.join(tree.ROOT, source)):
        if not begins_with(tree.read(source), f'#include "{header.removeprefix("src/")}"'):
            yield f"{source}: does not include its own header first"
        return
    result = compile_alone(header)
    if result.returncode:
        yield f"{header}: does not compile alone:\n{result.stdout.decode(errors='replace').rstrip()}"


headers = tree.files(".h", under="src/")
tree.finish([problem for header in headers for problem in check(header)], f"{len(headers)} headers")
