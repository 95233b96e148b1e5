"""`pyarrow.flight` as it is: Flight SQL's statements and metadata by commands made by hand."""

import pyarrow
import pytest
from flight_sql import REFUSALS, act, command, message, packed, put, read, rows_of, select, unpacked

# Statements


def test_a_query(client):
    info = client.get_flight_info(select("select 1 as one, 'calm' as mood"))
    assert info.schema.names == ["one", "mood"]
    assert len(info.endpoints) == 1
    assert rows_of(client, select("select 1 as one, 'calm' as mood")).to_pylist() == [
        {"one": 1, "mood": "calm"}
    ]


def test_the_schema_told_is_the_schema_sent(client):
    descriptor = select("select n, text, [n] as ns from gold.notes")
    info = client.get_flight_info(descriptor)
    told = client.get_schema(descriptor).schema
    sent = client.do_get(info.endpoints[0].ticket).schema
    assert told == info.schema == sent


def test_a_ticket_is_good_again_and_again(client):
    info = client.get_flight_info(select("select value from generate_series(1, 20000)"))
    for _ in range(3):
        table = client.do_get(info.endpoints[0].ticket).read_all()
        assert sum(table["value"].to_pylist()) == 20_000 * 20_001 // 2


def test_a_ticket_of_a_write_writes_once(client, query):
    query("create or replace table gold.once (n bigint)")
    info = client.get_flight_info(select("insert into gold.once values (1)"))
    for _ in range(3):
        assert client.do_get(info.endpoints[0].ticket).read_all().num_rows == 0
    assert query("select n from gold.once") == [(1,)]


NOTHING = pyarrow.table({})


def test_an_update_counts_its_rows(client, query):
    query("create or replace table gold.counted (n bigint)")
    sql = "insert into gold.counted select value from generate_series(1, 7)"
    assert read(put(client, command("CommandStatementUpdate", f1=sql), NOTHING)) == {1: [7]}
    assert query("select count(*) from gold.counted") == [(7,)]


def test_an_ingest_counts_its_rows(client, query):
    query("drop table if exists gold.loaded")
    create_or_append = message(f1=1, f2=2)
    descriptor = command("CommandStatementIngest", f1=create_or_append, f2="loaded", f3="gold")
    data = pyarrow.table({"n": [1, 2, 3], "text": ["a", None, "c"]})
    for loaded in (3, 6):
        assert read(put(client, descriptor, data)) == {1: [3]}
        assert query("select count(*) from gold.loaded") == [(loaded,)]


# Prepared statements


def prepare(client, sql):
    (result,) = act(
        client, "CreatePreparedStatement", packed("ActionCreatePreparedStatementRequest", f1=sql)
    )
    return unpacked(result)


def close(client, handle):
    act(client, "ClosePreparedStatement", packed("ActionClosePreparedStatementRequest", f1=handle))


def dense_union(value):
    """A value as a union of all types that a Python value can have."""
    types = [int, float, str, bytes, bool]
    arrows = [pyarrow.int64(), pyarrow.float64(), pyarrow.utf8(), pyarrow.binary(), pyarrow.bool_()]
    children = [
        pyarrow.array([value] if type(value) is kind else [], arrow)
        for kind, arrow in zip(types, arrows)
    ]
    return pyarrow.UnionArray.from_dense(
        pyarrow.array([types.index(type(value))], pyarrow.int8()),
        pyarrow.array([0], pyarrow.int32()),
        children,
    )


def bound(*values):
    columns = [dense_union(value) for value in values]
    return pyarrow.table(columns, [f"param_{number}" for number in range(len(values))])


def test_a_prepared_statement_tells_its_schemas(client):
    prepared = prepare(client, "select n + ? as m from gold.notes where text = ?")
    (handle,), (dataset,), (parameters,) = prepared[1], prepared[2], prepared[3]
    assert pyarrow.ipc.read_schema(pyarrow.py_buffer(dataset)).names == ["m"]
    types = pyarrow.ipc.read_schema(pyarrow.py_buffer(parameters)).types
    assert types == [pyarrow.int64(), pyarrow.string()]
    close(client, handle)


def test_dense_unions_are_bound_in_order(client):
    values = (1, 2.5, "calm", b"\x00\xff", True, 6, 7, 8, 9, 10, 11, 12, 13)
    columns = ", ".join(f"? as p{number}" for number in range(len(values)))
    (handle,) = prepare(client, f"select {columns}")[1]
    descriptor = command("CommandPreparedStatementQuery", f1=handle)
    for shift in range(3):
        turned = values[shift:] + values[:shift]
        put(client, descriptor, bound(*turned))
        (row,) = rows_of(client, descriptor).to_pylist()
        assert tuple(row.values()) == turned
    close(client, handle)


