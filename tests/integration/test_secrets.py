# SPDX-License-Identifier: LGPL-2.1-or-later
"""Who may read what: modes of all that is made, and where passwords are found while virt-backup works and afterwards."""

import os
import resource
import signal
import stat
import threading

from vbtest import leftovers
from vbtest.command import expect, run, same, wait_until
from vbtest.disks import Disk, create_luks

VNC = "cnryVnc7"                       # VNC knows eight characters
SECRET = "canary-of-the-libvirt-secret"
STATE = "/var/lib/virt-backup"
SANDBOXED = {"vb-child", "vb-index"}


def descendants(pid):
    parents, found, new = leftovers.parents(), set(), {pid}
    while new:
        found |= new
        new = {child for child, parent in parents.items() if parent in new} - found
    return found


def read(path):
    try:
        with open(path, "rb") as file:
            return file.read()
    except OSError:
        return b""


def permissions(path):
    """None for a link, which has none of its own, and for what is not there any more."""
    try:
        found = os.lstat(path).st_mode
    except OSError:
        return None
    return None if stat.S_ISLNK(found) else stat.S_IMODE(found)


def everything(folder):
    for path, folders, names in os.walk(folder):
        for name in folders + names:
            yield os.path.join(path, name)


def final_path(path):
    """A file that a restore makes has its mode before it has its name, in a folder that nobody else can enter."""
    folder, name = os.path.split(path)
    above, hidden = os.path.split(folder)
    if hidden.startswith(".virt-backup-") and permissions(folder) == 0o700:
        return os.path.join(above, name)
    return path


class Watcher:
    """Looks at a run from outside, over and over again, until it has ended."""

    def __init__(self, process, folders, allowed):
        self.process, self.folders, self.allowed = process, folders, allowed
        self.words, self.wide, self.sandboxes, self.rounds = set(), set(), {}, 0
        self.thread = threading.Thread(target=self._watch)
        self.thread.start()

    def _watch(self):
        while self.process.running():
            self._look()
            self.rounds += 1
        self._look_at_modes()

    def _look(self):
        for pid in descendants(self.process.pid):
            for name in "cmdline", "environ":
                self.words.add(read(f"/proc/{pid}/{name}"))
            name = read(f"/proc/{pid}/comm").decode().strip()
            seccomp = [line.split()[1] for line in read(f"/proc/{pid}/status").decode().splitlines()
                       if line.startswith("Seccomp:")]
            if name in SANDBOXED and seccomp:
                self.sandboxes.setdefault(name, set()).add(seccomp[0])
        self._look_at_modes()

    def _look_at_modes(self):
        for folder in self.folders:
            for path in [folder, *everything(folder)]:
                mode = permissions(path)
                if mode is not None and mode & 0o077 and mode not in self.allowed.get(final_path(path), ()):
                    self.wide.add(f"{path}: {mode:04o}")

    def finish(self):
        result = self.process.finish()
        self.thread.join()
        same(result.status, 0, "exit status")
        expect(self.rounds > 3, f"only {self.rounds} looks at the run")
        same(self.wide, set(), "files and folders that others may read")
        return result


def watched(t, line, *folders, allowed=None):
    """Runs it with no umask at all, and looks at it. Returns its output and the words of all its processes."""
    process = t.start_vb(*line, preexec_fn=lambda: os.umask(0))
    # the folder for temporary files is as /tmp is
    watcher = Watcher(process, [t.tmp, STATE, *folders], {t.tmp: (0o1777,)} | (allowed or {}))
    result = watcher.finish()
    return result.out + result.err, b"\0".join(watcher.words), watcher


def check_nowhere(canary, output, words):
    expect(canary not in output, f"{canary} is in the output")
    expect(canary.encode() not in words, f"{canary} is in the arguments or the environment of a process")


def holders(folder, canary):
    return [path for path in everything(folder) if not os.path.islink(path) and canary.encode() in read(path)]


def private_disk(t):
    """Its mode is one that nothing gets by chance."""
    disk = t.boot_disk()
    os.chmod(disk.path, 0o640)
    return disk


def graphics():
    return f"<graphics type='vnc' port='-1' autoport='yes' passwd='{VNC}'/>"


