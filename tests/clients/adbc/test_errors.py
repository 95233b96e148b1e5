"""What goes wrong, as dbapi's errors with a message that names the thing and the remedy."""

import adbc_driver_flightsql.dbapi as flightsql
import pytest

WRONG = [
    ("selec 1", "selec"),
    ("select * from gold.nowhere", "table 'gold.nowhere' not found"),
    ("select * from nowhere.plays", "nowhere"),
    ("select nothing from gold.notes", "nothing"),
    ("select n + from gold.notes", "(?i)expected"),
    ("select no_such_function(1)", "no_such_function"),
    ("select sum(n) from gold.notes where sum(n) > 1", "(?i)aggregate|sum"),
    ("select n, count(*) from gold.notes", "(?i)group by"),
    ("insert into gold.notes values (1)", "1 values? .*2"),
    ("insert into gold.notes (n, colour) values (1, 'blue')", "colour"),
    ("insert into gold.notes values ('one', 'a')", "one"),
    ("create table gold.notes (n bigint)", "'gold.notes' exists already"),
    ("create schema gold", "(?i)'?gold'? exists already"),
    ("drop table gold.nowhere", "table 'gold.nowhere' not found"),
    ("select cast('one' as bigint)", "one"),
    ("select * from gold.notes version as of 99999", "99999"),
    ("-- nothing", "the statement is empty"),
    ("select 1; select 2", "expected one statement, found 2"),
]


@pytest.mark.parametrize(("sql", "message"), WRONG, ids=[sql for sql, _ in WRONG])
def test_a_wrong_statement_is_a_programming_error(cursor, notes, sql, message):
    with pytest.raises(flightsql.ProgrammingError, match=message) as caught:
        cursor.execute(sql)
        cursor.fetchall()
    told = str(caught.value)
    assert "INVALID_ARGUMENT" in told
    assert "Error {" not in told
    assert "backtrace" not in told
    assert "\n" not in told


@pytest.mark.parametrize(
    ("sql", "parameters"),
    [
        ("update gold.notes set n = 1 returning n", None),
        ("update gold.notes set n = ? where n in (select 1)", (1,)),
        ("alter table gold.notes add column z bigint", None),
        ("truncate table gold.notes", None),
        ("create index i on gold.notes (n)", None),
    ],
)
def test_what_is_not_offered_is_said_so(cursor, notes, sql, parameters):
    # Refused while it is prepared, it is a programming error; refused when it runs, not supported.
    errors = (flightsql.NotSupportedError, flightsql.ProgrammingError)
    with pytest.raises(errors, match="not offered"):
        cursor.execute(sql, parameters)


def test_an_error_while_running_reaches_the_client(cursor):
    with pytest.raises(flightsql.ProgrammingError, match="(?i)divide by zero"):
        cursor.execute("select 1 / (value - 500) from generate_series(1, 1000)")
        cursor.fetchall()


def test_an_error_late_in_a_result_ends_it(cursor):
    cursor.execute("select 1 / (value - 900000) from generate_series(1, 1000000)")
    reader = cursor.fetch_record_batch()
    assert reader.read_next_batch().num_rows > 0
    with pytest.raises(Exception, match="(?i)divide by zero"):
        for _ in reader:
            pass


def test_a_broken_constraint_names_table_and_check(cursor, count, scratch):
    cursor.execute("create or replace table scratch.strict (n bigint not null, check (n < 100))")
    for values, message in [("(100)", "n < 100"), ("(null)", "(?i)null")]:
        with pytest.raises(flightsql.Error, match=message) as caught:
            cursor.execute(f"insert into scratch.strict values (1), {values}")
        assert "scratch.strict" in str(caught.value)
    assert count("scratch.strict") == 0


def test_a_failed_statement_leaves_the_connection_usable(cursor, notes):
    for sql, _ in WRONG:
        with pytest.raises(flightsql.Error):
            cursor.execute(sql)
            cursor.fetchall()
    cursor.execute("select 1")
    assert cursor.fetchone() == (1,)


def test_a_very_long_statement(query):
    texts = ", ".join(f"'{'x' * 90}'" for _ in range(10_000))
    assert query(f"select count(*) from unnest([{texts}])") == [(10_000,)]


# Statements that are big or deep, and what they say where they are not refused.
OVERLARGE = {
    "brackets": ("select " + "(" * 5000 + "1" + ")" * 5000, [(1,)]),
    "negations": ("select " + "- " * 5000 + "1", [(1,)]),
    "calls": ("select " + "abs(" * 500 + "1" + ")" * 500, [(1,)]),
    "subqueries": (
        "select * from " + "(select * from " * 500 + "(values (1)) v" + ") t" * 500,
        [(1,)],
    ),
    "unions": (" union all ".join(["select 1"] * 2000), [(1,)] * 2000),
    "sums": ("select " + " + ".join(["1"] * 500), [(500,)]),
    "conditions": ("select 1 where " + " or ".join(["1 = 2"] * 5000), []),
    "megabytes": ("select length('" + "x" * 70_000_000 + "')", [(70_000_000,)]),
}


@pytest.mark.parametrize(("sql", "answer"), OVERLARGE.values(), ids=OVERLARGE.keys())
def test_an_overlarge_statement_harms_nobody(own, sql, answer):
    with (
        flightsql.connect(own.address, autocommit=True) as connection,
        connection.cursor() as cursor,
    ):
        try:
            cursor.execute(sql)
            assert cursor.fetchall() == answer
        except flightsql.Error as error:
            assert "server crashed" not in str(error)
            assert "panic" not in str(error)
    assert own.process.poll() is None, "".join(own.log)
    with flightsql.connect(own.address, autocommit=True) as other, other.cursor() as cursor:
        cursor.execute("select 1")
        assert cursor.fetchall() == [(1,)]


def test_nobody_listens():
    with pytest.raises(flightsql.Error, match="(?i)refused|unavailable"):
        with flightsql.connect("grpc://127.0.0.1:1", autocommit=True) as connection:
            with connection.cursor() as cursor:
                cursor.execute("select 1")


def test_no_local_file_is_read(cursor):
    for sql in [
        "select * from '/etc/passwd'",
        "create external table t stored as csv location '/etc/passwd'",
        "copy (select 1) to '/tmp/written-by-a-client.csv'",
        "select * from spotify_history('/etc/passwd')",
        "select * from tracks_csv('/etc/passwd')",
    ]:
        with pytest.raises(flightsql.Error) as caught:
            cursor.execute(sql)
            cursor.fetchall()
        assert "root:" not in str(caught.value)
