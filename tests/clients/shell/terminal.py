"""A program on a terminal of its own: keys go in, what it shows comes out."""

import fcntl
import os
import pty
import re
import select
import struct
import subprocess
import termios
import time

PATIENCE_SECONDS = 30
# How long a completion may take before someone presses the key again.
TAB_SECONDS = 1
READ_BYTES = 65536

CONTROL_C, CONTROL_D, UP, TAB, ENTER = "\x03", "\x04", "\x1b[A", "\t", "\r"

# Colours, cursor movements and the title of the window.
ESCAPES = re.compile(r"\x1b\[[0-9;?]*[A-Za-z]|\x1b\][^\x07]*\x07|\x1b[=>]")


class Terminal:
    """Starts a command, and reads what it writes until something is seen."""

    def __init__(self, command, environment, rows=40, columns=100):
        ours, its = pty.openpty()
        fcntl.ioctl(its, termios.TIOCSWINSZ, struct.pack("HHHH", rows, columns, 0, 0))
        self.process = subprocess.Popen(
            command,
            stdin=its,
            stdout=its,
            stderr=its,
            env=environment,
            start_new_session=True,
            preexec_fn=lambda: fcntl.ioctl(0, termios.TIOCSCTTY, 0),
        )
        os.close(its)
        self.terminal = ours
        self.raw = b""
        self.read_to = 0

    def type(self, text):
        """Types as fast as a paste."""
        os.write(self.terminal, text.encode())

    def enter(self, line):
        """Types a line and its end."""
        self.type(line + ENTER)

    def until(self, pattern):
        """What was shown since the last call, once `pattern` is in it."""
        found = self._seen(pattern, time.monotonic() + PATIENCE_SECONDS)
        assert found, f"{pattern!r} never came after:\n{self.shown()[self.read_to:]}"
        start, self.read_to = self.read_to, self.read_to + found.end()
        return self.shown()[start : self.read_to]

    def complete(self, text, pattern):
        """Types a text and Tab, again while the names that it needs are still being read."""
        self.type(text)
        deadline = time.monotonic() + PATIENCE_SECONDS
        while time.monotonic() < deadline:
            self.type(TAB)
            if self._seen(pattern, time.monotonic() + TAB_SECONDS):
                break
        self.until(pattern)

    def shown(self):
        """Everything so far, without colours, and with line ends as in files."""
        text = self.raw.decode(errors="replace")
        return ESCAPES.sub("", text).replace("\r\n", "\n").replace("\r", "")

    def ended(self):
        """The exit code, once it has one."""
        deadline = time.monotonic() + PATIENCE_SECONDS
        while self._read(deadline):
            pass
        return self.process.wait(PATIENCE_SECONDS)

    def close(self):
        """Ends the program if it has not ended."""
        self.process.kill()
        self.process.wait(PATIENCE_SECONDS)
        os.close(self.terminal)

    def _seen(self, pattern, deadline):
        while not (found := re.search(pattern, self.shown()[self.read_to :], re.MULTILINE)):
            if not self._read(deadline):
                return None
        return found

    def _read(self, deadline):
        """More of what is written; false at its end, or when there is no time left."""
        left = deadline - time.monotonic()
        if left <= 0 or not select.select([self.terminal], [], [], left)[0]:
            return False
        try:
            new = os.read(self.terminal, READ_BYTES)
        except OSError:
            # How Linux tells that nobody is at the other side any more.
            return False
        self.raw += new
        return bool(new)
