"""A release server on a free port over an empty lake, and connections to it."""

import gc

import adbc_driver_flightsql.dbapi as flightsql
import pytest
from serving import patience, serving

# How long a call may take that a test expects to return at once, and any other.
SHORT_SECONDS = 20
LONG_SECONDS = 120


@pytest.fixture(scope="session")
def started(tmp_path_factory):
    """The server of all tests."""
    with serving(tmp_path_factory.mktemp("lake")) as started:
        yield started


@pytest.fixture(scope="session")
def server(started):
    """Its address."""
    return started.address


@pytest.fixture(autouse=True)
def patient(request):
    """No test waits for the server for ever."""
    if "started" not in request.fixturenames:
        yield
        return
    with patience(request.getfixturevalue("started"), LONG_SECONDS):
        yield


@pytest.fixture
def connection(server):
    """A connection in autocommit, as the server has no transactions."""
    with flightsql.connect(server, autocommit=True) as connection:
        yield connection


@pytest.fixture
def cursor(connection):
    with connection.cursor() as cursor:
        yield cursor


@pytest.fixture
def query(connection):
    """The rows of a statement, on a cursor of its own."""

    def rows(sql, parameters=None):
        with connection.cursor() as cursor:
            cursor.execute(sql, parameters)
            return cursor.fetchall()

    return rows


@pytest.fixture
def count(query):
    """How many rows a table has."""
    return lambda table: query(f"select count(*) from {table}")[0][0]


@pytest.fixture
def commits(query):
    """What was done to a table, oldest first, as its history tells."""
    return lambda table: [row[2] for row in reversed(query(f"describe history {table}"))]


@pytest.fixture
def notes(cursor):
    """A small table that every test gets afresh."""
    cursor.execute("create or replace table gold.notes (n bigint, text varchar)")
    return "gold.notes"


@pytest.fixture(scope="session")
def scratch(server):
    """A schema of the tests' own."""
    with flightsql.connect(server, autocommit=True) as connection, connection.cursor() as cursor:
        cursor.execute("create schema if not exists scratch")
    return "scratch"


@pytest.fixture
def own(tmp_path):
    """A server that nobody else needs, ended when it keeps a client waiting for too long."""
    # What an ended server left half closed goes now: Python 3.11 minds it amid a report.
    gc.collect()
    with serving(tmp_path / "lake") as started:
        with patience(started, SHORT_SECONDS):
            yield started
