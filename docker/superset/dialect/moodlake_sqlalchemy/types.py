"""Arrow's types as SQLAlchemy's, those that SQLAlchemy lacks, and those whose values Arrow wants to be of one kind."""

from __future__ import annotations

import datetime
import decimal
from typing import Any

import pyarrow
from sqlalchemy import cast, types
from sqlalchemy.sql import operators, type_api
from sqlalchemy.sql.sqltypes import _Binary


class STRUCT(types.Indexable, types.TypeEngine):
    """Named fields: read as a dict, a field by `column["name"]`."""

    __visit_name__ = "STRUCT"

    def __init__(self, fields: tuple[tuple[str, Any], ...]):
        self.fields = tuple((name, types.to_instance(field)) for name, field in fields)

    @property
    def python_type(self) -> type:
        return dict

    class Comparator(types.Indexable.Comparator):
        def _setup_getitem(self, name):
            return operators.getitem, name, dict(self.type.fields)[name]

    comparator_factory = Comparator


class MAP(types.Indexable, types.TypeEngine):
    """Keys to values: read as a dict, a value by `column[key]`."""

    __visit_name__ = "MAP"

    def __init__(self, key_type: Any, value_type: Any):
        self.key_type = types.to_instance(key_type)
        self.value_type = types.to_instance(value_type)

    @property
    def python_type(self) -> type:
        return dict

    def result_processor(self, dialect, coltype):
        return lambda pairs: None if pairs is None else dict(pairs)

    class Comparator(types.Indexable.Comparator):
        def _setup_getitem(self, key):
            return operators.getitem, key, self.type.value_type

    comparator_factory = Comparator


class INTERVAL(type_api.NativeForEmulated, types.TypeEngine):
    """A span of time in an expression. A table cannot hold one: `Interval(native=False)` is kept as a timestamp."""

    __visit_name__ = "INTERVAL"
    native = True
    _type_affinity = types.Interval

    @classmethod
    def adapt_emulated_to_native(cls, interval, **options):
        return cls()

    @property
    def python_type(self) -> type:
        return datetime.timedelta

    def bind_processor(self, dialect):
        return lambda span: None if span is None else in_words(span)

    def bind_expression(self, bindvalue):
        return cast(bindvalue, self)

    def literal_processor(self, dialect):
        return lambda span: f"'{in_words(span)}'"

    def result_processor(self, dialect, coltype):
        return as_timedelta


class Numeric(types.Numeric):
    """Exact numbers. A column of parameters is all decimals, as Arrow does not mix them with floats."""

    def bind_processor(self, dialect):
        return as_decimal

    def result_processor(self, dialect, coltype):
        return as_decimal if self.asdecimal else as_float


class Float(types.Float):
    """Inexact numbers, a column of parameters all floats."""

    def bind_processor(self, dialect):
        return as_float


class Date(types.Date):
    """Days."""

    def literal_processor(self, dialect):
        return lambda day: f"DATE '{day.isoformat()[:10]}'"


class DateTime(types.DateTime):
    """Times in microseconds, as Python has them: a plain literal would be in nanoseconds, and end in the year 2262."""

    def literal_processor(self, dialect):
        zone = " WITH TIME ZONE" if self.timezone else ""
        return lambda time: f"CAST('{time.isoformat(' ')}' AS TIMESTAMP(6){zone})"


class Binary(types.LargeBinary):
    """Bytes as they are: the driver has no `Binary` to wrap them in."""

    def bind_processor(self, dialect):
        return None


# What SQLAlchemy's types become under this dialect.
COLUMN_TYPES = {
    types.Interval: INTERVAL,
    types.Numeric: Numeric,
    types.Float: Float,
    types.Date: Date,
    types.DateTime: DateTime,
    _Binary: Binary,
}


def as_decimal(number: Any) -> decimal.Decimal | None:
    if number is None or isinstance(number, decimal.Decimal):
        return number
    return decimal.Decimal(str(number))


def as_float(number: Any) -> float | None:
    return None if number is None else float(number)


def in_words(span: datetime.timedelta) -> str:
    """A span as SQL's text of an interval, each unit with its own sign."""
    return f"{span.days} days {span.seconds} seconds {span.microseconds} microseconds"


def as_timedelta(span: Any) -> Any:
    """A fixed span as a timedelta; months have no fixed length, so that a span with months stays what it is."""
    if not isinstance(span, pyarrow.MonthDayNano) or span.months:
        return span
    return datetime.timedelta(days=span.days, microseconds=span.nanoseconds // 1000)


PLAIN = (
    (pyarrow.types.is_boolean, types.BOOLEAN),
    (pyarrow.types.is_int8, types.SMALLINT),
    (pyarrow.types.is_uint8, types.SMALLINT),
    (pyarrow.types.is_int16, types.SMALLINT),
    (pyarrow.types.is_uint16, types.INTEGER),
    (pyarrow.types.is_int32, types.INTEGER),
    (pyarrow.types.is_integer, types.BIGINT),
    (pyarrow.types.is_float32, types.REAL),
    (pyarrow.types.is_floating, types.FLOAT),
    (pyarrow.types.is_date, types.DATE),
    (pyarrow.types.is_time, types.TIME),
    (pyarrow.types.is_interval, INTERVAL),
    (pyarrow.types.is_duration, INTERVAL),
    (pyarrow.types.is_binary, types.LargeBinary),
    (pyarrow.types.is_large_binary, types.LargeBinary),
    (pyarrow.types.is_fixed_size_binary, types.LargeBinary),
    (pyarrow.types.is_string, types.VARCHAR),
    (pyarrow.types.is_large_string, types.VARCHAR),
    (pyarrow.types.is_null, types.NullType),
)


def sqlalchemy_type(arrow: pyarrow.DataType) -> types.TypeEngine:
    """The SQLAlchemy type whose values are those of an Arrow type."""
    kinds = pyarrow.types
    if kinds.is_decimal(arrow):
        return types.DECIMAL(arrow.precision, arrow.scale)
    if kinds.is_timestamp(arrow):
        return types.TIMESTAMP(timezone=arrow.tz is not None)
    if kinds.is_list(arrow) or kinds.is_large_list(arrow) or kinds.is_fixed_size_list(arrow):
        return array_type(sqlalchemy_type(arrow.value_type))
    if kinds.is_struct(arrow):
        fields = (arrow.field(index) for index in range(arrow.num_fields))
        return STRUCT(tuple((field.name, sqlalchemy_type(field.type)) for field in fields))
    if kinds.is_map(arrow):
        return MAP(sqlalchemy_type(arrow.key_type), sqlalchemy_type(arrow.item_type))
    return next((plain() for is_kind, plain in PLAIN if is_kind(arrow)), types.NullType())


def array_type(item: types.TypeEngine) -> types.ARRAY:
    """A list of items; SQLAlchemy counts the dimensions of a list of lists instead of nesting them."""
    if isinstance(item, types.ARRAY):
        return types.ARRAY(item.item_type, dimensions=item.dimensions + 1)
    return types.ARRAY(item, dimensions=1)
