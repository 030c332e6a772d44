# SPDX-License-Identifier: LGPL-2.1-or-later
"""Guests with an emulated TPM: what is kept in it comes back with the guest, and nothing of it is lost."""

import contextlib
import os
import re
import shutil
import stat
import uuid

from vbtest import leftovers, tpm
from vbtest.command import expect, run, same, wait_until
from vbtest.disks import MIB
from vbtest.midway import wait_for_reading

SECRET_SIZE = 64


class Owner:
    """A guest whose TPM keeps a secret."""

    def __init__(self, t, uuid_text, guest, secret):
        self.t, self.uuid, self.guest, self.secret = t, uuid_text, guest, secret

    def check(self, uuid_text=None):
        """The guest is shut off, and its TPM has the secret."""
        path = tpm.state_file(uuid_text or self.uuid)
        same(tpm.secret_in(self.t, path, SECRET_SIZE), self.secret, "secret in the TPM")


def new_uuid(t):
    return str(uuid.UUID(int=t.rng.getrandbits(128), version=4))


def owner(t, attributes="", inner="", disk=None, **more):
    name, secret = new_uuid(t), t.rng.randbytes(SECRET_SIZE)
    t.undo.callback(shutil.rmtree, os.path.dirname(tpm.folder(name)), ignore_errors=True)
    tpm.make(t, name, secret)
    guest = t.guest("web", disk or t.boot_disk(), head_xml=f"<uuid>{name}</uuid>",
                    devices_xml=tpm.xml(attributes=attributes, inner=inner), **more)
    return Owner(t, name, guest, secret)


def read(path):
    with open(path, "rb") as file:
        return file.read()


def like(path):
    """Owner, group and mode."""
    found = os.stat(path)
    return found.st_uid, found.st_gid, stat.S_IMODE(found.st_mode)


def swtpm_runs(name):
    """On the state of the guest of this UUID."""
    for pid in leftovers.processes():
        with contextlib.suppress(OSError), open(f"/proc/{pid}/cmdline", "rb") as file:
            words = file.read().split(b"\0")
            if words[0].endswith(b"/swtpm") and any(name.encode() in word for word in words):
                return True
    return False


def folders(name):
    """The state, and the folders down to it, as libvirt makes them."""
    path = tpm.state_file(name)
    return [like(path), like(os.path.dirname(path)), like(os.path.dirname(os.path.dirname(path)))]


def boot(guest):
    guest.start()
    guest.serial.wait_for_steps(3)
    return guest


# ---- shut off -----------------------------------------------------------------------------------


def test_shut_off_guest(t):
    """libvirt's own first start has made the state: keys and certificates are in it."""
    name = new_uuid(t)
    guest = t.small_guest(head_xml=f"<uuid>{name}</uuid>", devices_xml=tpm.xml()).running()
    guest.destroy()
    state = tpm.state_file(name)
    content, looks = read(state), folders(name)
    t.backup(guest, "--compression", "zstd:1")
    t.archive.check_holds("web.xml", "web-vda.raw.zst", "web-tpm.state")
    stored = os.path.join(t.archive.path, "web-tpm.state")
    same(read(stored), content, "stored state")
    same(like(stored), (0, 0, 0o600), "owner and mode of the stored state")
    t.check_good(guest)
    listed = t.vb("list", "--source-path", t.archive.path).out
    expect(re.search(rf"tpm: {re.escape(state)}, \S+ \S+ stored as web-tpm\.state, which takes ", listed), listed)
    guest.undefine()
    expect(not os.path.exists(state), "libvirt keeps the state of a guest that is undefined")
    plan = t.restore("--dry-run").out
    expect(f"TPM state: {state}" in plan, f"not in the plan: {plan}")
    t.restore()
    same(read(state), content, "restored state")
    same(folders(name), looks, "owners and modes of the restored state")
    boot(guest)
    expect(swtpm_runs(name), "no swtpm runs for the guest")


def test_what_is_kept_in_it_comes_back(t):
    kept = owner(t)
    kept.guest.define()
    t.backup(kept.guest)
    kept.guest.undefine()
    t.restore()
    kept.check()
    boot(kept.guest).destroy()
    kept.check()


def test_new_name_takes_a_copy(t):
    kept = owner(t)
    kept.guest.define()
    t.backup(kept.guest)
    before = read(tpm.state_file(kept.uuid))
    t.restore("--new-name", "web2")
    twin = t.restored_guest(kept.guest, "web2")
    expect(twin.uuid() != kept.uuid, "it has the same UUID")
    same(read(tpm.state_file(twin.uuid())), before, "the copy's state")
    kept.check(twin.uuid())
    twin.start()
    expect(swtpm_runs(twin.uuid()), "no swtpm runs for the copy")
    same(read(tpm.state_file(kept.uuid)), before, "the first one's state")


