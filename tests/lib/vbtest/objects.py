# SPDX-License-Identifier: LGPL-2.1-or-later
"""The objects of --json, compared with what virt-backup(1) says of their members."""

import datetime
import functools
import os
import re

from vbtest.command import expect

PAGE = os.path.join(os.path.dirname(__file__), "..", "..", "..", "doc", "virt-backup.1.scd")
ROW = re.compile(r"^\*([a-z -]+)\*(?: of \*([a-z]+)\*)?\n((?:\t.*\n)+)", re.MULTILINE)
COMMON = {"event", "run", "at"}


@functools.cache
def described():
    """(what, verb) -> (members that must be there, members that may be there)"""
    with open(PAGE, encoding="utf-8") as file:
        section = file.read().partition("\n# OBJECTS\n")[2].partition("\n# ")[0]
    found = {}
    for what, verb, text in ROW.findall(section):
        members = [member.strip() for member in text.split(",")]
        must = {member for member in members if not member.startswith("(")}
        found[what, verb] = must, must | {member.strip("()") for member in members}
    expect(found, "virt-backup(1) describes no objects")
    return found


def check_members(what, verb, members):
    row = described().get((what, verb)) or described().get((what, ""))
    expect(row, f"virt-backup(1) does not describe '{what}' of {verb}")
    must, may = row
    expect(must <= members <= may, f"'{what}' of {verb}: lacking {sorted(must - members)}, not described {sorted(members - may)}")


def check_event(event, verb):
    """Its members, and those of the objects in it."""
    expect(COMMON <= set(event), f"no event, run or time: {event}")
    expect(datetime.datetime.fromisoformat(event["at"]).tzinfo, f"a time without zone: {event}")
    name = event["event"]
    check_members(name, verb, set(event) - COMMON)
    for member, value in event.items():
        for part in value if isinstance(value, list) else [value]:
            if isinstance(part, dict):
                check_members(f"{name} {member}", verb, set(part))


def check_events(events):
    """All that a run has written, up to the summary, which names its verb."""
    verb = events[-1].get("verb", "") if events else ""
    for event in events:
        check_event(event, verb)
    expect(len({event["run"] for event in events}) <= 1, f"several ids of one run: {events}")
