# SPDX-License-Identifier: LGPL-2.1-or-later
"""What stays in a repository: repository create, prune, collect, hold, release, tag, undelete, repair."""

import os
import uuid

from vbtest.command import expect, same
from vbtest.repository import Repository

DAYS = [40, 30, 9, 8, 2, 1]


def planted(t, *names, days=tuple(DAYS)):
    """A repository with points that are so many days old, of each of these guests; and their ids, the oldest first."""
    repository = Repository(t)
    return repository, [repository.plant(name, age) for name in names or ("web",) for age in days]


def plan(repository, *arguments, status=0):
    """point -> what prune would do with it"""
    events = repository.events("prune", "--dry-run", *arguments, status=status)
    return {event["point"]: event for event in events if event["event"] == "prune-plan"}


def test_a_repository_is_made_once(t):
    path = t.path("repository")
    result = t.vb("repository", "create", path)
    expect(f"repository {path} is made" in result.out, result.out)
    t.refused("repository", "create", path, says=[path, "already a repository"])
    t.refused("prune", "--repository", t.path("nowhere"), "--keep-last", "1", says=[t.path("nowhere")])
    other = t.make_dir("other")
    with open(os.path.join(other, "file"), "wb"):
        pass
    t.refused("repository", "create", other, says=[other])
    same(os.listdir(other), ["file"], "files of somebody else")
    (event, summary) = t.events(t.vb("repository", "create", t.path("second"), "--json"))
    same((event["event"], event["creates-once"], summary["status"]), ("repository-made", True, 0), "objects")


def test_a_policy_is_simulated_without_a_repository(t):
    events = t.events(t.vb("prune", "--simulate", "daily 22:00", "--for", "2y", "--keep-daily", "7", "--keep-weekly", "4",
                           "--keep-monthly", "12", "--stored", "1.2G", "--change", "1%", "--json"))
    same({event["event"] for event in events}, {"prune-plan", "simulation", "summary"}, "objects")
    (simulation,) = [event for event in events if event["event"] == "simulation"]
    same((simulation["backups"], simulation["points"]), (730, 23), "backups, points")
    expect(simulation["stored-size"] <= simulation["written-size"], "more is stored than was written")
    t.refused("prune", "--simulate", "nightly", "--for", "2y", "--keep-last", "1", status=2, says=["--simulate", "daily 22:00"])


def test_what_a_policy_drops_can_be_taken_back(t):
    repository, points = planted(t)
    would = plan(repository, "--keep-last", "2", "--keep-within", "8d")
    same([(would[point]["keep"], would[point].get("option")) for point in points],
         [(False, None)] * 3 + [(True, "keep-within")] + [(True, "keep-last")] * 2, "plan")
    same(repository.trashed(), [], "markers after a dry run")
    events = repository.events("prune", "--keep-last", "2", "--keep-within", "8d")
    same([event["point"] for event in events if event["event"] == "point-pruned"], points[:3], "points that were pruned")
    same(repository.trashed(), [point + ".1" for point in points[:3]], "markers")
    events = repository.events("undelete", points[0][:16], "web@latest")
    same([(event["point"], event["changed"]) for event in events if event["event"] == "point-undeleted"],
         [(points[0], True), (points[2], True)], "points that are taken back")
    result = repository.run("undelete", points[0])
    expect("is not in the trash" in result.out, result.out)
    same(list(plan(repository, "--keep-last", "9")), [points[0], *points[2:]], "points that count")


def test_a_guest_without_a_new_point_keeps_all(t):
    repository, points = planted(t, "web", "db", days=(4, 3))
    new = repository.plant("web", 0)
    events = repository.events("prune", "--keep-last", "2", "--newest-within", "1d")
    (skipped,) = [event for event in events if event["event"] == "guest-skipped"]
    same(skipped["guest"], "db", "the guest that is left alone")
    same(repository.trashed(), [points[0] + ".1"], "markers")
    expect(new in repository.points(), "the new point is gone")


def test_a_guest_that_would_lose_most_is_refused(t):
    repository, points = planted(t, "web", "db", days=(4, 3, 2))
    repository.plant("db", 1)
    result = repository.run("prune", "--keep-last", "1", status=1)
    same(len([line for line in result.error_lines if "--force" in line]), 2, "refusals")
    same(repository.trashed(), [], "markers")
    repository.run("prune", "--keep-last", "1", "--force")
    same(len(repository.trashed()), 5, "markers")
    expect(points[2] in repository.points(), "a point was deleted by prune")


