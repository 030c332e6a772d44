# SPDX-License-Identifier: LGPL-2.1-or-later
"""A guest, an archive, and one run of virt-backup after the other that a fault hits."""

import fnmatch
import glob
import os
import random
import re
import select
import shutil
import signal
import time

from look import left_files, look, own_processes
from vbtest import command, leftovers, proc, tpm
from vbtest.archive import Archive
from vbtest.command import Failure, Process, Skip, expect, note, run, same, virsh, wait_until
from vbtest.context import Context
from vbtest.disks import MIB

RUN_LIMIT_S = 100
SERIAL_MAX = 100_000
KILLED = -9
STRANDED = 5
DISK_SIZE = 4 * MIB
UUID = "7d0a1c5e-52b1-4a7e-9f63-0d5c8d2b6a11"   # of the guest that is restored; each worker has its own libvirt
TPM_STATE = tpm.state_file(UUID)


class Fault:
    """What is to go wrong, as the command line names it."""

    def __init__(self, item):
        self.scenario = item["scenario"]
        self.do = item.get("do")
        self.at = item.get("at", 0)
        self.ms = item.get("ms", 0)
        self.guardian_at = item.get("guardian_at", 0)
        self.recover_at = item.get("recover_at", 0)
        self.size = item.get("size", 0)
        self.error = item.get("error", 0)
        self.thorough = item.get("thorough", True)

    @property
    def kills_control(self):
        return self.do in ("kill-before", "kill-after", "kill-during", "stop-run")

    @property
    def needs_recover(self):
        return bool(self.guardian_at or self.recover_at)


def is_excused(path, label):
    """Nothing else could remove it: LABEL is the effect that was made to fail, and the next writer does it."""
    removal = re.fullmatch("(?:unlinkat|unlink|rmdir|renameat2|renameat|rename|fsync) ?(.*)", label or "")
    if not removal:
        return False
    name = removal.group(1).split("/")[-1]
    if name.startswith("web") or name.endswith(".exchange") or not name:
        # The commit is decided: the guest's next writer ends it.
        return os.path.basename(path).startswith(".virt-backup-")
    folder, base = os.path.split(path)
    return any(fnmatch.fnmatch(part, name) for part in (base, os.path.basename(folder)))


