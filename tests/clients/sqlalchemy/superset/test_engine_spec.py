"""The engine spec as Superset 6.1 uses it."""

import datetime
import threading
import time
from types import SimpleNamespace

import pyarrow
import pyarrow.flight
import pytest
from moodlake_sqlalchemy.superset import READER, MoodlakeEngineSpec
from sqlalchemy.engine import make_url
from superset.constants import TimeGrain
from superset.errors import SupersetErrorType
from superset.sql.parse import SQLScript, Table
from superset.utils.core import GenericDataType, override_user

# A Thursday.
MOMENT = datetime.datetime(2026, 11, 19, 7, 38, 47, 250000)


def test_superset_finds_the_spec(database):
    assert database.db_engine_spec is MoodlakeEngineSpec
    assert database.backend == "datafusion"


# Times

GRAINS = {
    TimeGrain.SECOND: (19, 7, 38, 47),
    TimeGrain.FIVE_SECONDS: (19, 7, 38, 45),
    TimeGrain.THIRTY_SECONDS: (19, 7, 38, 30),
    TimeGrain.MINUTE: (19, 7, 38),
    TimeGrain.FIVE_MINUTES: (19, 7, 35),
    TimeGrain.TEN_MINUTES: (19, 7, 30),
    TimeGrain.FIFTEEN_MINUTES: (19, 7, 30),
    TimeGrain.THIRTY_MINUTES: (19, 7, 30),
    TimeGrain.HOUR: (19, 7),
    TimeGrain.SIX_HOURS: (19, 6),
    TimeGrain.DAY: (19,),
    TimeGrain.WEEK: (16,),
    TimeGrain.WEEK_STARTING_MONDAY: (16,),
    TimeGrain.WEEK_STARTING_SUNDAY: (15,),
    TimeGrain.WEEK_ENDING_SATURDAY: (21,),
    TimeGrain.WEEK_ENDING_SUNDAY: (22,),
    TimeGrain.MONTH: (1,),
}


def test_every_grain_is_checked():
    grains = set(MoodlakeEngineSpec.get_time_grain_expressions())
    assert grains == {None, TimeGrain.QUARTER, TimeGrain.YEAR, *GRAINS}


@pytest.mark.parametrize("grain", [*GRAINS, TimeGrain.QUARTER, TimeGrain.YEAR])
def test_grains(run, grain):
    expression = MoodlakeEngineSpec.get_time_grain_expressions()[grain]
    first_month = {TimeGrain.QUARTER: 10, TimeGrain.YEAR: 1}.get(grain, 11)
    expected = datetime.datetime(2026, first_month, *GRAINS.get(grain, (1,)))
    moment = f"timestamp '{MOMENT.isoformat(' ')}'"
    for column, kind in [
        (moment, "timestamp(6)"),
        (f"cast({moment} as timestamp(6) with time zone)", "timestamp(6)"),
    ]:
        ((found,),) = run(f"select cast({expression.format(col=column)} as {kind})")
        assert found == expected
    if expected.hour == 0:
        ((found,),) = run(
            f"select cast({expression.format(col='date' + repr(MOMENT.date().isoformat()))} as timestamp(6))"
        )
        assert found == expected


@pytest.mark.parametrize(
    ("kind", "expected"),
    [
        ("DATE", "DATE '2026-11-19'"),
        ("TIMESTAMP(6)", "CAST('2026-11-19 07:38:47.250000' AS TIMESTAMP(6))"),
        (
            "TIMESTAMP(6) WITH TIME ZONE",
            "CAST('2026-11-19 07:38:47.250000' AS TIMESTAMP(6) WITH TIME ZONE)",
        ),
        ("VARCHAR", None),
    ],
)
def test_times_in_filters(run, kind, expected):
    literal = MoodlakeEngineSpec.convert_dttm(kind, MOMENT)
    assert literal == expected
    if literal:
        ((later,),) = run(f"select cast(timestamp '2026-11-20 00:00:00' as {kind}) > {literal}")
        assert later


def test_times_as_numbers(run):
    seconds = MoodlakeEngineSpec.epoch_to_dttm().format(col="1")
    milliseconds = MoodlakeEngineSpec.epoch_ms_to_dttm().format(col="1000")
    assert run(f"select {seconds} = {milliseconds}, cast({seconds} as timestamp(6))") == [
        (True, datetime.datetime(1970, 1, 1, 0, 0, 1))
    ]


# Types


