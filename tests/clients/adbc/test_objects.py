"""What there is, as ADBC tells it: catalogues, schemas, tables, columns, patterns."""

import adbc_driver_flightsql.dbapi as flightsql
import pyarrow
import pytest

LAYERS = {"bronze", "silver", "ml", "gold", "system"}


@pytest.fixture(scope="module", autouse=True)
def tables(server):
    """Names that a pattern can confuse, each a table, and a view."""
    with flightsql.connect(server, autocommit=True) as connection, connection.cursor() as cursor:
        for sql in [
            "create schema if not exists shelf_1",
            "create schema if not exists shelfx1",
            "create schema if not exists empty_shelf",
            "create or replace table shelf_1.plays_a"
            " (n bigint not null, text varchar, score decimal(7, 2))",
            "create or replace table shelf_1.playsxa (n bigint)",
            'create or replace table shelf_1."100%" (n bigint)',
            "create or replace table shelfx1.plays_a (n bigint)",
            "create or replace view shelf_1.plays_view as select n, text from shelf_1.plays_a",
        ]:
            cursor.execute(sql)


def objects(connection, **options):
    return connection.adbc_get_objects(**options).read_all().to_pylist()


def schemas_of(found):
    assert [catalog["catalog_name"] for catalog in found] == ["moodlake"]
    return {schema["db_schema_name"]: schema for schema in found[0]["catalog_db_schemas"]}


def tables_of(found):
    return {
        (schema["db_schema_name"], table["table_name"])
        for catalog in found
        for schema in catalog["catalog_db_schemas"]
        for table in schema["db_schema_tables"]
    }


# Catalogues


@pytest.mark.parametrize("pattern", [None, "moodlake", "mood%", "mood_ake", "%"])
def test_catalogs(connection, pattern):
    (found,) = objects(connection, depth="catalogs", catalog_filter=pattern)
    assert found == {"catalog_name": "moodlake", "catalog_db_schemas": None}


@pytest.mark.parametrize("depth", ["catalogs", "db_schemas", "tables", "all"])
def test_no_such_catalog(connection, depth):
    assert objects(connection, depth=depth, catalog_filter="elsewhere") == []


# Schemas


def test_schemas(connection):
    found = schemas_of(objects(connection, depth="db_schemas"))
    assert LAYERS | {"shelf_1", "shelfx1", "empty_shelf", "information_schema"} <= set(found)
    assert {schema["db_schema_tables"] for schema in found.values()} == {None}
    assert len(found) == len(objects(connection, depth="db_schemas")[0]["catalog_db_schemas"])


@pytest.mark.parametrize(
    ("pattern", "expected"),
    [
        ("silver", {"silver"}),
        ("si%", {"silver"}),
        ("shelf_1", {"shelf_1", "shelfx1"}),
        (r"shelf\_1", {"shelf_1"}),
        ("s_lver", {"silver"}),
        ("SILVER", set()),
        ("nowhere", set()),
        ("%elf%1", {"shelf_1", "shelfx1"}),
    ],
)
def test_schema_patterns(connection, pattern, expected):
    found = objects(connection, depth="db_schemas", db_schema_filter=pattern)
    assert set(schemas_of(found)) == expected


# Tables


def test_tables_of_all_schemas(connection):
    found = objects(connection, depth="tables")
    assert {("shelf_1", "plays_a"), ("shelfx1", "plays_a"), ("shelf_1", "100%")} <= tables_of(found)
    assert schemas_of(found)["empty_shelf"]["db_schema_tables"] == []
    (table,) = (t for t in schemas_of(found)["shelfx1"]["db_schema_tables"])
    assert table == {
        "table_name": "plays_a",
        "table_type": "TABLE",
        "table_columns": None,
        "table_constraints": None,
    }


@pytest.mark.parametrize(
    ("schema", "table", "expected"),
    [
        ("shelf_1", "plays_a", {"shelf_1.plays_a", "shelf_1.playsxa", "shelfx1.plays_a"}),
        (r"shelf\_1", r"plays\_a", {"shelf_1.plays_a"}),
        (r"shelf\_1", "plays%", {"shelf_1.plays_a", "shelf_1.playsxa", "shelf_1.plays_view"}),
        (r"shelf\_1", r"100\%", {"shelf_1.100%"}),
        (r"shelf\_1", "%xa", {"shelf_1.playsxa"}),
        ("shelf%", "nothing", set()),
    ],
)
def test_table_patterns(connection, schema, table, expected):
    found = objects(connection, depth="tables", db_schema_filter=schema, table_name_filter=table)
    assert {".".join(name) for name in tables_of(found)} == expected


@pytest.mark.parametrize(
    ("types", "expected"),
    [
        (["TABLE"], {"plays_a", "playsxa", "100%"}),
        (["VIEW"], {"plays_view"}),
        (["TABLE", "VIEW"], {"plays_a", "playsxa", "100%", "plays_view"}),
        (["SYSTEM TABLE"], set()),
        (["NO SUCH TYPE"], set()),
    ],
)
def test_table_types_filter(connection, types, expected):
    found = objects(
        connection, depth="tables", db_schema_filter=r"shelf\_1", table_types_filter=types
    )
    assert {name for _, name in tables_of(found)} == expected


