# SPDX-License-Identifier: LGPL-2.1-or-later
"""status: which guests have a good backup, for people, programs, monitoring systems and Prometheus."""

import json
import os
import shutil
import subprocess
import time

from vbtest.command import expect, run, same
from vbtest.leftovers import STATE_DIR
from vbtest.repository import Repository, session_id, stamp

RESULTS = os.path.join(STATE_DIR, "results")


def result(guest, ended_s, status=0, verb="backup", reason=None, job="nightly"):
    return {"job": job, "guest": guest.name, "uuid": guest.uuid(), "verb": verb, "host": "alpha", "started": int(ended_s) - 60,
            "ended": int(ended_s), "status": status, "point": None, "read": 0, "stored": 0, "reason": reason}


def keep_results(t, name, *results):
    """As runs of jobs do, in the state directory."""
    os.makedirs(RESULTS, mode=0o700, exist_ok=True)
    path = os.path.join(RESULTS, name + ".json")
    with open(path, "w", encoding="utf-8") as file:
        json.dump({"format": 1, "results": list(results)}, file)
    t.undo.callback(shutil.rmtree, RESULTS, ignore_errors=True)
    return path


def put_record(repository, guest, ended_s, status, reason):
    """As another host does, in the repository."""
    record = {"format": 1, "verb": "backup", "job": None, "name": guest.name, "host": "beta", "started": stamp(ended_s * 1000 - 1000),
              "ended": stamp(ended_s * 1000), "when": stamp(ended_s * 1000), "status": status, "point": None, "read": 0,
              "stored": 0, "reason": reason}
    gid = guest.uuid().replace("-", "")
    rid = session_id(ended_s * 1000, repository.t.rng.randbytes(10)).hex()
    repository._put(f"r/default/{gid}/{rid}-{'0' * 16}", json.dumps(record).encode())


def status_of(repository, *arguments, status):
    """guest -> its object, and the last object but the summary"""
    events = repository.events("status", *arguments, status=status)
    guests = {event["guest"]: event for event in events if event["event"] == "guest-status"}
    (total,) = [event for event in events if event["event"] == "status"]
    return guests, total


def a_host(t):
    """Guests: good, stale, failed since, never, and one that is gone."""
    repository = Repository(t, "good", "stale", "broken", "gone")
    repository.backup("--compression", "zstd")
    never = t.guest("never", t.disk("vda", "raw", size=1 << 20, name="never.raw")).define()
    good, stale, broken, gone = repository.guests
    gone_uuid = gone.uuid()
    repository.age(repository.points(stale.uuid().replace("-", ""))[0], 2)
    gone.undefine()
    now = time.time()
    keep_results(t, "guest-" + broken.uuid(), result(broken, now - 7200), result(broken, now + 1, 1, reason="disk 'vda' | is gone"))
    keep_results(t, "guest-" + good.uuid(), result(good, now - 7200, 1, reason="libvirt was down"), result(good, now - 3600))
    put_record(repository, never, int(now) - 60, 1, "it has no agent")
    return repository, {"good": good.uuid(), "stale": stale.uuid(), "broken": broken.uuid(), "never": never.uuid(),
                        "gone": gone_uuid}


def test_each_guest_is_what_it_is(t):
    repository, uuids = a_host(t)
    guests, total = status_of(repository, status=1)
    same({name: event["state"] for name, event in guests.items()},
         {"good": "ok", "stale": "stale", "broken": "failed", "never": "never", "gone": "gone"}, "states")
    same({name: event["uuid"] for name, event in guests.items()}, uuids, "UUIDs")
    same((total["guests"], total["ok"], total["stale"], total["never"], total["failed"], total["gone"], total["good"]),
         (5, 1, 1, 1, 1, 1, False), "counts")
    good = guests["good"]
    same((good["points"], good["image-size"], good["verified"], good["on-host"]), (1, 4 << 20, None, True), "the good one")
    expect(good["new-size"] > 0 and good["age-seconds"] < 300, f"the good one: {good}")
    same((good["last-failure"]["open"], good["last-failure"]["reason"]), (False, "libvirt was down"), "a failure that is over")
    same((guests["broken"]["last-failure"]["open"], guests["broken"]["last-failure"]["reason"]), (True, "disk 'vda' | is gone"),
         "a failure since")
    same((guests["never"]["last-failure"]["host"], guests["never"]["last-failure"]["reason"]), ("beta", "it has no agent"),
         "what another host tells")
    expect("point" not in guests["never"] and not guests["gone"]["on-host"], "never, gone")
    text = repository.run("status", status=1).out.splitlines()
    same([line.split()[:2] for line in text[:6]],
         [["GUEST", "STATE"], ["broken", "failed"], ["good", "ok"], ["never", "never"], ["stale", "stale"], ["gone", "gone"]], "table")
    expect("never" in text[2] and "disk 'vda' | is gone" in text[1], "\n".join(text))


