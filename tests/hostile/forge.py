# SPDX-License-Identifier: LGPL-2.1-or-later
"""Changes a copy of a good backup so that it still fits together: digests, sizes and the manifest's own digest
are made anew, and the change reaches the code behind those checks."""

import hashlib
import os
import re
import shutil

from vbtest.command import Failure

OWN = re.compile(r'(<vb:backup xmlns:vb="[^"]*" sha256=")[0-9a-f]*')
LEAF = 32768    # of a chunk, for its digest


class Forge:
    def __init__(self, base, folder, places):
        """PLACES: what {canary} and the like in a case's texts stand for."""
        self.path, self.base = folder, base
        self.places = places
        shutil.copytree(base, folder, symlinks=True)
        self.manifest = os.path.join(folder, "web.xml")
        with open(self.manifest, encoding="utf-8") as file:
            self.text = file.read()
        self.restored = {}      # base name of a restored file: the bytes that must be in it
        self.own_digest = True

    def at(self, name):
        return os.path.join(self.path, name)

    def other(self, name):
        """The manifest of another base."""
        with open(os.path.join(os.path.dirname(self.base), f"base-{name}", "web.xml"), encoding="utf-8") as file:
            return file.read()

    def fill(self, text):
        for name, value in self.places.items():
            text = text.replace("{" + name + "}", value)
        return text

    # ---- the manifest ---------------------------------------------------------------------------

    def sub(self, old, new, count=1):
        """In the text of the manifest; the old text must be there."""
        if old not in self.text:
            raise Failure(f"the manifest does not hold {old}")
        self.text = self.text.replace(old, self.fill(new), count)

    def _parts(self):
        """The definition, as two pieces around our metadata, and the live XML."""
        begin = self.text.index("<vb:live>") if "<vb:live>" in self.text else None
        end = self.text.index("</vb:live>") if begin is not None else None
        return begin, end

    def define(self, old, new):
        """In the definition only."""
        begin, end = self._parts()
        if begin is None:
            return self.sub(old, new)
        for start, stop in ((end, len(self.text)), (0, begin)):
            if old in self.text[start:stop]:
                part = self.text[start:stop].replace(old, self.fill(new), 1)
                self.text = self.text[:start] + part + self.text[stop:]
                return None
        raise Failure(f"the definition does not hold {old}")

    def nvram_format(self, name):
        """libvirt 11 writes the format of each NVRAM itself, older ones only that of one that is not raw."""
        tag = re.search("<nvram [^>]*>", self.text).group()
        self.define(tag, re.sub(" format=\"[^\"]*\"", "", tag).replace("<nvram ", f'<nvram format="{name}" '))

    def live(self, old, new):
        """In the XML that memory is resumed with."""
        begin, end = self._parts()
        part = self.text[begin:end]
        if old not in part:
            raise Failure(f"the live XML does not hold {old}")
        self.text = self.text[:begin] + part.replace(old, self.fill(new), 1) + self.text[end:]

    def device(self, xml):
        self.define("<devices>", "<devices>" + xml)

    def element(self, xml):
        """One more element of <domain>, behind <devices>."""
        at = self.text.rindex("</domain>")
        self.text = self.text[:at] + self.fill(xml) + self.text[at:]

    def stored(self, name, **attributes):
        """Attributes of the <stored> of this file; None takes one away."""
        found = re.search(rf'<vb:stored name="{re.escape(name)}"[^>]*>', self.text)
        if not found:
            raise Failure(f"the manifest has no file {name}")
        element = found.group(0)
        for key, value in attributes.items():
            key = key.replace("_", "-")
            if value is None:
                element = re.sub(rf' {key}="[^"]*"', "", element)
            elif f' {key}="' in element:
                element = re.sub(rf' {key}="[^"]*"', f' {key}="{value}"', element)
            else:
                element = element.replace("/>", f' {key}="{value}"/>')
        self.text = self.text[:found.start()] + element + self.text[found.end():]

    # ---- files -------------------------------------------------------------------------------------

    def read(self, name):
        with open(self.at(name), "rb") as file:
            return file.read()

    def write(self, name, data):
        with open(self.at(name), "wb") as file:
            file.write(data)

    def put(self, name, data, raw=None, chunk=65536):
        """Other bytes for a stored file, with its size and digests; RAW: what is in it, for its content digest."""
        self.write(name, data)
        self.stored(name, size=len(data))
        if re.search(rf'<vb:stored name="{re.escape(name)}"[^>]* sha256=', self.text):
            self.stored(name, sha256=hashlib.sha256(data).hexdigest())
        if raw is not None:
            self.stored(name, raw_size=len(raw), content_sha256=content(raw, chunk))

    def patch(self, name, offset, data):
        """Some bytes of a stored file, its digest made anew."""
        old = self.read(name)
        offset = offset if offset >= 0 else len(old) + offset
        self.put(name, old[:offset] + data + old[offset + len(data):])

    def seal_text(self):
        """The manifest's own digest."""
        if self.own_digest and OWN.search(self.text):
            empty = OWN.sub(r"\1", self.text, 1)
            digest = hashlib.sha256(empty.encode("utf-8", "surrogateescape")).hexdigest()
            self.text = OWN.sub(r"\g<1>" + digest, self.text, 1)

    def finish(self):
        self.seal_text()
        if os.path.isfile(self.manifest) and not os.path.islink(self.manifest):
            with open(self.manifest, "w", encoding="utf-8", errors="surrogateescape") as file:
                file.write(self.text)


def _sha256(data):
    return hashlib.sha256(data).digest()


def _over(digest_of, data, size):
    """SHA-256 over the digests of the pieces of this size."""
    return _sha256(b"".join(digest_of(data[at:at + size]) for at in range(0, len(data), size)))


def content(raw, chunk=65536):
    """The content digest of these bytes."""
    return _over(lambda data: _over(_sha256, data, LEAF), raw, chunk).hex()
