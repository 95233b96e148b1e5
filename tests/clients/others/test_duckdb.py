"""DuckDB over the Arrow readers of ADBC: it reads the server's results, and the server loads its.

Its own way to ATTACH a server needs an extension that it downloads while it runs: not taken here.
"""

import datetime
import decimal

import adbc_driver_flightsql.dbapi as adbc
import duckdb
import pytest


@pytest.fixture
def cursor(server):
    with adbc.connect(server, autocommit=True) as connection, connection.cursor() as cursor:
        yield cursor


@pytest.fixture
def duck():
    with duckdb.connect() as connection:
        yield connection


def test_duckdb_queries_a_reader(cursor, duck):
    cursor.execute("select value as n, value % 10 as digit from generate_series(1, 100000)")
    listens = cursor.fetch_record_batch()  # noqa: F841  (DuckDB finds it by its name)
    found = duck.sql(
        "select digit, count(*), sum(n) from listens group by digit order by digit limit 2"
    )
    assert found.fetchall() == [(0, 10_000, 500_050_000), (1, 10_000, 499_960_000)]


def test_duckdb_keeps_types(cursor, duck):
    cursor.execute(
        "select true as b, 1.5 as d, cast(1.25 as decimal(5, 2)) as c, date '2026-11-22' as day,"
        " timestamp '2026-11-22 07:30:00' as t, [1, null] as l, named_struct('mood', 'calm') as s,"
        " map(['a'], [1]) as m, arrow_cast('x', 'Utf8View') as v, null as nothing"
    )
    duck.register("types", cursor.fetch_record_batch())
    assert duck.sql("select * from types").fetchall() == [
        (
            True,
            1.5,
            decimal.Decimal("1.25"),
            datetime.date(2026, 11, 22),
            datetime.datetime(2026, 11, 22, 7, 30),
            [1, None],
            {"mood": "calm"},
            {"a": 1},
            "x",
            None,
        )
    ]


def test_duckdb_joins_with_its_own(cursor, duck):
    duck.sql("create table moods as select * from (values (1, 'calm'), (2, 'wild')) as m (n, mood)")
    cursor.execute("select n, text from gold.notes")
    duck.register("notes", cursor.fetch_arrow_table())
    found = duck.sql("select n, mood, text from notes join moods using (n) order by n")
    assert found.fetchall() == [(1, "calm", "a"), (2, "wild", None)]


def test_duckdb_stops_half_way(cursor, duck):
    cursor.execute("select value as n from generate_series(1, 10000000)")
    duck.register("numbers", cursor.fetch_record_batch())
    assert len(duck.sql("select n from numbers limit 5").fetchall()) == 5


def test_the_server_loads_from_duckdb(cursor, duck, query):
    made = duck.sql(
        "select i as n, 'note ' || i as text, i / 4 as share, [i, null] as l, {'a': i} as s,"
        " case when i % 2 = 0 then 'even' else 'odd' end::enum('even', 'odd') as parity"
        " from range(50000) t(i)"
    )
    reader = made.to_arrow_reader(10_000)
    assert (
        cursor.adbc_ingest("from_duckdb", reader, mode="replace", db_schema_name="gold") == 50_000
    )
    assert query("select count(*), sum(n), sum(share) from gold.from_duckdb") == [
        (50_000, 1_249_975_000, 312_493_750.0)
    ]
    assert query("select * from gold.from_duckdb where n = 7") == [
        (7, "note 7", 1.75, [7, None], {"a": 7}, "odd")
    ]
    assert len(query("describe history gold.from_duckdb")) == 1


def test_there_and_back(cursor, duck):
    made = duck.sql("select i as n, i * 0.5::double as x from range(1000) t(i)").to_arrow_table()
    cursor.adbc_ingest("round_trip", made, mode="replace", db_schema_name="gold")
    cursor.execute("select n, x from gold.round_trip order by n")
    duck.register("back", cursor.fetch_record_batch())
    duck.register("made", made)
    assert duck.sql("select count(*) from (from back except from made)").fetchall() == [(0,)]
    assert duck.sql("select count(*) from made").fetchall() == [(1000,)]
