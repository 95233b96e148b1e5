"""`moodlake serve` on a free port, for as long as a test needs it."""

import contextlib
import os
import pathlib
import re
import subprocess
import threading

import pytest

START_SECONDS = 30
END_SECONDS = 15


def binary() -> pathlib.Path:
    """The server under test, named by MOODLAKE_BIN."""
    named = os.environ.get("MOODLAKE_BIN")
    if not named:
        pytest.exit("MOODLAKE_BIN must name the moodlake binary to test", returncode=2)
    path = pathlib.Path(named).resolve()
    if not path.is_file():
        pytest.exit(f"MOODLAKE_BIN: {path} is no file; run cargo build --release", returncode=2)
    return path


class Server:
    """A running server: its address, its process and what it has logged so far."""

    def __init__(self, process: subprocess.Popen):
        self.process = process
        self.address = None
        self.log = []
        self._listening = threading.Event()
        # Read to its end: a full pipe would stop the server.
        self._reader = threading.Thread(target=self._read, daemon=True)
        self._reader.start()

    def _read(self):
        for line in self.process.stderr:
            self.log.append(line)
            if found := re.search(r"listening on (grpc\S*://\S+)", line):
                self.address = found.group(1)
                self._listening.set()
        self._listening.set()

    def wait(self):
        """Waits until the server listens."""
        self._listening.wait(START_SECONDS)
        if self.address is None:
            raise RuntimeError("the server did not start: " + "".join(self.log))

    def cpu_seconds(self) -> float:
        """The processor time that the server has used."""
        fields = (
            pathlib.Path(f"/proc/{self.process.pid}/stat").read_text().rsplit(")", 1)[1].split()
        )
        return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")

    def end(self):
        """Ends the server, by force where it does not go by itself."""
        self.process.terminate()
        try:
            self.process.wait(END_SECONDS)
        except subprocess.TimeoutExpired:
            self.process.kill()
            self.process.wait()
        self._reader.join(END_SECONDS)


@contextlib.contextmanager
def serving(lake: pathlib.Path, *options, environment=None):
    """A server over the lake in this folder. It must have met no defect of its own when it ends."""
    command = [binary(), "serve", "--listen", "127.0.0.1:0", "--dir", lake, *options]
    environment = {**os.environ, **(environment or {})}
    with subprocess.Popen(command, stderr=subprocess.PIPE, text=True, env=environment) as process:
        server = Server(process)
        try:
            server.wait()
            yield server
        finally:
            server.end()
    panics = [line for line in server.log if "panicked" in line]
    assert not panics, "".join(server.log)


@contextlib.contextmanager
def patience(server: Server, seconds: float):
    """Ends the server after so long, so that a call that never returns fails its test."""
    watchdog = threading.Timer(seconds, server.process.kill)
    watchdog.start()
    try:
        yield
    finally:
        watchdog.cancel()
