"""Statements through ADBC's dbapi: results, counts, scripts, partitions."""

import datetime

import adbc_driver_flightsql.dbapi as flightsql
import pyarrow
import pytest

# Results


def test_select(cursor):
    cursor.execute("select 1 as one, 'calm' as mood, null as nothing")
    assert [column[0] for column in cursor.description] == ["one", "mood", "nothing"]
    assert cursor.fetchall() == [(1, "calm", None)]


def test_description_names_and_types(cursor):
    cursor.execute("select 1 as one, 'calm' as mood, date '2026-11-22' as day")
    assert [column[:2] for column in cursor.description] == [
        ("one", pyarrow.int64()),
        ("mood", pyarrow.string()),
        ("day", pyarrow.date32()),
    ]


def test_no_rows(cursor):
    cursor.execute("select 1 as one where false")
    table = cursor.fetch_arrow_table()
    assert table.num_rows == 0
    assert table.column_names == ["one"]


def test_many_rows(cursor):
    cursor.execute("select value from generate_series(1, 1000000)")
    assert sum(batch.num_rows for batch in cursor.fetch_record_batch()) == 1_000_000


def test_fetching_piece_by_piece(cursor):
    cursor.execute("select value from generate_series(1, 10) order by value")
    assert cursor.fetchone() == (1,)
    assert cursor.fetchmany(3) == [(2,), (3,), (4,)]
    assert cursor.rownumber == 4
    assert next(cursor) == (5,)
    assert [row[0] for row in cursor] == [6, 7, 8, 9, 10]
    assert cursor.fetchone() is None


def test_as_frames(cursor):
    sql = "select value as n, cast(value as varchar) as text from generate_series(1, 3) order by n"
    cursor.execute(sql)
    assert cursor.fetch_df().to_dict("list") == {"n": [1, 2, 3], "text": ["1", "2", "3"]}
    cursor.execute(sql)
    assert cursor.fetch_polars().rows() == [(1, "1"), (2, "2"), (3, "3")]


def test_a_value_of_eight_megabytes(query):
    ((text,),) = query("select repeat('x', 8000000)")
    assert len(text) == 8_000_000
    assert set(text) == {"x"}


def test_a_thousand_columns(query):
    columns = ", ".join(f"{number} as c{number}" for number in range(1000))
    assert query(f"select {columns}") == [tuple(range(1000))]


def test_names_and_values_in_any_script(cursor, query):
    cursor.execute('create or replace table gold.notes (n bigint, "Größe 🎵" varchar)')
    cursor.execute("insert into gold.notes values (1, 'ночь'), (2, '夜'), (3, 'it''s; ok')")
    assert query('select "Größe 🎵" from gold.notes order by n') == [
        ("ночь",),
        ("夜",),
        ("it's; ok",),
    ]


def test_a_semicolon_at_the_end(query):
    assert query("select 1;") == [(1,)]
    assert query("select ';' as semicolon;") == [(";",)]


# Counts


def test_updates_run_once_and_count(cursor, notes, count):
    cursor.execute(f"insert into {notes} values (1, 'a'), (2, 'b')")
    assert cursor.rowcount == 2
    assert cursor.fetchall() == []
    assert count(notes) == 2


def test_every_way_to_write_counts_its_rows(cursor, notes, query):
    def changed(sql):
        cursor.execute(sql)
        return cursor.rowcount

    assert changed(f"insert into {notes} select value, 'x' from generate_series(1, 100)") == 100
    assert changed(f"delete from {notes} where n > 90") == 10
    assert changed(f"delete from {notes} where n > 90") == 0
    assert (
        changed(
            f"merge into {notes} as t using (values (1, 'one'), (200, 'new')) as s (n, text)"
            " on t.n = s.n when matched then update set text = s.text"
            " when not matched then insert (n, text) values (s.n, s.text)"
        )
        == 2
    )
    assert changed(f"update {notes} set text = 'low' where n < 6") == 5
    assert changed(f"insert overwrite {notes} values (7, 'seven')") == 1
    assert query(f"select * from {notes}") == [(7, "seven")]


def test_each_statement_is_one_commit(cursor, notes, commits):
    cursor.execute(f"insert into {notes} select value, 'x' from generate_series(1, 1000)")
    cursor.execute(f"delete from {notes} where n % 2 = 0")
    assert commits(notes)[-2:] == ["WRITE", "DELETE"]


# Scripts


def test_script(cursor, notes, count):
    cursor.executescript(f"insert into {notes} values (1, 'a')")
    assert count(notes) == 1


def test_script_of_several_statements(cursor, query, scratch):
    cursor.executescript(
        """
        -- Made by a script; with a semicolon in a comment.
        create or replace table scratch.scripted (n bigint, text varchar);
        insert into scratch.scripted values (1, 'a;b');
        insert into scratch.scripted
            select n + 1, text from scratch.scripted;
        """
    )
    assert query("select * from scratch.scripted order by n") == [(1, "a;b"), (2, "a;b")]


