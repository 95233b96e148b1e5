"""Shells of `moodlake sql` on a lake in a folder, and on a server."""

import os
import pathlib
import re
import subprocess

import pytest
from terminal import Terminal

START_SECONDS = 10


def binary() -> pathlib.Path:
    """The program under test, named by MOODLAKE_BIN."""
    named = os.environ.get("MOODLAKE_BIN")
    if not named:
        pytest.exit("MOODLAKE_BIN must name the moodlake binary to test", returncode=2)
    path = pathlib.Path(named).resolve()
    if not path.is_file():
        pytest.exit(f"MOODLAKE_BIN: {path} is no file; run cargo build --release", returncode=2)
    return path


@pytest.fixture
def home(tmp_path):
    """The user's own folder, which nothing of the tester is in."""
    path = tmp_path / "home"
    path.mkdir()
    return path


@pytest.fixture
def lake(tmp_path):
    """A lake with a table and a view."""
    path = tmp_path / "lake"
    path.mkdir()
    script = """
        create table gold.notes (note_id bigint not null, note varchar);
        insert into gold.notes values (1, 'first'), (2, 'second'), (3, null);
        create view gold.short_notes as select note_id from gold.notes where note_id < 3;
    """
    subprocess.run([binary(), "sql", script, "--dir", path], check=True, capture_output=True)
    return path


@pytest.fixture
def start(home, tmp_path):
    """Starts shells, and ends those that a test has left."""
    shells = []

    def start(*arguments, variables=None, **size):
        environment = {
            "PATH": os.environ["PATH"],
            "HOME": str(home),
            "TERM": "xterm-256color",
            "LANG": "C.UTF-8",
            "PAGER": "",
        }
        environment.update(variables or {})
        shell = Terminal([binary(), "sql", *arguments], environment, **size)
        shells.append(shell)
        return shell

    yield start
    for shell in shells:
        shell.close()


@pytest.fixture(params=["folder", "server"])
def target(request, lake):
    """The same lake as a folder, then as a server."""
    if request.param == "folder":
        yield ["--dir", str(lake)]
        return
    command = [binary(), "serve", "--listen", "127.0.0.1:0", "--dir", lake]
    with subprocess.Popen(command, stderr=subprocess.PIPE, text=True) as process:
        try:
            line = process.stderr.readline()
            found = re.search(r"listening on (grpc://\S+)", line)
            assert found, line
            yield ["--server", found.group(1)]
        finally:
            process.terminate()
            process.wait(START_SECONDS)


@pytest.fixture
def shell(start, target):
    """A shell at its first prompt."""
    shell = start(*target)
    shell.until(r"> $")
    return shell
