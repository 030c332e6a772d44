# SPDX-License-Identifier: LGPL-2.1-or-later
"""Plans, child processes and their memory, output for people and for programs, exit statuses."""

import os
import re
import signal
import time
import uuid

from vbtest import consistency, leftovers, proc, tpm
from vbtest.command import expect, run, same, wait_until
from vbtest.disks import MIB


def plan(t, guest, *options, status=0):
    result = t.backup(guest, "--dry-run", *options, status=status)
    same(t.archive.names(), [], "files after a dry run")
    return result


def test_dry_run_shows_the_plan(t):
    guest = t.small_guest().running()
    before, (token, count) = guest.snapshot(), guest.serial.last()
    result = plan(t, guest, "--compression", "lzma:3")
    for part in ("web", "vda", "8 MiB", "chunk", "child", "memory"):
        expect(part in result.out, f"the plan does not mention '{part}': {result.out}")
    guest.check_unchanged(before)
    guest.goes_on(token, count, steps=2)
    expect("restored" not in guest.call("domstate", "--reason").out, "the guest was touched")


def test_plan_for_programs_is_complete(t):
    guest = t.guest("web", t.disk("vda", size=MIB), t.disk("vdb", "raw", size=2 * MIB)).define()
    (event,) = [event for event in t.events(plan(t, guest, "--json", "--exclude-disk", "vdb")) if event["event"] == "plan"]
    same((event["guest"], event["method"], event["image-size"]), ("web", "offline", MIB), "plan")
    same([(disk["target"], disk["file"]) for disk in event["disks"]], [("vda", "web-vda.raw")], "disks")
    same((event["destination"], "memory" in event), (t.archive.path, False), "destination, memory")
    same(event["children-memory"], event["children"] * event["memory-per-child"], "memory of all children")
    same(event["left-out"], [{"target": "vdb", "reason": "excluded"}], "disks that are left out")


def test_plan_names_the_small_files(t):
    code, nvram = "/usr/share/OVMF/OVMF_CODE_4M.fd", t.path("web_VARS.fd")
    run("cp", "/usr/share/OVMF/OVMF_VARS_4M.fd", nvram)
    name = str(uuid.UUID(int=t.rng.getrandbits(128), version=4))
    guest = t.guest("web", t.disk("vda", size=MIB), head_xml=f"<uuid>{name}</uuid>", devices_xml=tpm.xml(),
                    os_xml=f"<loader readonly='yes' type='pflash'>{code}</loader><nvram>{nvram}</nvram>").define()
    (event,) = [event for event in t.events(plan(t, guest, "--json")) if event["event"] == "plan"]
    same(event["extras"], [{"kind": "nvram", "path": nvram, "file": "web-nvram.fd"},
                           {"kind": "tpm", "path": tpm.state_file(name), "file": "web-tpm.state"}], "small files")
    expect(f"NVRAM: {nvram} -> web-nvram.fd" in plan(t, guest).out, "the plan does not name the NVRAM")


def test_children_by_the_formula(t):
    """(memory - 256 MiB) / buffer size: 1957 MiB allow 28 children with 60 MiB each, and 2 with 800 MiB."""
    guest = t.guest("web", t.disk("vda", size=MIB)).define()
    for compression, buffer, children in (("lzma:5", "60M", 28), ("lzma:9", "800M", 2), ("zstd:3", "30M", 56)):
        options = ("--memory-limit", "1957M", "--compression", compression, "--compression-buffer", buffer)
        (event,) = [event for event in t.events(plan(t, guest, "--json", *options)) if event["event"] == "plan"]
        same(event["memory-per-child"], int(buffer[:-1]) * MIB, "memory of a child")
        same(event["children-allowed"], children, f"children with {buffer} each")
        expect(f"children allowed by memory {children}," in plan(t, guest, *options).out, "the plan says otherwise")


def test_chunk_size_that_does_not_fit_the_compression_buffer(t):
    guest = t.guest("web", t.disk("vda", size=MIB)).define()
    t.refused(*t.backup_line(guest, "--compression", "lzma:5", "--compression-buffer", "60M", "--chunk-size", "16M"),
              status=None, says=["lzma:5", "16 MiB", "60 MiB", "--chunk-size"])
    same(t.archive.names(), [], "files in the archive")


def test_compression_buffer_warns(t):
    guest = t.guest("web", t.disk("vda", size=4 * MIB)).define()
    result = t.backup(guest, "--compression", "lzma:6", "--compression-buffer", "40M")
    expect("--compression-buffer" in result.err and "badly" in result.err, f"no warning: {result.err}")
    t.check_good(guest)
    guest.undefine()
    t.restore()