def test_held_and_tagged_points_stay(t):
    repository, points = planted(t)
    repository.run("hold", "--reason", "before the upgrade", points[0])
    repository.run("tag", "--add", "first,best", points[1])
    (event, _) = repository.events("tag", "--remove", "best", points[1])
    same((event["event"], event["tag"], event["changed"]), ("point-untagged", "best", True), "object")
    would = plan(repository, "--keep-last", "1", "--keep-tag", "first", "--force")
    same([would[point].get("option", would[point]["reason"]) for point in points[:3]], ["held", "keep-tag", "no-option"], "reasons")
    repository.run("prune", "--keep-last", "1", "--keep-tag", "first", "--force")
    repository.run("release", points[0])
    repository.run("prune", "--keep-last", "1", "--force")
    same([name[:32] for name in repository.trashed()], points[:-1], "markers")
    expect("is held" in repository.run("hold", points[0]).out, "the point is not held")
    repository.run("collect", "--trash-age", "0")
    same(repository.points(), [points[0], points[-1]], "points")


def test_what_nothing_needs_is_collected(t):
    repository, points = planted(t)
    packs = repository.packs()
    repository.run("prune", "--keep-last", "1", "--force")
    events = repository.events("collect", "--dry-run", "--trash-age", "0")
    same([(event["points-removed"], event["packs-removed"], event["bytes-removed"]) for event in events
          if event["event"] == "collected"], [(5, 5, 1500)], "what could be removed")
    events = repository.events("collect")
    same([(event["outcome"], event["points-removed"]) for event in events if event["event"] == "collected"], [("done", 0)],
         "before a week has passed")
    same((repository.points(), repository.packs()), (points, packs), "what is there")
    result = repository.run("collect", "--trash-age", "0")
    expect("5 of 6 points and 5 of 6 packs removed" in result.out, result.out)
    same(repository.points(), points[-1:], "points that are left")
    same(repository.packs(), [points[-1] + "-00000000"], "packs that are left")
    same(repository.trashed(), [], "markers")
    repository.refused("undelete", points[0], says=[points[0], "it was removed"])
    expect("0 of 1 points" in repository.run("collect", "--trash-age", "0").out, "there is something left to remove")


def test_a_session_that_died_is_waited_for_and_fenced(t):
    repository, (point,) = planted(t, days=(1,))
    dead = repository.plant("web", 0, point=False)
    events = repository.events("collect")
    same([(event["point"]) for event in events if event["event"] == "session-waited"], [dead], "sessions that are waited for")
    (collected,) = [event for event in events if event["event"] == "collected"]
    same((collected["outcome"], collected["sessions-waited"], len(repository.packs())), ("unfinished", 1, 2), "outcome")
    result = repository.run("collect")
    expect("goes on with the collection" in result.out and "waits for 1 session" in result.out, result.out)
    for _ in range(3):
        events = repository.events("collect", "--silence", "0")
    (collected,) = [event for event in events if event["event"] == "collected"]
    same((collected["outcome"], repository.points(), repository.packs()), ("done", [point], [point + "-00000000"]), "outcome")


def test_a_damaged_point_stops_collections_until_it_is_set_aside(t):
    repository, (damaged, *others) = planted(t, days=(3, 2, 1))
    (path,) = repository.find(f"p/default/*/{damaged}")
    with open(path, "r+b") as file:
        file.seek(150)
        file.write(b"damage")
    repository.refused("repair", "--set-aside", others[0], says=[others[0], "readable"])
    line = repository.refused("collect", "--trash-age", "0", status=4, says=["default", damaged])
    expect("repair" in line, f"no remedy: {line}")
    result = repository.run("prune", "--keep-last", "1", "--force", "--dry-run", status=4)
    expect(damaged[:16] in " ".join(result.error_lines), f"no word of it: {result.error_lines}")
    (event, _) = repository.events("repair", "--set-aside", damaged[:20])
    same(event["event"], "point-set-aside", "object")
    expect(os.path.exists(os.path.join(repository.path, event["copy"])), f"no copy: {event}")
    repository.run("collect")
    same((repository.points(), len(repository.packs())), (others, 2), "points, packs")