class Bench:
    """Kept for many faults; after one that has gone wrong it is thrown away."""

    statuses = (0, 1, 3, STRANDED, 6)  # of a run of which a call fails

    def __init__(self, name, options):
        self.name = name
        self.binary = options.binary
        self.shim = options.shim
        self.t = Context(f"fault/{name}", options.seed, options.binary, options.build_dir)
        self.rng = random.Random(f"{options.seed}/{name}")
        self.count = self.t.path("effects")
        self.held = self.t.path("held")
        self.go = self.t.path("go")
        os.mkfifo(self.held)
        os.mkfifo(self.go)

    def close(self, broken):
        command.failed = broken
        if broken:
            # One failure is one: nothing of it may be met by the next fault. This /var is our own.
            for pid in own_processes(self.binary):
                proc.kill(pid, signal.SIGKILL)
            for path in leftovers.files_below(leftovers.STATE_DIR):
                os.unlink(path)
        self.t.close()

    # ---- one run ------------------------------------------------------------------------------

    def environment(self, settings):
        settings = {f"VB_FAULT_{key}": str(value) for key, value in settings.items()}
        return dict(self.t.environment, LD_PRELOAD=self.shim, VB_FAULT_COUNT=self.count, **settings)

    def start(self, words, **settings):
        if os.path.exists(self.count):
            os.unlink(self.count)
        return Process([self.binary, *words], env=self.environment(settings))

    def finish(self, process):
        """To the end of everything that has come of it: the guardian holds its output open, too."""
        result = process.finish(RUN_LIMIT_S)
        wait_until(lambda: not own_processes(self.binary), "the end of all processes of the run", RUN_LIMIT_S)
        return result

    def effects(self):
        if not os.path.exists(self.count):
            return []
        with open(self.count, encoding="utf-8") as file:
            return [re.sub(r"[0-9a-f]{16}|[0-9a-f]{8}-[-0-9a-f]{27}", "*", line.rstrip("\n")) for line in file]

    def label_at(self, number):
        effects = self.effects()
        return effects[number - 1] if 0 < number <= len(effects) else None

    def label(self, fault):
        return self.label_at(fault.at)

    def hit_by_fault(self, fault, words):
        """Run it with the fault that the process does to itself."""
        settings = {"AT": fault.at, "DO": fault.do, "MS": fault.ms, "GUARDIAN_AT": fault.guardian_at, "ERRNO": fault.error}
        result = self.finish(self.start(words, **settings))
        label = self.label(fault)
        note(f"effect {fault.at}: {label}")
        if label is None:
            pass
        elif fault.do in ("kill-before", "kill-after"):
            same(result.status, KILLED, "status of a run that was to be killed")
        elif fault.do == "fail":
            expect(result.status in self.statuses, f"exit status {result.status}")
            expect(result.status == 0 or result.error_lines, "it failed without a word")
        return result, label

    def check_hit(self, label):
        """Last of all: a run that was not hit must have left all in order as well."""
        if label is None:
            raise Skip(f"the run had only {len(self.effects())} effects")

    def hold(self, fault, words):
        """Start it and wait until it has come to the effect. Returns (process, release)."""
        held = os.open(self.held, os.O_RDWR | os.O_NONBLOCK | os.O_CLOEXEC)
        process = self.start(words, AT=fault.at, DO="hold", HELD=self.held, GO=self.go)
        deadline = time.monotonic() + RUN_LIMIT_S
        while not select.select([held], [], [], 0.02)[0]:
            if not process.running() or time.monotonic() > deadline:
                os.close(held)
                self.finish(process)
                raise Skip(f"the run had only {len(self.effects())} effects")
        os.read(held, 4096)
        os.close(held)

        def release():
            os.close(os.open(self.go, os.O_WRONLY | os.O_CLOEXEC))

        return process, release

    def recover(self, fault):
        """What a person does after a crash; where the fault says so, it crashes too the first time."""
        if fault.recover_at:
            self.finish(self.start(["recover"], AT=fault.recover_at, DO="kill-before"))
        self.t.vb("recover")

    # ---- afterwards ---------------------------------------------------------------------------

    def check_nothing_left(self, archive, label=None, alone=False):
        """LABEL: the effect that was made to fail; what it was to remove or rename is not held against the run.
        ALONE: the guardian was killed too. The file of the guest's lock in the archive may stay then, since nothing leads
        `recover` there before the first intent; nobody holds it. It is removed here, as the next writer would."""
        if alone and archive:
            for path in glob.glob(os.path.join(glob.escape(archive), ".virt-backup-*.lock")):
                os.unlink(path)
        left = [path for path in left_files(archive, self.t.tmp) if not is_excused(path, label)]
        expect(not left, f"left over: {left}")

    def check_archive(self, archive, label=None, may_be_empty=True):
        """Whatever it lists is whole. LABEL: as above."""
        self.t.vb("list", "--source-path", archive, status=0 if os.path.isdir(archive) else None)
        names = os.listdir(archive) if os.path.isdir(archive) else []
        if not names:
            expect(may_be_empty, "the backup that was there is gone")
            return
        Archive(archive).check_nothing_half(lambda path: is_excused(path, label))
        self.t.verify(source=archive)


class BackupBench(Bench):
    """A guest with two disks that it writes all the time, in some state, backed up in some way."""

    def __init__(self, name, options, state="running", memory=None, replace=False):
        super().__init__(name, options)
        self.memory = memory
        self.state = state
        self.replace = replace
        self.make_places()
        self.guest = self.t.guest("web", self.t.boot_disk("qcow2", size=DISK_SIZE),
                                  self.t.disk("vdb", "raw", size=DISK_SIZE, boot=2))
        self.guest.define()
        self.bring_up()

    def make_places(self):
        """What must be there before the guest is."""

    def bring_up(self):
        """As it is found by each run."""
        if self.state != "shut off":
            self.guest.start()
            self.guest.serial.wait_for_steps(3)
        if self.state == "paused":
            self.guest.suspend()
        self.before = look("web")[0]

    def words(self, *more, to=None):
        memory = ["--guest-memory", self.memory] if self.memory else []
        return self.t.backup_line(self.guest, "--replace", *memory, *more, to=to)

    def prepare(self):
        archive = self.t.archive.path
        if not self.replace:
            shutil.rmtree(archive, ignore_errors=True)
        elif not os.path.isdir(archive):
            self.t.vb(*self.words())
        if os.path.exists(self.guest.serial.path) and os.path.getsize(self.guest.serial.path) > SERIAL_MAX:
            os.truncate(self.guest.serial.path, 0)
            if self.state == "running":
                self.guest.serial.wait_for_steps(1)
        self.progress = self.guest.serial.last()

    def plan(self):
        self.prepare()
        result = self.finish(self.start(self.words()))
        same(result.status, 0, "exit status without a fault")
        effects = self.effects()
        self.check(Fault({"scenario": self.name}))
        return effects

    def point(self, fault):
        self.prepare()
        result, label = self.hit_by_fault(fault, self.words())
        if fault.needs_recover:
            self.recover(fault)
        if fault.do == "fail":
            # What could not be undone for the failure is undone by recover; most often there is nothing.
            self.t.vb("recover")
        if result.status == STRANDED:
            self.put_back_by_hand(result)
        self.check(fault, label)
        self.check_hit(label)
        return label

    def put_back_by_hand(self, result):
        """Where libvirt itself refused, the message must say what brings the guest back, and that must work."""
        kept = re.findall(r"'(/[^']*\.sav)'", result.err)
        if not kept:
            return   # then recover has done it
        same(look("web")[0].state, "shut off", "state of the stranded guest")
        virsh("restore", kept[0])
        os.unlink(kept[0])

    def check(self, fault, label=None):
        """The guest is as it was, and nothing is left; a backup works."""
        self.check_guest()
        self.check_nothing_left(self.t.archive.path, label if fault.do == "fail" else None, fault.guardian_at > 0)
        self.check_archive(self.t.archive.path, label if fault.do == "fail" else None, may_be_empty=not self.replace)
        if fault.thorough:
            self.t.vb(*self.words())
            self.check_guest()
            self.check_nothing_left(self.t.archive.path)
            self.check_archive(self.t.archive.path, may_be_empty=False)

    def check_guest(self):
        now = look("web")[0]
        wrong = now.differences(self.before)
        expect(not wrong, f"the guest is not as it was: {'; '.join(wrong)}")
        if self.state == "running":
            self.guest.goes_on(*self.progress, steps=2)
        elif self.state == "paused":
            same(self.guest.serial.last(), self.progress, "progress of the paused guest")


