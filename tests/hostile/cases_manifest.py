# SPDX-License-Identifier: LGPL-2.1-or-later
"""The manifest: names, numbers, counts, and XML that is more than XML."""

from case import Case, restore_disks

NAME = 'name="web-vda.raw"'
LIMIT = "9223372036854775808"


def sub(old, new):
    return lambda f: f.sub(old, new)


def stored(**attributes):
    return lambda f: f.stored("web-vda.raw", **attributes)


# name: (what the stored name becomes, what the message says)
NAMES = {
    "dots": ("../web-vda.raw", "contains a '/'"),
    "absolute": ("{canary}/web-vda.raw", "contains a '/'"),
    "proc": ("/proc/self/mem", "contains a '/'"),
    "folder": ("x/web-vda.raw", "contains a '/'"),
    "behind-its-guest": ("web-/../../x", "contains a '/'"),
    "trailing-slash": ("web-vda.raw/", "contains a '/'"),
    "empty": ("", "is empty"),
    "dot": (".", "'.' is not a file name"),
    "dot-dot": ("..", "'..' is not a file name"),
    "of-another-guest": ("db-vda.raw", "not a name for a file of guest"),
    "of-a-manifest": ("web-db.xml", "not a name for a file of guest"),
    "temporary": (".virt-backup-0123456789abcdef.x.part", "reserved for temporary files"),
    "newline": ("web-&#10;vda.raw", "control character"),
    "tab": ("web-&#9;vda.raw", "control character"),
    "delete": ("web-\u007fvda.raw", "control character"),
    "long": ("web-" + "v" * 300, "bytes long"),
    "used-twice": ("web-vdb.raw", "duplicate file"),
    "not-there": ("web-vdz.raw", "No such file"),
    "escape-sequence": ("web-\u009b2J.raw", "No such file"),
    "right-to-left": ("web-\u202ewar.adv", "No such file"),
}

# name: (text of the manifest, what it becomes, what the message says)
TEXTS = {
    "gid-none": ('gid="', 'gid="4294967295" x="', "gid"),
    "format-0": ('format="3"', 'format="0"', "damaged"),
    "format-1": ('format="3"', 'format="1"', "early"),
    "format-4": ('format="3"', 'format="4"', "newer"),
    "format-huge": ('format="3"', 'format="99999999999999999999"', "damaged"),
    "namespace-2": ("urn:virt-backup:manifest:1", "urn:virt-backup:manifest:2", "newer"),
    "namespace-none": ("urn:virt-backup:manifest:1", "urn:virt-backup:manifest:", "damaged"),
    "time": ("<vb:backup ", '<vb:backup colour="red" ', "damaged"),
    "state": ('state="shut off"', 'state="on fire"', "state"),
    "persistent": ('persistent="yes"', 'persistent="maybe"', "persistent"),
    "autostart": ('autostart="no"', 'autostart=""', "autostart"),
    "consistency": ('method="offline"', 'method="luck"', "method"),
    "type-of-disk": ('target="vda" type="file"', 'target="vda" type="dir"', "unknown type"),
    "no-target": ('<vb:disk target="vda"', '<vb:disk target=""', "no target"),
    "target-twice": ('<vb:disk target="vdb"', '<vb:disk target="vda"', "duplicate disk"),
    "no-format": ('type="file" format="raw"', 'type="file" format=""', "no format"),
    "other-name": ("<name>web</name>", "<name>db</name>", "another guest"),
    "other-uuid": ("<uuid>2f6a3c1e", "<uuid>00000000", "another guest"),
    "no-name": ("<name>web</name>", "", "not a domain"),
    "name-dots": ('<vb:domain name="web"', '<vb:domain name="../web"', "another guest"),
    "unknown-element": ("<vb:consistency", "<vb:surprise/><vb:consistency", "surprise"),
    "element-in-a-leaf": ('<vb:consistency method="offline"/>', '<vb:consistency method="offline"><vb:x/></vb:consistency>',
                          "unknown element"),
    "no-domain": ("<vb:domain ", "<vb:domaim ", "must be"),
    "kind-of-extra": ('kind="nvram"', 'kind="shadow"', "invalid value 'shadow' for 'kind'"),
    "live-without-memory": ("</vb:backup>", "<vb:live><domain/></vb:live></vb:backup>", "damaged"),
    "text-for-a-number": ('chunk-size="65536"', 'chunk-size="64K"', "chunk-size"),
    "codec": ('compression="none"', 'compression="bzip2"', "compression"),
    "codec-level": ('compression="none"', 'compression="zstd:99"', "compression"),
    "codec-without-digest": ('compression="none"', 'compression="zstd:1"', "must have a SHA-256"),
}

