# SPDX-License-Identifier: LGPL-2.1-or-later
"""clang-format, of the version that tests/style/meson.build names, decides the layout.

usage: layout.py [CLANG_FORMAT]"""

import os
import re
import subprocess
import sys

import tree

if len(sys.argv) < 2:
    tree.skip("there is no clang-format here")
paths = tree.files(".c", ".h")
result = subprocess.run([sys.argv[1], "--dry-run", "-Werror", "--ferror-limit=1",
                         *(os.path.join(tree.ROOT, path) for path in paths)],
                        stdout=subprocess.PIPE, stderr=subprocess.STDOUT, check=False)
found = re.findall(rf"^{re.escape(tree.ROOT)}/(\S+?):(\d+):", result.stdout.decode(errors="replace"), re.M)
program = os.path.basename(sys.argv[1])
problems = [f"{path}:{line}: is not as {program} -i leaves it" for path, line in found]
if result.returncode and not problems:
    problems.append(result.stdout.decode(errors="replace"))
tree.finish(problems, f"{len(paths)} files")
