"""Every Arrow type, there and back: as a result, a parameter, a bulk load and an `executemany`."""

import datetime
import decimal

import adbc_driver_flightsql.dbapi as flightsql
import pyarrow
import pytest

# Results


def test_types(query):
    rows = query(
        "select true, cast(1.5 as double), cast(1.25 as decimal(5, 2)), date '2026-11-22',"
        " timestamp '2026-11-22 07:30:00', [1, 2], arrow_cast('a', 'Utf8View'),"
        " arrow_cast('b', 'Dictionary(Int32, Utf8)')"
    )
    assert rows == [
        (
            True,
            1.5,
            decimal.Decimal("1.25"),
            datetime.date(2026, 11, 22),
            datetime.datetime(2026, 11, 22, 7, 30),
            [1, 2],
            "a",
            "b",
        )
    ]


# What the engine makes, what the wire carries, and the value.
CASTS = [
    ("Utf8View", "'a'", pyarrow.string(), "a"),
    ("LargeUtf8", "'a'", pyarrow.string(), "a"),
    ("BinaryView", "'a'", pyarrow.binary(), b"a"),
    ("LargeBinary", "'a'", pyarrow.binary(), b"a"),
    ("Dictionary(Int32, Utf8)", "'a'", pyarrow.string(), "a"),
    ("Dictionary(UInt8, Int64)", "7", pyarrow.int64(), 7),
    ("Float16", "1.5", pyarrow.float32(), 1.5),
    ("Decimal32(5, 2)", "1.25", pyarrow.decimal128(5, 2), decimal.Decimal("1.25")),
    ("Decimal64(12, 2)", "1.25", pyarrow.decimal128(12, 2), decimal.Decimal("1.25")),
    ("Decimal256(50, 2)", "1.25", pyarrow.decimal256(50, 2), decimal.Decimal("1.25")),
    ("UInt64", "18446744073709551615", pyarrow.uint64(), 2**64 - 1),
    ("Int8", "-128", pyarrow.int8(), -128),
    ("Time64(Microsecond)", "'07:30:00.5'", pyarrow.time64("us"), datetime.time(7, 30, 0, 500000)),
    ("Duration(Second)", "90", pyarrow.duration("s"), datetime.timedelta(seconds=90)),
    ("LargeList(Utf8View)", "['a', null]", pyarrow.list_(pyarrow.string()), ["a", None]),
    ("FixedSizeList(2 x Int64)", "[1, 2]", pyarrow.list_(pyarrow.int64(), 2), [1, 2]),
]


@pytest.mark.parametrize(("cast", "sql", "sent", "value"), CASTS, ids=[case[0] for case in CASTS])
def test_types_on_the_wire(cursor, cast, sql, sent, value):
    cursor.execute(f"select arrow_cast({sql}, '{cast}') as v")
    table = cursor.fetch_arrow_table()
    assert table.schema.field("v").type == sent
    assert table["v"].to_pylist() == [value]


def test_no_string_views(cursor):
    cursor.execute("select arrow_cast('a', 'Utf8View') as a, cast('b' as varchar) as b")
    assert cursor.fetch_arrow_table().schema.types == [pyarrow.string(), pyarrow.string()]


def test_time_zones(query):
    (instant, zoned) = query(
        "select timestamp '2026-11-22 07:30:00' at time zone 'UTC',"
        " arrow_cast(timestamp '2026-07-01 12:00:00',"
        " 'Timestamp(Microsecond, Some(\"Europe/Berlin\"))')"
    )[0]
    assert instant == datetime.datetime(2026, 11, 22, 7, 30, tzinfo=datetime.UTC)
    assert str(zoned.tzinfo) == "Europe/Berlin"
    assert zoned.utcoffset() == datetime.timedelta(hours=2)


def test_nested_results(query):
    rows = query(
        "select named_struct('mood', 'calm', 'scores', [0.5, null]) as s,"
        " map(['a', 'b'], [1, 2]) as m, [named_struct('n', 1), null] as l"
    )
    struct, pairs, listed = rows[0]
    assert struct == {"mood": "calm", "scores": [0.5, None]}
    assert dict(pairs) == {"a": 1, "b": 2}
    assert listed == [{"n": 1}, None]


def test_numbers_at_their_limits(query):
    assert query("select 9223372036854775807, -9223372036854775808") == [(2**63 - 1, -(2**63))]
    nan, infinity, least = query(
        "select 'NaN'::double, 'Infinity'::double, -1.7976931348623157e308"
    )[0]
    assert nan != nan
    assert infinity == float("inf")
    assert least == -1.7976931348623157e308


