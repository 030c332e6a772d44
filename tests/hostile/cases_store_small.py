# SPDX-License-Identifier: LGPL-2.1-or-later
"""The small objects of a repository: its config, markers, verdicts, holds, tags, sessions, records and tokens."""

import json
import os

from case import StoredCase

WHEN = "2026-05-01T03:00:00.250Z"
MARK = {"format": 1, "by": "alpha", "when": WHEN, "reason": "audit"}
DEEP = b'{"format": 1, "x": ' + b"[" * 400 + b"]" * 400 + b"}"


def config(**members):
    return lambda f: f.config(**members)


def config_is(data):
    return lambda f: f.write("config", data(f.read("config")) if callable(data) else data)


CONFIGS = {
    "empty": config_is(b""),
    "text": config_is(b"hello"),
    "deep": config_is(DEEP),
    "deep-and-long": config_is(b"[" * 4096),
    "long": config_is(lambda old: old[:-1] + b" " * 5000 + b"}"),
    "huge": lambda f: os.truncate(f.at("config"), 1 << 40),
    "nul": config_is(lambda old: old + b"\0"),
    "not-utf-8": config_is(lambda old: old[:-1] + b', "x": "\xff"}'),
    "format-2": config(format=2),
    "format-text": config(format="1"),
    "format-none": config(format=None),
    "id-short": config(id="0123"),
    "id-upper-case": config(id="A" * 32),
    "id-path": config(id="../../../../../../../../../../../"[:32]),
    "id-number": config(id=7),
    "id-none": config(id=None),
    "encrypted": config(encrypted=True),
    "encrypted-none": config(encrypted=None),
    "block": config(block=4096),
    "block-huge": config(block=1 << 62),
    "pack": config(pack=1),
    "create-only": config(**{"create-only": "sometimes"}),
    "created": config(created="yesterday"),
    "salt-short": config(**{"id-salt": "00"}),
    "salt-none": config(**{"id-salt": None}),
}


def put(name, data, at=0):
    """NAME: of the object, with %s for scope, guest and point of an older or the newest point."""
    def change(f):
        path = name.replace("%s", f"default/{f.guests[f.victim]}/{f.sids()[at]}")
        f.write(path, json.dumps(data).encode() if isinstance(data, dict) else data)
    return change


def both(*changes):
    def change(f):
        for one in changes:
            one(f)
    return change


def other_salt(f):
    f.config(**{"id-salt": "00" * 32})


def other_id(f):
    f.id = "0" * 32
    f.config(id=f.id)


def future(sid):
    """A point of the victim's that is much newer than all that can come."""
    def change(f):
        newest = f.point()
        newest.head[32:48] = bytes.fromhex(sid)
        f.write(f"p/default/{f.guests[f.victim]}/{sid}", newest.bytes())
    return change


def future_tombstone(f):
    newest = f.point()
    newest.head[8:12], newest.head[32:48] = b"\0\0\0\3", b"\xff" * 16
    newest.rows, newest.head[64:68] = [], bytes(4)
    f.write(f"p/default/{f.guests[f.victim]}/{'f' * 32}", newest.bytes())


GARBAGE = {"empty": b"", "text": b"hello", "deep": DEEP, "long": b" " * 100000, "not-utf-8": b'{"format": 1, "by": "\xff"}',
           "format-2": dict(MARK, format=2), "escapes": dict(MARK, by="\x1b]0;owned\x07\n", reason="../../x"),
           "when": dict(MARK, when="9999999999999999999")}
PLACES = {"marker": "t/%s.1", "verdict": "t/%s.1.v", "hold": "h/%s/hold", "tag": "h/%s/tag-a", "session": "s/%s",
          "token": "c/default/0123456789abcdef"}
ODD = {
    "marker-0": put("t/%s.0", MARK), "marker-01": put("t/%s.01", MARK), "marker-9999": put("t/%s.9999", MARK),
    "marker-10000": put("t/%s.10000", MARK), "marker-4294967297": put("t/%s.4294967297", MARK),
    "marker-9999-kept": both(put("t/%s.9999", MARK), put("t/%s.9999.v", b"kept")),
    "verdict-alone": put("t/%s.1.v", b"taken"), "verdict-kept-alone": put("t/%s.1.v", b"kept"),
    "verdict-odd": both(put("t/%s.1", MARK), put("t/%s.1.v", b"taken\n")),
    "verdict-very-long": both(put("t/%s.1", MARK), put("t/%s.1.v", b"taken" * 100000)),
    "tag-name-dots": put("h/%s/tag-..", MARK), "tag-name-long": put("h/%s/tag-" + "a" * 65, MARK),
    "session-of-nobody": put("s/default/" + "0" * 32 + "/" + "0" * 32, {"format": 1}),
    "bad-record-of-nothing": put("v/default/bad/" + "0" * 32 + "-00000000", dict(MARK, what="missing")),
}


def cases():
    for name, change in CONFIGS.items():
        yield StoredCase("config-" + name, change, blocks="config")
    yield StoredCase("config-other-salt", other_salt, "its id differs", stops_all=True)
    yield StoredCase("config-other-id", other_id, "has no guest 'victim'", stops_all=True)
    yield StoredCase("config-unknown-members", config(surprise=[1, 2, {"a": None}]))
    for what, name in PLACES.items():
        for kind, data in GARBAGE.items():
            yield StoredCase(f"small-{what}-{kind}", put(name, data))
    for name, change in ODD.items():
        yield StoredCase("small-" + name, change)
    yield StoredCase("small-future-point", future("f" * 32))
    yield StoredCase("small-future-point-in-ten-years", future("01f00000000000000000000000000000"))
    yield StoredCase("small-future-tombstone", future_tombstone)
