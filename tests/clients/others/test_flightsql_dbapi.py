"""flightsql-dbapi 0.2.2 as it is, by itself and under SQLAlchemy 1.4."""

import datetime

import flightsql
import flightsql.sqlalchemy  # Registers the dialect.
import pytest
import sqlalchemy
from flightsql.client import FlightSQLClient, TableRef


@pytest.fixture
def client(port):
    client = FlightSQLClient(host="127.0.0.1", port=port, insecure=True)
    yield client
    client.close()


@pytest.fixture
def cursor(client):
    with flightsql.connect(client) as connection:
        yield connection.cursor()


def table_of(client, info):
    return client.do_get(info.endpoints[0].ticket).read_all()


# The client


def test_execute(client):
    table = table_of(client, client.execute("select 1 as one, 'calm' as mood"))
    assert table.to_pylist() == [{"one": 1, "mood": "calm"}]


def test_execute_update(client, query):
    query("create or replace table gold.changed (n bigint)")
    assert client.execute_update("insert into gold.changed values (1), (2)") == 2
    assert query("select count(*) from gold.changed") == [(2,)]


def test_metadata(client):
    assert table_of(client, client.get_catalogs()).to_pylist() == [{"catalog_name": "moodlake"}]
    schemas = table_of(client, client.get_db_schemas())["db_schema_name"].to_pylist()
    assert {"bronze", "silver", "gold", "ml"} <= set(schemas)
    assert len(schemas) == len(set(schemas))
    tables = table_of(client, client.get_tables(db_schema_filter_pattern="gold"))
    assert {"notes", "noted"} <= set(tables["table_name"].to_pylist())
    types = table_of(client, client.get_table_types())["table_type"].to_pylist()
    assert {"TABLE", "VIEW"} <= set(types)
    info = table_of(client, client.get_sql_info([0, 2, 3, 504])).to_pylist()
    assert {row["info_name"] for row in info} == {0, 2, 3, 504}


def test_keys(client):
    notes = TableRef(db_schema="gold", table="notes")
    for info in (
        client.get_primary_keys(notes),
        client.get_imported_keys(notes),
        client.get_exported_keys(notes),
        client.get_cross_reference(notes, notes),
    ):
        assert table_of(client, info).num_rows == 0


def test_types_of_columns(client):
    found = table_of(client, client.get_xdbc_type_info(None))
    assert "BIGINT" in found["type_name"].to_pylist()


# The dbapi


def test_select(cursor):
    cursor.execute("select 1 as one, 'calm' as mood")
    assert [column[0] for column in cursor.description] == ["one", "mood"]
    assert cursor.fetchone() == [1, "calm"]
    assert cursor.fetchone() is None


def test_texts_are_texts(cursor):
    cursor.execute(
        "select 'a' as plain, arrow_cast('a', 'Utf8View') as view,"
        " arrow_cast('a', 'LargeUtf8') as large,"
        " arrow_cast('a', 'Dictionary(Int32, Utf8)') as dictionary"
    )
    assert {column[1] for column in cursor.description} == {sqlalchemy.types.TEXT}
    assert cursor.fetchall() == [["a", "a", "a", "a"]]


def test_parameters(cursor):
    cursor.execute(
        "select ? as whole, ? as real, ? as text, ? as flag, ? as bytes",
        (1, 2.5, "calm", True, b"\x00"),
    )
    assert cursor.fetchall() == [[1, 2.5, "calm", True, b"\x00"]]


def test_parameters_in_order(cursor):
    values = tuple(range(1, 15))
    cursor.execute("select " + ", ".join(f"? as p{n}" for n in values), values)
    assert cursor.fetchall() == [list(values)]


def test_parameters_in_a_condition(cursor):
    cursor.execute("select n from gold.notes where n > ? and n < ?", (0, 2))
    assert cursor.fetchall() == [[1]]


def test_executemany(cursor, query):
    query("create or replace table gold.many (n bigint, text varchar)")
    cursor.executemany("insert into gold.many values (?, ?)", [(1, "a"), (2, "b"), (3, "c")])
    assert query("select * from gold.many order by n") == [(1, "a"), (2, "b"), (3, "c")]


