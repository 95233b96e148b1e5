"""The server through ADBC's Python driver, as its users drive it."""

import datetime
import decimal
import warnings

import adbc_driver_flightsql
import adbc_driver_flightsql.dbapi as flightsql
import pandas
import polars
import pyarrow
import pytest

LAYERS = {"bronze", "silver", "ml", "gold", "system"}


@pytest.fixture
def notes(cursor):
    """A small table that every test gets afresh."""
    cursor.execute("create or replace table gold.notes (n bigint, text varchar)")
    return "gold.notes"


def count(cursor, table):
    cursor.execute(f"select count(*) from {table}")
    return cursor.fetchone()[0]


# Statements


def test_select(cursor):
    cursor.execute("select 1 as one, 'calm' as mood, null as nothing")
    assert [column[0] for column in cursor.description] == ["one", "mood", "nothing"]
    assert cursor.fetchall() == [(1, "calm", None)]


def test_types(cursor):
    cursor.execute(
        "select true, cast(1.5 as double), cast(1.25 as decimal(5, 2)), date '2026-11-22',"
        " timestamp '2026-11-22 07:30:00', [1, 2], arrow_cast('a', 'Utf8View'),"
        " arrow_cast('b', 'Dictionary(Int32, Utf8)')"
    )
    assert cursor.fetchone() == (
        True,
        1.5,
        decimal.Decimal("1.25"),
        datetime.date(2026, 11, 22),
        datetime.datetime(2026, 11, 22, 7, 30),
        [1, 2],
        "a",
        "b",
    )


def test_no_string_views(cursor):
    cursor.execute("select arrow_cast('a', 'Utf8View') as a, cast('b' as varchar) as b")
    assert cursor.fetch_arrow_table().schema.types == [pyarrow.string(), pyarrow.string()]


def test_no_rows(cursor):
    cursor.execute("select 1 as one where false")
    table = cursor.fetch_arrow_table()
    assert table.num_rows == 0
    assert table.column_names == ["one"]


def test_many_rows(cursor):
    cursor.execute("select value from generate_series(1, 1000000)")
    assert sum(batch.num_rows for batch in cursor.fetch_record_batch()) == 1_000_000


def test_updates_run_once_and_count(cursor, notes):
    cursor.execute(f"insert into {notes} values (1, 'a'), (2, 'b')")
    assert cursor.rowcount == 2
    assert cursor.fetchall() == []
    assert count(cursor, notes) == 2


def test_script(cursor, notes):
    cursor.executescript(f"insert into {notes} values (1, 'a')")
    assert count(cursor, notes) == 1


def test_schema_without_running(cursor, notes):
    schema = cursor.adbc_execute_schema(f"select n, text from {notes}")
    assert schema.names == ["n", "text"]
    schema = cursor.adbc_execute_schema(f"insert into {notes} values (1, 'a')")
    assert schema.names == []
    assert count(cursor, notes) == 0


def test_partitions(cursor):
    partitions, schema = cursor.adbc_execute_partitions("select 7 as seven")
    assert schema.names == ["seven"]
    for partition in partitions:
        cursor.adbc_read_partition(partition)
        assert cursor.fetchall() == [(7,)]


def test_an_update_read_again_does_not_run_again(cursor, notes):
    (partition,), _ = cursor.adbc_execute_partitions(f"insert into {notes} values (1, 'a')")
    for _ in range(3):
        cursor.adbc_read_partition(partition)
        assert cursor.fetchall() == []
    assert count(cursor, notes) == 1


# Parameters


@pytest.mark.parametrize("sql", ["select ? + 1, ?", "select $1 + 1, $2"])
def test_parameters(cursor, sql):
    for number, text in [(1, "one"), (41, "forty-one"), (7, None)]:
        cursor.execute(sql, (number, text))
        assert cursor.fetchone() == (number + 1, text)


def test_parameters_in_order(cursor):
    values = tuple(range(1, 15))
    columns = ", ".join(f"${n} as p{n}" for n in values)
    cursor.execute(f"select {columns}", values)
    assert cursor.fetchone() == values


@pytest.mark.parametrize(
    "value",
    [
        True,
        3,
        2.5,
        "calm",
        b"\x00\xff",
        datetime.date(2026, 11, 22),
        datetime.datetime(2026, 11, 22, 7, 30, 0, 123456),
        decimal.Decimal("12.34"),
    ],
)
def test_parameter_types(cursor, value):
    cursor.execute("select ? as v", (value,))
    assert cursor.fetchone() == (value,)


def test_parameter_in_a_condition(cursor, notes):
    cursor.executemany(f"insert into {notes} values (?, ?)", [(1, "a"), (2, "b"), (3, "c")])
    cursor.execute(f"select text from {notes} where n > ? and text <> ? order by n", (1, "c"))
    assert cursor.fetchall() == [("b",)]


def test_many_rows_bound_to_a_query(cursor):
    rows = pyarrow.record_batch({"0": [1, 2, 3]})
    cursor.execute("select $1 * 10 as v", rows)
    assert cursor.fetchall() == [(10,), (20,), (30,)]