def test_compression_buffer_that_is_too_small(t):
    guest = t.guest("web", t.disk("vda", size=MIB)).define()
    t.refused(*t.backup_line(guest, "--compression", "lzma:9", "--compression-buffer", "1M"), status=None,
              says=["lzma:9", "1 MiB", "least"])
    same(t.archive.names(), [], "files in the archive")


def test_more_children_than_memory_allows(t):
    guest = t.guest("web", t.disk("vda", size=MIB)).define()
    line = t.refused(*t.backup_line(guest, "--compression", "lzma:9", "--memory-limit", "1957M", "--children", "50"),
                     status=None, says=["50"])
    expect(len(re.findall(r"\d+", line)) >= 3, f"the message lacks the figures: {line}")
    same(t.archive.names(), [], "files in the archive")


def test_no_child_fits(t):
    guest = t.guest("web", t.disk("vda", size=MIB)).define()
    line = t.refused(*t.backup_line(guest, "--compression", "lzma:9e", "--memory-limit", "400M"), status=None,
                     says=["lzma"])
    expect(re.search(r"lzma:[0-8]", line), f"the message names no lower level that fits: {line}")
    same(t.archive.names(), [], "files in the archive")


def test_running_guest_is_not_touched_when_no_child_fits(t):
    guest = t.small_guest().running()
    before = guest.snapshot()
    t.refused(*t.backup_line(guest, "--compression", "lzma:9e", "--memory-limit", "300M"), status=None)
    guest.check_unchanged(before)
    expect("restored" not in guest.call("domstate", "--reason").out, "the guest was saved all the same")


def test_every_number_of_children_gives_the_same_archive(t):
    guest = t.guest("web", t.disk("vda", "raw", size=8 * MIB)).define()
    images = set()
    for children in ("1", "2", "5"):
        archive = t.path("archive-" + children)
        t.backup(guest, "--compression", "zstd:3", "--chunk-size", "256K", "--children", children, to=archive)
        with open(os.path.join(archive, "web-vda.raw.zst"), "rb") as file:
            images.add(file.read())
    same(len(images), 1, "different images from different numbers of children")


def test_restore_with_another_number_of_children(t):
    guest = t.guest("web", t.disk("vda", "raw", size=8 * MIB)).define()
    t.backup(guest, "--compression", "lzma:0", "--chunk-size", "512K", "--children", "3")
    guest.undefine()
    t.restore("--children", "1")
    t.verify("--children", "4")


def test_events_of_a_backup(t):
    guest = t.small_guest().running()
    events = t.events(t.backup(guest, "--json", "--compression", "zstd"))
    names = [event["event"] for event in events]
    for name in ("disk-done", "guest-done", "summary"):
        expect(name in names, f"no event '{name}' in {names}")
    summary = events[-1]
    same((summary["event"], summary["verb"], summary["good"], summary["failed"], summary["status"]),
         ("summary", "backup", 1, 0, 0), "summary")
    done = next(event for event in events if event["event"] == "guest-done")
    same(done["guest"], "web", "guest of the event")


def test_events_of_an_error(t):
    result = t.vb("backup", "--destination-path", t.archive.path, "--domain-names", "nobody", "--json", status=1)
    events = t.events(result)
    expect(any(event["event"] == "error" and "nobody" in event["error"] for event in events), f"events: {events}")


def test_a_wrong_command_line_is_an_object_too(t):
    for words in (("backup", "--compresion", "zstd", "--json"), ("bakup", "--json")):
        result = t.vb(*words, status=2)
        events = t.events(result)
        same([(event["event"], event["kind"]) for event in events], [("error", "usage")], f"objects of {words}")
        expect(events[0]["error"] in result.err and "did you mean" in events[0]["error"], f"the error: {events}")
    same(t.vb("backup", "--compresion", "zstd", status=2).out, "", "standard output without --json")


def test_list_for_programs(t):
    guest = t.small_guest().running()
    t.backup(guest, "--compression", "lzma:1")
    (entry,) = [event for event in t.events(t.vb("list", "--source-path", t.archive.path, "--json"))
                if event["event"] == "backup"]
    way = "live" if consistency.live_is_trusted() else "pause"
    same((entry["guest"], entry["uuid"], entry["state"], entry["method"], entry["consistency"]),
         ("web", guest.uuid(), "running", way, "memory"),
         "entry of the guest")
    same([(disk["target"], disk["format"], disk["compression"]) for disk in entry["disks"]],
         [("vda", "qcow2", "lzma:1")], "disks")


