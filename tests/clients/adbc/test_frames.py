"""pandas and polars over an ADBC connection, as their users call them."""

import datetime
import decimal

import adbc_driver_flightsql.dbapi as flightsql
import pandas
import polars
import polars.testing
import pyarrow
import pytest

ROWS = [(1, "a"), (2, None), (3, "c")]


@pytest.fixture
def filled(cursor, notes):
    cursor.executemany(f"insert into {notes} values (?, ?)", ROWS)
    return notes


def tuples(frame):
    """A frame's rows, its missing values as None."""
    frame = frame.astype(object).where(frame.notna(), None)
    return list(frame.itertuples(index=False, name=None))


# pandas reads


def test_pandas_reads(connection, filled):
    frame = pandas.read_sql(f"select * from {filled} order by n", connection)
    assert tuples(frame) == ROWS
    assert frame["n"].dtype == "int64"


def test_pandas_takes_no_parameters_over_adbc(connection, filled):
    # pandas' own limit: its users bind through a cursor.
    with pytest.raises(NotImplementedError, match="params"):
        pandas.read_sql_query(f"select n from {filled} where n > ?", connection, params=(1,))
    with connection.cursor() as cursor:
        cursor.execute(f"select n from {filled} where n > ? and text = ?", (1, "c"))
        assert tuples(cursor.fetch_df()) == [(3,)]


def test_pandas_reads_as_arrow(connection, filled):
    frame = pandas.read_sql(
        f"select * from {filled} order by n", connection, dtype_backend="pyarrow", index_col="n"
    )
    assert frame.index.tolist() == [1, 2, 3]
    assert frame["text"].isna().tolist() == [False, True, False]
    assert frame["text"].dtype == pandas.ArrowDtype(pyarrow.string())


def test_pandas_reads_a_table(connection, filled):
    frame = pandas.read_sql_table("notes", connection, schema="gold", columns=["text", "n"])
    assert sorted(frame["n"]) == [1, 2, 3]
    assert list(frame.columns) == ["text", "n"]


def test_pandas_reads_no_rows(connection, notes):
    frame = pandas.read_sql(f"select * from {notes}", connection)
    assert list(frame.columns) == ["n", "text"]
    assert frame.empty


def test_pandas_reads_every_type(connection):
    frame = pandas.read_sql(
        "select 1.5 as d, true as b, date '2026-11-22' as day,"
        " timestamp '2026-11-22 07:30:00' as t,"
        " cast(1.25 as decimal(5, 2)) as c, [1, 2] as l, null as nothing",
        connection,
    )
    (row,) = frame.itertuples(index=False)
    assert row.d == 1.5
    assert row.b is True or row.b == 1
    assert row.day == datetime.date(2026, 11, 22)
    assert row.t == pandas.Timestamp("2026-11-22 07:30:00")
    assert row.c == decimal.Decimal("1.25")
    assert list(row.l) == [1, 2]
    assert pandas.isna(row.nothing)


# pandas writes


@pytest.fixture
def frame():
    return pandas.DataFrame(
        {
            "n": [1, 2],
            "text": ["a", None],
            "played_at": pandas.to_datetime(["2026-11-22 07:30:00", None], utc=True),
            "mood": pandas.Categorical(["calm", "calm"]),
        }
    )


def test_pandas_writes(connection, frame, query, scratch):
    written = frame.to_sql(
        "from_pandas", connection, schema=scratch, if_exists="replace", index=False
    )
    assert written == 2
    assert query("select * from scratch.from_pandas order by n") == [
        (1, "a", datetime.datetime(2026, 11, 22, 7, 30, tzinfo=datetime.UTC), "calm"),
        (2, None, None, "calm"),
    ]
    assert (
        frame.to_sql("from_pandas", connection, schema=scratch, if_exists="append", index=False)
        == 2
    )
    assert query("select count(*) from scratch.from_pandas") == [(4,)]


def test_pandas_fails_on_what_exists(connection, frame, query, scratch):
    frame.to_sql("existing", connection, schema=scratch, if_exists="replace", index=False)
    with pytest.raises(ValueError, match="already exists"):
        frame.to_sql("existing", connection, schema=scratch, if_exists="fail", index=False)
    assert query("select count(*) from scratch.existing") == [(2,)]


def test_pandas_writes_its_index(connection, frame, query, scratch):
    named = frame.rename_axis("row")
    named.to_sql("indexed", connection, schema=scratch, if_exists="replace", index=True)
    assert query('select "row", n from scratch.indexed order by 1') == [(0, 1), (1, 2)]


def test_pandas_there_and_back(connection, scratch):
    frame = pandas.DataFrame({"n": range(50_000), "x": [n / 7 for n in range(50_000)]})
    frame.to_sql("round", connection, schema=scratch, if_exists="replace", index=False)
    back = pandas.read_sql("select n, x from scratch.round order by n", connection)
    pandas.testing.assert_frame_equal(back, frame)


# polars


def test_polars_reads(connection, filled):
    frame = polars.read_database(f"select * from {filled} order by n", connection)
    assert frame.rows() == ROWS
    assert frame.schema == {"n": polars.Int64, "text": polars.String}


def test_polars_reads_from_a_cursor(cursor, filled):
    frame = polars.read_database(f"select * from {filled} order by n", cursor)
    assert frame.rows() == ROWS


def test_polars_reads_with_parameters(connection, filled):
    frame = polars.read_database(
        f"select n from {filled} where n > ? order by n",
        connection,
        execute_options={"parameters": [1]},
    )
    assert frame.rows() == [(2,), (3,)]


def test_polars_reads_in_batches(connection):
    batches = polars.read_database(
        "select value from generate_series(1, 100000)",
        connection,
        iter_batches=True,
        batch_size=8192,
    )
    frames = list(batches)
    assert len(frames) > 1
    assert sum(frame["value"].sum() for frame in frames) == 100_000 * 100_001 // 2


def test_polars_writes(connection, query, scratch):
    frame = polars.DataFrame(
        {
            "n": [1, 2, 3],
            "text": ["a", "b", None],
            "mood": polars.Series(["calm", "calm", None], dtype=polars.Categorical),
            "tags": [["x"], [], None],
            "place": [{"city": "Köln", "n": 1}, None, {"city": None, "n": 2}],
            "day": [datetime.date(2026, 11, 22), None, None],
        }
    )
    written = frame.write_database(
        "scratch.from_polars", connection, if_table_exists="replace", engine="adbc"
    )
    assert written == 3
    back = polars.read_database("select * from scratch.from_polars order by n", connection)
    polars.testing.assert_frame_equal(
        back, frame.with_columns(polars.col("mood").cast(polars.String))
    )
    assert frame.write_database("scratch.from_polars", connection, if_table_exists="append") == 3
    assert query("select count(*) from scratch.from_polars") == [(6,)]


def test_polars_fails_on_what_exists(connection, query, scratch):
    frame = polars.DataFrame({"n": [1]})
    frame.write_database("scratch.there", connection, if_table_exists="replace")
    with pytest.raises(flightsql.Error, match="exists already"):
        frame.write_database("scratch.there", connection, if_table_exists="fail")
    assert query("select count(*) from scratch.there") == [(1,)]


def test_polars_writes_no_rows(connection, query, scratch):
    nothing = polars.DataFrame({"n": []}, schema={"n": polars.Int64})
    nothing.write_database("scratch.nothing", connection, if_table_exists="replace")
    assert query("select * from scratch.nothing") == []
