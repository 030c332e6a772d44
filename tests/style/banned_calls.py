# SPDX-License-Identifier: LGPL-2.1-or-later
"""Calls that this code does without, and what only some files may do."""

import re

import tree

BANNED = {
    "strcpy|strcat|stpcpy|sprintf|vsprintf|gets": "no bound: snprintf, buf_*, mem_printf",
    "strncpy|strncat": "may leave the NUL out: mem_strndup, snprintf",
    "strtok|strtok_r": "changes its input: strcspn, strchr",
    "atoi|atol|atoll|atof": "cannot fail: units_parse_number",
    "system|popen|wordexp": "no shell: base/process.h",
    "tmpnam|tempnam|mktemp": "a race: mkdtemp, io_publish",
    "alloca|asprintf|malloc_usable_size": "mem_*, buf_*",
    "signal_|siginterrupt|longjmp|setjmp": "base/quit.h",
    "rand|srand|random": "getrandom",
    "gethostbyname|ctime|asctime|localtime|gmtime": "shared buffers: the _r forms",
}

# What only these may do. In the program's own folders; tests print as they like.
ONLY = {
    r"\b(printf|puts|putchar|fprintf|fputs|perror|vprintf|vfprintf)\s*\(": (
        "prints, and may wait for a reader: base/out.h", []),
    r"(?<![_\w])(exit|err|errx|quick_exit)\s*\(": ("ends the process", ["src/base/cleanup.c"]),
    r"(?<![_\w])abort\s*\(": ("ends the process", ["src/base/buf.c", "src/base/digest.c"]),
    r"\bfork\s*\(": ("forks", ["src/base/launch.c", "src/base/sandbox.c", "src/mtcp/",
                                  "src/ops/undo/guardian.c"]),
    r"\bpthread_create\s*\(": ("makes a thread", ["src/base/thread.c"]),
    r"\bthread_start\s*\(": ("makes a thread", ["src/base/thread.", "src/guest/", "src/disk/", "src/mtcp/putter.c",
                                                "src/ops/backup/scratch_watch.c", "src/ops/job/crew.c", "src/repository/frame_fetch.c", "src/repository/chunk_hasher.c", "src/repository/known_packs.c",
                                                "src/repository/packer.c"]),
}

problems = []
paths = tree.files(".c", ".h", under="src/") + tree.files(".c", ".h", under="tests/")
for path in paths:
    code = tree.code_only(tree.read(path))
    for calls, remedy in BANNED.items():
        for line, text in tree.matches(rf"(?<![\w.>])({calls})\s*\(", code):
            problems.append(f"{path}:{line}: {text.rstrip('( ')} is not used here ({remedy})")
    for pattern, (what, allowed) in ONLY.items():
        if not path.startswith("src/") or path.startswith(tuple(allowed)):
            continue
        for line, text in tree.matches(pattern, code):
            problems.append(f"{path}:{line}: {text} {what}; only {', '.join(allowed)} may")
    if path.startswith("src/") and path != "src/base/shell.c":
        for line, text in tree.matches(r"(virsh|virt-backup) [a-z-]+ [^\n ]*%s", tree.read(path)):
            problems.append(f"{path}:{line}: {text} is a line to be pasted into a shell; shell_virsh and shell_quote make those")
tree.finish(problems, f"{len(paths)} files")
