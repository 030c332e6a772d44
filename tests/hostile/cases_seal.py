# SPDX-License-Identifier: LGPL-2.1-or-later
"""The seal: only what this host has written itself may reach beyond the guest's own files."""

import re

from case import Case, restore_disks

CRON = "/etc/cron.d/vb-hostile"
EVIL = f"<serial type='file'><source path='{CRON}'/></serial>"
SEAL, KEY = r' seal="[0-9a-f]*"', r' key="[0-9a-f]*"'
BOTH = SEAL + KEY


def change(old, new, evil=True):
    """In the text, with a definition that this host has never had."""
    def both(f):
        if evil:
            f.device(EVIL)
        found = re.search(old, f.text)
        f.sub(found.group(0), new(f) if callable(new) else new)
    return both


def former(evil):
    """As format 2, which has neither a seal nor the host's UUID."""
    def both(f):
        f.sub(re.search(' host-uuid="[^"]*"', f.text).group(0), "")
        change(BOTH + ' format="3"', ' format="2"', evil)(f)
    return both


def of_another(pattern):
    """Of another good backup that this host has made."""
    return lambda f: re.search(pattern, f.other("lzma")).group(0)


def whole_other(f):
    """A sealed manifest of this host, with the files of another backup."""
    f.text = f.other("lzma")
    f.own_digest = False


# name: (text of the manifest, what it becomes, what the message says of it)
CHANGES = {
    "kept": (SEAL, lambda f: re.search(SEAL, f.text).group(0), "seal is broken"),
    "of-another-manifest": (BOTH, of_another(BOTH), "seal is broken"),
    "of-zeros": (SEAL, f' seal="{"0" * 64}"', "seal is broken"),
    "of-another-key": (KEY, f' key="{"0" * 16}"', "sealed by another host"),
    "removed": (BOTH, "", "has no seal"),
}

# The same, but it is no seal at all.
FORMS = {
    "short": (SEAL, f' seal="{"0" * 63}"', "not 64 digits"),
    "long": (SEAL, f' seal="{"0" * 65}"', "not 64 digits"),
    "empty": (SEAL, ' seal=""', "'seal'"),
    "upper-case": (SEAL, f' seal="{"A" * 64}"', "'seal'"),
    "no-hex": (SEAL, f' seal="{"g" * 64}"', "'seal'"),
    "by-number": (SEAL, f' seal="{"&#48;" * 12}0000"', "'seal'"),
    "twice": (SEAL, f' seal="{"0" * 64}" seal="{"0" * 64}"', "redefined"),
    "elsewhere": (BOTH, f' key="{"0" * 16}" seal="{"0" * 64}"', "not in its place"),
    "without-key": (KEY, "", "without a key"),
    "key-alone": (SEAL, "", "without a key"),
    "key-long": (KEY, f' key="{"0" * 5000}"', "'key'"),
    "key-control": (KEY, ' key="&#10;"', "'key'"),
    "in-the-former-format": (' format="3"', ' format="2"', "unknown attribute"),
}


def cases():
    for name, (old, new, says) in CHANGES.items():
        yield Case("seal-" + name, change(old, new), says=says)
    yield Case("seal-of-the-former-format", former(evil=True), says="has no seal")
    yield restore_disks("harmless-former-format", former(evil=False), "", verify=(0,))
    for name, (old, new, says) in FORMS.items():
        yield restore_disks("seal-" + name, change(old, new, evil=False), says)
    yield restore_disks("seal-of-other-files", whole_other, "No such file")
    yield Case("harmless-seal", lambda f: None, verify=(0,), list=(0,), defines=True)
