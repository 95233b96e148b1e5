"""Parameters and prepared statements through ADBC's dbapi."""

import adbc_driver_flightsql.dbapi as flightsql
import pyarrow
import pytest

# One row


@pytest.mark.parametrize("sql", ["select ? + 1, ?", "select $1 + 1, $2"])
def test_parameters(cursor, sql):
    for number, text in [(1, "one"), (41, "forty-one"), (7, None)]:
        cursor.execute(sql, (number, text))
        assert cursor.fetchone() == (number + 1, text)


@pytest.mark.parametrize("style", ["?", "${}"])
def test_parameters_in_order(query, style):
    values = tuple(f"value {number}" for number in range(1, 25))
    columns = ", ".join(f"{style.format(n)} as p{n}" for n in range(1, 25))
    assert query(f"select {columns}", values) == [values]


def test_a_numbered_parameter_used_twice(query):
    assert query("select $2 as b, $1 as a, $1 + $2 as ab", (1, 20)) == [(20, 1, 21)]
    assert query("select $2, $1, $1", (1, 20)) == [(20, 1, 1)]


def test_values_name_no_column(cursor):
    for values in [(1, 2), (1, 1), ("a", "a"), (None, None)]:
        cursor.execute("select ?, ?", values)
        assert cursor.fetchall() == [values]
    names = [column[0] for column in cursor.description]
    cursor.execute("select ?, ?", (3, "b"))
    assert [column[0] for column in cursor.description] == names


def test_parameter_in_a_condition(cursor, notes):
    cursor.executemany(f"insert into {notes} values (?, ?)", [(1, "a"), (2, "b"), (3, "c")])
    cursor.execute(f"select text from {notes} where n > ? and text <> ? order by n", (1, "c"))
    assert cursor.fetchall() == [("b",)]
    cursor.execute(f"select n from {notes} where text in (?, ?) order by n", ("a", "c"))
    assert cursor.fetchall() == [(1,), (3,)]
    cursor.execute(f"select n from {notes} where text like ?", ("%b%",))
    assert cursor.fetchall() == [(2,)]


def test_a_parameter_limits(query):
    sql = "select value from generate_series(1, 10) order by value limit ? offset ?"
    assert query(sql, (2, 3)) == [(4,), (5,)]


def test_a_parameter_of_a_relation_function(query):
    assert query("select value from generate_series(?, ?)", (2, 4)) == [(2,), (3,), (4,)]


@pytest.mark.parametrize("parameter", ["?", "$1"])
def test_a_parameter_names_a_version(query, notes, parameter):
    query(f"insert into {notes} values (1, 'a')")
    version = query(f"describe history {notes}")[0][0]
    query(f"delete from {notes}")
    sql = f"select n from {notes} version as of {parameter}"
    assert query(sql, (version,)) == [(1,)]
    assert query(sql, (version + 1,)) == []


def test_a_value_is_never_read_as_sql(query, notes, count):
    nasty = "'; drop table gold.notes; -- ?, $1"
    query(f"insert into {notes} values (1, ?)", (nasty,))
    assert query(f"select text from {notes} where text = ?", (nasty,)) == [(nasty,)]
    assert query(f'select \'?\' as a, "text" as "?" from {notes} where n = ?', (1,)) == [
        ("?", nasty)
    ]
    assert count(notes) == 1


@pytest.mark.parametrize("values", [(1,), (1, 2, 3)])
def test_a_wrong_number_of_parameters_is_named(cursor, values):
    with pytest.raises(flightsql.ProgrammingError, match=f"2 parameters, but {len(values)} w"):
        cursor.execute("select ? + ?", values)


def test_missing_parameters_are_an_error(cursor):
    with pytest.raises(flightsql.ProgrammingError, match="2 parameters, but none"):
        cursor.execute("select ? + ?")


# Many rows


def test_many_rows_bound_to_a_query(cursor):
    rows = pyarrow.record_batch({"0": [1, 2, 3]})
    cursor.execute("select $1 * 10 as v", rows)
    assert cursor.fetchall() == [(10,), (20,), (30,)]


def test_a_reader_bound_to_a_query(cursor):
    rows = pyarrow.table({"a": pyarrow.chunked_array([[1], [2, 3]]), "b": ["x", None, "z"]})
    cursor.execute("select ? as a, ? as b", rows.to_reader())
    assert cursor.fetchall() == [(1, "x"), (2, None), (3, "z")]


def test_executemany(cursor, notes):
    cursor.executemany(f"insert into {notes} values (?, ?)", [(1, "a"), (2, None), (None, "c")])
    assert cursor.rowcount == 3
    cursor.execute(f"select * from {notes} order by n nulls last")
    assert cursor.fetchall() == [(1, "a"), (2, None), (None, "c")]