class BesideReaderBench(BackupBench):
    """A new writer beside a reader: whatever happens to the writer, the reader has a whole backup from beginning to end."""

    def __init__(self, name, options):
        super().__init__(name, options, state="shut off", replace=True)

    def start_reader(self):
        reader = self.t.start_vb("verify", "--source-path", self.t.archive.path, "--bandwidth-limit", "8M")
        image = self.t.archive.file("web-vda.raw")

        def reads():
            expect(reader.running(), "the reader did not wait for the writer")
            return proc.has_open(reader.pid, image)

        wait_until(reads, "the backup being read")
        return reader

    def hit_by_fault(self, fault, words):
        reader = self.start_reader()
        try:
            return super().hit_by_fault(fault, words)
        finally:
            result = reader.finish(RUN_LIMIT_S)
            same(result.status, 0, f"status of the reader, which says {result.out} {result.err}")


class RestoreBench(Bench):
    """An archive that is restored beside a guest that must not notice."""

    def __init__(self, name, options, autorun=False, replace=False, folder=None):
        super().__init__(name, options)
        self.autorun = autorun
        self.replace = replace
        self.other = self.t.guest("other", self.t.disk("vda", "qcow2", size=DISK_SIZE, name="other.qcow2")).define()
        for name in (folder, "kept") if folder else ():
            self.t.make_dir(name)
        vda, vdb = (os.path.join(folder or "", name) for name in ("vda.qcow2", "vdb.raw"))
        self.guest = self.t.guest("web", self.t.boot_disk("qcow2", size=DISK_SIZE, name=vda),
                                  self.t.disk("vdb", "raw", size=DISK_SIZE, boot=2, name=vdb),
                                  devices_xml=tpm.xml(), head_xml=f"<uuid>{UUID}</uuid>").running()
        self.guest.call("autostart")
        self.save()
        self.token, _ = self.guest.serial.last()
        self.guest.destroy()
        self.former_tpm = self.tpm_files()
        self.former_tpm[TPM_STATE] += b"changed since"
        if replace:
            self.put_former_tpm_there()
        else:
            self.guest.undefine()
        self.before = look("web", "other")
        self.digests = self.digest_disks()

    def save(self):
        """The backup that is restored."""
        self.t.backup(self.guest)

    def place(self, name):
        return self.t.path("restored", name)

    def digest_disks(self):
        return run("sha256sum", *(disk.path for disk in self.guest.disks + self.other.disks)).out

    def tpm_files(self):
        """name -> content of all below the folder of the guest's TPM; None: a folder."""
        found = {}
        for path in leftovers.files_below(os.path.join(leftovers.TPM_DIR, UUID)):
            content = None
            if os.path.isfile(path):
                with open(path, "rb") as file:
                    content = file.read()
            found[path] = content
        found.pop(os.path.join(os.path.dirname(TPM_STATE), ".lock"), None)
        return found

    def put_former_tpm_there(self):
        os.makedirs(os.path.dirname(TPM_STATE), mode=0o711, exist_ok=True)
        with open(TPM_STATE, "wb") as file:
            file.write(self.former_tpm[TPM_STATE])

    def check_tpm(self, complete, label):
        """The stored state is there, or the former one, or none; whole, and nothing else."""
        found = self.tpm_files()
        if label and label.startswith("unlink") and label.endswith(".replaced"):
            found = {path: content for path, content in found.items() if not path.endswith(".replaced")}
        if complete and self.autorun:
            expect(found.get(TPM_STATE), "the running guest's TPM has no state")
            return
        with open(os.path.join(self.t.archive.path, "web-tpm.state"), "rb") as file:
            stored = file.read()
        former = self.former_tpm if self.replace else {}
        expected = self.former_tpm | {TPM_STATE: stored} if complete else former
        expect(found == expected, f"the TPM's files are {sorted(found)} instead of {sorted(expected)}, "
               "or their contents are others'")

    def words(self):
        more = (["--allow-autorun"] if self.autorun else []) + (["--replace"] if self.replace else [])
        return self.t.restore_line("--domain-names=web", *more)

    def prepare(self):
        shutil.rmtree(self.t.restored, ignore_errors=True)

    def plan(self):
        self.prepare()
        result = self.finish(self.start(self.words()))
        same(result.status, 0, "exit status without a fault")
        effects = self.effects()
        expect(self.check(Fault({"scenario": self.name})), "the restored guest is not there")
        return effects

    def point(self, fault):
        self.prepare()
        result, label = self.hit_by_fault(fault, self.words())
        if fault.needs_recover:
            self.recover(fault)
        if fault.do == "fail":
            self.t.vb("recover")
        complete = self.check(fault, label)
        expect(complete or result.status != 0, "it ended with status 0, and the guest is not there")
        self.check_hit(label)
        return label

    def check(self, fault, label=None):
        complete = self.check_all_or_nothing(label if fault.do == "fail" else None)
        if fault.thorough and not complete:
            self.prepare()
            self.t.vb(*self.words())
            expect(self.check_all_or_nothing(), "a restore after it did not work")
        return complete

    def check_all_or_nothing(self, label=None):
        """True: it is there, whole. False: nothing of it is. All else fails. It is taken away again."""
        web, other = look("web", "other")
        wrong = other.differences(self.before[1])
        expect(not wrong, f"guest 'other' is not as it was: {'; '.join(wrong)}")
        self.check_nothing_left(self.t.archive.path, label)
        made = sorted(os.listdir(self.t.restored)) if os.path.isdir(self.t.restored) else []
        complete = web.exists and self.t.restored in web.definition
        if complete:
            self.check_whole(web, [name for name in made if label != f"unlink {name}"])
        else:
            wrong = web.differences(self.before[0])
            expect(not wrong, f"guest 'web' is not as it was: {'; '.join(wrong)}")
            expect(not made, f"files are left in the destination: {made}")
        self.check_tpm(complete, label)
        same(self.digest_disks(), self.digests, "contents of the disks that were there")
        if complete:
            self.take_away(look("web")[0])
        return complete

    def check_whole(self, web, made):
        same(web.flags, {"Persistent": "yes", "Autostart": "enable", "Managed save": "no"}, "flags of the guest")
        if self.autorun and web.state == "shut off":
            # Killed right before it was started: all is there, its memory too, and that is good.
            virsh("restore", self.place("web.sav"))
            os.unlink(self.place("web.sav"))
            made = [name for name in made if name != "web.sav"]
            web = look("web")[0]
        same(web.state, "running" if self.autorun else "shut off", "state of the guest")
        expected = sorted(["vda.qcow2", "vdb.raw"] + ([] if self.autorun else ["web.sav"]))
        same(made, expected, "files in the destination")
        if self.autorun:
            self.guest.goes_on(self.token, 0, steps=2)
            return
        for disk in self.guest.disks:
            same(os.path.getsize(self.place(os.path.basename(disk.path))) > 0, True, "a disk has content")
            raw = self.t.archive.image("web", disk.target, "none")
            result = run("qemu-img", "compare", "-f", disk.format, "-F", "raw",
                         self.place(os.path.basename(disk.path)), raw, status=None)
            same(result.status, 0, f"comparison of {disk.target} with its image in the archive")

    def take_away(self, web):
        if web.active:
            self.guest.destroy()
        self.guest.undefine()
        if self.replace:
            self.put_former_tpm_there()
            self.guest.define()
            self.before[0] = look("web")[0]
        self.prepare()