def test_a_script_ends_where_it_fails(cursor, notes, query):
    with pytest.raises(flightsql.ProgrammingError, match="nowhere"):
        cursor.executescript(
            f"insert into {notes} values (1, 'before');"
            " insert into gold.nowhere values (1);"
            f" insert into {notes} values (2, 'after')"
        )
    assert query(f"select * from {notes}") == [(1, "before")]


# Schemas and partitions


def test_schema_without_running(cursor, notes, count):
    schema = cursor.adbc_execute_schema(f"select n, text from {notes}")
    assert schema.names == ["n", "text"]
    assert schema.types == [pyarrow.int64(), pyarrow.string()]
    schema = cursor.adbc_execute_schema(f"insert into {notes} values (1, 'a')")
    assert schema.names == []
    assert count(notes) == 0


def test_the_schema_told_is_the_schema_sent(cursor, notes):
    sql = (
        "select count(*) as plays, avg(n) as mean, max(text) as last, [n] as ns,"
        f" arrow_cast('a', 'Utf8View') as view from {notes} group by n"
    )
    told = cursor.adbc_execute_schema(sql)
    cursor.execute(sql)
    assert cursor.fetch_arrow_table().schema == told


def test_nothing_is_trained_by_a_plan(cursor, count):
    sql = (
        "create model planned options (type = 'kmeans', k = 2) as"
        " select cast(value as double) as x from generate_series(1, 20)"
    )
    planned = "ml.models where model = 'planned'"
    assert cursor.adbc_execute_schema(sql).names == []
    cursor.adbc_prepare(sql)
    assert count(planned) == 0
    cursor.execute(sql)
    assert count(planned) == 1


def read_partition(address, partition):
    """The rows of a partition, read over a connection that did not ask for it."""
    with flightsql.connect(address, autocommit=True) as other, other.cursor() as cursor:
        cursor.adbc_read_partition(partition)
        return cursor.fetchall()


def test_partitions(cursor):
    partitions, schema = cursor.adbc_execute_partitions("select 7 as seven")
    assert schema.names == ["seven"]
    for partition in partitions:
        cursor.adbc_read_partition(partition)
        assert cursor.fetchall() == [(7,)]


def test_partitions_hold_every_row_once_and_can_be_read_elsewhere(cursor, server):
    partitions, _ = cursor.adbc_execute_partitions("select value from generate_series(1, 30000)")
    rows = [row[0] for partition in partitions for row in read_partition(server, partition)]
    assert sorted(rows) == list(range(1, 30001))
    again = [row[0] for partition in partitions for row in read_partition(server, partition)]
    assert sorted(again) == sorted(rows)


def test_a_partition_stays_as_it_was_when_it_was_asked_for(cursor, query, notes):
    query(f"insert into {notes} values (1, 'a')")
    (partition,), _ = cursor.adbc_execute_partitions(f"select n from {notes}")
    query(f"insert into {notes} values (2, 'b')")
    for _ in range(2):
        cursor.adbc_read_partition(partition)
        assert cursor.fetchall() == [(1,)]


def test_an_update_read_again_does_not_run_again(cursor, notes, count):
    (partition,), _ = cursor.adbc_execute_partitions(f"insert into {notes} values (1, 'a')")
    for _ in range(3):
        cursor.adbc_read_partition(partition)
        assert cursor.fetchall() == []
    assert count(notes) == 1


@pytest.mark.parametrize("partition", [b"", b"no partition of ours", b"\x0a\xff\xff\xff\xff"])
def test_a_partition_that_never_was_is_refused(cursor, query, partition):
    with pytest.raises(flightsql.Error):
        cursor.adbc_read_partition(partition)
        cursor.fetchall()
    assert query("select 1") == [(1,)]


def test_incremental_execution_tells_its_progress(cursor):
    cursor.adbc_statement.set_options(**{"adbc.statement.exec.incremental": "true"})
    sql = "select value from generate_series(1, 30000)"
    found, progress = [], []
    while partitions := cursor.adbc_execute_partitions(sql)[0]:
        found.extend(partitions)
        progress.append(cursor.adbc_statement.get_option_float("adbc.statement.exec.progress"))
    assert progress == sorted(progress)
    assert progress[-1] == 1.0
    rows = []
    for partition in found:
        cursor.adbc_read_partition(partition)
        rows.extend(row[0] for row in cursor.fetchall())
    assert sorted(rows) == list(range(1, 30001))


# Time travel


def test_a_table_as_it_was(query, notes):
    query(f"insert into {notes} values (1, 'a')")
    version, written_at = query(f"describe history {notes}")[0][:2]
    query(f"delete from {notes} where n = 1")
    assert isinstance(written_at, datetime.datetime)
    assert query(f"select * from {notes} version as of {version}") == [(1, "a")]
    assert query(f"select * from {notes}") == []
