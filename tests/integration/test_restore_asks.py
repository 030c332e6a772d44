# SPDX-License-Identifier: LGPL-2.1-or-later
"""What restore asks at a terminal, and that it asks nobody else."""

import os
import pty
import re
import select
import signal
import subprocess
import time

from vbtest.command import Failure, expect, same
from vbtest.disks import MIB
from vbtest.repository import Repository

LIMIT_S = 120


def at_terminal(t, arguments, answers, status, stop=None):
    """Runs it with a terminal of its own, and types each answer at its question: (pattern, text), None for the end of input.
    Returns all that was shown. STOP: a signal, after the last answer's question."""
    controller, terminal = pty.openpty()
    with subprocess.Popen([t.binary, *arguments], stdin=terminal, stdout=terminal, stderr=terminal, env=t.environment,
                          start_new_session=True) as process:
        os.close(terminal)
        shown, left, end = "", list(answers), time.monotonic() + LIMIT_S
        try:
            while True:
                if not select.select([controller], [], [], max(0, end - time.monotonic()))[0]:
                    raise Failure(f"no end, and no question {left[:1]}: {shown}")
                try:
                    data = os.read(controller, 65536)
                except OSError:  # EIO: nobody has the terminal any more
                    data = b""
                if not data:
                    break
                shown += data.decode(errors="replace").replace("\r\n", "\n")
                if left and re.search(left[0][0] + r"[^\n]* $", shown):
                    _, text = left.pop(0)
                    if text is stop and stop:
                        process.send_signal(stop)
                    else:
                        os.write(controller, b"\x04" if text is None else text.encode() + b"\n")
        finally:
            os.close(controller)
            if process.poll() is None and time.monotonic() >= end:
                process.kill()
        same(process.wait(), status, f"exit status, after: {shown}")
    expect(not left, f"not asked: {left} in: {shown}")
    return shown


def backed_up(t, name="web"):
    """A guest that is lost."""
    guest = t.guest(name, t.disk("vda", "raw", size=MIB, name=f"{name}.raw")).define()
    t.backup(guest)
    guest.undefine()
    return guest


def restore_words(t, *more):
    return ["restore", "--source-path", t.archive.path, *more]


def test_the_place_is_asked_and_the_plan_is_shown(t):
    guest = backed_up(t)
    shown = at_terminal(t, restore_words(t), [("Into which folder", t.restored), (r"Go on\? \[y/N\]", "y")], 0)
    expect(shown.index("Into which folder") < shown.index("web-vda") < shown.index("Go on?"),
           f"no plan before the question: {shown}")
    expect(guest.exists() and os.listdir(t.restored), f"nothing is restored: {shown}")


def refused(t, answers, status=1, more=(), stop=None):
    """Nothing is made."""
    before = sorted(os.listdir(t.dir))
    shown = at_terminal(t, restore_words(t, *more), answers, status, stop)
    same(sorted(os.listdir(t.dir)), before, "what is there")
    return shown


def test_no_is_no(t):
    guest = backed_up(t)
    for answer in ("", "n", "yess", "no", None):
        shown = refused(t, [("Into which folder", t.restored), (r"Go on\?", answer)])
        expect("not agreed to" in shown, f"why is not told: {shown}")
    expect(not guest.exists(), "the guest is restored")


def test_no_place_is_none(t):
    backed_up(t)
    refused(t, [("Into which folder", "")])
    refused(t, [("Into which folder", None)])


def test_a_signal_ends_the_question(t):
    backed_up(t)
    refused(t, [("Into which folder", t.restored), (r"Go on\?", signal.SIGTERM)], 143, stop=signal.SIGTERM)


def test_which_of_several_guests_is_asked(t):
    one, other = backed_up(t, "web"), backed_up(t, "db")
    shown = at_terminal(t, restore_words(t, "--destination-path", t.restored),
                        [("Which guest.*'db', 'web'", "db"), (r"Go on\?", "yes")], 0)
    expect(other.exists() and not one.exists(), f"another guest is restored: {shown}")
    refused(t, [("Which guest", "")], more=["--destination-path", t.path("elsewhere")])


def test_which_point_is_asked(t):
    repository = Repository(t, "web")
    more = t.guest("db", t.disk("vda", "raw", size=MIB, name="db.raw")).define()
    for _ in range(2):
        t.add_point(repository.path, *repository.guests)
    t.add_point(repository.path, more)
    first = t.points(repository.path, "--domain-names", "web")[0]["point"]
    repository.guests[0].undefine()
    shown = at_terminal(t, ["restore", "--repository", repository.path, "--destination-path", t.restored],
                        [("Which guest", "web"), ("Which point", first), (r"Go on\?", "y")], 0)
    expect(first[:8] in shown, f"the point is not shown: {shown}")
    expect(repository.guests[0].exists(), f"nothing is restored: {shown}")


def test_a_definition_that_reaches_out_is_trusted_only_when_asked(t):
    guest = backed_up(t)
    t.forget_key()
    words = ["--destination-path", t.restored]
    shown = refused(t, [("Do you trust the origin", "")], more=words)
    expect("reaches beyond" in shown, f"why is not told: {shown}")
    at_terminal(t, restore_words(t, *words), [("Do you trust the origin", "y"), (r"Go on\?", "y")], 0)
    expect(guest.exists(), "nothing is restored")


def test_files_and_the_guest_are_replaced_only_when_asked(t):
    guest = backed_up(t)
    guest.define()
    with open(guest.disks[0].path, "r+b") as file:
        file.write(b"changed")
    answers = [("Into which folder", "="), ("Remove the guest|Replace files", "y"), ("Remove the guest|Replace files", "n")]
    refused(t, answers)
    with open(guest.disks[0].path, "rb") as file:
        same(file.read(7), b"changed", "the disk of a restore that was refused")
    answers[2] = ("Remove the guest|Replace files", "y")
    at_terminal(t, restore_words(t), [*answers, (r"Go on\?", "y")], 0)
    with open(guest.disks[0].path, "rb") as file:
        expect(file.read(7) != b"changed", "the disk is not restored")


def test_a_name_in_a_failure_is_no_option(t):
    backed_up(t)
    for option in ("--trust-definition", "--overwrite", "--replace"):
        folder = t.path(option)
        os.mkdir(folder)
        with open(os.path.join(folder, "web.raw"), "wb"):
            pass
        shown = refused(t, [], more=["--destination-path", folder])
        expect(option in shown, f"the name is not in the failure: {shown}")


def test_nothing_is_asked_when_nothing_is_open(t):
    guest = backed_up(t)
    shown = at_terminal(t, restore_words(t, "--destination-path", t.restored), [], 0)
    expect("Go on?" not in shown and guest.exists(), f"asked, or not restored: {shown}")


def test_nobody_is_asked_without_a_terminal(t):
    backed_up(t)
    t.refused(*restore_words(t), status=2, says=["--destination-path PATH is missing"])
    for word in ("--json", "--quiet"):
        shown = at_terminal(t, restore_words(t, word), [], 2)
        expect("--destination-path PATH is missing" in shown and "[none]" not in shown, f"{word}: {shown}")
