"""Values: as parameters, as literals, as results."""

import datetime
import decimal

import pytest
from moodlake_sqlalchemy import INTERVAL, STRUCT
from sqlalchemy import Column, Table, cast, func, literal, select, text, types

DAY = datetime.date(2026, 11, 22)
TIME = datetime.datetime(2026, 11, 22, 7, 30, 0, 123456)
IN_UTC = TIME.replace(tzinfo=datetime.timezone.utc)
SPAN = datetime.timedelta(days=1, seconds=2, microseconds=3)

VALUES = [
    (types.Boolean(), True),
    (types.SmallInteger(), -3),
    (types.Integer(), 3),
    (types.BigInteger(), 2**40),
    (types.Float(), 2.5),
    (types.Numeric(10, 2), decimal.Decimal("12.34")),
    (types.String(20), "it's ünï"),
    (types.Text(), "line\nline \\ %"),
    (types.LargeBinary(), b"\x00\xff"),
    (types.Date(), DAY),
    (types.DateTime(), TIME),
    (types.DateTime(), datetime.datetime(1, 1, 1)),
    (types.DateTime(timezone=True), IN_UTC),
    (types.Enum("calm", "glad", name="mood"), "calm"),
    (types.JSON(), {"a": [1, None], "b": "ü"}),
    (types.ARRAY(types.Integer), [1, 2]),
]
NAMES = [f"{type(kind).__name__} {value}"[:40] for kind, value in VALUES]


@pytest.mark.parametrize(("kind", "value"), VALUES, ids=NAMES)
def test_a_value_through_a_table(connection, metadata, kind, value):
    table = Table("valued", metadata, Column("n", types.Integer), Column("v", kind))
    metadata.drop_all(connection)
    metadata.create_all(connection)
    connection.execute(table.insert(), {"n": 1, "v": value})
    connection.execute(table.insert(), [{"n": 2, "v": value}, {"n": 3, "v": None}])
    found = connection.execute(select(table.c.v).order_by(table.c.n)).scalars().all()
    assert found == [value, value, None]
    if not isinstance(kind, (types.JSON, types.ARRAY)):
        assert connection.scalar(select(func.count()).where(table.c.v == value)) == 2


@pytest.mark.parametrize(
    "value",
    [
        True,
        3,
        2.5,
        "calm",
        b"\x00",
        DAY,
        TIME,
        IN_UTC,
        datetime.time(7, 30, 0, 5),
        decimal.Decimal("1.20"),
        None,
    ],
)
def test_a_bare_parameter(connection, value):
    assert connection.execute(text("select :v as v"), {"v": value}).scalar() == value


@pytest.mark.parametrize(
    ("kind", "value"),
    [
        (types.Date(), DAY),
        (types.DateTime(), TIME),
        (types.DateTime(timezone=True), IN_UTC),
        (types.String(), "it's"),
        (types.Boolean(), False),
        (types.Numeric(), decimal.Decimal("1.5")),
    ],
)
def test_a_literal(connection, kind, value):
    written = literal(value, kind).compile(
        connection.engine, compile_kwargs={"literal_binds": True}
    )
    assert (
        connection.execute(
            select(literal(value, kind)).where(text(f"{written} = :v")), {"v": value}
        ).scalar()
        == value
    )


def test_decimals_and_floats_in_one_column(connection, metadata):
    table = Table(
        "numbered", metadata, Column("exact", types.Numeric(8, 4)), Column("inexact", types.Float)
    )
    metadata.create_all(connection)
    rows = [(decimal.Decimal("1.5"), 1), (2.5, decimal.Decimal("2.5")), (None, None)]
    connection.execute(
        table.insert(), [{"exact": exact, "inexact": inexact} for exact, inexact in rows]
    )
    found = connection.execute(select(table).order_by(table.c.exact)).all()
    assert found == [(decimal.Decimal("1.5"), 1.0), (decimal.Decimal("2.5"), 2.5), (None, None)]
    assert all(type(row.inexact) in (float, type(None)) for row in found)


def test_times_in_nanoseconds_are_read(connection):
    now, midnight, span = connection.execute(
        text(
            "select now(), date_trunc('day', now()), to_timestamp_nanos(1500) - to_timestamp_nanos(0)"
        )
    ).one()
    assert isinstance(now, datetime.datetime)
    assert midnight == now.replace(hour=0, minute=0, second=0, microsecond=0)
    assert span == datetime.timedelta(microseconds=1)


def test_intervals(connection):
    later = literal(TIME) + literal(SPAN)
    assert connection.scalar(select(later)) == TIME + SPAN
    assert connection.scalar(select(literal(TIME) - literal(SPAN, INTERVAL))) == TIME - SPAN
    assert connection.scalar(
        select(cast(literal("1 day 2 seconds"), INTERVAL))
    ) == datetime.timedelta(days=1, seconds=2)
    assert connection.scalar(select(literal(SPAN))) == SPAN
    assert connection.scalar(select(literal(-SPAN))) == -SPAN
    assert connection.scalar(text("select interval '1 month'")).months == 1


def test_fields_items_and_keys(connection):
    place = STRUCT((("a", types.Integer), ("b", types.String)))
    struct = func.named_struct("a", 1, "b", "x", type_=place)
    array = func.make_array(7, 8, type_=types.ARRAY(types.Integer))
    assert connection.execute(select(struct["b"], array[1], struct, array)).one() == (
        "x",
        7,
        {"a": 1, "b": "x"},
        [7, 8],
    )
