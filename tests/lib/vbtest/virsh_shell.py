# SPDX-License-Identifier: LGPL-2.1-or-later
"""One virsh that runs command after command: it takes longer to start and to connect than most commands take."""

import itertools
import os
import re
import selectors
import subprocess
import threading
import time

DAEMON = "/run/libvirt/libvirtd.pid"
# It edits its lines with readline, which takes other bytes for keys.
PLAIN = re.compile(r"[ -~]*")


def quote(word):
    return "'" + str(word).replace("'", "'\\''") + "'"


def daemon():
    """Which libvirtd runs; a connection ends with it."""
    try:
        with open(DAEMON, encoding="ascii") as file:
            return file.read()
    except OSError:
        return None


class Shell:
    """It is for one process, and for the libvirt of the system that private-libvirt has started."""

    def __init__(self):
        self.owner = os.getpid()
        self.process = None
        self.daemon = None
        self.busy = threading.Lock()
        self.numbers = itertools.count()

    @property
    def pid(self):
        return None if self.process is None else self.process.pid

    def run(self, arguments, limit_s):
        """(status, output, errors), as virsh -q would end with these arguments; None if it takes a virsh of its own.
        Of several commands, any may fail. TimeoutError after so many seconds."""
        words = [str(argument) for argument in arguments]
        # virsh takes a single argument for a line of commands.
        line = words[0] if len(words) == 1 else " ".join(map(quote, words))
        if not os.environ.get("PRIVATE_LIBVIRT") or os.environ.get("LIBVIRT_DEFAULT_URI") != "qemu:///system" or \
                os.getpid() != self.owner or not PLAIN.fullmatch(line) or not self.busy.acquire(blocking=False):
            return None
        try:
            return self._run(line, limit_s)
        except BaseException:
            self.end()
            raise
        finally:
            self.busy.release()

    def end(self):
        if self.process is not None:
            self.process.kill()
            self.process.communicate()
            self.process = None

    def _start(self):
        self.daemon = daemon()
        # No file of history, nothing of the user's, and no end of the connection while a test stops libvirtd.
        environment = dict(os.environ, TERM="dumb", INPUTRC="/dev/null", XDG_CACHE_HOME="/dev/null", HOME="/dev/null")
        self.process = subprocess.Popen(["virsh", "-q", "-k", "0"], stdin=subprocess.PIPE, stdout=subprocess.PIPE,
                                        stderr=subprocess.PIPE, env=environment, cwd="/")

    def _run(self, line, limit_s):
        if self.process is None or self.process.poll() is not None or self.daemon != daemon():
            self.end()
            self._start()
        # It shows each line that it reads, and there the words are in quotes.
        number = next(self.numbers)
        begin, end = (f"@@ {what} {number} @@".encode() for what in ("begin", "end"))
        asked = [f"echo '@@' '{what}' '{number}' '@@'" for what in ("begin", "end")]
        self.process.stdin.write(f"{asked[0]}; {line}\n{asked[1]}\n".encode())
        self.process.stdin.flush()
        out, err = self._read(end, limit_s)
        out = out.partition(end)[0].partition(begin)[2].rpartition(b"virsh # ")[0]
        return int(b"error: " in err), out, err

    def _read(self, end, limit_s):
        """What it writes until END, and the errors of that."""
        found = {self.process.stdout: b"", self.process.stderr: b""}
        deadline = time.monotonic() + limit_s
        with selectors.DefaultSelector() as selector:
            for file in found:
                selector.register(file, selectors.EVENT_READ)
            ended = False
            while True:
                # Errors are written before the end is.
                ready = selector.select(0 if ended else max(0, deadline - time.monotonic()))
                if not ready and ended:
                    return found[self.process.stdout], found[self.process.stderr]
                if not ready:
                    raise TimeoutError
                for key, _ in ready:
                    data = os.read(key.fd, 1 << 16)
                    if not data:
                        raise EOFError("virsh has ended")
                    found[key.fileobj] += data
                ended = end in found[self.process.stdout]
