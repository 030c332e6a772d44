# SPDX-License-Identifier: LGPL-2.1-or-later
"""Several guests in one run: one that fails does not stop the others."""

import os

from vbtest.command import expect, same
from vbtest.disks import MIB


def three_guests(t):
    return [t.guest(name, t.disk("vda", size=2 * MIB, name=f"{name}.qcow2")).define() for name in ("a", "b", "c")]


def test_all_guests_without_names(t):
    guests = three_guests(t)
    result = t.backup()
    expect("3 guests backed up" in result.out, f"summary: {result.out}")
    t.check_good(*guests)


def test_one_that_fails_does_not_stop_the_others(t):
    one, two, three = three_guests(t)
    os.unlink(two.disks[0].path)
    before = [guest.snapshot() for guest in (one, two, three)]
    line = t.refused(*t.backup_line(), status=3, says=["guest 'b'", two.disks[0].path])
    expect("'a'" not in line and "'c'" not in line, f"the message blames others: {line}")
    t.archive.check_holds("a.xml", "a-vda.raw", "c.xml", "c-vda.raw")
    t.check_good(one, three)
    for guest, state in zip((one, two, three), before):
        guest.check_unchanged(state)


def test_all_fail(t):
    for guest in three_guests(t)[:2]:
        os.unlink(guest.disks[0].path)
    result = t.backup("--exclude-domains", "c", status=1)
    same(len(result.error_lines), 2, "lines of error")
    same(t.archive.names(), [], "files in the archive")


def test_running_and_shut_off_guests_together(t):
    running = t.small_guest().running()
    off = t.guest("db", t.disk("vda", name="db.qcow2")).define()
    paused = t.guest("mail", t.disk("vda", "raw", name="mail.raw", boot=1)).running().suspend()
    before = [guest.snapshot() for guest in (running, off, paused)]
    t.backup("--compression", "zstd:1")
    for guest, state in zip((running, off, paused), before):
        guest.check_unchanged(state)
    t.check_good(running, off, paused)


def test_one_that_can_not_be_restored_does_not_stop_the_others(t):
    guests = three_guests(t)
    t.backup()
    guests[0].undefine()
    guests[2].undefine()
    t.refused(*t.restore_line(), status=3, says=["guest 'b'", "exists"])
    same([guest.state() for guest in guests], ["shut off"] * 3, "states")
    same(sorted(os.listdir(t.restored)), ["a.qcow2", "c.qcow2"], "restored files")


def test_names_that_all_match_nothing_touch_no_guest(t):
    running = t.small_guest().running()
    before = running.snapshot()
    t.refused(*t.backup_line("--domain-names=no such guest", "nobody"), says=["'no such guest', 'nobody'"])
    running.check_unchanged(before)
    expect("restored" not in running.call("domstate", "--reason").out, "the other guest was touched")
    same(t.archive.names(), [], "files in the archive")


def test_summary_and_events_in_json(t):
    guests = three_guests(t)
    os.unlink(guests[1].disks[0].path)
    events = t.events(t.backup("--json", status=3))
    same([event["guest"] for event in events if event["event"] == "guest-failed"], ["b"], "failed guests")
    same(sorted(event["guest"] for event in events if event["event"] == "guest-done"), ["a", "c"], "good guests")
    summary = events[-1]
    same((summary["event"], summary["good"], summary["failed"], summary["status"]), ("summary", 2, 1, 3), "summary")


def progress_of_two(t, *line):
    """What a run over two guests of two disks each reports; slow, so that a report is due on the way."""
    result = t.vb(*line, "--json", "--bandwidth-limit", "1M")
    found = [event for event in t.events(result) if event["event"] == "progress"]
    expect({event["number"] for event in found} == {1, 2}, f"progress is not told of both guests: {found}")
    same({event["count"] for event in found}, {2}, "number of guests")
    same({event["guest-total"] for event in found}, {6 * MIB}, "bytes of a guest")
    same({event["run-total"] for event in found}, {12 * MIB}, "bytes of all guests")
    done = [event["run-done"] for event in found]
    same(done, sorted(done), "what is done of all goes on")
    for event in found:
        before = 6 * MIB * (event["number"] - 1)
        same(event["run-done"], before + event["guest-done"], "what is done of all")
    # The last one may be of the very end.
    expect(any("left-ms" in event for event in found), f"no time left: {found}")


def two_guests(t):
    return [t.guest(name, *(t.disk(target, "raw", size=3 * MIB, name=f"{name}-{target}.raw") for target in ("vda", "vdb"))).define()
            for name in ("a", "b")]


def test_progress_of_backup_is_over_all_guests(t):
    two_guests(t)
    progress_of_two(t, *t.backup_line("--chunk-size", "256K"))


def test_progress_of_verify_is_over_all_guests(t):
    two_guests(t)
    t.backup("--chunk-size", "256K")
    progress_of_two(t, "verify", "--source-path", t.archive.path)


def test_progress_of_restore_is_over_all_guests(t):
    guests = two_guests(t)
    t.backup("--chunk-size", "256K")
    for guest in guests:
        guest.undefine()
    progress_of_two(t, *t.restore_line())
