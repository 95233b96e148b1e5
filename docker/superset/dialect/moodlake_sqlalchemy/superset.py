"""What Superset needs to know of Moodlake. Superset loads it by its entry point; nothing else may import it."""

from __future__ import annotations

import re
import uuid
import weakref
from datetime import datetime
from typing import Any

import pyarrow
from flask_babel import gettext as __
from sqlalchemy import types
from sqlalchemy.engine import URL
from superset.constants import TimeGrain
from superset.db_engine_specs.base import BaseEngineSpec
from superset.errors import SupersetErrorType
from superset.utils.core import GenericDataType

from .dialect import MAX_NAME, MoodlakeDialect
from .types import Date, DateTime, sqlalchemy_type

DIALECT = MoodlakeDialect()
# The header by which a principal with role proxy says for whom it asks.
READER = "x-moodlake-user"


def truncated(unit: str) -> str:
    return f"date_trunc('{unit}', {{col}})"


def binned(width: str) -> str:
    return f"date_bin(INTERVAL '{width}', {{col}})"


class MoodlakeEngineSpec(BaseEngineSpec):
    """Moodlake under Superset 6.1."""

    engine = "datafusion"
    engine_name = "Moodlake"
    default_driver = "adbc"
    drivers = {"adbc": "Arrow Flight SQL over ADBC"}
    sqlalchemy_uri_placeholder = "datafusion+adbc://user:password@host:50051/moodlake"

    # The schema chosen in SQL Lab becomes the session's, so that bare names mean its tables.
    supports_dynamic_schema = True
    supports_multivalues_insert = True
    disable_ssh_tunneling = True
    max_column_name_length = MAX_NAME
    # A label keeps its case only in quotes.
    force_column_alias_quotes = True

    _time_grain_expressions = {
        None: "{col}",
        TimeGrain.SECOND: truncated("second"),
        TimeGrain.FIVE_SECONDS: binned("5 seconds"),
        TimeGrain.THIRTY_SECONDS: binned("30 seconds"),
        TimeGrain.MINUTE: truncated("minute"),
        TimeGrain.FIVE_MINUTES: binned("5 minutes"),
        TimeGrain.TEN_MINUTES: binned("10 minutes"),
        TimeGrain.FIFTEEN_MINUTES: binned("15 minutes"),
        TimeGrain.THIRTY_MINUTES: binned("30 minutes"),
        TimeGrain.HOUR: truncated("hour"),
        TimeGrain.SIX_HOURS: binned("6 hours"),
        TimeGrain.DAY: truncated("day"),
        TimeGrain.WEEK: truncated("week"),
        TimeGrain.WEEK_STARTING_MONDAY: truncated("week"),
        TimeGrain.WEEK_STARTING_SUNDAY: "date_trunc('week', {col} + INTERVAL '1 day') - INTERVAL '1 day'",
        TimeGrain.WEEK_ENDING_SATURDAY: "date_trunc('week', {col} + INTERVAL '1 day') + INTERVAL '5 days'",
        TimeGrain.WEEK_ENDING_SUNDAY: "date_trunc('week', {col}) + INTERVAL '6 days'",
        TimeGrain.MONTH: truncated("month"),
        TimeGrain.QUARTER: truncated("quarter"),
        TimeGrain.YEAR: truncated("year"),
    }

    # Looked at before Superset's own, which take the first letters of `BIGINT[]` for a number.
    column_type_mappings = (
        (
            re.compile(r".*\[\]$|(struct|map|interval)\b", re.IGNORECASE),
            types.String(),
            GenericDataType.STRING,
        ),
        (re.compile(r"bytea", re.IGNORECASE), types.LargeBinary(), GenericDataType.STRING),
    )

    custom_errors = {
        re.compile(r"No field named (?P<column>.+?)\.(?: |$)"): (
            __('There is no column "%(column)s".'),
            SupersetErrorType.COLUMN_DOES_NOT_EXIST_ERROR,
            {},
        ),
        re.compile(r"table '(?P<table>[^']+)' not found"): (
            __('There is no table "%(table)s".'),
            SupersetErrorType.TABLE_DOES_NOT_EXIST_ERROR,
            {},
        ),
        re.compile(r"SQL: (?P<fault>.+?) \(InvalidArgument"): (
            __("This SQL cannot be read: %(fault)s"),
            SupersetErrorType.SYNTAX_ERROR,
            {},
        ),
        re.compile(r"\(Unauthenticated"): (
            __("The user, the password or the token is wrong."),
            SupersetErrorType.CONNECTION_ACCESS_DENIED_ERROR,
            {"invalid": ["username", "password"]},
        ),
        re.compile(r"lookup (?P<host>\S+).*no such host"): (
            __('There is no host "%(host)s".'),
            SupersetErrorType.CONNECTION_INVALID_HOSTNAME_ERROR,
            {"invalid": ["host"]},
        ),
        re.compile(r"dial tcp (?P<address>\S+): connect: connection refused"): (
            __("No server answers at %(address)s."),
            SupersetErrorType.CONNECTION_PORT_CLOSED_ERROR,
            {"invalid": ["host", "port"]},
        ),
    }

    # Times

    @classmethod
    def convert_dttm(
        cls, target_type: str, dttm: datetime, db_extra: dict[str, Any] | None = None
    ) -> str | None:
        column_type = cls.get_sqla_column_type(target_type)
        if isinstance(column_type, types.Date):
            return Date().literal_processor(DIALECT)(dttm)
        if isinstance(column_type, types.DateTime):
            with_zone = "ZONE" in target_type.upper()
            return DateTime(timezone=with_zone).literal_processor(DIALECT)(dttm)
        return None

    @classmethod
    def epoch_to_dttm(cls) -> str:
        return "to_timestamp_seconds({col})"

    @classmethod
    def epoch_ms_to_dttm(cls) -> str:
        return "to_timestamp_millis({col})"

    @classmethod
    def get_datatype(cls, type_code: Any) -> str | None:
        """The name of a column's type; the driver's cursors describe columns by their Arrow types."""
        if not isinstance(type_code, pyarrow.DataType):
            return super().get_datatype(type_code)
        column_type = sqlalchemy_type(type_code)
        if isinstance(column_type, types.NullType):
            return "NULL"
        return cls.column_datatype_to_string(column_type, DIALECT)

    # Where and for whom

    @classmethod
    def adjust_engine_params(
        cls,
        uri: URL,
        connect_args: dict[str, Any],
        catalog: str | None = None,
        schema: str | None = None,
    ) -> tuple[URL, dict[str, Any]]:
        return (uri.update_query_dict({"schema": schema}) if schema else uri), connect_args

    @classmethod
    def impersonate_user(cls, database, username, user_token, url, engine_kwargs):
        """Asks in the reader's name, under the log-in of the URL, which must have the role proxy."""
        if username is not None:
            connect_args = engine_kwargs.setdefault("connect_args", {})
            connect_args["headers"] = {**connect_args.get("headers", {}), READER: username}
        return url, engine_kwargs

    # Stop in SQL Lab, for queries of this process

    _running: weakref.WeakValueDictionary[str, Any] = weakref.WeakValueDictionary()

    @classmethod
    def get_cancel_query_id(cls, cursor: Any, query: Any) -> str | None:
        cancel_query_id = uuid.uuid4().hex
        cls._running[cancel_query_id] = cursor
        return cancel_query_id

    @classmethod
    def cancel_query(cls, cursor: Any, query: Any, cancel_query_id: str) -> bool:
        running = cls._running.get(cancel_query_id)
        if running is None:
            return False
        running.adbc_cancel()
        return True
