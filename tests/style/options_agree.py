# SPDX-License-Identifier: LGPL-2.1-or-later
"""--help, the man pages and the completion name the same verbs and options.

usage: options_agree.py VIRT_BACKUP"""

import functools
import re
import shlex
import shutil
import subprocess
import sys

import tree

PROGRAM = sys.argv[1]
COMPLETION = "completion/virt-backup"


def run(*arguments):
    return subprocess.run([PROGRAM, *arguments], check=True, stdout=subprocess.PIPE).stdout.decode()


@functools.cache
def options_of_help(verb):
    """Option: what stands for its value, "[=VALUE]" if that may be left out, or nothing."""
    found = re.findall(r"^  --([\w-]+)((?:\[=| )\S+)? {2,}\S", run("help", verb), re.M)
    return {name: value.strip() for name, value in found} | {"help": ""}


def options_of_page(verb):
    text = tree.read(f"doc/virt-backup-{verb}.1.scd")
    found = {}
    for line in re.findall(r"^\*--.*", text, re.M):
        match = re.fullmatch(r"\*--([\w-]+)\*(?:, \*-h\*)?(?: (_\S+_)|(\[=_\S+_\]))?", line)
        if not match:
            add_problem(f"doc/virt-backup-{verb}.1.scd: this line names no option as others do: {line}")
            continue
        found[match.group(1)] = (match.group(2) or match.group(3) or "").replace("_", "")
    return found


# One shell answers all: a line of words, quoted, in; what is offered, a line each, and an empty line out.
COMPLETER = f"""
compopt() {{ :; }}
virsh() {{ [ "$*" = "-q list --all --name" ] && printf 'web\\nweb 2\\na,b\\n\\n'; }}
. "{tree.ROOT}/{COMPLETION}"
while read -r line; do
    eval "COMP_WORDS=(virt-backup $line)"
    COMP_CWORD=$((${{#COMP_WORDS[@]}} - 1))
    unset COMPREPLY
    _virt_backup
    for offered in "${{COMPREPLY[@]}}"; do [ -z "$offered" ] || printf '%s\\n' "$offered"; done
    echo
done
"""


@functools.cache
def completer():
    return subprocess.Popen(["bash", "-c", COMPLETER], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)


def complete(*words):
    """What the completion offers for the last of these words."""
    shell = completer()
    print(shlex.join(words), file=shell.stdin, flush=True)
    return list(iter(lambda: shell.stdout.readline().rstrip("\n"), ""))


problems = []
add_problem = problems.append


def expect(what, found, wanted):
    for name in sorted(set(wanted) - set(found)):
        add_problem(f"{what}: {name} is missing")
    for name in sorted(set(found) - set(wanted)):
        add_problem(f"{what}: {name} is too much")


verbs = re.findall(r"^  ([a-z][\w-]*) {2,}\S", run("--help"), re.M)
verbs = [verb for verb in verbs if verb != "virt-backup"]
pages = [re.sub(r"doc/virt-backup-(.*)\.1\.scd", r"\1", path) for path in tree.files(".1.scd", under="doc/virt-backup-")]
expect("man pages", pages, verbs)
overview = tree.read("doc/virt-backup.1.scd")
expect("virt-backup.1, VERBS", re.findall(r"^\*([\w-]+)\*$", overview.partition("# VERBS")[2].partition("\n# ")[0], re.M),
       verbs)

# "virt-backup VERB" where it stands as something to be typed.
TYPED = {".md": r"(?:`|^)virt-backup ([a-z][\w-]*)", ".scd": r"(?:\*|^[$#] )virt-backup(?:\* \*| )([a-z][\w-]*)"}
for suffix, pattern in TYPED.items():
    for path in tree.files(suffix):
        for match in re.finditer(pattern, tree.read(path), re.M):
            if match.group(1) not in [*verbs, "help"]:
                add_problem(f"{path}: there is no verb {match.group(1)}: {match.group(0)}")

for verb in verbs:
    options = options_of_help(verb)
    page = options_of_page(verb)
    expect(f"doc/virt-backup-{verb}.1.scd", page, options)
    for name in options.keys() & page.keys():
        if options[name] != page[name]:
            add_problem(f"doc/virt-backup-{verb}.1.scd: --{name} takes '{page[name]}', --help says '{options[name]}'")

# What a job can say has keys, which are the options of run but those about what one run shows.
job_page = tree.read("doc/virt-backup-job.5.scd").partition("# KEYS")[2].partition("\n# ")[0]
keys = [key for line in re.findall(r"^(\*[\w, *-]+\*) \((?:job|guest|job, guest)\)$", job_page, re.M)
        for key in re.findall(r"\*([\w-]+)\*", line)]
expect("doc/virt-backup-job.5.scd, KEYS", keys, options_of_help("run").keys() - {"quiet", "verbose", "json", "help"})

if not shutil.which("bash"):
    add_problem("there is no bash to try the completion with")
else:
    expect(f"{COMPLETION}: verbs", complete(""), verbs + ["help", "--help", "--version"])
    expect(f"{COMPLETION}: help", complete("help", ""), verbs)
    for verb in verbs:
        names = ["--" + name for name in options_of_help(verb)]
        expect(f"{COMPLETION}: {verb}", complete(verb, "--"), names)
        # a flag is not asked for a value, an option with a value is
        for name, metavar in options_of_help(verb).items():
            offered = complete(verb, "--" + name, "")
            metavar = metavar and not metavar.startswith("[") and metavar
            if not metavar and "--help" not in offered:
                add_problem(f"{COMPLETION}: {verb}: takes the word behind --{name} for its value")
            if metavar and "--help" in offered:
                add_problem(f"{COMPLETION}: {verb}: offers options as the value of --{name}")
    codecs = re.findall(r"^static const struct codec_row codecs\[\] = \{(.*?)^\};",
                        tree.read("src/codec/codec.c"), re.S | re.M)
    expect(f"{COMPLETION}: codecs", complete("backup", "--compression", ""),
           re.findall(r'\.name = "(\w+)"', codecs[0]))
    ways = re.findall(r"\} ways\[\] = \{(.*?)^    \};", tree.read("src/cli/arguments.c"), re.S | re.M)
    expect(f"{COMPLETION}: ways of capture", complete("backup", "--guest-memory", ""),
           re.findall(r'\{"(\w+)"', ways[0]))
    expect(f"{COMPLETION}: repository", complete("repository", ""), ["create"])
    expect(f"{COMPLETION}: job", complete("job", ""), ["check", "list", "show"])
    expect(f"{COMPLETION}: new repository", complete("repository", "create", tree.ROOT + "/comp"), [tree.ROOT + "/completion"])
    expect(f"{COMPLETION}: names", complete("backup", "--domain-names", "w"), ["web", "web\\ 2"])
    expect(f"{COMPLETION}: list of names", complete("backup", "--domain-names", "web,a"), ["web,a\\\\\\,b"])
    expect(f"{COMPLETION}: further name", complete("backup", "--domain-names", "web", "w"), ["web", "web\\ 2"])
    expect(f"{COMPLETION}: name behind =", complete("backup", "--domain-names", "=", "web\\ "), ["web\\ 2"])
    expect(f"{COMPLETION}: folder", complete("list", "--source-path", tree.ROOT + "/comp"), [tree.ROOT + "/completion"])
    completer().communicate()

tree.finish(problems, f"{len(verbs)} verbs")