# name: (attributes of <stored>, what the message says)
NUMBERS = {
    "size-negative": ({"size": "-1"}, "'size'"),
    "size-hexadecimal": ({"size": "0x80000"}, "'size'"),
    "size-blank": ({"size": " 524288"}, "'size'"),
    "size-zeros": ({"size": "0524288"}, "'size'"),
    "size-float": ({"size": "5e5"}, "'size'"),
    "size-empty": ({"size": ""}, "'size'"),
    "size-wraps-64-bits": ({"size": "18446744073709551616"}, "'size'"),
    "size-of-all-bits": ({"size": "18446744073709551615", "raw_size": "18446744073709551615"}, "larger than a file"),
    "size-of-no-file": ({"size": LIMIT, "raw_size": LIMIT}, "larger than a file"),
    "size-of-the-largest-file": ({"size": str(int(LIMIT) - 1), "raw_size": str(int(LIMIT) - 1)}, "the manifest says"),
    "size-lies": ({"size": "524289", "raw_size": "524289"}, "the manifest says"),
    "size-0": ({"size": "0", "raw_size": "0"}, "the manifest says"),
    "raw-size-lies": ({"raw_size": "1048576"}, "size of the image"),
    "raw-size-none": ({"raw_size": None}, "raw-size"),
    "chunk-0": ({"chunk_size": "0"}, "chunk size"),
    "chunk-1": ({"chunk_size": "1"}, "chunk size"),
    "chunk-odd": ({"chunk_size": "65537"}, "chunk size"),
    "chunk-small": ({"chunk_size": "32768"}, "chunk size"),
    "chunk-large": ({"chunk_size": "1073741824"}, "chunk size"),
    "chunk-63-bits": ({"chunk_size": LIMIT}, "chunk size"),
    "chunk-other": ({"chunk_size": "131072"}, "digest"),
    "dictionary-0": ({"dictionary": "0"}, "dictionary"),
    "dictionary-of-none": ({"dictionary": "65536"}, "dictionary"),
    "digest-short": ({"content_sha256": "0" * 63}, "content-sha256"),
    "digest-no-hex": ({"content_sha256": "g" * 64}, "content-sha256"),
    "digest-wrong": ({"content_sha256": "0" * 64}, "digest"),
    "digest-missing": ({"content_sha256": None}, "content-sha256"),
}


def whole(text):
    def change(f):
        f.text = f.fill(text)
    return change


def prologue(text):
    def change(f):
        f.text = f.fill(text) + f.text
    return change


