# SPDX-License-Identifier: LGPL-2.1-or-later
"""When a guest stood still: QEMU's own STOP and RESUME events, as virsh hears them."""

import contextlib
import datetime
import re
import subprocess

from vbtest.command import Failure, same, wait_until

EVENT = re.compile(r"^(\S+ \S+): event (STOP|RESUME) for domain", re.MULTILINE)
HEARD_WITHIN_S = 3


class Events:
    """Listens to a guest that runs, from its making on."""

    def __init__(self, t, guest):
        self.path = t.path("events")
        with open(self.path, "wb") as out:
            self.process = subprocess.Popen(["virsh", "qemu-monitor-event", "--domain", guest.name, "--loop",
                                             "--timestamp"], stdin=subprocess.DEVNULL, stdout=out,
                                            stderr=subprocess.STDOUT)
        t.undo.callback(self.close)
        self.seen = 0
        self._wait_until_it_listens(guest)

    def close(self):
        self.process.terminate()
        self.process.wait()

    def _all(self):
        """(time, STOP or RESUME) of each event, by the clock of the one who heard it."""
        with open(self.path, encoding="utf-8") as file:
            return [(datetime.datetime.strptime(when, "%Y-%m-%d %H:%M:%S.%f%z"), what)
                    for when, what in EVENT.findall(file.read())]

    def _wait_until_it_listens(self, guest):
        """Stop the guest until that is heard; never a second time while a first may still be heard."""
        def heard():
            guest.suspend()
            guest.resume()
            with contextlib.suppress(Failure):
                return wait_until(self._all, "an event of QEMU", HEARD_WITHIN_S)
            return None

        wait_until(heard, "events of QEMU")
        wait_until(lambda: self._all()[-1][1] == "RESUME", "a RESUME event")
        self.seen = len(self._all())

    def standstills_ms(self):
        """How long the guest stood still, for each time since the last call; it must run again by now, or soon."""
        wait_until(lambda: self._all()[self.seen:] and self._all()[-1][1] == "RESUME", "a RESUME event")
        new = self._all()[self.seen:]
        self.seen += len(new)
        stops, resumes = new[0::2], new[1::2]
        same([what for _, what in new], ["STOP", "RESUME"] * len(resumes), "events of QEMU")
        return [(end - start).total_seconds() * 1000 for (start, _), (end, _) in zip(stops, resumes)]
