"""What the driver's cursors answer, where SQLAlchemy expects otherwise: writes, and times in nanoseconds."""

from __future__ import annotations

import pyarrow
from sqlalchemy.engine import cursor as fetching


class Cursor:
    """The driver's cursor, which describes a statement without rows by no columns instead of by `None`."""

    def __init__(self, cursor):
        self._cursor = cursor

    def __getattr__(self, name):
        return getattr(self._cursor, name)

    @property
    def description(self):
        return self._cursor.description or None


def coarse(arrow: pyarrow.DataType) -> pyarrow.DataType:
    """A type of times in microseconds where this one is in nanoseconds, else this one."""
    kinds = pyarrow.types
    if kinds.is_timestamp(arrow) and arrow.unit == "ns":
        return pyarrow.timestamp("us", arrow.tz)
    if kinds.is_duration(arrow) and arrow.unit == "ns":
        return pyarrow.duration("us")
    if kinds.is_time64(arrow) and arrow.unit == "ns":
        return pyarrow.time64("us")
    return arrow


def buffered(cursor) -> fetching.FullyBufferedCursorFetchStrategy | None:
    """All rows of a cursor, cut to microseconds; `None` where it has no times in nanoseconds.

    Python's own types cannot hold a nanosecond, and the driver refuses one unless pandas is there.
    """
    types = [column[1] for column in cursor.description or ()]
    coarser = [coarse(arrow) for arrow in types]
    if coarser == types:
        return None
    table = cursor.fetch_arrow_table()
    columns = [
        column.cast(arrow, safe=False).to_pylist()
        for column, arrow in zip(table.columns, coarser, strict=True)
    ]
    return fetching.FullyBufferedCursorFetchStrategy(
        cursor, initial_buffer=list(zip(*columns, strict=True))
    )
