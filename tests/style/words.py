# SPDX-License-Identifier: LGPL-2.1-or-later
"""One word for one thing, and plain English: in messages, and as far as it goes in pages, comments and tests."""

import re

import tree

# What is not written, and what is written instead.
EVERYWHERE = {
    r"\b\w+n't\b": "the two words: cannot, do not",
}
MESSAGES = {
    r"\b(can not|unable to|failed to)\b": "cannot",
    r"cannot make (a|an|the|its|it)\b": "cannot create",
    r"cannot look at\b": "cannot stat",
    r"(?<!state )\bdirectory\b": "folder",
    r"\bVMs?\b|\bvirtual machines?\b": "guest",
    r"exists already": "already exists",
    r"\bmeanwhile\b": "in the meantime",
    r"\bthrow(n|s)? (it |them )?away\b": "discard",
    r"\banew\b": "again, or from its disks",
    r"\b(is|are) (not known|no \w+ of)\b": "unknown, cannot tell, is not a",
    r"\bworks? on (it|this|the)\b": "is running on, is using",
    r"\b(is|are) (there|named) twice\b": "duplicate, appears twice",
    r"\b(to be had|be had)\b": "cannot get",
    r"\bholds? (a|no|an?) (control|'|NUL|blank)": "contains",
    r"\b(please|sorry|oops|successfully)\b": "nothing: it says nothing",
}
# A message is no sentence of a letter: it begins small, unless with a name, and has no full stop.
NAMES = r"(?:Landlock|SELinux|QEMU|UUID|TPM|NVRAM|INCOMPLETE|SEAL|No space left)\b|[A-Z] "
SHAPE = re.compile(rf"(?!{NAMES})[A-Z][a-z]+ .*|.*[^.][.!]")

SKIP = re.compile(r"LICENSE|tests/fuzz/corpus/.*|tests/journals/version-.*|tests/samples/.*|tests/style/words\.py")
LITERALS = re.compile(r'"(?:\\.|[^"\\\n])*"(?:\s*(?:PRI\w+\s*)?"(?:\\.|[^"\\\n])*")*')
CALLS = re.compile(r"\b(?:err_set|err_set_errno|err_prefix|err_append|log_warn|log_notice|log_detail|libvirt_error)"
                   r"\(([^;]*?)(?=" + LITERALS.pattern + ")", re.S)
ROWS = re.compile(r"\[WARNING_\w+\] =\s*(?=" + LITERALS.pattern + ")", re.S)


def comments_blank(text):
    return tree.TOKEN.sub(lambda match: re.sub(r"[^\n]", " ", match.group(0)) if match.group(0).startswith("/")
                          else match.group(0), text)


def joined(literals):
    return "".join(re.findall(r'"((?:\\.|[^"\\\n])*)"', literals))


def message_problems(path, text):
    code = comments_blank(text)
    shaped = {match.end() for pattern in (CALLS, ROWS) for match in pattern.finditer(code)}
    for match in LITERALS.finditer(code):
        message = joined(match.group(0))
        line = code.count("\n", 0, match.start()) + 1
        if " " not in message or code[:match.start()].rsplit("\n", 1)[-1].lstrip().startswith("#"):
            continue
        for pattern, instead in MESSAGES.items():
            found = re.search(pattern, message)
            if found:
                yield f"{path}:{line}: '{found.group(0)}'; write {instead}"
        if match.start() in shaped and SHAPE.fullmatch(message):
            yield f"{path}:{line}: begins with a capital letter or ends with a full stop: {message}"


def check(path):
    text = tree.read(path)
    for pattern, instead in EVERYWHERE.items():
        for line, found in tree.matches(re.compile(pattern, re.I), text):
            yield f"{path}:{line}: '{found}'; write {instead}"
    if path.startswith("src/") and path.endswith((".c", ".h")):
        yield from message_problems(path, text)


paths = [path for path in tree.files() if not SKIP.fullmatch(path)]
tree.finish([problem for path in paths for problem in check(path)], f"{len(paths)} files")
