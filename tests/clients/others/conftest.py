"""A release server on a free port over a small lake, and its address as each client wants it."""

import pathlib
import sys

import adbc_driver_flightsql.dbapi as adbc
import pyarrow.flight as flight
import pytest

# The server is started as for the ADBC tests.
sys.path.append(str(pathlib.Path(__file__).resolve().parent.parent / "adbc"))

from serving import patience, serving  # noqa: E402  (found through the line above)

# How long a test may take: a call that never returns is to fail it.
LONG_SECONDS = 120

NOTES = [
    "create or replace table gold.notes (n bigint not null, text varchar, score double, day date)",
    "insert into gold.notes values (1, 'a', 0.5, date '2026-11-22'), (2, null, null, null)",
    "create or replace table gold.notesx (other bigint)",
    "create or replace view gold.noted as select n from gold.notes",
]


@pytest.fixture(scope="session")
def started(tmp_path_factory):
    """The running server."""
    with serving(tmp_path_factory.mktemp("lake")) as server:
        with adbc.connect(server.address, autocommit=True) as connection:
            for sql in NOTES:
                with connection.cursor() as cursor:
                    cursor.execute(sql)
        yield server


@pytest.fixture
def server(started):
    """Its address, while it lives."""
    with patience(started, LONG_SECONDS):
        yield started.address
    assert started.process.poll() is None, "".join(started.log)


@pytest.fixture
def port(server):
    return int(server.rsplit(":", 1)[1])


@pytest.fixture
def query(server):
    """The rows of a statement, asked over ADBC to see what another client did."""

    def rows(sql):
        with adbc.connect(server, autocommit=True) as connection, connection.cursor() as cursor:
            cursor.execute(sql)
            return cursor.fetchall()

    return rows


@pytest.fixture
def client(server):
    """A Flight client that knows nothing of SQL."""
    with flight.FlightClient(server.replace("grpc://", "grpc+tcp://")) as client:
        yield client
