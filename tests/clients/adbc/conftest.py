"""A release server on a free port over an empty lake, and connections to it."""

import os
import pathlib
import re
import subprocess

import adbc_driver_flightsql.dbapi as flightsql
import pytest

START_SECONDS = 10


def binary() -> pathlib.Path:
    """The server under test, named by MOODLAKE_BIN."""
    named = os.environ.get("MOODLAKE_BIN")
    if not named:
        pytest.exit("MOODLAKE_BIN must name the moodlake binary to test", returncode=2)
    path = pathlib.Path(named).resolve()
    if not path.is_file():
        pytest.exit(f"MOODLAKE_BIN: {path} is no file; run cargo build --release", returncode=2)
    return path


@pytest.fixture(scope="session")
def server(tmp_path_factory):
    """Starts `moodlake serve` and yields its address."""
    lake = tmp_path_factory.mktemp("lake")
    command = [binary(), "serve", "--listen", "127.0.0.1:0", "--dir", lake]
    with subprocess.Popen(command, stderr=subprocess.PIPE, text=True) as process:
        seen = []
        try:
            for line in process.stderr:
                seen.append(line)
                if found := re.search(r"listening on (grpc://\S+)", line):
                    yield found.group(1)
                    break
            else:
                pytest.exit("the server did not start: " + "".join(seen), returncode=2)
        finally:
            process.terminate()
            process.wait(START_SECONDS)


@pytest.fixture
def connection(server):
    """A connection in autocommit, as the server has no transactions."""
    with flightsql.connect(server, autocommit=True) as connection:
        yield connection


@pytest.fixture
def cursor(connection):
    with connection.cursor() as cursor:
        yield cursor
