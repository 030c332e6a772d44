# SPDX-License-Identifier: LGPL-2.1-or-later
"""Points in a repository: nights of guests, each of which comes back to the byte."""

import glob
import os
import shutil
import signal
import uuid

from vbtest import disks, leftovers, linux, proc, tpm
from vbtest.command import expect, run, same, wait_until
from vbtest.disks import MIB
from vbtest.midway import offspring
from test_interrupt import child_processes


def change(t, disk, places=6):
    """A day in the life of a disk of a guest that is shut off."""
    raw = disks.flatten(disk.path, disk.format, t.path("day.raw"))
    with open(raw, "r+b") as file:
        size = os.fstat(file.fileno()).st_size
        for _ in range(places):
            file.seek(t.rng.randrange(size - 8192))
            file.write(t.rng.choice((t.rng.randbytes(8192), bytes(8192))))
    if disk.format == "raw":
        shutil.copyfile(raw, disk.path)
    else:
        os.unlink(disk.path)
        disks.convert(raw, disk.path, disk.format)
        os.chmod(disk.path, 0o644)
    os.unlink(raw)


def keep(t, guest, night):
    """Copies of the guest's disks as they are, as raw files."""
    return {disk.target: disks.flatten(disk.path, disk.format, t.path(f"{guest.name}-{disk.target}-{night}.kept"))
            for disk in guest.disks}


def check_point(t, repository, guest, point, kept):
    """Restores the disks of the point and compares them with what was kept."""
    to = t.path(f"restored-{point}")
    result = t.restore_point(repository, f"--domain-names={guest.name}", "--point", point, "--json", "--disks",
                             ",".join(disk.target for disk in guest.disks), to=to)
    restored = [event["point"] for event in t.events(result) if event["event"] == "guest-done"]
    if point == "latest":
        listed = t.points(repository, f"--domain-names={guest.name}")
        point = [entry["point"] for entry in listed if not entry["in-trash"]][-1]
    same(restored, [point], "points that were restored")
    for disk in guest.disks:
        path = os.path.join(to, os.path.basename(disk.path))
        disks.compare(kept[disk.target], "raw", path, disk.format, f"{disk.target} of point {point}")
    shutil.rmtree(to)


def nights_of(t, guest, count, *options):
    repository = t.repository()
    kept, made = [], []
    for night in range(count):
        if night:
            for disk in guest.disks:
                change(t, disk)
        kept.append(keep(t, guest, night))
        before = guest.snapshot()
        events = t.add_point(repository, guest, *options)
        made += [event["point"] for event in events if event["event"] == "guest-done"]
        guest.check_unchanged(before)
    points = t.points(repository)
    same(len(points), count, "points")
    same(made, [point["point"] for point in points], "ids that the backups have told")
    same([point["guest"] for point in points], [guest.name] * count, "guests of the points")
    for point, disks_of_night in zip(points, kept):
        check_point(t, repository, guest, point["point"], disks_of_night)
    return repository, points