def test_a_point_whose_manifest_is_not_one_is_damaged(t):
    repository, (point,) = planted(t, days=(10,))
    events = repository.events("verify", "--level", "objects", status=4)
    damage = [event for event in events if event["event"] == "damage"]
    expect(any("its manifest: is XML, but not a manifest" in event["error"] for event in damage), f"damage: {events}")
    (listed,) = [event for event in repository.events("list") if event["event"] == "point"]
    same((listed["point"], listed["damaged"]), (point, True), "the point in a list")


def test_words_that_mean_no_point(t):
    repository, (_, two) = planted(t, days=(2, 1))
    for verb, more in (("hold", ()), ("release", ()), ("undelete", ()), ("tag", ("--add", "x")), ("repair", ("--set-aside",))):
        repository.refused(verb, *more, "web", says=["'web' does not name a point", "GUEST@latest"])
        repository.refused(verb, *more, "wbe@00000000", says=["'wbe@00000000'", "list"])
    result = repository.run("hold", "wbe@latest", f"{uuid.uuid5(uuid.NAMESPACE_OID, 'web')}@{two[:12]}", status=3)
    expect("is held" in result.out and "wbe@latest" in result.error_lines[0], f"{result.out} {result.error_lines}")
    same([path.split("/")[-2] for path in repository.find("h/default/*/*/hold")], [two], "holds")


def test_scopes_are_collected_on_their_own(t):
    """What cannot be read in one of them does not stop the others."""
    repository, points = planted(t, days=(3, 2))
    for top in "cdhpstvx":
        path = os.path.join(repository.path, top)
        if os.path.isdir(os.path.join(path, "default")):
            os.makedirs(os.path.join(path, "lab"), mode=0o700)
    slot = os.path.join(repository.path, "p/lab", "11" * 16)
    os.makedirs(slot)
    with open(os.path.join(slot, points[0]), "wb") as file:
        file.write(b"nothing that could be read")
    repository.run("prune", "--keep-last", "1", "--scope", "default")
    events = repository.events("collect", "--trash-age", "0", status=4)
    same([event["scope"] for event in events if event["event"] == "scope-failed"], ["lab"], "scopes that failed")
    same(repository.points(), points[1:], "points of the other scope")


def test_a_collection_without_enough_memory_says_how_much_it_takes(t):
    repository, points = planted(t, days=(2, 1))
    repository.trash(points[0])
    before = repository.find("*/default/*/*"), repository.packs()
    line = repository.refused("collect", "--trash-age", "0", "--scope", "default", "--memory-limit", "1M",
                              says=["scope 'default'", "packs: 2", "--memory-limit"])
    same((repository.find("*/default/*/*"), repository.packs()), before, "what is there")
    repository.run("collect", "--trash-age", "0", "--memory-limit", line.split("--memory-limit ")[1])
    same(repository.points(), points[1:], "points")


def test_a_scope_without_points_is_good(t):
    repository = Repository(t, "web")
    repository.backup()
    repository.run("backup", "--scope", "old")
    repository.run("remove", "--scope", "old", "--yes", "web@latest")
    for state in ("trash", "none"):
        whole = repository.events("verify")[-1]
        same((whole["good"], whole["failed"]), (1, 0), f"points that are verified, with {state} in the other scope")
        repository.run("verify", "--scope", "old", "--share", "1/30")
        repository.refused("verify", "--scope", "old", "--domain-names=nobody", says=["has no guest 'nobody'"])
        repository.run("collect", "--scope", "old", "--trash-age", "0", "--wait")


def test_a_scope_that_is_not_the_usual_one_is_named(t):
    repository = Repository(t, "web")
    repository.run("backup", "--scope", "lab")
    result = repository.run("list")
    same([line.split()[0] for line in result.out.splitlines()], ["SCOPE", "lab"], "first column")
    expect("SCOPE" not in repository.run("list", "--scope", "lab").out, "the scope that is asked for is shown")
    to = t.path("exported")
    repository.refused("export", "--domain-names", "web", "--destination-path", to, says=["scope 'default'", "has no guest 'web'"])
    repository.refused("restore", "--domain-names", "web", "--original-places", says=["scope 'default'", "has no guest 'web'"])
    repository.run("export", "--scope", "lab", "--destination-path", to)