def test_the_exit_status_tells_whether_all_is_well(t):
    repository, _ = a_host(t)
    repository.run("status", "--domain-names", "good,broken,gone")
    repository.run("status", "--domain-names", "stale", status=1)
    repository.run("status", "--domain-names", "stale", "--max-age", "3d")
    repository.run("status", "--domain-names", "never", "--max-age", "3d", status=1)
    repository.run("status", "--domain-names", "good,nobody", status=1)
    repository.refused("status", "--nagios", "--json", status=3, says=["--nagios"])
    t.refused("status", "--repository", t.path("nowhere"), says=[t.path("nowhere")])
    t.refused("status", says=["--repository"], status=2)


def test_as_a_plugin_it_speaks_as_plugins_do(t):
    repository, _ = a_host(t)
    for names, status, word in (("good", 0, "OK"), ("good,broken", 1, "WARNING"), ("good,broken,stale", 2, "CRITICAL"),
                                ("never", 2, "CRITICAL"), ("gone", 0, "OK")):
        out = repository.run("status", "--nagios", "--domain-names", names, status=status).out.splitlines()
        expect(out[0].startswith(f"{word} - "), out[0])
        text, bar, values = out[0].partition(" | ")
        expect(bar and all("=" in value for value in values.split()), out[0])
        same([line for line in out[1:] if "|" in line], [], "bars in further lines")
        same(len(out) - 1, {"good": 0, "gone": 0, "good,broken": 1, "never": 1}.get(names, 2), "further lines")
        expect(text, "no text")
    out = t.vb("status", "--nagios", "--repository", t.path("nowhere"), status=3).out
    expect(out.startswith("UNKNOWN - ") and t.path("nowhere") in out, out)
    out = repository.run("status", "--nagios", "--hypervisor-uri", "qemu+unix:///system?socket=/nowhere", status=3).out
    expect(out.startswith("UNKNOWN - "), out)


def test_what_is_of_the_future_hides_nothing(t):
    """A clock was wrong while a point was made, and on another host."""
    repository = Repository(t, "web")
    guest = repository.guests[0]
    repository.backup()
    repository.age(repository.points()[0], -400)
    guests, _ = status_of(repository, status=1)
    same([guests["web"][key] for key in ("state", "points", "ahead")], ["never", 1, 1], "a guest with a point of the future alone")
    repository.backup()
    repository.age(repository.points()[-1], 2)
    guests, _ = status_of(repository, status=1)
    same([guests["web"][key] for key in ("state", "points", "ahead")], ["stale", 2, 1], "a guest whose last good point is old")
    put_record(repository, guest, int(time.time()) - 60, 1, "it has no agent")
    put_record(repository, guest, int(time.time()) + 400 * 86400, 0, None)
    guests, _ = status_of(repository, "--max-age", "3d", status=0)
    same((guests["web"]["state"], guests["web"]["last-failure"]["open"]), ("failed", True), "a failure before a success of the future")


def test_what_others_write_makes_no_lines_of_its_own(t):
    repository = Repository(t, "web")
    repository.backup()
    put_record(repository, repository.guests[0], int(time.time()) + 60, 1, "gone\nweb    ok      now\x1b[2J")
    for arguments in ((), ("--nagios",)):
        out = repository.run("status", *arguments, status=len(arguments)).out
        same([line for line in out.splitlines() if line.startswith("web    ok")], [], "rows that a record has made")
        expect("gone web    ok      now?[2J" in out, f"the reason: {out}")