def test_passwords_and_modes_of_a_running_guest(t):
    guest = t.guest("web", private_disk(t), devices_xml=graphics()).running()
    for number, talk in enumerate(("--verbose", "--json")):
        to = t.path(f"archive{number}")
        output, words, watcher = watched(
            t, t.backup_line(guest, "--guest-memory", "pause", "--compression", "zstd:1", talk, to=to), to)
        check_nowhere(VNC, output, words)
        expect(watcher.sandboxes.get("vb-child"), "no child was seen")
        held = holders(to, VNC)
        expect(os.path.join(to, "web.xml") in held, "the manifest does not hold the password")
        for path in held:
            same(permissions(path), 0o600, f"mode of {path}, which holds a password")
        same(holders(STATE, VNC) + holders(t.tmp, VNC), [], "files elsewhere that hold the password")
    guest.destroy()
    guest.undefine()
    # the folder may be searched by QEMU; a restored disk has the mode that its original had, at the end
    allowed = {t.restored: (0o711,), os.path.join(t.restored, "vda.qcow2"): (0o640,)}
    for talk in "--verbose", "--json":
        line = t.restore_line("--domain-names", "web", "--allow-autorun", "--children", "2", talk, source=t.path("archive0"))
        output, words, _ = watched(t, line, t.restored, t.path("archive0"), allowed=allowed)
        check_nowhere(VNC, output, words)
        expect(f"passwd='{VNC}'" in guest.dump(), "the password is lost")
        guest.destroy()
        guest.undefine()
        run("rm", "-r", t.restored)


def test_libvirt_secrets_are_nowhere(t):
    key, path = t.path("key"), t.path("vdb.qcow2")
    with open(key, "w", encoding="utf-8") as file:
        file.write(SECRET)
    create_luks(path, key)
    os.unlink(key)
    os.chmod(path, 0o666)
    uuid = t.secret(SECRET)
    os.unlink(t.path("passphrase"))
    luks = Disk(path, target="vdb", source=f"<source file='{path}'><encryption format='luks'>"
                                           f"<secret type='passphrase' uuid='{uuid}'/></encryption></source>")
    guest = t.guest("web", private_disk(t), luks).running()
    for number, talk in enumerate(("--verbose", "--json")):
        to = t.path(f"archive{number}")
        output, words, _ = watched(t, t.backup_line(guest, "--guest-memory", "none", "--exclude-disk", "vdb", talk, to=to), to)
        check_nowhere(SECRET, output, words)
        expect(uuid.encode() in read(os.path.join(to, "web.xml")), "the manifest does not name the secret")
    guest.destroy()
    guest.undefine()
    allowed = {t.restored: (0o711,), os.path.join(t.restored, "vda.qcow2"): (0o640,)}
    output, words, _ = watched(t, t.restore_line("--domain-names", "web", "--verbose", source=t.path("archive0")),
                               t.restored, allowed=allowed)
    check_nowhere(SECRET, output, words)
    same(holders(t.dir, SECRET) + holders(STATE, SECRET), [], "files that hold the secret")


def test_modes_without_libvirt(t):
    """verify reads indexes and decodes: its processes are in the sandbox."""
    guest = t.guest("web", t.slow_disk(size=8 << 20)).define()
    output, words, _ = watched(t, t.backup_line(guest, "--compression", "lzma:0"), t.archive.path)
    del output, words
    _, _, watcher = watched(t, ["verify", "--source-path", t.archive.path], t.archive.path)
    same(watcher.sandboxes.get("vb-child", set()) - {"0"}, {"2"}, "seccomp mode of the children")


def test_a_crash_leaves_no_core(t):
    """A core dump would hold what the guest holds."""
    pattern = read("/proc/sys/kernel/core_pattern").decode().strip()
    if pattern.startswith("|") or "/" in pattern:
        t.skip(f"cores go to {pattern} here")
    guest = t.guest("web", t.slow_disk()).define()
    place = t.make_dir("cores")

    hard = resource.getrlimit(resource.RLIMIT_CORE)[1]
    if hard == 0:
        t.skip("nothing leaves a core here")

    def unlimited():
        resource.setrlimit(resource.RLIMIT_CORE, (hard, hard))

    process = t.start_vb(*t.backup_line(guest, "--compression", "lzma:9"), preexec_fn=unlimited, cwd=place)
    wait_until(lambda: len(descendants(process.pid)) > 2 or not process.running(), "the processes of the run")
    process.signal(signal.SIGQUIT)
    process.finish()
    same(os.listdir(place), [], "core dumps")