def test_older_version(t):
    name = new_uuid(t)
    guest = t.small_guest(head_xml=f"<uuid>{name}</uuid>", devices_xml=tpm.xml("1.2")).define()
    guest.start().destroy()
    state = tpm.state_file(name, "1.2")
    content = read(state)
    t.backup(guest)
    guest.undefine()
    t.restore()
    same(read(state), content, "restored state")
    guest.start()
    expect(swtpm_runs(name), "no swtpm runs for the guest")


def test_encrypted_state_stays_so(t):
    """The secret itself is never in a backup; a host that lacks it is told."""
    secret = t.secret("sesame")
    name = new_uuid(t)
    guest = t.small_guest(head_xml=f"<uuid>{name}</uuid>",
                          devices_xml=tpm.xml(inner=f"<encryption secret='{secret}'/>")).define()
    guest.start().destroy()
    content = read(tpm.state_file(name))
    t.backup(guest)
    same(read(os.path.join(t.archive.path, "web-tpm.state")), content, "stored state")
    expect(b"sesame" not in b"".join(read(os.path.join(t.archive.path, file)) for file in t.archive.names()
                                     if not file.endswith(".raw")), "the secret is in the backup")
    guest.undefine()
    t.restore()
    guest.start().destroy()
    guest.undefine()
    shutil.rmtree(t.restored)
    run("virsh", "secret-undefine", secret)
    warned = t.restore().err
    expect(f"lacks the secret '{secret}' (tpm)" in warned, f"no warning: {warned}")


def test_guest_that_was_never_started(t):
    """It has no state yet."""
    guest = t.small_guest(devices_xml=tpm.xml()).define()
    t.backup(guest)
    t.archive.check_holds("web.xml", "web-vda.raw")
    guest.undefine()
    t.restore()
    guest.start()
    expect(swtpm_runs(guest.uuid()), "no swtpm runs for the guest")


# ---- running ------------------------------------------------------------------------------------


def check_running(t, mode):
    kept = owner(t)
    guest = kept.guest.running()
    before, (token, count) = guest.snapshot(), guest.serial.last()
    t.backup(guest, "--guest-memory", mode, "--compression", "zstd:1")
    t.archive.check_holds("web.xml", "web.sav", "web-vda.raw.zst", "web-tpm.state")
    guest.goes_on(token, count)
    guest.check_unchanged(before)
    t.check_good(guest)
    guest.destroy()
    kept.check()
    guest.undefine()
    t.restore("--allow-autorun")
    guest.goes_on(token, 0)
    same(guest.call("domstate", "--reason").out.strip(), "running (unpaused)", "how it came to run")
    expect(swtpm_runs(kept.uuid), "no swtpm runs for the guest")
    guest.destroy()
    kept.check()


def test_paused_for_a_moment(t):
    check_running(t, "pause")


def test_saved(t):
    check_running(t, "save")


def test_state_is_of_the_instant(t):
    """What the TPM stores while the disks are still being read is not in the backup."""
    kept = owner(t, disk=t.slow_disk(size=4 * MIB, boot=1))
    guest = kept.guest.running()
    state = tpm.state_file(kept.uuid)
    at_instant = read(state)
    process = t.start_vb(*t.backup_line(guest, "--guest-memory", "pause", "--compression", "lzma:9e", "--chunk-size",
                                        "1M", "--children", "1"))
    wait_for_reading(guest, process)
    with open(state, "ab") as file:
        file.write(b"stored later")
    same(process.finish().status, 0, "exit status")
    same(read(os.path.join(t.archive.path, "web-tpm.state")), at_instant, "stored state")


def test_disks_alone(t):
    kept = owner(t)
    guest = kept.guest.running()
    t.backup(guest, "--guest-memory", "none")
    t.archive.check_holds("web.xml", "web-vda.raw", "web-tpm.state")
    guest.destroy()
    guest.undefine()
    t.restore()
    kept.check()
    guest.start()


def check_transient(t, mode):
    """libvirt throws the state of such a guest away when it ends, saved or not."""
    kept = owner(t)
    guest = kept.guest.create()
    guest.serial.wait_for_steps(3)
    token, count = guest.serial.last()
    t.backup(guest, "--guest-memory", mode)
    t.archive.check_holds("web.xml", "web.sav", "web-vda.raw", "web-tpm.state")
    guest.goes_on(token, count)
    stored = os.path.join(t.archive.path, "web-tpm.state")
    same(tpm.secret_in(t, stored, SECRET_SIZE), kept.secret, "secret in the stored state")
    guest.destroy()
    expect(not os.path.exists(tpm.state_file(kept.uuid)), "libvirt keeps the state of a transient guest")
    t.restore("--allow-autorun")
    guest.goes_on(token, 0)
    same(tpm.secret_in(t, tpm.state_file(kept.uuid), SECRET_SIZE), kept.secret, "secret in the TPM")