def test_damage_makes_a_point_no_good_one(t):
    """Found in a pack that the newest point shares with one before it."""
    repository = Repository(t, "web")
    (guest,) = repository.guests
    repository.backup()
    repository.run("backup")
    first, second = repository.points()
    repository.run("verify", "--level", "stored")
    guests, _ = status_of(repository, status=0)
    same((guests["web"]["point"], guests["web"]["damaged"]), (second, 0), "before")
    expect(guests["web"]["verified"], "it was not noted that it is verified")
    (pack,) = [path for path in repository.find("d/default/*/*") if os.path.basename(path).startswith(first)]
    with open(pack, "r+b") as file:
        file.seek(100)
        byte = file.read(1)
        file.seek(100)
        file.write(bytes([byte[0] ^ 1]))
    events = repository.events("verify", "--level", "stored", "--domain-names", f"web@{first}", status=4)
    same([(event["pack"].rpartition("/")[2], event["points"]) for event in events if event["event"] == "damaged-pack"],
         [(os.path.basename(pack), [{"guest": "web", "point": first}, {"guest": "web", "point": second}])], "who needs the pack")
    guests, total = status_of(repository, status=1)
    same((guests["web"]["state"], guests["web"]["points"], guests["web"]["damaged"], total["never"]), ("never", 2, 2, 1), "after")
    with open(guest.disks[0].path, "r+b") as disk:
        disk.write(b"x")
    repository.run("backup")
    guests, _ = status_of(repository, status=0)
    same((guests["web"]["state"], guests["web"]["point"]), ("failed", repository.points()[-1]), "after the next backup")
    repository.check_restores(repository.points()[-1])


def verified(repository, *arguments):
    """(guest, point) in the order in which they are verified"""
    events = repository.events("verify", "--level", "stored", *arguments)
    return [(event["guest"], event["point"]) for event in events if event["event"] == "guest-done"]


def test_shares_of_verification_get_round(t):
    """Each night adds a point of each guest, and one guest is verified; none has to wait for ever."""
    repository = Repository(t, "a", "b", "c")
    repository.backup()
    seen = []
    for _ in range(4):
        done = verified(repository, "--share", "1/30")
        same(len({guest for guest, _ in done}), 1, "guests of a share")
        same(len(done), len(repository.points(next(g for g in repository.guests if g.name == done[0][0]).uuid().replace("-", ""))),
             "points of the guest")
        seen.append(done[0][0])
        repository.backup()
    same(seen, ["a", "b", "c", "a"], "guests, night by night")
    same(len(verified(repository, "--share", "1/1")), len(repository.points()), "points of the whole")
    order = [guest for guest, _ in verified(repository, "--max-time", "1h")]
    same(order, sorted(order, key=["b", "c", "a"].index), "guests, in the order of the last time")
    repository.refused("verify", "--share", "1/30", "--level", "objects", status=2, says=["--share", "objects"])
    repository.refused("verify", "--share", "1/30", "--part", "1/2", status=2, says=["--share", "--part"])
    repository.refused("verify", "--share", "2", status=2, says=["--share"])


def test_of_an_archive(t):
    one = t.guest("one", t.disk("vda", "raw", size=1 << 20, name="one.raw")).define()
    t.guest("two", t.disk("vda", "raw", size=1 << 20, name="two.raw")).define()
    t.backup(one)
    events = t.events(t.vb("status", "--source-path", t.archive.path, "--json", status=1))
    same({event["guest"]: event["state"] for event in events if event["event"] == "guest-status"}, {"one": "ok", "two": "never"},
         "states")