def test_system_tables(connection):
    found = objects(connection, depth="tables", table_types_filter=["SYSTEM TABLE"])
    assert {("information_schema", "tables"), ("information_schema", "columns")} <= tables_of(found)
    assert {schema for schema, _ in tables_of(found)} <= {"system", "information_schema"}
    assert ("system", "tables") in tables_of(objects(connection, depth="tables"))


# Columns


@pytest.mark.parametrize("depth", ["columns", "all"])
def test_columns(connection, depth):
    found = objects(
        connection, depth=depth, db_schema_filter=r"shelf\_1", table_name_filter=r"plays\_a"
    )
    (table,) = schemas_of(found)["shelf_1"]["db_schema_tables"]
    told = [
        (
            column["column_name"],
            column["ordinal_position"],
            column["xdbc_type_name"],
            column["xdbc_data_type"],
            column["xdbc_is_autoincrement"],
        )
        for column in table["table_columns"]
    ]
    assert told == [
        ("n", 1, "BIGINT", -5, False),
        ("text", 2, "VARCHAR", 12, False),
        ("score", 3, "DECIMAL(7, 2)", 3, False),
    ]
    scopes = {
        (column["xdbc_scope_catalog"], column["xdbc_scope_schema"], column["xdbc_scope_table"])
        for column in table["table_columns"]
    }
    assert scopes == {("moodlake", "shelf_1", "plays_a")}
    assert table["table_constraints"] == []


@pytest.mark.parametrize(
    ("pattern", "expected"),
    [("n", ["n"]), ("%e%", ["text", "score"]), ("_ext", ["text"]), ("z", [])],
)
def test_column_patterns(connection, pattern, expected):
    found = objects(
        connection,
        depth="columns",
        db_schema_filter=r"shelf\_1",
        table_name_filter=r"plays\_a",
        column_name_filter=pattern,
    )
    tables = schemas_of(found)["shelf_1"]["db_schema_tables"]
    assert [column["column_name"] for t in tables for column in t["table_columns"]] == expected


def test_columns_of_everything(connection):
    found = objects(connection, depth="all")
    assert LAYERS <= set(schemas_of(found))
    for schema in found[0]["catalog_db_schemas"]:
        for table in schema["db_schema_tables"]:
            columns = table["table_columns"]
            assert [c["ordinal_position"] for c in columns] == list(range(1, len(columns) + 1))
            assert all(column["xdbc_type_name"] for column in columns), table["table_name"]


def test_a_broken_view_hides_nothing_else(connection, cursor):
    cursor.execute("create or replace table shelfx1.gone (n bigint)")
    cursor.execute("create or replace view shelfx1.broken as select n from shelfx1.gone")
    cursor.execute("drop table shelfx1.gone")
    found = objects(connection, depth="all", db_schema_filter="shelfx1")
    assert ("shelfx1", "plays_a") in tables_of(found)
    cursor.execute("drop view shelfx1.broken")


# Single answers


def test_table_types(connection):
    assert {"SYSTEM TABLE", "TABLE", "VIEW"} <= set(connection.adbc_get_table_types())


def test_table_schema(connection):
    schema = connection.adbc_get_table_schema(
        "plays_a", catalog_filter="moodlake", db_schema_filter="shelf_1"
    )
    assert schema.names == ["n", "text", "score"]
    assert schema.types == [pyarrow.int64(), pyarrow.string(), pyarrow.decimal128(7, 2)]
    assert [field.nullable for field in schema] == [False, True, True]


def test_table_schema_of_a_view(connection):
    schema = connection.adbc_get_table_schema("plays_view", db_schema_filter="shelf_1")
    assert schema.names == ["n", "text"]


@pytest.mark.parametrize("name", ["nowhere", "plays%", "PLAYS_A"])
def test_table_schema_of_nothing(connection, name):
    with pytest.raises(flightsql.Error, match="(?i)could not find|no table|not found"):
        connection.adbc_get_table_schema(name, db_schema_filter="shelf_1")


def test_info(connection):
    info = connection.adbc_get_info()
    assert info["vendor_name"] == "Moodlake"
    assert info["vendor_version"][0].isdigit()
    assert info["vendor_arrow_version"].startswith("59.")
    assert info["driver_name"].startswith("ADBC Flight SQL Driver")
    assert info["driver_adbc_version"] >= 1_001_000


def test_info_one_by_one(connection):
    vendor_name, vendor_version, vendor_sql, vendor_substrait = 0, 1, 3, 4
    codes = [vendor_name, vendor_version, vendor_sql, vendor_substrait]
    handle = connection.adbc_connection.get_info(codes)
    rows = pyarrow.RecordBatchReader._import_from_c(handle.address).read_all().to_pylist()
    told = {row["info_name"]: row["info_value"] for row in rows}
    assert told[vendor_name] == "Moodlake"
    assert told[vendor_sql] is True
    assert told[vendor_substrait] is True


def test_statistics_are_not_claimed(connection):
    with pytest.raises(flightsql.NotSupportedError):
        connection.adbc_get_statistics()
