# SPDX-License-Identifier: LGPL-2.1-or-later
"""Memory: the save image with XML of its own, its header, and the XML that it is resumed with."""

import os
import struct

from case import Case
from cases_definition import EMULATOR, QEMU
from vbtest.archive import sav_header
from vbtest.command import expect, virsh

SAV = "web.sav"
HEADER = 92


def header(f, **fields):
    """Other values in the header of the save image."""
    offsets = {"version": 16, "length": 20, "running": 24, "format": 28, "cookie": 32}
    data = f.read(SAV)
    for name, value in fields.items():
        data = data[:offsets[name]] + struct.pack("<I", value) + data[offsets[name] + 4:]
    f.put(SAV, data)


def with_header(**fields):
    return lambda f: header(f, **fields)


def texts(f, xml=lambda text: text, cookie=lambda text: text):
    """Other XML, and another cookie, inside the image."""
    data = f.read(SAV)
    length, _, _, offset = struct.unpack("<IIII", data[20:36])
    inside = data[HEADER:HEADER + length]
    old_xml = inside.split(b"\0")[0].decode()
    old_cookie = inside[offset:].split(b"\0")[0].decode() if offset else ""
    new = xml(old_xml).encode() + b"\0"
    new_cookie = cookie(old_cookie).encode() + b"\0"
    at = len(new)
    new += new_cookie
    expect(len(new) <= length, "there is no room for more XML in the image")
    new += bytes(length - len(new))
    f.put(SAV, data[:32] + struct.pack("<I", at if len(new_cookie) > 1 else 0) + data[36:HEADER] + new + data[HEADER + length:])


def embedded(f):
    """The image names another emulator; the manifest is as it was."""
    texts(f, xml=lambda text: text.replace("/usr/bin/qemu-system-x86_64", f.places["canary"] + "/evil"))


def embedded_more(f):
    line = f"<q:commandline xmlns:q='{QEMU}'><q:env name='LD_PRELOAD' value='{f.places['canary']}/evil'/></q:commandline>"
    texts(f, xml=lambda text: text.replace("</domain>", line + "</domain>"))


def embedded_not_xml(f):
    texts(f, xml=lambda text: "<!DOCTYPE x [<!ENTITY y SYSTEM '/etc/shadow'>]><domain>&y;")


def cookie_is(text):
    return lambda f: texts(f, cookie=lambda old: text)


def opaque(f):
    """A raw size as large as the file: the image would be taken as it is, XML and all."""
    embedded(f)
    data = f.read(SAV)
    f.put(SAV, data, data)


def magic(text):
    return lambda f: f.put(SAV, text + f.read(SAV)[16:])


def in_live(old, new):
    return lambda f: f.live(old, new)


def live_device(xml):
    return lambda f: f.live("<devices>", "<devices>" + xml)


def live_element(xml):
    return lambda f: f.live("</domain>", xml + "</domain>")


def linked(f):
    os.unlink(f.at(SAV))
    os.symlink("/dev/zero", f.at(SAV))


def pipe(f):
    os.unlink(f.at(SAV))
    os.mkfifo(f.at(SAV))


def check_image(destination, canary):
    """The restored image holds the manifest's XML, and libvirt runs it with the emulator that stands there."""
    text = sav_header(os.path.join(destination, SAV))[4]
    expect(canary not in text and "LD_PRELOAD" not in text, "the XML inside the image has come through")
    expect("<emulator>/usr/bin/qemu-system-x86_64</emulator>" in text, "the image does not name the usual emulator")
    virsh("restore", os.path.join(destination, SAV))


