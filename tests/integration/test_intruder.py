# SPDX-License-Identifier: LGPL-2.1-or-later
"""A restore into a folder that another user can change: nobody else's file is touched."""

import os
import signal

from vbtest import leftovers
from vbtest.command import expect, same, wait_until
from test_interrupt import LATER, SLOW_LATER, wait_for_busy_child

OWNER = 12345


def facts(path):
    found = os.lstat(path)
    with open(path, encoding="ascii") as file:
        return found.st_ino, found.st_uid, found.st_gid, found.st_mode, file.read()


def stopped_restore(t, *options):
    """A restore that is stopped in the middle of its disk, which is to belong to another user."""
    guest = t.guest("web", t.slow_disk()).define()
    os.chown(guest.disks[0].path, OWNER, OWNER)
    t.backup(guest, *SLOW_LATER)
    guest.undefine()
    os.mkdir(t.restored)
    process = t.start_vb(*t.restore_line(*LATER, *options))
    wait_for_busy_child(process)
    process.signal(signal.SIGSTOP)
    return process, os.path.join(t.restored, os.path.basename(guest.disks[0].path))


def put_in_place(path, text="somebody else's"):
    """As a program does that writes a file of its own under that name."""
    with open(path + ".new", "w", encoding="ascii") as file:
        file.write(text)
    os.rename(path + ".new", path)
    return facts(path)


def swap_folder(t, path):
    """Another folder, with a file of the same name, takes the place of the destination."""
    os.rename(t.restored, t.restored + ".away")
    os.mkdir(t.restored)
    return put_in_place(path)


def kill(process):
    own = [process.pid, *(pid for pid, parent in leftovers.parents().items() if parent == process.pid)]
    process.signal(signal.SIGKILL)
    same(process.finish(60).status, -signal.SIGKILL, "exit status")
    wait_until(lambda: not set(own) & set(leftovers.processes()), "the end of the guardian")


def forget_journal(t):
    """What cannot be undone, because the folder is another one, stays in the journal until it is back."""
    for name in os.listdir(t.restored):
        os.unlink(os.path.join(t.restored, name))
    os.rmdir(t.restored)
    os.rename(t.restored + ".away", t.restored)
    t.vb("recover")
    same(leftovers.files_below(leftovers.STATE_DIR), set(), "files in the state directory")
    same(os.listdir(t.restored), [], "files in the destination")


def test_swapped_folder_is_not_written_to(t):
    process, path = stopped_restore(t)
    victim = swap_folder(t, path)
    process.signal(signal.SIGCONT)
    result = process.finish(60)
    same(result.status, 5, "exit status")
    expect("somebody else has changed its folder" in result.err, f"the error: {result.err}")
    same(facts(path), victim, "the file in the other folder")
    forget_journal(t)


def test_swapped_folder_and_a_killed_restore(t):
    process, path = stopped_restore(t)
    victim = swap_folder(t, path)
    kill(process)
    same(facts(path), victim, "the file in the other folder")
    forget_journal(t)


def test_file_of_another_process_survives_a_killed_restore(t):
    process, path = stopped_restore(t)
    foreign = put_in_place(path)
    kill(process)
    same(facts(path), foreign, "the file of another process")
    same(os.listdir(t.restored), [os.path.basename(path)], "files in the destination")


def test_file_of_another_process_is_not_replaced(t):
    process, path = stopped_restore(t)
    foreign = put_in_place(path)
    process.signal(signal.SIGCONT)
    result = process.finish(60)
    same(result.status, 1, "exit status")
    expect(path in result.err, f"the error names no file: {result.err}")
    same(facts(path), foreign, "the file of another process")
    same(os.listdir(t.restored), [os.path.basename(path)], "files in the destination")