def test_transient_guest_saved(t):
    check_transient(t, "save")


def test_transient_guest_paused(t):
    check_transient(t, "pause")


# ---- what is there already ----------------------------------------------------------------------


def test_state_that_is_there_is_kept(t):
    """Of a guest that was undefined, but has asked libvirt to keep its TPM's state."""
    kept = owner(t, attributes="persistent_state='yes'")
    kept.guest.define()
    t.backup(kept.guest)
    kept.guest.undefine()
    state = tpm.state_file(kept.uuid)
    before = read(state)
    t.refused(*t.restore_line(), says=["guest 'web'", state, "--new-name"])
    same(read(state), before, "state that was there")
    expect(not kept.guest.exists(), "the guest is defined")
    same(os.path.exists(t.restored), False, "whether there are restored files")
    os.unlink(state)
    t.restore()
    kept.check()


def test_state_of_a_guest_that_is_replaced(t):
    kept = owner(t)
    kept.guest.define()
    t.backup(kept.guest)
    state = tpm.state_file(kept.uuid)
    os.unlink(state)
    kept.guest.start().destroy()
    expect(read(state) != read(os.path.join(t.archive.path, "web-tpm.state")), "it is the same state")
    t.refused(*t.restore_line(), says=["guest 'web'", "--replace"])
    t.restore("--replace")
    kept.check()
    same(sorted(set(os.listdir(tpm.folder(kept.uuid))) - {".lock"}), ["tpm2-00.permall"], "files of the state")
    kept.guest.start().destroy()
    kept.check()


def test_host_without_swtpm(t):
    """Nothing is copied for a guest that libvirt will not define."""
    kept = owner(t)
    kept.guest.define()
    t.backup(kept.guest)
    kept.guest.undefine()
    hidden = t.path("no-swtpm")
    os.close(os.open(hidden, os.O_CREAT | os.O_WRONLY, 0))
    run("mount", "--bind", hidden, "/usr/bin/swtpm")
    try:
        t.restart_libvirtd()
        t.refused(*t.restore_line(), says=["guest 'web'", "TPM of version 2.0", "swtpm"])
    finally:
        run("umount", "/usr/bin/swtpm")
        t.restart_libvirtd()
    t.restore()
    kept.check()


def test_state_that_is_no_file(t):
    kept = owner(t)
    kept.guest.define()
    state = tpm.state_file(kept.uuid)
    os.truncate(state, (64 << 20) + 1)
    t.refused(*t.backup_line(kept.guest), says=["guest 'web'", "TPM state", state, "regular file"])
    os.unlink(state)
    os.mkdir(state)
    t.refused(*t.backup_line(kept.guest), says=["guest 'web'", "TPM state", state, "regular file"])
    same(t.archive.names(), [], "files in the archive")


# ---- ordinary users -----------------------------------------------------------------------------


def session_guest(t):
    user = t.as_user("nobody")
    files = t.make_dir("files")
    disk = t.disk("vda", "qcow2", boot=1, name="files/vda.qcow2")
    guest = t.guest("web", disk, devices_xml=tpm.xml())
    guest.serial.path, guest.file = t.path("files", "serial.log"), t.path("files", "web.xml")
    guest.write_xml()
    for path in (files, disk.path, guest.file):
        os.chown(path, user.account.pw_uid, user.account.pw_gid)
    t.use_dir(files)
    return guest, os.path.join(user.environment()["XDG_CONFIG_HOME"], "libvirt/qemu/swtpm")


def test_ordinary_user(t):
    guest, base = session_guest(t)
    guest.define().start().destroy()
    state = tpm.state_file(guest.uuid(), base=base)
    content, looks = read(state), like(state)
    t.backup(guest)
    t.archive.check_holds("web.xml", "web-vda.raw", "web-tpm.state")
    guest.undefine()
    wait_until(lambda: not os.path.exists(state), "the end of the state")
    t.restore()
    same(read(state), content, "restored state")
    same(like(state), looks, "owner and mode of the restored state")
    guest.start()


def test_state_that_may_not_be_read(t):
    guest, base = session_guest(t)
    guest.define()
    directory = tpm.folder(guest.uuid(), base=base)
    os.makedirs(directory)
    for path in (base, os.path.dirname(directory)):
        os.chmod(path, 0o711)
    os.chmod(directory, 0o700)
    t.refused(*t.backup_line(guest), says=["guest 'web'", "TPM state", directory, "Permission denied"])
    same(t.archive.names(), [], "files in the archive")
