# SPDX-License-Identifier: LGPL-2.1-or-later
"""The man pages pass scdoc, mandoc and man without complaints, and refer to pages that exist.

usage: man_pages.py SCDOC"""

import os
import re
import shutil
import subprocess
import sys

import tree

# Empty paragraphs are scdoc's habit, and harmless.
HARMLESS = re.compile(r"skipping paragraph macro")
# Pages of other projects that ours refer to.
OTHERS = {"virsh(1)", "xz(1)", "zstd(1)", "qemu-img(1)", "qemu-nbd(8)", "nbdkit(1)", "nbdkit-xz-filter(1)", "unix(7)",
          "socketpair(2)", "memfd_create(2)", "pipe(7)", "flock(2)", "glob(7)"}


def run(command, data):
    return subprocess.run(command, input=data, stdout=subprocess.PIPE, stderr=subprocess.PIPE, check=False,
                          env=dict(os.environ, MANWIDTH="100", MANROFFSEQ="t", LC_ALL="C.UTF-8", MANPAGER="cat"))


def check(path, names):
    page = run([sys.argv[1]], tree.read(path).encode())
    if page.returncode:
        yield f"{path}: scdoc: {page.stderr.decode().strip()}"
        return
    if shutil.which("mandoc"):
        lint = run(["mandoc", "-T", "lint", "-W", "warning"], page.stdout).stdout.decode()
        for line in lint.splitlines():
            if not HARMLESS.search(line):
                yield f"{path}: {line}"
    if shutil.which("man"):
        shown = run(["man", "--warnings=all", "-l", "-"], page.stdout)
        for line in shown.stderr.decode().splitlines():
            yield f"{path}: man: {line}"
    for name, section in re.findall(r"\*([a-z][\w.-]*)\*\((\d)\)", tree.read(path)):
        if f"{name}({section})" not in OTHERS and f"{name}.{section}" not in names:
            yield f"{path}: refers to {name}({section}), which is not here"
    for section in ("NAME", "SEE ALSO"):
        if not re.search(rf"^# {section}$", tree.read(path), re.M):
            yield f"{path}: has no section {section}"


paths = tree.files(".scd")
names = {os.path.basename(path).removesuffix(".scd") for path in paths}
tree.finish([problem for path in paths for problem in check(path, names)], f"{len(paths)} pages")
