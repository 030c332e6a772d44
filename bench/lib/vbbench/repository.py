# SPDX-License-Identifier: LGPL-2.1-or-later
"""The groups that write into a repository: the disk that lives, day by day, beside borg and restic."""

import dataclasses
import json
import os
import shutil

from vbbench import life, measure
from vbbench.groups import about
from vbbench.lab import Group, Side, call, remove, same_content

DAYS, YEAR = 30, 365
QUICK_DAYS, QUICK_YEAR = 8, 20
TOLD_EVERY = 10
KEPT = 7
DAY_S = 86400
CLONE_SHARE = 0.03
BORG_CHUNK = 4 << 20
COMPRESSION = "zstd:3"


@dataclasses.dataclass(frozen=True)
class Kind:
    """One of the programs that keep many days: how it makes a repository, adds a day, and gives one back."""
    label: str
    create: object          # (lab, folder) -> None
    backup: object          # (lab, folder, subject, day) -> argv
    env: object             # (folder) -> dict or None


@dataclasses.dataclass(frozen=True)
class Subject:
    """A guest, and the file that is its disk."""
    guest: str
    disk: str
    like: str | None = None


# ---- the programs -------------------------------------------------------------------------------


def _cache(folder):
    """What a peer remembers of a repository, which is of no use with another state of it."""
    return folder + ".cache"


def _own_env(folder):
    return {"PATH": os.environ["PATH"], "HOME": _cache(folder), "LC_ALL": "C.UTF-8"}


def _borg_env(folder):
    return _own_env(folder) | {"BORG_BASE_DIR": _cache(folder), "BORG_PASSPHRASE": "bench",
                               "BORG_UNKNOWN_UNENCRYPTED_REPO_ACCESS_IS_OK": "yes", "BORG_RELOCATED_REPO_ACCESS_IS_OK": "yes"}


def _restic_env(folder):
    return _own_env(folder) | {"RESTIC_REPOSITORY": folder, "RESTIC_PASSWORD": "bench", "RESTIC_CACHE_DIR": _cache(folder)}


def _ours(compression=COMPRESSION):
    def backup(lab, folder, subject, _day):
        like = ["--like", subject.like] if subject.like else []
        return [lab.binary, "backup", "--repository", folder, "--domain-names", subject.guest, "--compression", compression,
                *like, "--json"]

    return Kind("ours", lambda lab, folder: call(lab.binary, "repository", "create", folder), backup, lambda folder: None)


OURS = _ours()
BORG = Kind("borg", lambda lab, folder: call("borg", "init", "--encryption", "none", folder, env=_borg_env(folder)),
            lambda lab, folder, subject, day: ["borg", "create", "--sparse", "--chunker-params", f"fixed,{BORG_CHUNK}",
                                               "--compression", "zstd,3", f"{folder}::day-{day:03d}", subject.disk], _borg_env)
RESTIC = Kind("restic", lambda lab, folder: call("restic", "init", env=_restic_env(folder)),
              lambda lab, folder, subject, day: ["restic", "backup", "-q", subject.disk], _restic_env)


# ---- disks and what was made of them ------------------------------------------------------------


def _group(sides, disk):
    """A group whose peers leave nothing beside their output."""
    def done():
        for side in sides.values():
            remove(_cache(side.output))

    return Group(sides, disk, done=done)