# Parameters


@pytest.mark.parametrize(
    "value",
    [
        True,
        3,
        -(2**63),
        2.5,
        "calm",
        "夜 🎵",
        "",
        b"\x00\xff",
        datetime.date(2026, 11, 22),
        datetime.time(7, 30, 15),
        datetime.datetime(2026, 11, 22, 7, 30, 0, 123456),
        datetime.datetime(2026, 11, 22, 7, 30, tzinfo=datetime.UTC),
        datetime.timedelta(minutes=3, seconds=2),
        decimal.Decimal("12.34"),
        None,
        [1, None, 3],
        {"mood": "calm", "n": 1},
    ],
    ids=repr,
)
def test_parameter_types(cursor, value):
    cursor.execute("select ? as v", (value,))
    assert cursor.fetchone() == (value,)


DECIMALS = [decimal.Decimal("1.25"), None, decimal.Decimal("-9.99")]
INSTANTS = [0, None, 1_700_000_000]
DAYS = [datetime.date(2026, 1, 2), None, datetime.date(1960, 5, 6)]

# Arrays that a table holds, with the type that it has there (None: the same).
HELD = [
    (pyarrow.array([True, None, False]), None),
    (pyarrow.array([-128, None, 127], pyarrow.int8()), None),
    (pyarrow.array([1, None, -3], pyarrow.int16()), None),
    (pyarrow.array([1, None, -3], pyarrow.int32()), None),
    (pyarrow.array([1, None, -(2**63)], pyarrow.int64()), None),
    (pyarrow.array([1, None, 255], pyarrow.uint8()), pyarrow.int16()),
    (pyarrow.array([1, None, 2**16 - 1], pyarrow.uint16()), pyarrow.int32()),
    (pyarrow.array([1, None, 2**32 - 1], pyarrow.uint32()), pyarrow.int64()),
    (pyarrow.array([1, None, 2**63 - 1], pyarrow.uint64()), pyarrow.int64()),
    (pyarrow.array([0.5, None, -2.0], pyarrow.float16()), pyarrow.float32()),
    (pyarrow.array([0.5, None, -2.0], pyarrow.float32()), None),
    (pyarrow.array([0.1, None, float("inf")], pyarrow.float64()), None),
    (pyarrow.array(["a", None, ""]), None),
    (pyarrow.array(["a", None, ""], pyarrow.large_string()), pyarrow.string()),
    (pyarrow.array(["a", None, "more than twelve bytes"], pyarrow.string_view()), pyarrow.string()),
    (pyarrow.array([b"a", None, b""]), None),
    (pyarrow.array([b"a", None, b""], pyarrow.large_binary()), pyarrow.binary()),
    (pyarrow.array([b"a", None, b"\xff" * 20], pyarrow.binary_view()), pyarrow.binary()),
    (pyarrow.array([b"ab", None, b"cd"], pyarrow.binary(2)), pyarrow.binary()),
    (pyarrow.array(["a", None, "a"]).dictionary_encode(), pyarrow.string()),
    (
        pyarrow.RunEndEncodedArray.from_arrays(pyarrow.array([2, 3], pyarrow.int32()), ["a", "b"]),
        pyarrow.string(),
    ),
    (pyarrow.array(DECIMALS, pyarrow.decimal32(5, 2)), pyarrow.decimal128(5, 2)),
    (pyarrow.array(DECIMALS, pyarrow.decimal64(12, 2)), pyarrow.decimal128(12, 2)),
    (pyarrow.array(DECIMALS, pyarrow.decimal128(38, 2)), None),
    (pyarrow.array(DAYS), None),
    (pyarrow.array(DAYS, pyarrow.date64()), pyarrow.date32()),
    (pyarrow.array(INSTANTS, pyarrow.timestamp("s")), pyarrow.timestamp("us")),
    (pyarrow.array(INSTANTS, pyarrow.timestamp("ms")), pyarrow.timestamp("us")),
    (pyarrow.array(INSTANTS, pyarrow.timestamp("us")), None),
    (pyarrow.array(INSTANTS, pyarrow.timestamp("us", "UTC")), None),
    (
        pyarrow.array(INSTANTS, pyarrow.timestamp("s", "Europe/Berlin")),
        pyarrow.timestamp("us", "UTC"),
    ),
    (pyarrow.array([[1], None, [None]]), None),
    (
        pyarrow.array([["a"], None, []], pyarrow.large_list(pyarrow.string())),
        pyarrow.list_(pyarrow.string()),
    ),
    (
        pyarrow.array([[1, 2], None, [3, 4]], pyarrow.list_(pyarrow.int64(), 2)),
        pyarrow.list_(pyarrow.int64()),
    ),
    (
        pyarrow.array([[1], None, []], pyarrow.list_view(pyarrow.int64())),
        pyarrow.list_(pyarrow.int64()),
    ),
    (pyarrow.array([{"a": 1, "b": "x"}, None, {"a": None, "b": None}]), None),
    (pyarrow.array([[("k", 1)], None, []], pyarrow.map_(pyarrow.string(), pyarrow.int64())), None),
    (pyarrow.array([[{"a": [1]}], None, []]), None),
    (pyarrow.nulls(3), pyarrow.string()),
]
IDS = [str(array.type) for array, _ in HELD]