def test_a_prepared_update_runs_for_each_row(client, query):
    query("create or replace table gold.bound (n bigint, text varchar)")
    (handle,) = prepare(client, "insert into gold.bound values (?, ?)")[1]
    data = pyarrow.table({"a": [1, 2, None], "b": ["x", None, "z"]})
    descriptor = command("CommandPreparedStatementUpdate", f1=handle)
    assert read(put(client, descriptor, data)) == {1: [3]}
    assert query("select * from gold.bound order by n nulls last") == [
        (1, "x"),
        (2, None),
        (None, "z"),
    ]
    close(client, handle)


def test_a_closed_statement_is_gone(client):
    (handle,) = prepare(client, "select 1")[1]
    close(client, handle)
    close(client, handle)
    with pytest.raises(REFUSALS, match="closed or has expired"):
        client.get_flight_info(command("CommandPreparedStatementQuery", f1=handle))


# Metadata


def test_catalogs_schemas_and_types(client):
    assert rows_of(client, command("CommandGetCatalogs")).to_pylist() == [
        {"catalog_name": "moodlake"}
    ]
    schemas = rows_of(client, command("CommandGetDbSchemas", f2="go_d"))
    assert schemas.to_pylist() == [{"catalog_name": "moodlake", "db_schema_name": "gold"}]
    types = rows_of(client, command("CommandGetTableTypes"))["table_type"].to_pylist()
    assert {"TABLE", "VIEW"} <= set(types)


def test_tables_with_their_schemas(client):
    tables = rows_of(
        client, command("CommandGetTables", f2="gold", f3="note_", f5=True)
    ).to_pylist()
    found = {(table["table_name"], table["table_type"]) for table in tables}
    assert found == {("notes", "TABLE"), ("noted", "VIEW")}
    (notes,) = (table for table in tables if table["table_name"] == "notes")
    schema = pyarrow.ipc.read_schema(pyarrow.py_buffer(notes["table_schema"]))
    assert schema.names == ["n", "text", "score", "day"]
    assert [f.nullable for f in schema] == [False, True, True, True]
    metadata = schema.field("n").metadata
    assert metadata[b"ARROW:FLIGHT:SQL:TYPE_NAME"] == b"BIGINT"
    assert metadata[b"ARROW:FLIGHT:SQL:TABLE_NAME"] == b"notes"


def test_tables_of_a_type(client):
    views = rows_of(client, command("CommandGetTables", f1="moodlake", f2="gold", f4=["VIEW"]))
    assert "noted" in views["table_name"].to_pylist()
    assert set(views["table_type"].to_pylist()) == {"VIEW"}
    assert "table_schema" not in views.column_names
    assert rows_of(client, command("CommandGetTables", f1="elsewhere")).num_rows == 0


def test_sql_info(client):
    table = rows_of(client, command("CommandGetSqlInfo"))
    told = {row["info_name"]: row["value"] for row in table.to_pylist()}
    name, version, arrow_version, read_only, quote = 0, 1, 2, 3, 504
    assert told[name] == "Moodlake"
    assert told[version][0].isdigit()
    assert told[arrow_version].startswith("59.")
    assert told[read_only] is False
    assert told[quote] == '"'
    assert len(told) > 60
    asked = rows_of(client, command("CommandGetSqlInfo", f1=[0, 504])).to_pylist()
    assert {row["info_name"]: row["value"] for row in asked} == {0: "Moodlake", 504: '"'}


def test_types_of_columns(client):
    types = rows_of(client, command("CommandGetXdbcTypeInfo")).to_pylist()
    by_name = {row["type_name"]: row["data_type"] for row in types}
    assert by_name["BIGINT"] == -5
    assert by_name["VARCHAR"] == 12
    bigint = rows_of(client, command("CommandGetXdbcTypeInfo", f1=-5)).to_pylist()
    assert [row["type_name"] for row in bigint] == ["BIGINT"]


@pytest.mark.parametrize(
    ("name", "columns"),
    [
        ("CommandGetPrimaryKeys", 6),
        ("CommandGetImportedKeys", 13),
        ("CommandGetExportedKeys", 13),
    ],
)
def test_there_are_no_keys(client, name, columns):
    table = rows_of(client, command(name, f2="gold", f3="notes"))
    assert table.num_rows == 0
    assert table.num_columns == columns


def test_there_are_no_references(client):
    table = rows_of(client, command("CommandGetCrossReference", f3="notes", f6="notesx"))
    assert (table.num_rows, table.num_columns) == (0, 13)