def test_missing_parameters_are_an_error(cursor):
    with pytest.raises(flightsql.ProgrammingError, match="parameters"):
        cursor.execute("select ? + ?", (1,))


def test_executemany(cursor, notes):
    cursor.executemany(f"insert into {notes} values (?, ?)", [(1, "a"), (2, None), (None, "c")])
    assert cursor.rowcount == 3
    cursor.execute(f"select * from {notes} order by n nulls last")
    assert cursor.fetchall() == [(1, "a"), (2, None), (None, "c")]


def test_prepared_once_run_often(cursor):
    schema = cursor.adbc_prepare("select cast(? as bigint) + 1 as next")
    assert len(schema) == 1
    for number in (1, 2, 3):
        cursor.execute("select cast(? as bigint) + 1 as next", (number,))
        assert cursor.fetchone() == (number + 1,)


def test_nothing_is_trained_by_a_plan(cursor):
    sql = (
        "create model planned options (type = 'kmeans', k = 2) as"
        " select cast(value as double) as x from generate_series(1, 20)"
    )
    planned = "ml.models where model = 'planned'"
    assert cursor.adbc_execute_schema(sql).names == []
    cursor.adbc_prepare(sql)
    assert count(cursor, planned) == 0
    cursor.execute(sql)
    assert count(cursor, planned) == 1


# Bulk ingest

TABLE = pyarrow.table({"n": [1, 2, 3], "text": ["a", None, "c"]})


def test_ingest_create_refuses_what_exists(cursor):
    cursor.execute("drop table if exists bronze.created")
    assert cursor.adbc_ingest("created", TABLE, mode="create", db_schema_name="bronze") == 3
    with pytest.raises(flightsql.Error, match="created"):
        cursor.adbc_ingest("created", TABLE, mode="create", db_schema_name="bronze")
    assert count(cursor, "bronze.created") == 3


def test_ingest_append_needs_a_table(cursor):
    with pytest.raises(flightsql.Error, match="missing"):
        cursor.adbc_ingest("missing", TABLE, mode="append", db_schema_name="bronze")
    cursor.adbc_ingest("appended", TABLE, mode="replace", db_schema_name="bronze")
    assert cursor.adbc_ingest("appended", TABLE, mode="append", db_schema_name="bronze") == 3
    assert count(cursor, "bronze.appended") == 6


def test_ingest_replace(cursor):
    for rows in (TABLE, TABLE.slice(0, 1)):
        cursor.adbc_ingest("replaced", rows, mode="replace", db_schema_name="bronze")
    assert count(cursor, "bronze.replaced") == 1


def test_ingest_create_append(cursor):
    cursor.execute("drop table if exists bronze.grown")
    for _ in range(2):
        cursor.adbc_ingest(
            "grown", TABLE, mode="create_append", catalog_name="moodlake", db_schema_name="bronze"
        )
    cursor.execute("select * from bronze.grown order by n")
    assert cursor.fetchall() == [(1, "a"), (1, "a"), (2, None), (2, None), (3, "c"), (3, "c")]


def test_ingest_big_batch(server):
    numbers = pyarrow.record_batch({"n": pyarrow.array(range(3_000_000))})
    assert numbers.nbytes > 20_000_000
    # The driver itself sends no more than 16 MiB unless told to.
    options = {adbc_driver_flightsql.DatabaseOptions.WITH_MAX_MSG_SIZE.value: str(64 << 20)}
    with flightsql.connect(server, options, autocommit=True) as connection:
        with connection.cursor() as cursor:
            loaded = cursor.adbc_ingest(
                "numbers", numbers, mode="replace", db_schema_name="bronze"
            )
            assert loaded == 3_000_000
            cursor.execute("select count(*), sum(n) from bronze.numbers")
            assert cursor.fetchone() == (3_000_000, 4_499_998_500_000)


def test_ingest_dictionaries_and_views(cursor):
    words = pyarrow.table(
        {
            "dictionary": pyarrow.array(["a", "b", "a"]).dictionary_encode(),
            "view": pyarrow.array(["x", None, "z"], pyarrow.string_view()),
            "large": pyarrow.array(["p", "q", "r"], pyarrow.large_string()),
        }
    )
    cursor.adbc_ingest("words", words, mode="replace", db_schema_name="bronze")
    cursor.execute("select * from bronze.words order by large")
    assert cursor.fetchall() == [("a", "x", "p"), ("b", None, "q"), ("a", "z", "r")]


def test_ingest_temporary_is_refused(cursor):
    with pytest.raises(flightsql.NotSupportedError, match="temporary"):
        cursor.adbc_ingest("passing", TABLE, temporary=True)


# Metadata


def objects(connection, **options):
    return connection.adbc_get_objects(**options).read_all().to_pylist()


def schemas_of(found):
    assert [catalog["catalog_name"] for catalog in found] == ["moodlake"]
    return {schema["db_schema_name"]: schema for schema in found[0]["catalog_db_schemas"]}


def test_objects_catalogs(connection):
    found = objects(connection, depth="catalogs")
    assert [catalog["catalog_name"] for catalog in found] == ["moodlake"]