@pytest.mark.parametrize(
    ("arrow", "name", "kind"),
    [
        (pyarrow.int64(), "BIGINT", GenericDataType.NUMERIC),
        (pyarrow.int16(), "SMALLINT", GenericDataType.NUMERIC),
        (pyarrow.float64(), "DOUBLE", GenericDataType.NUMERIC),
        (pyarrow.float32(), "REAL", GenericDataType.NUMERIC),
        (pyarrow.decimal128(10, 2), "DECIMAL(10, 2)", GenericDataType.NUMERIC),
        (pyarrow.string(), "VARCHAR", GenericDataType.STRING),
        (pyarrow.bool_(), "BOOLEAN", GenericDataType.BOOLEAN),
        (pyarrow.date32(), "DATE", GenericDataType.TEMPORAL),
        (pyarrow.timestamp("us"), "TIMESTAMP(6)", GenericDataType.TEMPORAL),
        (pyarrow.timestamp("us", "UTC"), "TIMESTAMP(6) WITH TIME ZONE", GenericDataType.TEMPORAL),
        (pyarrow.binary(), "BYTEA", GenericDataType.STRING),
        (pyarrow.list_(pyarrow.int64()), "BIGINT[]", GenericDataType.STRING),
        (pyarrow.struct([("a", pyarrow.int32())]), "STRUCT<A INTEGER>", GenericDataType.STRING),
        (
            pyarrow.map_(pyarrow.string(), pyarrow.int32()),
            "MAP(VARCHAR, INTEGER)",
            GenericDataType.STRING,
        ),
        (pyarrow.duration("us"), "INTERVAL", GenericDataType.STRING),
    ],
)
def test_types_have_names_and_kinds(arrow, name, kind):
    assert MoodlakeEngineSpec.get_datatype(arrow) == name
    assert MoodlakeEngineSpec.get_column_spec(name).generic_type == kind


def test_no_type():
    assert MoodlakeEngineSpec.get_datatype(pyarrow.null()) == "NULL"
    assert MoodlakeEngineSpec.get_datatype("utf8") == "UTF8"


# What the pages ask for


def test_schemas_tables_views_and_columns(database, run):
    run(
        "create schema if not exists shown",
        "create or replace table shown.plays (play_id bigint not null, played_at timestamp, tags varchar[])",
        "create or replace view shown.recent as select play_id from shown.plays",
    )
    assert {"gold", "shown"} <= database.get_all_schema_names()
    assert {name for name, *_ in database.get_all_table_names_in_schema(None, "shown")} == {"plays"}
    assert {name for name, *_ in database.get_all_view_names_in_schema(None, "shown")} == {"recent"}
    columns = database.get_columns(Table("plays", "shown"))
    found = [
        (column["column_name"], str(column["type"].compile(database.get_dialect())))
        for column in columns
    ]
    assert found == [("play_id", "BIGINT"), ("played_at", "TIMESTAMP(6)"), ("tags", "VARCHAR[]")]
    assert not database.get_pk_constraint(Table("plays", "shown")).get("constrained_columns")
    assert database.get_indexes(Table("plays", "shown")) == []
    assert database.get_default_schema(None) == "gold"


def test_a_frame(database, run):
    run("create or replace table gold.framed as select 1 as n, 'a' as s, [1, 2] as l, now() as t")
    frame = database.get_df("select n, s, l, t is not null as t from framed", schema="gold")
    assert frame.to_dict("records") == [{"n": 1, "s": "a", "l": "[1, 2]", "t": True}]


def test_a_frame_is_loaded(database, run):
    import pandas

    run("drop table if exists gold.uploaded")
    frame = pandas.DataFrame({"n": [1, 2], "s": ["a", None], "t": [MOMENT, MOMENT]})
    to_sql = {"if_exists": "append", "index": False}
    for _ in range(2):
        MoodlakeEngineSpec.df_to_sql(database, Table("uploaded", "gold"), frame, to_sql)
    assert run("select count(*), sum(n), min(t) from gold.uploaded") == [(4, 6, MOMENT)]


def test_the_chosen_schema_is_the_sessions(database, run):
    run("create or replace table silver.chosen as select 7 as n")
    assert database.get_df("select n from chosen", schema="silver").n.to_list() == [7]


@pytest.mark.parametrize(
    ("sql", "kind", "message"),
    [
        (
            "select nothing from gold.erring",
            SupersetErrorType.COLUMN_DOES_NOT_EXIST_ERROR,
            'no column "nothing"',
        ),
        (
            "select * from gold.nowhere",
            SupersetErrorType.TABLE_DOES_NOT_EXIST_ERROR,
            'no table "gold.nowhere"',
        ),
        ("selec 1", SupersetErrorType.SYNTAX_ERROR, "cannot be read: Expected"),
    ],
)
def test_errors_are_told(run, sql, kind, message):
    run("create or replace table gold.erring as select 1 as n")
    with pytest.raises(Exception) as caught:
        run(sql)
    (error,) = MoodlakeEngineSpec.extract_errors(caught.value)
    assert error.error_type == kind
    assert message in error.message