def numbered(array):
    return pyarrow.table({"row": pyarrow.array(range(len(array))), "v": array})


def same_type(one, other):
    """Whether two types differ in no more than the names of their items."""
    if pyarrow.types.is_list(one) and pyarrow.types.is_list(other):
        return same_type(one.value_type, other.value_type)
    if pyarrow.types.is_struct(one) and pyarrow.types.is_struct(other):
        return [field.name for field in one] == [field.name for field in other] and all(
            same_type(*pair) for pair in zip([f.type for f in one], [f.type for f in other])
        )
    return one == other


def check(table, array, held):
    found = table.schema.field("v").type
    assert same_type(found, held or array.type), found
    assert table["v"].to_pylist() == array.to_pylist()


@pytest.mark.parametrize(("array", "held"), HELD, ids=IDS)
def test_ingest_keeps_values(cursor, scratch, array, held):
    assert cursor.adbc_ingest("typed", numbered(array), mode="replace", db_schema_name=scratch) == 3
    cursor.execute("select v from scratch.typed order by row")
    check(cursor.fetch_arrow_table(), array, held)


@pytest.mark.parametrize(("array", "held"), HELD, ids=IDS)
def test_executemany_keeps_values(connection, cursor, scratch, array, held):
    with connection.cursor() as loader:
        loader.adbc_ingest("bound", numbered(array), mode="replace", db_schema_name=scratch)
        loader.execute("delete from scratch.bound")
    cursor.executemany("insert into scratch.bound values (?, ?)", numbered(array))
    assert cursor.rowcount == 3
    cursor.execute("select v from scratch.bound order by row")
    check(cursor.fetch_arrow_table(), array, held)


@pytest.mark.parametrize("array", [array for array, _ in HELD], ids=IDS)
def test_a_bound_column_comes_back(cursor, array):
    cursor.execute("select ? as v", pyarrow.record_batch({"v": array}))
    assert cursor.fetch_arrow_table()["v"].to_pylist() == array.to_pylist()


@pytest.mark.parametrize(
    "array",
    [
        pyarrow.array([1], pyarrow.time64("us")),
        pyarrow.array([1], pyarrow.duration("s")),
        pyarrow.array([(1, 2, 3)], pyarrow.month_day_nano_interval()),
        pyarrow.array([decimal.Decimal("1.25")], pyarrow.decimal256(50, 2)),
    ],
    ids=lambda array: str(array.type),
)
def test_a_type_that_no_table_holds_is_named(cursor, scratch, array):
    with pytest.raises(flightsql.Error, match="(?i)column 'v' is ") as caught:
        cursor.adbc_ingest("typed", numbered(array), mode="replace", db_schema_name=scratch)
    assert "\n" not in str(caught.value)


def test_nanoseconds_are_kept_as_microseconds(cursor, query, scratch):
    instants = pyarrow.array([1_234_567_890], pyarrow.timestamp("ns"))
    cursor.adbc_ingest("typed", numbered(instants), mode="replace", db_schema_name=scratch)
    assert query("select v from scratch.typed") == [
        (datetime.datetime(1970, 1, 1, 0, 0, 1, 234567),)
    ]


def test_a_number_that_does_not_fit_is_refused(cursor, scratch):
    huge = pyarrow.array([2**64 - 1], pyarrow.uint64())
    with pytest.raises(flightsql.ProgrammingError, match="18446744073709551615"):
        cursor.adbc_ingest("typed", numbered(huge), mode="replace", db_schema_name=scratch)