def test_objects_schemas(connection):
    assert LAYERS <= set(schemas_of(objects(connection, depth="db_schemas")))
    found = objects(connection, depth="db_schemas", db_schema_filter="si%")
    assert set(schemas_of(found)) == {"silver"}


@pytest.mark.parametrize("catalog", [None, "moodlake"])
def test_objects_tables(connection, notes, catalog):
    found = objects(
        connection, depth="tables", catalog_filter=catalog, db_schema_filter="gold",
        table_name_filter="not%", table_types_filter=["TABLE"],
    )
    tables = schemas_of(found)["gold"]["db_schema_tables"]
    assert [(t["table_name"], t["table_type"]) for t in tables] == [("notes", "TABLE")]


def test_objects_columns(connection, notes):
    found = objects(connection, depth="columns", db_schema_filter="gold", table_name_filter="notes")
    (table,) = schemas_of(found)["gold"]["db_schema_tables"]
    columns = [
        (column["column_name"], column["ordinal_position"], column["xdbc_type_name"])
        for column in table["table_columns"]
    ]
    assert columns == [("n", 1, "BIGINT"), ("text", 2, "VARCHAR")]


def test_objects_of_all_schemas(connection):
    everything = schemas_of(objects(connection, depth="all"))
    assert LAYERS <= set(everything)


def test_views_are_views(connection, cursor, notes):
    cursor.execute("create or replace view gold.noted as select n from gold.notes")
    found = objects(connection, depth="tables", table_types_filter=["VIEW"])
    views = schemas_of(found)["gold"]["db_schema_tables"]
    assert [view["table_name"] for view in views] == ["noted"]


def test_table_types(connection):
    assert set(connection.adbc_get_table_types()) == {"SYSTEM TABLE", "TABLE", "VIEW"}


def test_table_schema(connection, cursor):
    cursor.execute("create or replace table gold.typed (n bigint not null, text varchar)")
    schema = connection.adbc_get_table_schema("typed", db_schema_filter="gold")
    assert schema.names == ["n", "text"]
    assert schema.types == [pyarrow.int64(), pyarrow.string()]
    assert not schema.field("n").nullable
    with pytest.raises(flightsql.Error):
        connection.adbc_get_table_schema("nowhere")


def test_info(connection):
    info = connection.adbc_get_info()
    assert info["vendor_name"] == "Moodlake"
    assert info["vendor_version"]
    assert info["vendor_arrow_version"].startswith("59.")


def test_current_catalog_and_schema(connection):
    assert connection.adbc_current_catalog == "moodlake"
    assert connection.adbc_current_db_schema == "gold"
    with pytest.raises(flightsql.Error):
        connection.adbc_current_db_schema = "silver"


# Errors and transactions


@pytest.mark.parametrize(
    "sql", ["selec 1", "select * from gold.nowhere", "select nothing from gold.notes"]
)
def test_a_wrong_statement_is_a_programming_error(cursor, notes, sql):
    with pytest.raises(flightsql.ProgrammingError) as caught:
        cursor.execute(sql)
    message = str(caught.value)
    assert "INVALID_ARGUMENT" in message
    assert "Error {" not in message and "backtrace" not in message


def test_an_error_while_running_reaches_the_client(cursor):
    with pytest.raises(flightsql.Error, match="(?i)divide by zero"):
        cursor.execute("select 1 / (value - 500) from generate_series(1, 1000)")
        cursor.fetchall()


def test_a_failed_statement_leaves_the_connection_usable(cursor, notes):
    with pytest.raises(flightsql.Error):
        cursor.execute("selec 1")
    cursor.execute("select 1")
    assert cursor.fetchone() == (1,)


def test_transactions_are_refused_and_autocommit_works(server):
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        with flightsql.connect(server) as connection:
            assert any("autocommit" in str(warning.message) for warning in caught)
            with connection.cursor() as cursor:
                cursor.execute("create or replace table gold.committed as select 1 as n")
    with flightsql.connect(server, autocommit=True) as other, other.cursor() as cursor:
        assert count(cursor, "gold.committed") == 1
        with pytest.raises(flightsql.NotSupportedError):
            other.adbc_connection.set_autocommit(False)


# Frames


def test_pandas(connection, notes, cursor):
    cursor.executemany(f"insert into {notes} values (?, ?)", [(1, "a"), (2, "b")])
    frame = pandas.read_sql(f"select * from {notes} order by n", connection)
    assert list(frame.itertuples(index=False, name=None)) == [(1, "a"), (2, "b")]


def test_pandas_writes(connection, cursor):
    frame = pandas.DataFrame({"n": [1, 2], "text": ["a", "b"]})
    frame.to_sql("from_pandas", connection, schema="bronze", if_exists="replace", index=False)
    assert count(cursor, "bronze.from_pandas") == 2


def test_polars(connection):
    frame = polars.read_database("select 1 as n, 'a' as text", connection)
    assert frame.rows() == [(1, "a")]


def test_polars_writes(connection, cursor):
    frame = polars.DataFrame({"n": [1, 2, 3], "text": ["a", "b", None]})
    frame.write_database("bronze.from_polars", connection, if_table_exists="replace")
    assert count(cursor, "bronze.from_polars") == 3