def test_list_for_people(t):
    guest = t.guest("web", t.disk("vda", size=MIB)).define()
    t.backup(guest)
    out = t.vb("list", "--source-path", t.archive.path).out
    for part in ("web", "shut off", "vda", "qcow2"):
        expect(part in out, f"'{part}' is not in: {out}")


def test_list_of_an_empty_folder(t):
    os.mkdir(t.archive.path)
    result = t.vb("list", "--source-path", t.archive.path)
    same((result.out, result.err), ("", f"virt-backup: {t.archive.path}: has no backups\n"), "what is said")


def test_quiet(t):
    guest = t.guest("web", t.disk("vda", size=MIB)).define()
    result = t.backup(guest, "--quiet")
    same((result.out, result.err), ("", ""), "output")


def test_options_with_equals_sign(t):
    guest = t.guest("web", t.disk("vda", size=MIB)).define()
    t.vb("backup", f"--destination-path={t.archive.path}", "--compression=zstd:2", "--domain-names=web")
    t.archive.check_holds("web.xml", "web-vda.raw.zst")
    t.check_good(guest)


def test_hypervisor_uri(t):
    """The option wins over the environment."""
    guest = t.guest("web", t.disk("vda", size=MIB)).define()
    environment = dict(t.environment, LIBVIRT_DEFAULT_URI="qemu+unix:///system?socket=/nonexistent")
    t.vb(*t.backup_line(guest), "--hypervisor-uri", "qemu:///system", env=environment)
    t.check_good(guest)


def test_several_chunk_sizes(t):
    guest = t.guest("web", t.disk("vda", "raw", size=6 * MIB + 512)).define()
    for size in ("64K", "1M", "32M"):
        for codec in ("none", "lzma:0", "zstd:1"):
            archive = t.path(f"archive-{size}-{codec}")
            t.backup(guest, "--chunk-size", size, "--compression", codec, to=archive)
            t.verify(source=archive)


def test_memory_limit_smaller_than_anything(t):
    guest = t.guest("web", t.disk("vda", size=MIB)).define()
    t.refused(*t.backup_line(guest, "--memory-limit", "1M", "--compression", "lzma:0"), status=None)
    same(t.archive.names(), [], "files in the archive")


def test_bandwidth_limit_and_nice(t):
    """A limited backup takes the time that the limit says, and all of its processes stand back."""
    guest = t.guest("web", t.disk("vda", "raw", size=8 * MIB)).define()
    process = t.start_vb(*t.backup_line(guest, "--bandwidth-limit", "1M", "--chunk-size", "64K", "--nice", "15"))
    workers = wait_until(lambda: descendants(process.pid, "vb-child"), "child processes")
    expect(process.running(), "the backup has not heeded its limit")
    for pid in [process.pid, *workers]:
        same(nice_of(pid), max(15, os.nice(0)), f"nice of process {pid}")
    process.signal(signal.SIGTERM)
    same(process.finish().status, 143, "status")
    started = time.monotonic()
    t.backup(guest, "--bandwidth-limit", "2M", "--chunk-size", "64K", "--nice", "19")
    stored = os.stat(os.path.join(t.archive.path, "web-vda.raw")).st_blocks * 512
    least = stored / (2 * MIB) - 0.2
    expect(time.monotonic() - started >= least, f"{stored} bytes came in less than {least} s")
    guest.undefine()
    t.restore("--bandwidth-limit", "100M", "--nice", "0")
    t.verify("--bandwidth-limit", "100M")


def descendants(pid, name):
    """Processes of that name below the children of pid."""
    parents = leftovers.parents()
    below = [child for child, parent in parents.items() if parents.get(parent) == pid]
    return [child for child in below if proc.name_of(child) == name]


def nice_of(pid):
    return int(proc.stat_of(pid)[1][16])


def test_bottleneck_is_told(t):
    guest = t.guest("web", t.disk("vda", "raw", size=8 * MIB)).define()
    events = t.events(t.backup(guest, "--json", "--compression", "lzma:6"))
    (event,) = [event for event in events if event["event"] == "bottleneck"]
    same(events[-1]["event"], "summary", "last event")
    shares = [event[name + "-percent"] for name in ("reading", "children", "writing")]
    expect(98 <= sum(shares) <= 102, f"shares: {shares}")
    same(event["bound-by"], "children", "what lzma is bound by")
    expect(event["children-cpu-ms"] > 100, f"CPU time of the children: {event}")
    guest.undefine()
    line = [line for line in t.restore("--verbose").err.splitlines() if "codec efficiency" in line]
    same(len(line), 1, "lines about the time of a restore")
