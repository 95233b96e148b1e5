"""No transactions, said honestly; errors by their names; cancelling."""

import threading
import time
import warnings

import pytest
import sqlalchemy
from sqlalchemy import exc, text

UNDID_NOTHING = "ROLLBACK undid nothing"


@pytest.fixture
def engine(url):
    """An engine that has not said that autocommit is meant."""
    engine = sqlalchemy.create_engine(url, future=True)
    yield engine
    engine.dispose()


@pytest.fixture
def notes(engine):
    with engine.begin() as connection:
        connection.execute(
            text("create or replace table notes (n bigint not null check (n < 100))")
        )
    return "notes"


def count(connection, table):
    return connection.scalar(text(f"select count(*) from {table}"))


def test_a_commit_commits_and_warns_of_nothing(engine, notes):
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        with engine.begin() as connection:
            connection.execute(text("insert into notes values (1)"))
        with engine.connect() as connection:
            assert count(connection, notes) == 1


def test_a_rollback_after_a_write_warns(engine, notes):
    with engine.connect() as connection:
        connection.execute(text("insert into notes values (1)"))
        with pytest.warns(exc.SAWarning, match=UNDID_NOTHING):
            connection.rollback()
        assert count(connection, notes) == 1


def test_an_error_after_a_write_warns(engine, notes):
    with pytest.warns(exc.SAWarning, match=UNDID_NOTHING), pytest.raises(ZeroDivisionError):
        with engine.begin() as connection:
            connection.execute(text("insert into notes values (:n)"), [{"n": 1}, {"n": 2}])
            raise ZeroDivisionError
    with engine.connect() as connection:
        assert count(connection, notes) == 2


def test_a_rollback_after_reading_is_silent(engine, notes):
    with warnings.catch_warnings(), engine.connect() as connection:
        warnings.simplefilter("error")
        assert count(connection, notes) == 0
        connection.rollback()


def test_autocommit_is_silent(engine, notes):
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        with engine.connect().execution_options(isolation_level="AUTOCOMMIT") as connection:
            connection.execute(text("insert into notes values (1)"))
            connection.rollback()
            assert count(connection, notes) == 1
    # The pool takes the level back.
    with engine.connect() as connection:
        connection.execute(text("insert into notes values (1)"))
        with pytest.warns(exc.SAWarning, match=UNDID_NOTHING):
            connection.rollback()


def test_a_savepoint_is_refused(engine):
    with (
        engine.connect() as connection,
        pytest.raises(exc.DBAPIError, match="(?i)transaction|savepoint"),
    ):
        connection.begin_nested()


@pytest.mark.parametrize(
    ("sql", "error", "message"),
    [
        ("insert into notes values (null)", exc.IntegrityError, "NOT NULL of column 'n'"),
        ("insert into notes values (100)", exc.IntegrityError, "n < 100"),
        ("selec 1", exc.ProgrammingError, "SQL"),
        ("select * from nowhere", exc.ProgrammingError, "table 'gold.nowhere' not found"),
        ("select nothing from notes", exc.ProgrammingError, "nothing"),
        # Not NotSupportedError: the driver takes that for a server that cannot prepare, and hides what was said.
        ("truncate table notes", exc.ProgrammingError, "TRUNCATE"),
    ],
)
def test_errors_have_their_names(engine, notes, sql, error, message):
    with engine.connect() as connection:
        with pytest.raises(error, match=message):
            connection.execute(text(sql))
        assert count(connection, notes) == 0


def test_many_rows_break_a_constraint_as_one(engine, notes):
    with engine.begin() as connection:
        with pytest.raises(exc.IntegrityError, match="NOT NULL of column 'n'"):
            connection.execute(text("insert into notes values (:n)"), [{"n": 1}, {"n": None}])
        assert count(connection, notes) == 0


def test_a_query_is_cancelled_from_another_thread(engine):
    with engine.connect() as connection:
        cursor = connection.connection.cursor()
        # A second is enough to be running, and nothing beside the minutes that the query would take.
        timer = threading.Timer(1.0, cursor.adbc_cancel)
        timer.start()
        started = time.monotonic()
        with pytest.raises(engine.dialect.dbapi.OperationalError, match="CANCELLED"):
            cursor.execute(
                "select count(distinct value % 1000003) from generate_series(1, 100000000000)"
            )
            cursor.fetchall()
        assert time.monotonic() - started < 30
        cursor.close()
        timer.join()
    with engine.connect() as connection:
        assert connection.scalar(text("select 1")) == 1