def test_metrics_are_what_prometheus_takes(t):
    repository, uuids = a_host(t)
    t.guest('odd "name\\', t.disk("vda", "raw", size=1 << 20, name="odd.raw")).define()
    keep_results(t, "job-nightly", {**result(repository.guests[0], time.time(), 3, verb="run"), "guest": None, "uuid": None})
    folder = t.make_dir("collector")
    path = os.path.join(folder, "virt-backup.prom")
    with open(path, "w", encoding="utf-8") as file:
        file.write("old")
    repository.run("status", "--metrics", path, status=1)
    same((os.listdir(folder), os.stat(path).st_mode & 0o777), (["virt-backup.prom"], 0o644), "files, mode")
    with open(path, encoding="utf-8") as file:
        text = file.read()
    checked = subprocess.run(["promtool", "check", "metrics"], input=text, encoding="utf-8", stdout=subprocess.PIPE,
                             stderr=subprocess.STDOUT, check=False)
    same((checked.returncode, checked.stdout), (0, ""), "promtool check metrics")
    values = dict(line.rsplit(" ", 1) for line in text.splitlines() if not line.startswith("#"))
    newest = "virt_backup_newest_point_timestamp_seconds"
    same(values[f'{newest}{{guest="never",uuid="{uuids["never"]}"}}'], "0", "the newest point of a guest that has none")
    age = time.time() - float(values[f'{newest}{{guest="good",uuid="{uuids["good"]}"}}'])
    expect(0 <= age < 300, f"age of the newest point: {age}")
    same(values[f'virt_backup_failing{{guest="broken",uuid="{uuids["broken"]}"}}'], "1", "a guest that fails")
    same(values[f'virt_backup_guest_present{{guest="gone",uuid="{uuids["gone"]}"}}'], "0", "a guest that is gone")
    same(values['virt_backup_job_last_run_exit_status{job="nightly",verb="run"}'], "3", "a job")
    expect(any('guest="odd \\"name\\\\"' in name for name in values), "the odd name")
    repository.refused("status", "--metrics", os.path.join(folder, "nowhere", "x.prom"), says=["x.prom"])


def test_a_damaged_file_of_results_is_told_and_no_more(t):
    repository = Repository(t, "web")
    repository.backup()
    path = keep_results(t, "guest-" + repository.guests[0].uuid())
    with open(path, "w", encoding="utf-8") as file:
        file.write("{")
    done = repository.run("status")
    expect(path in done.err, done.err)


def job_file(t, name, place, *lines):
    path = t.path(name + ".conf")
    with open(path, "w", encoding="utf-8") as file:
        file.write("\n".join((place, *lines)) + "\n")
    os.chmod(path, 0o600)
    return path


def two_jobs(t):
    """Of one guest each, which have a point in a repository of their own, and of a guest that no job chooses."""
    one, two = Repository(t, "web"), Repository(t, "db1", folder="second")
    one.backup("--domain-names", "web")
    two.backup("--domain-names", "db1")
    t.guest("other", t.disk("vda", "raw", size=1 << 20, name="other.raw")).define()
    return one, two, [job_file(t, "nightly", f"repository = {one.path}", "domain-names = web"),
                      job_file(t, "weekly", f"repository = {two.path}", "domain-names = db*")]


def states_of(t, *words, status):
    events = t.events(t.vb("status", "--json", *words, status=status))
    return {event["guest"]: (event["state"], event.get("place")) for event in events if event["event"] == "guest-status"}


def test_jobs_say_which_guests_and_which_places(t):
    one, two, jobs = two_jobs(t)
    same(states_of(t, *jobs, status=0), {"web": ("ok", one.path), "db1": ("ok", two.path)}, "guests of both jobs")
    same(states_of(t, jobs[1], status=0), {"db1": ("ok", two.path)}, "guests of one job")
    same(states_of(t, *jobs, "--domain-names", "web", status=0), {"web": ("ok", one.path)}, "one guest")
    same(states_of(t, "--repository", one.path, status=1), {"web": ("ok", one.path), "db1": ("never", None), "other": ("never", None)},
         "guests of a place")
    two.age(two.points()[0], 2)
    same(states_of(t, *jobs, status=1), {"web": ("ok", one.path), "db1": ("stale", two.path)}, "after two days")
    out = t.vb("status", "--nagios", *jobs, status=2).out
    expect(out.startswith("CRITICAL - 1 whose newest is too old, 1 ok | ") and "other" not in out, out)
    all_guests = job_file(t, "all", f"repository = {one.path}", "exclude-domains = db1")
    same(states_of(t, all_guests, status=1), {"web": ("ok", one.path), "other": ("never", None)}, "guests of a job without names")


