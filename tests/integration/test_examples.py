# SPDX-License-Identifier: LGPL-2.1-or-later
"""The examples of the manual pages for a repository do what they are printed for."""

import glob
import json
import os
import re
import shlex

from vbtest.command import expect, same
from vbtest.disks import MIB

DOC = os.path.join(os.path.dirname(os.path.realpath(__file__)), "../../doc")
ID = re.compile(r"\b0[0-9a-f]{7,15}\b")


class Examples:
    """Two guests with three points each, and an archive, in place of those that the pages name."""

    def __init__(self, t):
        self.t = t
        self.places = {"/backup/guests": t.path("guests"), "/backup/repository": t.path("guests"),
                       "/backup/monthly": t.archive.path, "/backup/today": t.archive.path, "/srv/backup": t.archive.path,
                       "/mnt/usb": t.make_dir("usb")}
        t.undo.callback(self.forget)
        self.guests = [t.guest(name, t.disk("vda", "raw", size=MIB, name=f"{name}-vda.raw")).define() for name in ("web", "db")]

    def forget(self):
        """What collect remembers of the repository."""
        with open(os.path.join(self.repository, "config"), encoding="utf-8") as file:
            of_it = json.load(file)["id"]
        for path in glob.glob(f"/var/lib/virt-backup/*-{of_it}-*"):
            os.unlink(path)

    def words(self, page):
        """Those of each example of virt-backup on a page."""
        with open(os.path.join(DOC, f"virt-backup-{page}.1.scd"), encoding="utf-8") as file:
            text = file.read().split("\n# EXAMPLES\n")[1].split("\n# SEE ALSO\n")[0]
        found = [shlex.split(line)[2:] for line in text.splitlines() if re.match(r"[#$] virt-backup ", line)]
        expect(found, f"virt-backup-{page}(1) has no example")
        return found

    def run(self, page, point=None, ours=lambda words: True):
        """Runs those of a page that are OURS, with the id of this point in place of theirs. Returns what each has printed."""
        results = []
        for words in filter(ours, self.words(page)):
            words = [self.places.get(word, word) for word in words]
            expect(point or not any(map(ID.search, words)), f"{page}: an example names a point: {words}")
            words = [ID.sub(point, word) if point else word for word in words]
            results.append(self.t.vb(*words, *(["--yes"] if words[0] == "remove" else [])))
        return results

    @property
    def repository(self):
        return self.places["/backup/guests"]

    def back_up(self):
        self.t.add_point(self.repository, *self.guests)

    def points(self, guest, trashed=False):
        return [point["point"][:16] for point in self.t.points(self.repository, f"--domain-names={guest}")
                if point["in-trash"] == trashed]

    def marks(self, kind):
        return len(glob.glob(os.path.join(self.repository, "h", "*", "*", "*", kind)))


def of_repository(words):
    return "--repository" in words


def test_examples_of_a_repository(t):
    examples = Examples(t)
    examples.run("repository")
    t.add_point(examples.repository, t.guest("old", t.disk("vda", "raw", size=MIB, name="old.raw")).define(), "--scope", "lab")
    for _ in range(3):
        examples.back_up()
    t.backup(*examples.guests)

    examples.run("copy")
    same([len(examples.points(name)) for name in ("web", "db")], [4, 4], "points after a copy")
    shown = examples.run("list", ours=of_repository)
    same([line.split()[1] for line in shown[0].out.splitlines()[1:]], ["web"] * 4, "guests of the points that are listed")
    examples.run("export", examples.points("web")[0])
    expect(os.listdir(examples.places["/mnt/usb"]), "export has made nothing")

    examples.run("hold")
    same(examples.marks("hold"), 2, "points that are held")
    web, db = (held_point(examples, name) for name in ("web", "db"))
    examples.run("tag", db)
    same(examples.marks("tag-release-7"), 1, "points that have the tag")
    examples.run("release", web)
    same(examples.marks("hold"), 1, "points that are held")
    examples.run("prune")

    # The page of remove ends with undelete, and that of undelete takes back what is still in the trash.
    first = examples.points("web")[0]
    examples.run("remove", first, ours=of_repository)
    same(len(examples.points("web", trashed=True)), 1, "points in the trash")
    expect(first not in examples.points("web", trashed=True), "the point is still in the trash")
    t.vb("remove", "--repository", examples.repository, f"web@{examples.points('web')[-1]}", "--yes")
    examples.run("undelete")
    examples.run("collect")
    same(examples.points("web", trashed=True), [], "points in the trash after a collection")
    set_aside(t, examples)


def held_point(examples, guest):
    """The id of the point of this guest that is held."""
    return next(point["point"][:16] for point in examples.t.points(examples.repository, f"--domain-names={guest}")
                if point["held"])


def set_aside(t, examples):
    """A point that cannot be read: the first example fails, as is printed, and the second one helps."""
    examples.back_up()      # what no collection has seen yet
    point = examples.points("web")[-1]
    path, = glob.glob(os.path.join(examples.repository, "p", "default", "*", f"{point}*"))
    with open(path, "r+b") as file:
        file.write(b"damaged!")
    collect, repair = ([examples.places.get(word, word) for word in words] for words in examples.words("repair"))
    expect("is unreadable" in t.vb(*collect, status=None).err, "collect does not say that the point is unreadable")
    t.vb(*[ID.sub(point, word) for word in repair])
    t.vb(*collect)