def test_scopes_are_listed_one_after_the_other(t):
    repository = Repository(t)
    expect("has no points" in repository.run("list").err, "nothing is said of a repository without points")
    web = repository.plant("web", 2)
    expect("SCOPE" not in repository.run("list").out, "scopes are shown although there is one")
    for top in "cdhpstvx":
        os.makedirs(os.path.join(repository.path, top, "lab"), mode=0o700)
    lab = repository.plant("web", 1, scope="lab"), repository.plant("db", 1, scope="lab")

    def listed(*arguments, status=0):
        return [(event["scope"], event["point"]) for event in repository.events("list", *arguments, status=status)
                if event["event"] == "point"]
    same(listed(), [("default", web), ("lab", lab[1]), ("lab", lab[0])], "points")
    same(listed("--scope", "lab", "--domain-names", "web"), [("lab", lab[0])], "points of one scope")
    same(listed("--domain-names", "web"), [("default", web), ("lab", lab[0])], "points of a guest of two scopes")
    same(listed("--domain-names", "db"), [("lab", lab[1])], "points of a guest of one scope")
    same(listed("--domain-names", "db,wbe", status=3), [("lab", lab[1])], "points of the guest that is there")
    result = repository.run("list", "--domain-names", "db,wbe", status=3)
    same([line for line in result.error_lines if "wbe" in line and "db" not in line], result.error_lines, "errors")
    same(len(result.error_lines), 1, "errors")
    lines = result.out.splitlines()
    same((lines[0].split()[:2], lines[1].split()[:2]), (["SCOPE", "GUEST"], ["lab", "db"]), "table")
    repository.refused("list", "--domain-names", "wbe", says=["has no guest 'wbe'"])
    repository.refused("list", "--domain-names", "web@00000000", says=["has no point '00000000'"])
    repository.refused("list", "--scope", "nowhere", says=["default, lab"])


def test_holds_are_listed_with_who_and_why(t):
    repository, points = planted(t, "web", "db", days=(2, 1))
    expect("no point is held" in repository.run("list", "--holds").err, "it is not said that no point is held")
    repository.run("hold", "--reason", "before the upgrade", points[0])
    repository.run("hold", points[3])
    listed = [event for event in repository.events("list", "--holds") if event["event"] == "point"]
    same({event["point"]: event["hold"]["reason"] for event in listed},
         {points[0]: "before the upgrade", points[3]: "by command"}, "holds")
    out = repository.run("list", "--holds").out
    expect(f"held by {os.uname().nodename} since" in out and ": before the upgrade" in out, out)
    same(out.count("\n  held by"), 2, "holds that are shown")
    t.refused("list", "--source-path", t.make_dir("archive"), "--holds", status=2, says=["--repository only"])


def test_a_guest_that_is_all_in_the_trash_is_listed(t):
    repository, points = planted(t, "web", "db", days=(2, 1))
    for point in points[:2]:
        repository.trash(point)
    for named in ((), ("--domain-names", "web"), ("--domain-names", "w*")):
        listed = [event for event in repository.events("list", *named) if event["event"] == "point"]
        same([event["in-trash"] for event in listed if event["guest"] == "web"], [True, True], f"points of web, {named}")
    result = repository.run("list")
    expect("guest 'web': all its points are in the trash" in result.err, result.err)
    expect("guest 'db'" not in result.err, result.err)
    guest = str(uuid.uuid5(uuid.NAMESPACE_OID, "web"))
    listed = [event for event in repository.events("list", "--domain-names", guest) if event["event"] == "point"]
    same([(event["guest"], event["in-trash"]) for event in listed], [("web", True)] * 2, "points of its UUID")
    for word in ("web", guest, "w*", f"{guest}@latest"):
        line = repository.refused("restore", "--destination-path", t.restored, "--domain-names", word,
                                  says=["has no guest", "all points of 'web' are in the trash", "undelete"])
    command = line.split("run: virt-backup ")[1].split()
    same(command, ["undelete", "--repository", repository.path, "web@latest"], "the remedy")
    t.vb(*command)
    expect("all its points" not in repository.run("list").err, "web is still all in the trash")