def test_no_server_is_told(database):
    database.sqlalchemy_uri = "datafusion+adbc://127.0.0.1:1/?tls=false"
    with pytest.raises(Exception) as caught:
        database.get_df("select 1")
    (error,) = MoodlakeEngineSpec.extract_errors(caught.value)
    assert error.error_type == SupersetErrorType.CONNECTION_PORT_CLOSED_ERROR
    assert "127.0.0.1:1" in error.message


# SQL Lab


@pytest.mark.parametrize(
    "sql",
    [
        "SELECT value FROM generate_series(1, 3)",
        "SELECT track_name FROM recommend('coach', 10, user_id => 'ada')",
        "SELECT * FROM shap_explain(model => 'mood', input => (SELECT 1))",
        "SELECT date_trunc('month', t), COUNT(*) FILTER(WHERE n > 1) FROM plays GROUP BY 1",
        "SELECT a['b'], tags[1], median(n), to_char(t, '%Y') FROM plays WHERE x ILIKE 'a%' AND y ~ '^a'",
        "SELECT sum(n) OVER (PARTITION BY a ORDER BY b ROWS BETWEEN 1 PRECEDING AND CURRENT ROW) FROM t",
        "SELECT lag(n, 1) IGNORE NULLS OVER (ORDER BY b) FROM t",
        "SELECT n FROM gold.plays VERSION AS OF 3 LIMIT 5 OFFSET 2",
    ],
)
def test_the_formatter_changes_no_word(sql):
    script = SQLScript(sql, engine="datafusion")
    assert not script.has_mutation()
    assert "".join(script.format().split()) == "".join(sql.split())


def test_a_formatted_statement_runs(run):
    sql = "select value + 1 as n from generate_series(1, 3) where value::double > 0 order by n limit 2"
    assert run(SQLScript(sql, engine="datafusion").format()) == [(2,), (3,)]


@pytest.mark.parametrize(
    "sql",
    [
        "delete from t where n = 1",
        "drop table t",
        "insert into t values (1)",
        "create view v as select 1",
    ],
)
def test_a_change_is_seen_as_one(sql):
    assert SQLScript(sql, engine="datafusion").has_mutation()


def test_stop(database):
    with database.get_raw_connection() as connection, database.get_raw_connection() as other:
        cursor = connection.cursor()
        query_id = MoodlakeEngineSpec.get_cancel_query_id(cursor, None)
        stopped = []

        def stop():
            stopped.append(MoodlakeEngineSpec.cancel_query(other.cursor(), None, query_id))

        # A second, to be running by then.
        timer = threading.Timer(1.0, stop)
        timer.start()
        started = time.monotonic()
        with pytest.raises(Exception, match="CANCELLED"):
            cursor.execute(
                "select count(distinct value % 1000003) from generate_series(1, 100000000000)"
            )
            cursor.fetchall()
        timer.join()
        assert stopped == [True]
        assert time.monotonic() - started < 30
    assert not MoodlakeEngineSpec.cancel_query(None, None, "of another process")


# Readers


class Recorder(pyarrow.flight.ServerMiddlewareFactory):
    """Notes for whom each call is made."""

    def __init__(self):
        self.readers = set()

    def start_call(self, info, headers):
        self.readers.update(headers.get(READER, [None]))


@pytest.mark.parametrize(("impersonate", "reader"), [(True, "ada"), (False, None)])
def test_a_reader_is_passed_on(database, impersonate, reader):
    recorder = Recorder()
    with pyarrow.flight.FlightServerBase(
        "grpc://127.0.0.1:0", middleware={"recorder": recorder}
    ) as server:
        database.sqlalchemy_uri = f"datafusion+adbc://127.0.0.1:{server.port}/?tls=false"
        database.impersonate_user = impersonate
        with (
            override_user(SimpleNamespace(username="ada")),
            pytest.raises(Exception, match="current db schema"),
        ):
            database.get_df("select 1")
    assert recorder.readers == {reader}


def test_the_reader_is_the_one_who_is_logged_in():
    given = {"connect_args": {"headers": {READER: "grace", "x-trace": "1"}}}
    _, changed = MoodlakeEngineSpec.impersonate_user(
        None, "ada", None, make_url("datafusion+adbc://host"), given
    )
    assert changed["connect_args"]["headers"] == {READER: "ada", "x-trace": "1"}