def three_nights(t, *options):
    guest = t.guest("web", t.disk("vda"), t.disk("vdb", "raw")).define()
    _, points = nights_of(t, guest, 3, *options)
    for first, later in zip(points, points[1:]):
        expect(later["new-size"] < points[0]["new-size"] // 2, f"a night has stored too much: {later}")
        expect(first["point"] < later["point"], "ids rise")
    same(points[0]["image-size"], 16 * MIB, "size of the images")
    same({point["state"] for point in points}, {"shut off"}, "states")


def test_three_nights_uncompressed(t):
    three_nights(t)


def test_three_nights_zstd(t):
    three_nights(t, "--compression", "zstd")


def test_three_nights_lzma(t):
    three_nights(t, "--compression", "lzma:1")


# ---- guests that run ------------------------------------------------------------------------------


def test_nights_of_a_running_guest_come_back_with_their_memory(t):
    guest = t.guest("web", t.boot_disk("qcow2"), t.disk("vdb", "raw", boot=2)).running()
    repository = t.repository()
    before = guest.snapshot()
    for mode in ("pause", "save"):
        token, count = guest.serial.last()
        events = t.add_point(repository, guest, "--guest-memory", mode, "--compression", "zstd")
        same([event["method"] for event in events if event["event"] == "guest-done"], [mode], "method")
        guest.goes_on(token, count)
        guest.check_unchanged(before)
    points = t.points(repository)
    same([point["memory"] for point in points], [True, True], "memory of the points")
    guest.destroy()
    guest.undefine()
    for point in points:
        t.restore_point(repository, "--allow-autorun", f"--domain-names=web@{point['point']}", to=t.path(point["point"]))
        guest.goes_on(token, 0)
        guest.destroy()
        guest.undefine()


def test_memory_is_left_out_where_an_agent_freezes(t):
    guest = linux.linux_guest(t, "web", linux.ext4_disk(t), agent=linux.AGENT_XML).running()
    linux.Agent(guest).wait()
    repository = t.repository()
    t.add_point(repository, guest)
    t.add_point(repository, guest, "--guest-memory", "pause")
    points = t.points(repository)
    same([point["memory"] for point in points], [False, True], "memory of the points")
    same([point["consistency"] for point in points], ["frozen", "memory"], "consistency of the points")


def test_memory_is_kept_where_no_agent_is(t):
    guest = t.small_guest().running()
    repository = t.repository()
    t.add_point(repository, guest)
    same([point["memory"] for point in t.points(repository)], [True], "memory of the point")


def test_memory_is_kept_where_the_agent_does_not_answer(t):
    guest = linux.linux_guest(t, "web", linux.ext4_disk(t), agent=linux.AGENT_XML).running()
    agent = linux.Agent(guest).wait()
    agent.begin("sleep 1; kill -STOP $(cat /run/qga/pid)")
    wait_until(lambda: not agent.answers(limit_s=20), "the agent's end")
    repository = t.repository()
    t.add_point(repository, guest)
    same([point["memory"] for point in t.points(repository)], [True], "memory of the point")


def test_nvram_of_each_night_comes_back(t):
    code, template = "/usr/share/OVMF/OVMF_CODE_4M.fd", "/usr/share/OVMF/OVMF_VARS_4M.fd"
    nvram = t.path("web_VARS.fd")
    shutil.copyfile(template, nvram)
    guest = t.guest("web", t.disk("vda", size=MIB),
                    os_xml=f"<loader readonly='yes' type='pflash'>{code}</loader><nvram template='{template}'>{nvram}</nvram>")
    guest.define()
    repository, kept = t.repository(), []
    for night in range(2):
        with open(nvram, "r+b") as file:
            file.seek(1000)
            file.write(t.rng.randbytes(64))
        kept.append(shutil.copyfile(nvram, t.path(f"nvram-{night}")))
        t.add_point(repository, guest)
    guest.undefine("--keep-nvram")
    for point, copy in zip(t.points(repository), kept):
        to = t.path(point["point"])
        t.restore_point(repository, "--point", point["point"], to=to)
        run("cmp", copy, os.path.join(to, "web_VARS.fd"))
        guest.undefine("--keep-nvram")


def test_tpm_of_each_night_comes_back(t):
    name = str(uuid.UUID(int=t.rng.getrandbits(128), version=4))
    t.undo.callback(shutil.rmtree, os.path.dirname(tpm.folder(name)), ignore_errors=True)
    guest = t.guest("web", t.disk("vda", size=MIB), head_xml=f"<uuid>{name}</uuid>", devices_xml=tpm.xml()).define()
    repository, secrets = t.repository(), []
    for _ in range(2):
        shutil.rmtree(tpm.folder(name), ignore_errors=True)
        secrets.append(t.rng.randbytes(64))
        tpm.make(t, name, secrets[-1])
        t.add_point(repository, guest)
    for point, secret in zip(t.points(repository), secrets):
        guest.undefine()
        shutil.rmtree(tpm.folder(name), ignore_errors=True)
        t.restore_point(repository, "--point", point["point"], to=t.path(point["point"]))
        same(tpm.secret_in(t, tpm.state_file(name), 64), secret, "secret in the TPM")


# ---- several at once, and none to the end -----------------------------------------------------------


def test_an_interrupted_backup_adds_nothing(t):
    guest = t.guest("web", t.slow_disk(size=48 * MIB)).define()
    repository = t.repository()
    before = guest.snapshot()
    kept = keep(t, guest, 0)
    process = t.start_vb("backup", "--repository", repository, "--domain-names=web", "--compression", "lzma:9e")
    wait_until(lambda: any(leftovers.cpu_ticks(pid) >= 3 for pid in offspring(process)[1]), "a busy child process")
    process.signal(signal.SIGINT)
    same(process.finish(60).status, 128 + signal.SIGINT, "exit status")
    guest.check_unchanged(before)
    same(t.points(repository), [], "points")
    slots = [name for _, _, names in os.walk(os.path.join(repository, "p")) for name in names]
    sessions = [name for _, _, names in os.walk(os.path.join(repository, "s")) for name in names]
    same(len(slots), 1, "tombstones")
    same(slots, sessions, "the session has given up")
    t.add_point(repository, guest)
    check_point(t, repository, guest, t.points(repository)[0]["point"], kept)


def stored_blocks(repository):
    """How many blocks all packs have."""
    blocks = 0
    for path in glob.glob(f"{repository}/d/default/*/*"):
        with open(path, "rb") as pack:
            pack.seek(-64, os.SEEK_END)
            pack.seek(int.from_bytes(pack.read(8), "big") + 4)
            blocks += int.from_bytes(pack.read(4), "big")
    return blocks


def test_nights_that_come_to_no_end_store_nothing_twice(t):
    """Each is ended when it has filled a pack."""
    size = 140 * MIB
    path = t.path("large.raw")
    with open(path, "wb") as disk:
        for _ in range(size // MIB):
            disk.write(t.rng.randbytes(MIB))
    guest = t.guest("web", disks.Disk(path, "raw")).define()
    repository = t.repository()
    before, kept = guest.snapshot(), keep(t, guest, 0)
    signals = [signal.SIGTERM, signal.SIGKILL, signal.SIGINT, signal.SIGTERM]
    lost = 0
    for number in signals:
        known = stored_blocks(repository)
        process = t.start_vb("backup", "--repository", repository, "--compression", "none", "--bandwidth-limit", "40M")
        wait_until(lambda: stored_blocks(repository) > known + 400, "another pack")
        process.signal(number)
        result = process.finish(120)
        t.vb("recover")
        guest.check_unchanged(before)
        same(t.points(repository), [], "points")
        if number == signal.SIGKILL:
            lost += stored_blocks(repository) - known
            continue
        same(result.status, 128 + number, "exit status")
        expect("the next backup goes on with it" in result.err, f"nothing is said of what is kept: {result.err}")
    parts = [point for point in t.points(repository, "--partial") if not point["complete"]]
    same(len(parts), 3, "partial points")
    refused = t.refused("restore", "--repository", repository, "--destination-path", t.path("nowhere"))
    expect("back it up again" in refused, refused)
    for verb in (("restore", "--destination-path", t.path("nowhere")), ("verify",)):
        refused = t.refused(verb[0], "--repository", repository, f"--domain-names=web@{parts[0]['point']}", *verb[1:])
        expect("back the guest up again" in refused, refused)
    t.vb("backup", "--repository", repository, "--compression", "none")
    same(stored_blocks(repository) - lost, size // 65536, "blocks of all nights")
    check_point(t, repository, guest, "latest", kept)
    t.vb("verify", "--repository", repository)


def test_two_guests_are_backed_up_at_once(t):
    guests = [t.guest(name, t.slow_disk(target=target)).define() for name, target in (("web", "vda"), ("db", "vdb"))]
    repository = t.repository()
    kept = [keep(t, guest, 0) for guest in guests]
    processes = [t.start_vb("backup", "--repository", repository, f"--domain-names={guest.name}", "--compression", "zstd")
                 for guest in guests]
    same([process.finish(120).status for process in processes], [0, 0], "exit statuses")
    for guest, copies in zip(guests, kept):
        check_point(t, repository, guest, "latest", copies)


def test_a_clone_has_little_of_its_own(t):
    guest = t.guest("web", t.disk("vda", "raw", size=16 * MIB)).define()
    copy = t.path("clone.raw")
    shutil.copyfile(guest.disks[0].path, copy)
    clone = t.guest("clone", disks.Disk(copy, "raw")).define()
    repository = t.repository()
    t.add_point(repository, guest)
    change(t, clone.disks[0], places=2)
    kept = keep(t, clone, 0)
    t.add_point(repository, clone, "--like", "web", "--tag", "first,by-hand")
    point = t.points(repository, "--domain-names=clone")[0]
    whole = t.points(repository, "--domain-names=web")[0]
    expect(point["new-size"] < whole["new-size"] // 4, f"the clone stored {point['new-size']} of {whole['new-size']} bytes")
    same(point["tags"], ["by-hand", "first"], "tags")
    check_point(t, repository, clone, "latest", kept)


def test_what_little_is_new_is_compressed_better(t):
    """The same text takes less room in a second night than in a first one."""
    repository, sizes = t.repository(), []
    sources = sorted(glob.glob(os.path.join(os.path.dirname(os.path.realpath(__file__)), "../../src/*/*.c")))
    text = b"".join(open(path, "rb").read() for path in sources)[:MIB]
    for name, nights in ("web", (text,)), ("db", (b"", text)):
        guest = t.guest(name, t.disk("vda", "raw", size=2 * MIB, name=f"{name}.raw")).define()
        for content in nights:
            with open(guest.disks[0].path, "r+b") as disk:
                disk.write(content.ljust(2 * MIB, b"\0"))
            t.add_point(repository, guest, "--compression", "zstd:3")
        sizes.append(t.points(repository, f"--domain-names={name}")[-1]["new-size"])
    expect(sizes[1] < 0.99 * sizes[0], f"{sizes[1]} bytes beside zeros, {sizes[0]} alone")


def test_what_little_is_used_of_is_stored_once_more(t):
    guest = t.guest("web", t.disk("vda", "raw", size=8 * MIB)).define()
    with open(guest.disks[0].path, "r+b") as disk:
        disk.write(t.rng.randbytes(8 * MIB))
    repository = t.repository()
    t.add_point(repository, guest)
    with open(guest.disks[0].path, "r+b") as disk:
        disk.write(t.rng.randbytes(6 * MIB))
    t.add_point(repository, guest)
    t.add_point(repository, guest, "--no-refresh")
    t.add_point(repository, guest)
    new = [point["new-size"] for point in t.points(repository)]
    expect(new[2] < MIB, f"with --no-refresh {new[2]} bytes were stored")
    expect(2 * MIB <= new[3] < 3 * MIB, f"{new[3]} bytes were stored, not the 2 MiB of the first pack")
    check_point(t, repository, guest, "latest", keep(t, guest, 3))


# ---- the life of a point ----------------------------------------------------------------------------


def two_points(t):
    guest = t.guest("web", t.disk("vda", "raw", size=2 * MIB)).define()
    repository = t.repository()
    kept = []
    for night in range(2):
        kept.append(keep(t, guest, night))
        t.add_point(repository, guest, *(["--memory-limit", "600M"] if night else []))
        change(t, guest.disks[0])
    return guest, repository, t.points(repository), kept


def test_a_removed_point_is_in_the_trash_until_it_is_taken_out(t):
    guest, repository, points, kept = two_points(t)
    first, last = points[0]["point"], points[1]["point"]
    t.vb("remove", "--repository", repository, "web@latest", "--yes")
    same([point["in-trash"] for point in t.points(repository)], [False, True], "points in the trash")
    check_point(t, repository, guest, "latest", kept[0])
    t.refused("restore", "--repository", repository, "--destination-path", t.restored, "--point", last,
              says=["in the trash", "virt-backup undelete"])
    for named in ([last], [f"web@{last[:16]}"], [f"--domain-names=web@{last}"]):
        t.refused("remove", "--repository", repository, *named, "--yes", says=["in the trash"], status=6)
    t.vb("undelete", "--repository", repository, last)
    check_point(t, repository, guest, "latest", kept[1])
    check_point(t, repository, guest, first, kept[0])


def test_verify_finds_a_damaged_pack_and_notes_it(t):
    _, repository, points, _ = two_points(t)
    for level in ("objects", "stored", "data"):
        events = t.events(t.vb("verify", "--repository", repository, "--level", level, "--json"))
        same([event["point"] for event in events if event["event"] == "guest-done"], [point["point"] for point in points],
             f"points that are good ({level})")
    same([point["verified"] for point in t.points(repository)], [True, True], "verified points")
    packs = [os.path.join(folder, name) for folder, _, names in os.walk(os.path.join(repository, "d")) for name in names]
    # A first night may be nothing but zeros.
    number, pack = next((number, path) for number, point in enumerate(points) for path in packs
                        if os.path.basename(path).startswith(point["point"]))
    with open(pack, "r+b") as file:
        file.seek(100)
        byte = file.read(1)
        file.seek(100)
        file.write(bytes([byte[0] ^ 1]))
    t.vb("verify", "--repository", repository, "--level", "objects")
    for level in ("stored", "data"):
        result = t.vb("verify", "--repository", repository, "--level", level, f"--domain-names=web@{points[number]['point']}",
                      status=4)
        expect(os.path.basename(pack) in result.err, f"the pack is not named: {result.err}")
    same([(point["verified"], point["damaged"]) for point in t.points(repository)][number], (False, True),
         "verified, damaged")
    rows = t.vb("list", "--repository", repository).out.splitlines()
    same(["DAMAGED" in row for row in rows[1:]], [point["damaged"] for point in t.points(repository)], "rows that say so")


def test_verify_whose_children_are_killed_finds_no_damage(t):
    """As by the kernel, for want of memory: whether the pack is good nobody knows then."""
    guest = t.guest("web", t.slow_disk()).define()
    repository = t.repository()
    t.add_point(repository, guest, "--compression", "lzma:0")
    t.backup(guest, "--compression", "lzma:0")
    for source in (["--repository", repository], ["--source-path", t.archive.path]):
        process = t.start_vb("verify", *source, "--children", "1", "--bandwidth-limit", "1M")
        while process.running():
            for pid in child_processes(process.pid):
                if proc.name_of(pid) == "vb-child":
                    proc.kill(pid, signal.SIGKILL)
        result = process.finish()
        same(result.status, 1, f"exit status, with {result.err}")
        expect("killed by signal 9" in result.err and "damaged" not in result.err, f"what is told: {result.err}")
        same(glob.glob(f"{repository}/v/default/bad/*"), [], "what is noted")
        t.vb("verify", *source)


def test_verify_that_cannot_decode_finds_no_damage(t):
    """What is wrong is the program that decodes, or how many files this process may open."""
    guest = t.guest("web", t.disk("vda", "raw", size=2 * MIB)).define()
    repository = t.repository()
    for _ in range(2):
        t.add_point(repository, guest, "--compression", "zstd")
    t.backup(guest, "--compression", "zstd")
    for source in (["--source-path", t.archive.path], ["--repository", repository]):
        for child in shutil.which("true"), "/nonexistent/child":
            result = t.vb("verify", *source, "--child-command", child, status=1)
            expect("damaged" not in result.err, f"what is told: {result.err}")
        for number in range(10, 18, 2):
            t.through = ["prlimit", f"--nofile={number}"]
            result = t.vb("verify", *source, status=None)
            expect(result.status in (0, 1) and "damaged" not in result.err, f"{result.status} with {number} files: {result.err}")
        t.through = []
        same(glob.glob(f"{repository}/v/default/bad/*"), [], "what is noted")
        t.vb("verify", *source)


def test_verify_in_parts_and_by_age(t):
    _, repository, points, _ = two_points(t)

    def good(*options):
        events = t.events(t.vb("verify", "--repository", repository, "--json", *options))
        return [event["point"] for event in events if event["event"] == "guest-done"]

    parts = [good("--part", f"{part}/3") for part in (1, 2, 3)]
    same(sorted(sum(parts, [])), [point["point"] for point in points], "points of all parts")
    same(good("--max-age", "1d"), [], "points that were verified today")


def test_verify_goes_through_all_scopes(t):
    guest, repository, points, _ = two_points(t)
    t.vb("backup", "--repository", repository, "--scope", "lab", "--domain-names=web")

    def verified(*words):
        events = t.events(t.vb("verify", "--repository", repository, "--json", *words))
        return [event["point"] for event in events if event["event"] == "guest-done"]

    old = sorted(point["point"] for point in points)
    same(sorted(set(verified()) - set(old)), verified("--scope", "lab"), "points of the other scope")
    same(len(verified()), 3, "points that are verified")
    same(sorted(verified("--domain-names=web")), sorted(verified()), "points of a guest of two scopes")
    same(verified("--domain-names=web", "--scope", "lab"), verified("--scope", "lab"), "points of a guest of one scope")
    same(sorted(verified(f"--domain-names=web@{old[0]}")), old[:1], "one point")
    t.refused("verify", "--repository", repository, "--domain-names=nobody", says=["has no guest 'nobody'"])
    t.refused("verify", "--repository", repository, "--domain-names=web,nobody", status=3, says=["'nobody'"])
    t.refused("verify", "--repository", repository, "--exclude-domains=web", says=["has no guest to work on"])


# ---- what is refused --------------------------------------------------------------------------------


def test_what_a_repository_can_not_do_is_refused(t):
    guest, repository, points, _ = two_points(t)
    backup = ("backup", "--repository", repository, "--domain-names=web")
    restore = ("restore", "--repository", repository, "--destination-path", t.restored)
    t.refused(*backup, "--replace", status=2, says=["--replace", "--repository"])
    t.refused(*backup, "--chunk-size", "1M", status=2, says=["--chunk-size"])
    t.refused(*backup, "--destination-path", t.archive.path, status=2, says=["exclude each other"])
    t.refused(*backup, "--like", "nobody", says=["guest 'web'", "--like nobody"])
    t.refused("backup", "--repository", t.path("none"), says=[t.path("none")])
    t.refused("backup", "--destination-path", t.archive.path, "--tag", "x", status=2, says=["--tag"])
    t.refused("backup", "--destination-path", t.archive.path, "--no-refresh", status=2, says=["--no-refresh"])
    for verb in (["verify"], ["list"], ["collect"], ["prune", "--keep-last=9"], ["hold", "web@latest"]):
        t.refused(*verb, "--repository", repository, "--scope", "lab", says=["no scope 'lab'", "it has: default"])
    t.refused(*restore, "--point", "yesterday", status=2, says=["'yesterday'", "means no point"])
    t.refused(*restore, "--point", "00000000", says=["guest 'web'", "'00000000'"])
    t.refused(*restore, "--point", "2001-01-01", says=["'2001-01-01' or before"])
    t.refused(*restore, f"--domain-names=web@{points[0]['point']},web@{points[1]['point']}", status=2, says=["two points"])
    t.refused("remove", "--repository", repository, "--domain-names=web", "--yes", says=["'web' does not name a point"])
    t.refused("remove", "--repository", repository, "--yes", status=2, says=["which points"])
    t.refused("remove", "--source-path", t.archive.path, "web@latest", "--yes", status=2, says=["unexpected argument"])
    t.refused("verify", "--source-path", t.archive.path, "--level", "objects", status=2, says=["--repository only"])
    same([point["point"] for point in t.points(repository)], [point["point"] for point in points], "points")
    same(guest.state(), "shut off", "state")