def overlay(t, folder):
    """What the test writes there goes elsewhere."""
    layers = t.small_filesystem("layers", 16 << 20)
    for name in ("upper", "work"):
        os.mkdir(os.path.join(layers, name))
    run("mount", "-t", "overlay", "vbtest", "-o", f"lowerdir={folder},upperdir={layers}/upper,workdir={layers}/work", folder)
    t.undo.callback(run, "umount", "--lazy", folder)


def test_settings_of_the_night_of_a_repository_are_a_job(t):
    """Whatever its prune and collect are given. These options say nothing about which guests are backed up."""
    one, _, _ = two_jobs(t)
    overlay(t, "/etc")
    os.makedirs("/etc/virt-backup", exist_ok=True)
    settings = "/etc/virt-backup/guests.conf"
    for lines in (["COLLECT=--trash-age 7d --wait"], ["KEEP=--keep-daily 7 --force"], ["KEEP=--keep-daily 7 --domain-names db1"]):
        with open(settings, "w", encoding="utf-8") as file:
            file.write("\n".join([f"REPOSITORY={one.path}", "OPTIONS=--domain-names web", *lines]) + "\n")
        same(states_of(t, "guests", status=0), {"web": ("ok", one.path)}, f"guests, with {lines}")
        t.refused("run", "guests", says=[f"{settings}: line 3"])
        t.refused("job", "check", "guests", says=[f"{settings}: line 3"])


def test_a_job_before_its_first_night(t):
    """It keeps nobody from the state of the others; a repository that is not there does."""
    one, _, jobs = two_jobs(t)
    for lines in ((f"repository = {one.path}", "scope = east"), (f"destination-path = {t.path('folder')}/",)):
        new = job_file(t, "new", *lines, "domain-names = other")
        same(states_of(t, jobs[0], new, status=1), {"web": ("ok", one.path), "other": ("never", None)}, "guests of both jobs")
        out = t.vb("status", "--nagios", jobs[0], new, status=2).out
        expect(out.startswith("CRITICAL - 1 without a good backup, 1 ok | "), out)
    for line in (f"repository = {t.path('nowhere')}", f"destination-path = {t.path('nowhere')}/backups"):
        new = job_file(t, "new", line, "domain-names = other")
        t.refused("status", jobs[0], new, says=["nowhere"])


def test_jobs_that_are_wrong_are_told(t):
    one, _, jobs = two_jobs(t)
    wrong = job_file(t, "wrong", f"repository = {one.path}", "domain-name = web")
    t.refused("status", jobs[0], wrong, status=2, says=[f"{wrong}: line 2", "domain-names"])
    out = t.vb("status", "--nagios", jobs[0], wrong, status=3).out
    expect(out.startswith("UNKNOWN - ") and f"{wrong}: line 2" in out, out)
    gone = job_file(t, "gone", f"repository = {one.path}", "domain-names = web, mail")
    result = t.vb("status", gone, status=1)
    expect("mail" in result.err and "web" in result.out, result.out + result.err)
    out = t.vb("status", "--nagios", gone, status=1).out
    expect(out.startswith("WARNING - 1 ok, 1 not found | "), out)
    nothing = job_file(t, "nothing", f"repository = {one.path}", "domain-names = mail")
    result = t.vb("status", nothing, *jobs, status=1)
    expect("nothing" in result.err and "db1" in result.out, result.out + result.err)
    t.vb("status", nothing, status=1)
    t.refused("status", jobs[0], "--repository", one.path, status=2, says=["--repository", jobs[0]])
    t.refused("status", jobs[0], "--scope", "default", status=2, says=["--scope"])
    t.refused("status", "nobody-has-this", status=1, says=["there is no job 'nobody-has-this'"])
