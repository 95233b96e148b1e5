"""What an Inspector finds."""

import json
import uuid

import pytest
import sqlalchemy
from moodlake_sqlalchemy import MAP, STRUCT
from sqlalchemy import exc, inspect, text, types


@pytest.fixture(scope="module")
def inspector(engine):
    statements = """
        create schema if not exists reflected;
        create or replace table reflected.a_b (n integer not null, "Mixed Case" varchar);
        create or replace table reflected.axb (other double);
        create or replace table reflected."a%" (n bigint);
        create or replace view reflected.seen as select n from reflected.a_b;
        create or replace table reflected.typed (
            b boolean, i8 tinyint, i16 smallint, i32 integer, i64 bigint, f32 real, f64 double, d decimal(10, 2),
            s varchar, y bytea, day date, t timestamp, tz timestamp with time zone, l bigint[], ll varchar[][],
            st struct<a int, b double[]>)
    """
    with engine.connect() as connection:
        for statement in statements.split(";"):
            connection.execute(text(statement))
    return inspect(engine)


def test_schemas(inspector):
    assert {"bronze", "silver", "ml", "gold", "reflected"} <= set(inspector.get_schema_names())


def test_tables_and_views_apart(inspector):
    assert inspector.get_table_names("reflected") == ["a%", "a_b", "axb", "typed"]
    assert inspector.get_view_names("reflected") == ["seen"]
    assert inspector.get_table_names("nowhere") == []


def test_the_default_schema(engine, connection):
    connection.execute(text("create or replace table gold.of_gold as select 1 as n"))
    assert "of_gold" in inspect(engine).get_table_names()
    assert inspect(engine).has_table("of_gold")


def test_wildcards_are_letters(inspector):
    assert [column["name"] for column in inspector.get_columns("a_b", "reflected")] == [
        "n",
        "Mixed Case",
    ]
    for name in ("a_b", "axb", "a%", "seen"):
        assert inspector.has_table(name, "reflected")
    for name in ("%", "___", "A_B", "reflected.a_b", "a_b' or '1' = '1"):
        assert not inspector.has_table(name, "reflected")
    assert not inspector.has_table("a_b", "re_lected")


def test_a_percent_sign_before_two_digits(connection, metadata):
    """Where a name is a path, `%ce` may be taken for a byte: the server refuses such a name."""
    sqlalchemy.Table("per%cent", metadata, sqlalchemy.Column("n", types.Integer))
    with pytest.raises(sqlalchemy.exc.DBAPIError, match="percent sign"):
        metadata.create_all(connection)


def test_types(inspector):
    found = {
        column["name"]: column["type"] for column in inspector.get_columns("typed", "reflected")
    }
    kinds = {
        "b": types.BOOLEAN,
        "i8": types.SMALLINT,
        "i16": types.SMALLINT,
        "i32": types.INTEGER,
        "i64": types.BIGINT,
        "f32": types.REAL,
        "f64": types.FLOAT,
        "d": types.DECIMAL,
        "s": types.VARCHAR,
        "y": types.LargeBinary,
        "day": types.DATE,
        "t": types.TIMESTAMP,
        "tz": types.TIMESTAMP,
        "l": types.ARRAY,
        "ll": types.ARRAY,
        "st": STRUCT,
    }
    assert {name: type(found_type) for name, found_type in found.items()} == kinds
    assert (found["d"].precision, found["d"].scale) == (10, 2)
    assert (found["t"].timezone, found["tz"].timezone) == (False, True)
    assert (found["l"].dimensions, type(found["l"].item_type)) == (1, types.BIGINT)
    assert (found["ll"].dimensions, type(found["ll"].item_type)) == (2, types.VARCHAR)
    assert {name: str(field) for name, field in found["st"].fields} == {
        "a": "INTEGER",
        "b": "ARRAY",
    }


def test_a_map(engine, connection):
    sql = "create or replace table gold.mapped as select map {'a': 1, 'b': 2} as m"
    connection.execute(text(sql))
    table = sqlalchemy.Table("mapped", sqlalchemy.MetaData(), autoload_with=engine)
    assert isinstance(table.c.m.type, MAP)
    assert connection.execute(sqlalchemy.select(table.c.m, table.c.m["b"])).one() == (
        {"a": 1, "b": 2},
        2,
    )


def test_a_reflected_table_is_made_again(engine, inspector):
    metadata = sqlalchemy.MetaData()
    table = sqlalchemy.Table("typed", metadata, schema="reflected", autoload_with=engine)
    copy = table.to_metadata(sqlalchemy.MetaData(), name=f"copy_{uuid.uuid4().hex}")
    copy.create(engine)
    try:
        columns = inspect(engine).get_columns(copy.name, "reflected")
        assert [str(column["type"].compile(engine.dialect)) for column in columns] == [
            "BOOLEAN",
            "SMALLINT",
            "SMALLINT",
            "INTEGER",
            "BIGINT",
            "REAL",
            "DOUBLE",
            "DECIMAL(10, 2)",
            "VARCHAR",
            "BYTEA",
            "DATE",
            "TIMESTAMP(6)",
            "TIMESTAMP(6) WITH TIME ZONE",
            "BIGINT[]",
            "VARCHAR[][]",
            "STRUCT<a INTEGER, b DOUBLE[]>",
        ]
    finally:
        copy.drop(engine)


def test_nullable_and_defaults(inspector):
    columns = inspector.get_columns("a_b", "reflected")
    assert [column["nullable"] for column in columns] == [False, True]
    assert [column["default"] for column in columns] == [None, None]


def test_a_view(inspector):
    assert "select n from reflected.a_b" in inspector.get_view_definition("seen", "reflected")
    assert [column["name"] for column in inspector.get_columns("seen", "reflected")] == ["n"]
    with pytest.raises(exc.NoSuchTableError):
        inspector.get_view_definition("a_b", "reflected")


def test_comments_of_columns(engine, lake):
    """A table by another writer, as SQL has no word for comments."""
    field = {"name": "tempo", "type": "double", "nullable": True, "metadata": {"comment": "in BPM"}}
    schema = json.dumps({"type": "struct", "fields": [field]})
    metadata = {
        "id": str(uuid.uuid4()),
        "format": {"provider": "parquet", "options": {}},
        "schemaString": schema,
        "partitionColumns": [],
        "configuration": {},
        "createdTime": 0,
    }
    log = lake / "gold" / "commented" / "_delta_log"
    log.mkdir(parents=True, exist_ok=True)
    actions = [{"protocol": {"minReaderVersion": 1, "minWriterVersion": 2}}, {"metaData": metadata}]
    (log / f"{0:020}.json").write_text("\n".join(json.dumps(action) for action in actions))
    assert [column["comment"] for column in inspect(engine).get_columns("commented")] == ["in BPM"]


def test_no_keys_and_no_indexes(inspector):
    assert inspector.get_pk_constraint("a_b", "reflected") == {
        "constrained_columns": [],
        "name": None,
    }
    assert inspector.get_table_comment("a_b", "reflected") == {"text": None}
    for method in ("foreign_keys", "indexes", "unique_constraints", "check_constraints"):
        assert getattr(inspector, f"get_{method}")("a_b", "reflected") == []


@pytest.mark.parametrize(
    "method",
    [
        "columns",
        "pk_constraint",
        "foreign_keys",
        "indexes",
        "unique_constraints",
        "table_comment",
        "check_constraints",
        "view_definition",
    ],
)
def test_what_is_not_there_is_told(inspector, method):
    with pytest.raises(exc.NoSuchTableError):
        getattr(inspector, f"get_{method}")("nowhere", "reflected")