LIVE = {
    "emulator": (in_live(EMULATOR, "<emulator>{canary}/evil</emulator>"), "devices/emulator"),
    "commandline": (live_element(f"<q:commandline xmlns:q='{QEMU}'><q:arg value='-S'/></q:commandline>"), QEMU),
    "hostdev": (live_device("<hostdev mode='subsystem' type='usb'/>"), "devices/hostdev"),
    "serial": (live_device("<serial type='file'><source path='/etc/cron.d/vb-hostile'/></serial>"), "/etc/cron.d/vb-hostile"),
    "disk": (live_device("<disk type='file'><source file='/etc/shadow'/><target dev='vdz'/></disk>"), "/etc/shadow"),
    "label": (live_element("<seclabel type='none'/>"), "seclabel"),
    "other-name": (in_live("<name>web</name>", "<name>db</name>"), "another guest"),
    "other-uuid": (in_live("<uuid>2f6a3c1e", "<uuid>00000000"), "another guest"),
    "two": (live_element("</domain><domain>"), "one domain"),
    "none": (in_live("<vb:live>", "<vb:live/><vb:live2>"), "xml"),
}
COOKIES = {
    "emulator": ("<emulator>{canary}/evil</emulator>", "cookie: emulator"),
    "domain": ("<domain><devices><emulator>/evil</emulator></devices></domain>", "cookie: domain"),
    "cpu-file": ("<cpu mode='custom'><source file='/etc/shadow'/></cpu>", "cookie: cpu/source"),
    "cpu-attribute": ("<cpu mode='custom' path='/etc/shadow'/>", "path='/etc/shadow'"),
    "foreign": ("<q:arg xmlns:q='" + QEMU + "' value='-S'/>", "cookie: arg"),
    "helper": ("<slirpHelper path='/evil'/>", "cookie: slirpHelper"),
    "blockjobs": ("<blockjobs active='yes'/>", "cookie: blockjobs"),
}
HEADERS = {
    "length-0": ({"length": 0}, "damaged save image"),
    "length-4": ({"length": 4}, "damaged save image"),
    "length-2g": ({"length": 1 << 31}, "damaged save image"),
    "length-4g": ({"length": (1 << 32) - 1}, "damaged save image"),
    "cookie-behind": ({"cookie": 1 << 30}, "damaged save image"),
    "cookie-all-bits": ({"cookie": (1 << 32) - 1}, "damaged save image"),
    "cookie-in-the-xml": ({"cookie": 7}, "damaged save image"),
    "version-0": ({"version": 0}, "unknown layout"),
    "version-3": ({"version": 3}, "unknown layout"),
    "version-swapped": ({"version": 0x02000000}, "unknown layout"),
    "version-all-bits": ({"version": (1 << 32) - 1}, "unknown layout"),
}


def cases():
    for base in ("memory", "memory-zstd"):
        yield Case("good-" + base, lambda f: None, base, defines=True, check=check_image, verify=(0,))
        yield Case("good-" + base + "-autorun", lambda f: None, base, defines=True, options=("--allow-autorun",), verify=(0,))
    for name, change in (("emulator", embedded), ("commandline", embedded_more), ("nonsense", embedded_not_xml)):
        yield Case("memory-embedded-" + name, change, "memory", defines=True, check=check_image, verify=(0,))
    yield Case("memory-embedded-emulator-autorun", embedded, "memory", defines=True, options=("--allow-autorun",), verify=(0,))
    yield Case("memory-embedded-emulator-zstd", embedded, "memory-zstd", defines=True, options=("--allow-autorun",), verify=(0,))
    yield Case("memory-opaque", opaque, "memory", "unknown layout")
    yield Case("memory-opaque-autorun", opaque, "memory", "unknown layout", ("--allow-autorun",))
    for name, (change, says) in LIVE.items():
        yield Case("live-" + name, change, "memory", says)
    for name, (fields, says) in HEADERS.items():
        yield Case("sav-" + name, with_header(**fields), "memory", says)
    yield Case("sav-format", with_header(format=99), "memory", defines=True, verify=(0,))
    yield Case("sav-running", with_header(running=(1 << 32) - 1), "memory", defines=True, verify=(0,))
    yield Case("sav-magic", magic(b"LibvirtQemudSavf"), "memory", "not a save image")
    yield Case("sav-incomplete", magic(b"LibvirtQemudPart"), "memory", "did not finish writing")
    yield Case("sav-elf", magic(b"\x7fELF" + bytes(12)), "memory", "not a save image")
    yield Case("sav-header-only", lambda f: f.put(SAV, f.read(SAV)[:HEADER]), "memory", "smaller than the memory")
    yield Case("sav-cookie-doctype", cookie_is("<!DOCTYPE cookie [<!ENTITY x SYSTEM '/etc/shadow'>]><cookie/>"), "memory",
               "document type")
    yield Case("sav-cookie-no-xml", cookie_is("<cookie>"), "memory", "its cookie")
    for name, (text, says) in COOKIES.items():
        yield Case("sav-cookie-" + name, cookie_is(f"<cookie>{text}</cookie>"), "memory", says)
    yield Case("good-cookie", cookie_is("<cookie><cpu mode='custom'><model fallback='forbid'>qemu64</model></cpu><slirpHelper/>"
                                        "</cookie>"), "memory", defines=True, verify=(0,))
    yield Case("sav-cookie-other", cookie_is("<domain/>"), "memory", "its cookie")
    yield Case("sav-link", linked, "memory", "symbolic link")
    yield Case("sav-pipe", pipe, "memory", "regular file")
    yield Case("sav-raw-size", lambda f: f.stored(SAV, raw_size="9223372036854775807"), "memory", "smaller than the memory")
    yield Case("sav-digest", lambda f: f.stored(SAV, content_sha256="0" * 64), "memory", "digest", defines=True)
    yield Case("sav-stream", lambda f: f.patch(SAV, -70000, b"\xff" * 64), "memory", "digest", defines=True)
    yield Case("sav-stream-zstd", lambda f: f.patch(SAV, 100000, b"\xff" * 64), "memory-zstd", "chunk", defines=True)
