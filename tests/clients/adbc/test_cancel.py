"""Statements given up: cancelled, timed out, dropped half way. The server must stop them."""

import threading
import time

import adbc_driver_flightsql
import adbc_driver_flightsql.dbapi as flightsql
import pyarrow
import pytest

IDLE_SECONDS = 8
WINDOW_SECONDS = 0.3

ENDLESS = {
    "scan": "select sum(value % 7) from generate_series(1, 1000000000000)",
    "cross join": "select sum(a.value * b.value) from generate_series(1, 1000000) a,"
    " generate_series(1, 1000000) b",
    "join": "select count(*) from generate_series(1, 2000000) a join generate_series(1, 2000000) b"
    " on a.value % 3 = b.value % 3",
    "nested loops": "select count(*) from generate_series(1, 1000000) a"
    " join generate_series(1, 1000000) b on a.value < b.value",
    "sort": "select max(r) from (select row_number() over (order by value % 97, value desc) as r"
    " from generate_series(1, 100000000000))",
    "distinct": "select count(distinct value % 1000) from generate_series(1, 1000000000000)",
}


@pytest.fixture
def connection(own):
    with flightsql.connect(own.address, autocommit=True) as connection:
        yield connection


def becomes_idle(server) -> bool:
    """Whether the server stops using the processor within a few seconds."""
    deadline = time.monotonic() + IDLE_SECONDS
    while time.monotonic() < deadline:
        before = server.cpu_seconds()
        threading.Event().wait(WINDOW_SECONDS)
        if server.cpu_seconds() - before < WINDOW_SECONDS / 4:
            return True
    return False


def answers(server) -> bool:
    with flightsql.connect(server.address, autocommit=True) as other, other.cursor() as cursor:
        cursor.execute("select 1")
        return cursor.fetchall() == [(1,)]


def cancelled(cursor, sql):
    """Runs a statement, cancels it from another thread, and returns what the client was told."""
    canceller = threading.Timer(0.5, cursor.adbc_cancel)
    canceller.start()
    with pytest.raises(flightsql.OperationalError) as caught:
        cursor.execute(sql)
        cursor.fetchall()
    canceller.join()
    return str(caught.value)


@pytest.mark.parametrize("sql", ENDLESS.values(), ids=ENDLESS.keys())
def test_cancel_from_another_thread(own, connection, sql):
    with connection.cursor() as cursor:
        started = time.monotonic()
        assert "CANCELLED" in cancelled(cursor, sql)
        assert time.monotonic() - started < 5
        assert becomes_idle(own)
        cursor.execute("select 1")
        assert cursor.fetchall() == [(1,)]


@pytest.mark.parametrize("sql", ENDLESS.values(), ids=ENDLESS.keys())
def test_others_are_answered_meanwhile(own, connection, sql):
    with connection.cursor() as cursor:
        failed = []

        def run():
            try:
                cursor.execute(sql)
                cursor.fetchall()
            except flightsql.Error as error:
                failed.append(str(error))

        heavy = threading.Thread(target=run)
        heavy.start()
        threading.Event().wait(0.5)
        started = time.monotonic()
        for _ in range(20):
            assert answers(own)
        assert time.monotonic() - started < 30
        assert heavy.is_alive()
        cursor.adbc_cancel()
        heavy.join(10)
        assert not heavy.is_alive()
        assert len(failed) == 1


def test_cancel_of_a_connection(own, connection):
    with connection.cursor() as cursor:
        canceller = threading.Timer(0.5, connection.adbc_cancel)
        canceller.start()
        cursor.execute(ENDLESS["scan"])
        # Cancelling a connection is about its own calls; a statement's are cancelled by its cursor.
        threading.Timer(0.5, cursor.adbc_cancel).start()
        with pytest.raises(flightsql.OperationalError, match="CANCELLED"):
            cursor.fetchall()
        canceller.join()
    assert becomes_idle(own)


def test_a_reader_dropped_half_way(own, connection):
    with connection.cursor() as cursor:
        cursor.execute("select value, repeat('x', 100) as text from generate_series(1, 1000000000)")
        reader = cursor.fetch_record_batch()
        assert reader.read_next_batch().num_rows > 0
    assert becomes_idle(own)
    assert answers(own)


def test_a_cursor_used_again_before_its_result_was_read(own, connection):
    with connection.cursor() as cursor:
        cursor.execute("select value from generate_series(1, 1000000000)")
        assert cursor.fetchone() == (1,)
        cursor.execute("select 2")
        assert cursor.fetchall() == [(2,)]
    assert becomes_idle(own)


def test_a_connection_closed_half_way(own):
    with flightsql.connect(own.address, autocommit=True) as connection:
        cursor = connection.cursor()
        cursor.execute("select value from generate_series(1, 1000000000)")
        assert cursor.fetchone() == (1,)
    assert becomes_idle(own)


@pytest.mark.parametrize(
    "sql", [ENDLESS["scan"], ENDLESS["cross join"]], ids=["scan", "cross join"]
)
def test_a_timeout_ends_a_fetch(own, connection, sql):
    option = adbc_driver_flightsql.StatementOptions.TIMEOUT_FETCH.value
    with connection.cursor(adbc_stmt_kwargs={option: "0.5"}) as cursor:
        with pytest.raises(flightsql.OperationalError, match="TIMEOUT"):
            cursor.execute(sql)
            cursor.fetchall()
    assert becomes_idle(own)
    assert answers(own)


def test_a_cancelled_write_leaves_nothing(own, connection):
    with connection.cursor() as cursor:
        cursor.execute("create schema scratch")
        sql = "create table scratch.endless as select value from generate_series(1, 1000000000000)"
        assert "CANCELLED" in cancelled(cursor, sql)
        assert becomes_idle(own)
        with pytest.raises(flightsql.ProgrammingError, match="not found"):
            cursor.execute("select * from scratch.endless")


def test_a_cancelled_load_leaves_nothing(own, connection):
    stop = threading.Event()

    def batches():
        for number in range(1000):
            yield pyarrow.record_batch({"n": [number] * 1000})
            if number == 20:
                threading.Timer(0.1, cursor.adbc_cancel).start()
            if number >= 20:
                stop.wait(0.05)

    schema = pyarrow.schema({"n": pyarrow.int64()})
    with connection.cursor() as cursor:
        reader = pyarrow.RecordBatchReader.from_batches(schema, batches())
        with pytest.raises(flightsql.Error):
            cursor.adbc_ingest("endless", reader, mode="create")
    with connection.cursor() as cursor:
        with pytest.raises(flightsql.ProgrammingError, match="not found"):
            cursor.execute("select * from gold.endless")