def test_executemany_of_ten_thousand_rows_is_one_commit(cursor, notes, query, commits):
    before = commits(notes)
    rows = [(n, None if n % 3 == 0 else f"note {n}") for n in range(10_000)]
    cursor.executemany(f"insert into {notes} (n, text) values (?, ?)", rows)
    assert cursor.rowcount == 10_000
    assert query(f"select * from {notes} order by n") == rows
    assert commits(notes) == [*before, "WRITE"]


@pytest.mark.parametrize("as_reader", [False, True])
def test_executemany_of_arrow_data(cursor, notes, query, as_reader):
    rows = pyarrow.table({"n": pyarrow.chunked_array([[1, 2], [3]]), "text": ["a", None, "c"]})
    cursor.executemany(
        f"insert into {notes} values (?, ?)", rows.to_reader() if as_reader else rows
    )
    assert cursor.rowcount == 3
    assert query(f"select * from {notes} order by n") == [(1, "a"), (2, None), (3, "c")]


def test_executemany_of_nothing_writes_nothing(cursor, notes, commits, count):
    before = commits(notes)
    cursor.executemany(f"insert into {notes} values (?, ?)", [])
    nothing = pyarrow.table({"n": pyarrow.array([], "int64"), "text": pyarrow.array([], "string")})
    cursor.executemany(f"insert into {notes} values (?, ?)", nothing)
    assert cursor.rowcount == 0
    assert count(notes) == 0
    assert commits(notes) == before


def test_executemany_deletes(cursor, notes, query):
    query(f"insert into {notes} select value, 'x' from generate_series(1, 5)")
    cursor.executemany(f"delete from {notes} where n = ?", [(1,), (3,), (99,)])
    assert cursor.rowcount == 2
    assert query(f"select n from {notes} order by n") == [(2,), (4,), (5,)]


def test_executemany_that_fails_writes_no_row(cursor, count, scratch):
    cursor.execute("create or replace table scratch.checked (n bigint not null, check (n < 10))")
    with pytest.raises(flightsql.Error, match="(?s)scratch.checked|n < 10"):
        cursor.executemany("insert into scratch.checked values (?)", [(1,), (2,), (30,)])
    assert count("scratch.checked") == 0


# Prepared once


def test_prepared_once_run_often(cursor):
    schema = cursor.adbc_prepare("select cast(? as bigint) + 1 as next")
    assert len(schema) == 1
    for number in (1, 2, 3):
        cursor.execute("select cast(? as bigint) + 1 as next", (number,))
        assert cursor.fetchone() == (number + 1,)


def test_parameter_schema_is_in_order_and_typed(cursor, notes):
    columns = ", ".join(f"${n} as p{n}" for n in range(1, 13))
    schema = cursor.adbc_prepare(f"select {columns} from {notes} where n > $13 and text = $14")
    assert schema.names == [f"${n}" for n in range(1, 15)]
    assert schema.types[12:] == [pyarrow.int64(), pyarrow.string()]
    assert all(field.nullable for field in schema)


def test_parameter_schema_of_casts_and_limits(cursor):
    schema = cursor.adbc_prepare(
        "select cast(? as bigint), cast(? as date) from generate_series(1, 9) limit ?"
    )
    assert schema.types == [pyarrow.int64(), pyarrow.date32(), pyarrow.int64()]


def test_parameter_schema_of_an_insert_is_the_tables(cursor, notes):
    schema = cursor.adbc_prepare(f"insert into {notes} values (?, ?)")
    assert schema.types == [pyarrow.int64(), pyarrow.string()]


def test_preparing_an_insert_writes_nothing(cursor, notes, count):
    cursor.adbc_prepare(f"insert into {notes} values (1, 'a')")
    assert count(notes) == 0
    cursor.execute(f"insert into {notes} values (1, 'a')")
    cursor.execute(f"insert into {notes} values (1, 'a')")
    assert count(notes) == 2


def test_a_prepared_query_sees_what_was_written_since(cursor, notes, query):
    sql = f"select count(*) from {notes} where n >= ?"
    cursor.adbc_prepare(sql)
    for written in range(3):
        cursor.execute(sql, (0,))
        assert cursor.fetchall() == [(written,)]
        query(f"insert into {notes} values ({written}, 'x')")


def test_a_prepared_query_of_a_table_that_was_replaced(cursor, notes, query):
    sql = f"select * from {notes} where n = ?"
    cursor.execute(sql, (1,))
    query(f"create or replace table {notes} as select 1 as n, true as is_new, 'x' as more")
    cursor.execute(sql, (1,))
    assert [column[0] for column in cursor.description] == ["n", "is_new", "more"]
    assert cursor.fetchall() == [(1, True, "x")]


def test_the_same_statement_prepared_twice_keeps_its_own_values(connection):
    sql = "select ? as v"
    with connection.cursor() as one, connection.cursor() as other:
        one.execute(sql, ("one",))
        other.execute(sql, ("other",))
        assert one.fetchall() == [("one",)]
        one.execute(sql, (1,))
        assert other.fetchall() == [("other",)]
        assert one.fetchall() == [(1,)]
