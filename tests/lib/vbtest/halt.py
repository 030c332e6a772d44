# SPDX-License-Identifier: LGPL-2.1-or-later
"""A run that waits at a call of libvirt, so that something can be done to its guest just before."""

import os

from vbtest.command import expect, wait_until


class Halted:
    """This command of virt-backup, at its first call of that function; see tests/halt."""

    def __init__(self, t, call, *words):
        shim = os.path.join(os.path.dirname(t.binary), "../tests/halt/halt-shim.so")
        self.file = t.path("halted")
        environment = dict(t.environment, LD_PRELOAD=shim, VIRT_BACKUP_HALT_AT=call, VIRT_BACKUP_HALT_FILE=self.file)
        environment["ASAN_OPTIONS"] += ":verify_asan_link_order=0"
        self.process = t.start_vb(*words, env=environment)

        def halted():
            expect(self.process.running(), f"virt-backup has ended before {call}")
            return os.path.exists(self.file)

        wait_until(halted, f"the call of {call}")

    def go_on(self):
        """The call is made. Returns what the run has come to."""
        os.unlink(self.file)
        return self.process.finish()