def _living(lab, share=1):
    return life.Living(lab.maker, lab.size // share)


def _become(subject, image):
    """The guest's disk has the content of this image now."""
    half = subject.disk + ".half"
    remove(half)
    os.link(image, half)
    os.rename(half, subject.disk)
    # Where both are the same file already, rename does nothing.
    remove(half)


def _subject(lab, living, name, like=None):
    """The guest of this name, whose disk becomes one image after the other."""
    subject = Subject(f"living-{living.size >> 20}-{name}", living.path(f"{name}-current"), like.guest if like else None)
    if not os.path.exists(subject.disk):
        _become(subject, living.first())
    lab.shut_off(subject.guest, subject.disk, "raw")
    return subject


def _kept(lab, kind, living, name):
    disk = living.path()
    return lab.kept_ours(disk, name) if kind is OURS else lab.kept_peer(disk, f"{kind.label}-{name}")


def _add(lab, kind, folder, subject, day, past_s=0):
    """A day that is not timed. PAST_S: how long ago it was, as the store sees it."""
    env = kind.env(folder)
    if kind is OURS and past_s:
        env = dict(os.environ, LD_PRELOAD=lab.past_shim, VIRT_BACKUP_PAST_S=str(past_s))
    call(*kind.backup(lab, folder, subject, day), env=env)


def _first_day(lab, kind, living, subject):
    """A repository that has the first day."""
    kept = _kept(lab, kind, living, "first-day")
    if not os.path.exists(kept):
        half = _new(lab, kind, kept + ".half")
        _become(subject, living.first())
        _add(lab, kind, half, subject, 0, past_s=DAY_S)
        _move(half, kept)
    return kept


def _new(lab, kind, folder):
    """An empty repository."""
    remove(folder)
    remove(_cache(folder))
    kind.create(lab, folder)
    return folder


def _copy(source, target):
    for one, other in ((source, target), (_cache(source), _cache(target))):
        remove(other)
        if os.path.exists(one):
            shutil.copytree(one, other, symlinks=True)


def _move(source, target):
    for one, other in ((_cache(source), _cache(target)), (source, target)):
        remove(other)
        if os.path.exists(one):
            os.rename(one, other)


def _into_new(lab, kind, subject, image, name=None):
    """A side that makes the first backup of this image."""
    folder = lab.out(name or kind.label)

    def prepare():
        _become(subject, image)
        _new(lab, kind, folder)

    return Side(kind.backup(lab, folder, subject, 0), folder, [image], prepare=prepare, env=kind.env(folder))


def _into_copy(lab, kind, subject, image, living):
    """A side that adds this image to a repository that has the first day."""
    folder, template = lab.out(kind.label), _subject(lab, living, "template")

    def prepare():
        _copy(_first_day(lab, kind, living, template), folder)
        _become(subject, image)

    return Side(kind.backup(lab, folder, subject, 1), folder, [image], prepare=prepare, env=kind.env(folder),
                check=lambda: _verify(lab, folder) if kind is OURS else None)


def _verify(lab, folder):
    call(lab.binary, "verify", "--repository", folder)


# ---- groups -------------------------------------------------------------------------------------


def first(lab):
    living = _living(lab)
    image, subject = living.first(), _subject(lab, living, "template")
    level_4 = dataclasses.replace(_ours("zstd:4"), label="ours-zstd4")
    archive = lab.backup(subject.guest, COMPRESSION, [image], name="archive")
    archive.prepare = lambda: _become(subject, image)
    return _group({"ours": _into_new(lab, OURS, subject, image), "ours, zstd:4": _into_new(lab, level_4, subject, image),
                   "own archive": archive, "borg": _into_new(lab, BORG, subject, image),
                   "restic": _into_new(lab, RESTIC, subject, image)}, about(image))


def second(lab):
    living = _living(lab)
    image, subject = living.later("template", 1), _subject(lab, living, "template")
    return _group({"ours": _into_copy(lab, OURS, subject, image, living),
                   "own first backup": _into_new(lab, OURS, subject, image, "ours-first"),
                   "borg": _into_copy(lab, BORG, subject, image, living),
                   "restic": _into_copy(lab, RESTIC, subject, image, living)}, f"{about(image)}, a day of 1 %")


def clone(lab):
    living = _living(lab)
    image = living.later("clone", 1, CLONE_SHARE)
    template = _subject(lab, living, "template")
    subject, alone = _subject(lab, living, "clone", like=template), _subject(lab, living, "alone")
    return _group({"ours": _into_copy(lab, OURS, subject, image, living),
                   "own first backup": _into_new(lab, OURS, alone, image, "ours-first")}, f"{about(image)}, 3 % of it its own")


def unchanged(lab):
    living = _living(lab)
    image, subject = living.first(), _subject(lab, living, "template")
    return _group({"ours": _into_copy(lab, OURS, subject, image, living),
                   "reading": Side(["dd", "if=" + image, "of=/dev/null", "bs=1M"], lab.out("none"), [image], sized=False)},
                  about(image))


def _history(lab, kinds, living, days):
    """Repositories with the first day and so many after it, and the image of the last."""
    subject, newest = _subject(lab, living, "history"), living.path(f"history-{days}")
    folders = {kind: _kept(lab, kind, living, f"history-{days}") for kind in kinds}
    # All or none of them: another life need not lie where this one does.
    if not all(map(os.path.exists, [newest, *folders.values()])):
        half = newest + ".half"
        life.copy_disk(living.first(), half)
        for kind in kinds:
            _new(lab, kind, folders[kind] + ".half")
        for day in range(days + 1):
            if day:
                living.live(half, "history", day)
            _become(subject, half)
            for kind in kinds:
                _add(lab, kind, folders[kind] + ".half", subject, day, past_s=(days - day + 1) * DAY_S)
            if day % TOLD_EVERY == 0:
                lab.maker.say(f"{os.path.basename(newest)}: day {day} of {days} is backed up")
        os.rename(half, newest)
        for kind in kinds:
            _move(folders[kind] + ".half", folders[kind])
    return subject, newest, folders


def _points(lab, folder, guest):
    """The ids of a guest's points, the oldest first."""
    found = [event for event in map(json.loads, call(lab.binary, "list", "--repository", folder, "--json").splitlines())
             if event.get("event") == "point" and event.get("guest") == guest and not event["in-trash"]]
    return [event["point"] for event in found]


def _restore(lab, folder, subject, point, image, name):
    output = lab.out(name)
    argv = [lab.binary, "restore", "--repository", folder, "--point", point, "--destination-path", output, "--domain-names",
            subject.guest, "--disks", "vda", "--json"]
    restored = os.path.join(output, os.path.basename(subject.disk))
    return Side(argv, output, [folder], check=lambda: same_content(restored, "raw", image, "raw"), sized=False)


def _borg_extract(lab, folder, subject, image, day):
    output = lab.out("extract")
    side = Side(["borg", "extract", "--sparse", f"{folder}::day-{day:03d}"], output, [folder], env=_borg_env(folder), sized=False,
                prepare=lambda: os.makedirs(output), check=lambda: same_content(output + subject.disk, "raw", image, "raw"))
    side.cwd = output
    return side


def _collected(lab, kept, subject):
    """A copy of the history of which the newest KEPT points stay."""
    folder = lab.out("collected")

    def prepare():
        _copy(kept, folder)
        call(lab.binary, "prune", "--repository", folder, "--keep-last", str(KEPT), "--force")

    def check():
        if len(_points(lab, folder, subject.guest)) != KEPT:
            raise measure.CommandFailed(f"{folder} does not hold {KEPT} points")
        _verify(lab, folder)

    return Side([lab.binary, "collect", "--repository", folder, "--trash-age", "0"], folder, [], prepare=prepare, check=check,
                added=False, reserved=os.path.join(folder, "reserve"))


def generations(lab):
    living, days = _living(lab), QUICK_DAYS if lab.quick else DAYS
    subject, newest, folders = _history(lab, [OURS, BORG], living, days)
    points = _points(lab, folders[OURS], subject.guest)
    return _group({"ours, newest": _restore(lab, folders[OURS], subject, "latest", newest, "newest"),
                   "ours, first": _restore(lab, folders[OURS], subject, points[0], living.first(), "first"),
                   "borg extract": _borg_extract(lab, folders[BORG], subject, newest, days),
                   f"ours, {KEPT} kept": _collected(lab, folders[OURS], subject),
                   "own first backup": _into_new(lab, OURS, subject, living.first(), "ours-first")},
                  f"{about(newest)}, {days} days of 1 %")


def year(lab):
    living, days = _living(lab, lab.small_share), QUICK_YEAR if lab.quick else YEAR
    subject, newest, folders = _history(lab, [OURS], living, days)
    points = _points(lab, folders[OURS], subject.guest)
    return _group({"ours, newest": _restore(lab, folders[OURS], subject, "latest", newest, "newest"),
                   "ours, first": _restore(lab, folders[OURS], subject, points[0], living.first(), "first")},
                  f"{about(newest)}, {days} days of 1 %")


GROUPS = {"repository-first": first, "repository-second": second, "repository-clone": clone,
          "repository-unchanged": unchanged, "repository-generations": generations, "repository-year": year}
