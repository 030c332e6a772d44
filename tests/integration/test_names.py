# SPDX-License-Identifier: LGPL-2.1-or-later
"""Guests whose names are a nuisance: in the command line, in file names, in XML, in messages."""

import os

from vbtest.command import expect, run, same, virsh
from vbtest.disks import MIB

NAMES = [
    "with space",
    "quote'single",
    'quote"double',
    "percent%s%n",
    "comma,comma",
    "back\\slash",
    "-leading-dash",
    "--leading-dashes",
    "Grüße-日本語",
    "semi;colon & ampersand <tag>",
    ".hidden",
    "trailing.xml",
    "a" * 200,
]


def there_and_back(t, name):
    guest = t.guest(name, t.disk("vda", "raw", size=MIB, name="disk.raw")).define()
    t.backup(guest)
    t.archive.check_holds(f"{name}.xml", f"{name}-vda.raw")
    t.check_good(guest)
    listed = t.events(t.vb("list", "--source-path", t.archive.path, "--json", *t.names([guest])))
    same(listed[0]["guest"], name, "name that list prints")
    guest.undefine()
    t.restore(*t.names([guest]))
    same(guest.state(), "shut off", f"state of '{name}'")


def add_name_tests():
    """One test function a name."""
    for number, name in enumerate(NAMES):
        def function(t, name=name):
            there_and_back(t, name)

        function.__module__ = __name__
        globals()[f"test_name_{number}_{''.join(c if c.isalnum() and c.isascii() else '_' for c in name)[:20]}"] = function


add_name_tests()


def test_running_guest_with_a_nuisance_of_a_name(t):
    guest = t.guest("my guest, 100%'s \"best\"", t.boot_disk(name="disk ü,%s.qcow2")).running()
    token, count = guest.serial.last()
    t.backup(guest, "--compression", "zstd:1")
    guest.goes_on(token, count)
    guest.destroy()
    guest.undefine()
    t.restore("--allow-autorun")
    guest.goes_on(token, 0)


def test_line_that_resumes_a_guest_can_be_pasted(t):
    """Its name comes from an archive, and is text to the shell that the line is pasted into."""
    guest = t.guest("x'; touch PWNED; '$(touch PWNED)", t.boot_disk()).running()
    token, _ = guest.serial.last()
    t.backup(guest, "--compression", "zstd:1")
    guest.destroy()
    guest.undefine()
    folder = t.path("shell")
    os.mkdir(folder)
    line = t.restore().out.partition("to resume it, run: ")[2].splitlines()[0]
    run("sh", "-c", line, cwd=folder)
    guest.goes_on(token, 0)
    same(os.listdir(folder), [], "files that the line has made")


def test_several_names_of_all_kinds(t):
    """Names after the option are names too, up to the next option; the option may be repeated."""
    guests = [t.guest(name, t.disk("vda", "raw", size=MIB, name=f"{number}.raw")).define()
              for number, name in enumerate(("one", "two", "three,four", "five", "six"))]
    t.vb("backup", "--domain-names", "one,two", "three\\,four", "--destination-path", t.archive.path, "--domain-names=five")
    same([name for name in t.archive.names() if name.endswith(".xml")], ["five.xml", "one.xml", "three,four.xml", "two.xml"],
         "manifests")
    t.check_good(*guests[:4])


def test_excluded_guests(t):
    for number, name in enumerate(("one", "two", "three")):
        t.guest(name, t.disk("vda", "raw", size=MIB, name=f"{number}.raw")).define()
    t.backup("--exclude-domains", "two")
    same([name for name in t.archive.names() if name.endswith(".xml")], ["one.xml", "three.xml"], "manifests")


def test_guest_named_like_the_file_of_another(t):
    """"web" with disk vda and "web-vda.raw": no file of one may be taken for the other's."""
    one = t.guest("web", t.disk("vda", "raw", size=MIB, name="1.raw")).define()
    two = t.guest("web-vda", t.disk("vda", "raw", size=MIB, name="2.raw")).define()
    t.backup(one, two)
    t.check_good(one, two)
    t.backup(one, "--replace")
    t.check_good(one, two)


def test_path_as_a_name(t):
    """libvirt takes no '/' in a name; an archive that claims one is not believed."""
    guest = t.guest("web", t.disk("vda", "raw", size=MIB)).define()
    t.backup(guest)
    with open(t.archive.file("web.xml"), encoding="utf-8") as file:
        text = file.read()
    with open(t.archive.file("web.xml"), "w", encoding="utf-8") as file:
        file.write(text.replace('"web-vda.raw"', '"../vda.raw"').replace("'web-vda.raw'", "'../vda.raw'"))
    expect("../vda.raw" in open(t.archive.file("web.xml"), encoding="utf-8").read(), "the manifest was not changed")  # pylint: disable=consider-using-with
    guest.undefine()
    t.refused(*t.restore_line(), says=["web"])
    same(guest.state(), "gone", "state of the guest")
    same(virsh("list", "--all", "--name").out.strip(), "", "guests")
    expect(not os.path.exists(t.restored) or not os.listdir(t.restored), "something was restored")