def test_writes_run_once(cursor, query):
    query("create or replace table gold.once (n bigint)")
    cursor.execute("insert into gold.once values (1)")
    assert cursor.fetchall() == []
    assert query("select count(*) from gold.once") == [(1,)]


def test_errors_say_what_is_wrong(cursor):
    with pytest.raises(Exception, match="table 'gold.nowhere' not found"):
        cursor.execute("select * from gold.nowhere")


# SQLAlchemy


@pytest.fixture
def engine(port):
    engine = sqlalchemy.create_engine(f"datafusion+flightsql://127.0.0.1:{port}?insecure=true")
    yield engine
    engine.dispose()


@pytest.fixture
def preparing(port):
    """An engine that binds parameters instead of writing them into the statement."""
    address = f"datafusion+flightsql://127.0.0.1:{port}?insecure=true"
    engine = sqlalchemy.create_engine(address + "&feature-sqlalchemy-prepared-statements=on")
    yield engine
    engine.dispose()


NOTES = sqlalchemy.table(
    "notes",
    sqlalchemy.column("n"),
    sqlalchemy.column("text"),
    sqlalchemy.column("day"),
    schema="gold",
)


def test_engine(engine):
    with engine.connect() as connection:
        assert connection.execute(sqlalchemy.text("select 1 as one")).fetchall() == [(1,)]


def test_expressions(engine):
    statement = (
        sqlalchemy.select(NOTES.c.n, NOTES.c.text)
        .where(NOTES.c.n >= 1)
        .order_by(NOTES.c.n)
        .limit(1)
    )
    with engine.connect() as connection:
        assert connection.execute(statement).fetchall() == [(1, "a")]


def test_prepared_expressions(preparing):
    statement = sqlalchemy.select(NOTES.c.n).where(NOTES.c.text == sqlalchemy.bindparam("text"))
    with preparing.connect() as connection:
        for text, expected in [("a", [(1,)]), ("b", []), ("'; drop table gold.notes", [])]:
            assert connection.execute(statement, {"text": text}).fetchall() == expected


def test_grouping(engine):
    statement = sqlalchemy.select(sqlalchemy.func.count(), sqlalchemy.func.max(NOTES.c.n))
    with engine.connect() as connection:
        assert connection.execute(statement.select_from(NOTES)).fetchall() == [(2, 2)]


def test_dates(engine):
    statement = sqlalchemy.select(NOTES.c.day).where(NOTES.c.n == 1)
    with engine.connect() as connection:
        ((day,),) = connection.execute(statement).fetchall()
    assert (day.year, day.month, day.day) == (2026, 11, 22)
    assert datetime.date(2026, 11, 22).isoformat() in str(day)


def test_inspector(engine):
    inspector = sqlalchemy.inspect(engine)
    schemas = inspector.get_schema_names()
    assert {"bronze", "silver", "gold", "ml", "system"} <= set(schemas)
    assert len(schemas) == len(set(schemas))
    assert {"notes", "notesx", "noted"} <= set(inspector.get_table_names(schema="gold"))
    assert inspector.get_view_names(schema="gold") == []
    assert inspector.has_table("notes", schema="gold")
    assert not inspector.has_table("nowhere", schema="gold")
    assert inspector.get_indexes("notes", schema="gold") == []


def test_inspected_columns(engine):
    columns = sqlalchemy.inspect(engine).get_columns("notes", schema="gold")
    assert [(column["name"], str(column["type"]), column["nullable"]) for column in columns] == [
        ("n", "BIGINT", False),
        ("text", "TEXT", True),
        ("score", "FLOAT", True),
        ("day", "DATE", True),
    ]


def test_a_header_in_the_address(port):
    address = f"datafusion+flightsql://127.0.0.1:{port}?insecure=true&database=moodlake"
    engine = sqlalchemy.create_engine(address)
    with engine.connect() as connection:
        assert connection.execute(sqlalchemy.text("select 1")).fetchall() == [(1,)]
    engine.dispose()


def test_an_error_is_a_sentence(engine):
    with engine.connect() as connection, pytest.raises(Exception, match="nothing"):
        connection.execute(sqlalchemy.text("select nothing from gold.notes"))