ENTITIES = "".join(f"<!ENTITY {chr(98 + n)} '{('&' + chr(97 + n) + ';') * 10}'>" for n in range(9))
# name: (change, what the message says)
DOCUMENTS = {
    "doctype": (prologue("<!DOCTYPE domain>"), "document type"),
    "external-entity": (prologue("<!DOCTYPE d [<!ENTITY x SYSTEM 'file://{canary}/secret'>]>"), "document type"),
    "external-dtd": (prologue("<!DOCTYPE d SYSTEM 'file://{canary}/secret'>"), "document type"),
    "external-dtd-of-a-host": (prologue("<!DOCTYPE d PUBLIC 'x' 'http://192.0.2.1/x.dtd'>"), "document type"),
    "parameter-entity": (prologue("<!DOCTYPE d [<!ENTITY % x SYSTEM '{canary}/secret'> %x;]>"), "xml"),
    "entity-bomb": (whole(f"<!DOCTYPE d [<!ENTITY a 'aaaaaaaaaa'>{ENTITIES}]><domain xmlns:vb='urn:virt-backup:manifest:1'>&j;"
                          "</domain>"), "xml"),
    "entity-bomb-in-an-attribute": (whole(f"<!DOCTYPE d [<!ENTITY a 'aaaaaaaaaa'>{ENTITIES}]><domain x='&j;'>"
                                          "<vb:backup /></domain>"), "xml"),
    "unknown-entity": (sub("<name>web</name>", "<name>web</name><title>&secret;</title>"), "Entity"),
    "nul": (sub("<name>web</name>", "<name>web\0</name>"), "NUL"),
    "escape": (sub("<name>web</name>", "<name>web</name><title>\u001b[2J</title>"), "xml"),
    "escape-by-number": (sub("<name>web</name>", "<name>web</name><title>&#27;[2J</title>"), "xml"),
    "not-utf8": (sub("<name>web</name>", "<name>web</name><title>\udcff</title>"), "xml"),
    "deep": (sub("<name>web</name>", "<name>web</name>" + "<a>" * 100000 + "</a>" * 100000), "xml"),
    "attribute-twice": (sub("<vb:hypervisor ", "<vb:hypervisor uri='x' "), "redefined"),
    "cut-off": (lambda f: setattr(f, "text", f.text[:len(f.text) // 2]), "xml"),
    "more-behind-it": (lambda f: setattr(f, "text", f.text + "<domain/>"), "xml"),
    "too-large": (lambda f: setattr(f, "text", f.text + " " * (4 << 20)), "larger than"),
    "prefix-of-another": (sub('xmlns:vb="urn:virt-backup:manifest:1"', 'xmlns:vb="urn:x"'), "damaged"),
    "backup-elsewhere": (sub("<metadata>", "<metadata/><metadata2>"), "xml"),
    "two-backups": (lambda f: f.sub("<vb:backup ", f.text[f.text.index("<vb:backup "):f.text.index("</vb:backup>") + 12]
                                    + "<vb:backup "), "two places"),
    "digest-in-a-comment": (lambda f: f.sub("<metadata>", "<metadata><!--" + f.text[f.text.index("<vb:backup "):][:140]
                                            + "-->"), "two places"),
}


def unsigned(change):
    def both(f):
        change(f)
        f.own_digest = False
    return both


def many(element, count, before):
    def change(f):
        f.sub(before, "".join(element.replace("{n}", str(n)) for n in range(count)) + before)
    return change


DISK = ('<vb:disk target="x{n}" type="file" format="raw"><vb:source path="/x{n}" size="0"/><vb:stored name="web-x{n}.raw" '
        'size="0" compression="none" chunk-size="65536" raw-size="0" content-sha256="' + "0" * 64 + '"/></vb:disk>')
EXTRA = ('<vb:extra kind="tpm"><vb:source path="/x"/><vb:stored name="web-t{n}" size="0" sha256="' + "0" * 64
         + '" compression="none" chunk-size="65536" raw-size="0" content-sha256="' + "0" * 64 + '"/></vb:extra>')
LEFT_OUT = '<vb:left-out target="x{n}" device="cdrom" reason="cdrom"/>'


def mode(text):
    def change(f):
        at = f.text.index('mode="', f.text.index('<vb:disk target="vda"')) + 6
        f.text = f.text[:at] + text + f.text[at + 4:]
    return change


def owner(attribute, value):
    def change(f):
        at = f.text.index(f'{attribute}="', f.text.index("<vb:owner")) + len(attribute) + 2
        f.text = f.text[:at] + value + f.text[f.text.index('"', at):]
    return change


def path(text):
    """The original path of vda, wherever it stands; it decides the name of the restored file."""
    def change(f):
        old = f.places["images"] + "/vda.raw"
        f.text = f.text.replace(old, f.fill(text))
    return change


def option(name, value):
    def change(f):
        at = f.text.index("<vb:stored", f.text.index('<vb:disk target="vdb"'))
        f.text = f.text[:at] + f'<vb:option name="{name}" value="{f.fill(value)}"/>' + f.text[at:]
    return change


def options(count):
    def change(f):
        for n in range(count):
            option(f"x{n}", "y")(f)
    return change


def target_dots(f):
    f.text = f.text.replace('target="vda"', 'target="../vda"')
    path("/x/..")(f)


def harmless():
    """What is odd and does no harm: it is restored, with the right bytes, into the destination."""
    for name, text in {"path-of-cron": "/etc/cron.d/evil", "path-dots": "/x/..", "path-empty": "", "path-slash": "/x/",
                       "path-control": "/x/a&#10;b", "path-long": "/x/" + "y" * 300, "path-temporary": "/x/.virt-backup-x",
                       "path-relative": "../../x", "path-of-a-device": "/dev/sda", "path-option": "/x/-f"}.items():
        yield restore_disks("harmless-" + name, path(text), "", verify=(0,))
    yield restore_disks("harmless-set-id", mode("6755"), "", warns="6755", verify=(0,))
    yield restore_disks("harmless-everybody-writes", mode("1777"), "", warns="1777", verify=(0,))
    yield restore_disks("harmless-owner", owner("uid", "12345"), "", verify=(0,))
    for name, (key, value) in {"backing": ("backing_file", "{canary}/secret"), "data-file": ("data_file", "{canary}/x"),
                               "two-in-one": ("cluster_size", "65536,data_file={canary}/x"),
                               "unknown": ("teleport", "on"), "encryption": ("encryption", "on"),
                               "help": ("help", "x")}.items():
        yield restore_disks("harmless-option-" + name, option(key, value), "", disks="vdb", warns="is left out", verify=(0,))
    yield restore_disks("harmless-stylesheet", prologue("<?xml-stylesheet href='file://{canary}/secret'?>"), "", verify=(0,))
    yield restore_disks("harmless-escapes-in-text", sub('host="', 'host="\u009b2J\u202e'), "", verify=(0,))


def cases():
    for name, (text, says) in NAMES.items():
        yield restore_disks("stored-name-" + name, sub(NAME, f'name="{text}"'), says)
    for name, (old, new, says) in TEXTS.items():
        yield restore_disks("manifest-" + name, sub(old, new), says)
    for name, (attributes, says) in NUMBERS.items():
        yield restore_disks("number-" + name, stored(**attributes), says)
    for name, (change, says) in DOCUMENTS.items():
        yield restore_disks("manifest-" + name, change, says)
    for name, (change, says) in {"empty": (whole(""), ""), "blank": (whole(" "), ""), "binary": (whole("\x7fELF\x02\x01"), "")
                                 }.items():
        yield restore_disks("manifest-" + name, change, says or "xml")
    yield restore_disks("digest-of-the-manifest-wrong", unsigned(sub("<metadata>", "<metadata> ")), "SHA-256 differs")
    yield restore_disks("digest-of-the-manifest-none", unsigned(sub(' sha256="', ' sha257="')), "damaged")
    yield restore_disks("many-disks-in-the-manifest", many(DISK, 3000, "<vb:extra"), "more disks")
    yield restore_disks("many-extras", many(EXTRA, 100, "<vb:extra"), "more disks")
    yield restore_disks("many-left-out", many(LEFT_OUT, 20000, "</vb:backup>"), "more disks")
    yield restore_disks("many-options", options(100), "more than 64 options", disks="vdb")
    yield restore_disks("option-impossible", option("cluster_size", "1"), "vdb", disks="vdb")
    yield restore_disks("mode-no-octal", mode("0888"), "mode")
    yield restore_disks("owner-none", owner("uid", "4294967295"), "invalid owner or group")
    yield restore_disks("owner-33-bits", owner("gid", "4294967296"), "gid")
    yield restore_disks("selinux-control", lambda f: f.sub("<vb:owner ", '<vb:owner selinux="a&#10;b" '), "SELinux")
    yield restore_disks("selinux-long", lambda f: f.sub("<vb:owner ", f'<vb:owner selinux="{"a" * 5000}" '), "SELinux")
    yield restore_disks("target-dots", target_dots, "contains a '/'", disks="../vda")
    yield restore_disks("format-luks", lambda f: f.sub('type="file" format="raw"', 'type="file" format="luks"'),
                        "cannot be written")
    yield restore_disks("format-unknown", lambda f: f.sub('type="file" format="raw"', 'type="file" format="../x"'),
                        "unknown")
    yield Case("xinclude", lambda f: f.sub("<metadata>", "<metadata><xi:include xmlns:xi='http://www.w3.org/2001/XInclude' "
                                           "href='file://{canary}/secret' parse='text'/>"), says="metadata/include")
    yield from harmless()
