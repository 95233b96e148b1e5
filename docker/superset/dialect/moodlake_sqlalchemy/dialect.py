"""The dialect `datafusion+adbc`: Moodlake through ADBC's Flight SQL driver.

There are no transactions: each statement is one commit. Begin and commit do nothing; a rollback after a write cannot
undo it, and warns.
"""

from __future__ import annotations

import re

from sqlalchemy import pool, util
from sqlalchemy.engine import default

from .address import connect_arguments, header
from .compiler import NO_STATEMENT, Compiler, DdlCompiler, Preparer, TypeCompiler
from .reflection import Reflection, driver_connection
from .results import Cursor, buffered
from .types import COLUMN_TYPES

# gRPC codes, which the driver hands on as its vendor code.
UNAVAILABLE = 14
UNAUTHENTICATED = 16
BROKEN_CONSTRAINT = re.compile(
    r"(NOT NULL of column|constraint) '.* is broken by the row", re.DOTALL
)
AUTOCOMMIT = "AUTOCOMMIT"
# The longest name of a folder, which a table is.
MAX_NAME = 255


class ExecutionContext(default.DefaultExecutionContext):
    """One statement on its way."""

    def create_default_cursor(self):
        return Cursor(super().create_default_cursor())

    def post_exec(self):
        if rows := buffered(self.cursor):
            self.cursor_fetch_strategy = rows


class MoodlakeDialect(Reflection):
    """SQLAlchemy's view of a Moodlake server."""

    name = "datafusion"
    driver = "adbc"
    default_paramstyle = "qmark"
    poolclass = pool.QueuePool
    execution_ctx_cls = ExecutionContext
    statement_compiler = Compiler
    ddl_compiler = DdlCompiler
    type_compiler = TypeCompiler
    preparer = Preparer
    colspecs = COLUMN_TYPES
    max_identifier_length = MAX_NAME

    supports_statement_cache = True
    supports_native_boolean = True
    supports_native_decimal = True
    supports_multivalues_insert = True
    supports_sane_rowcount = True
    supports_sane_multi_rowcount = True
    cte_follows_insert = True
    supports_alter = False
    supports_sequences = False
    supports_default_values = False
    supports_empty_insert = False
    postfetch_lastrowid = False
    # JSON is text here; Python's own functions write and read it.
    _json_serializer = None
    _json_deserializer = None

    @classmethod
    def import_dbapi(cls):
        from adbc_driver_flightsql import dbapi

        return dbapi

    # SQLAlchemy 1.4 asks for it by this name.
    @classmethod
    def dbapi(cls):
        return cls.import_dbapi()

    # Connections

    def create_connect_args(self, url):
        address, arguments = connect_arguments(url)
        return [address], arguments

    def connect(self, address, db_kwargs=None, headers=None, **arguments):
        """Connects. `connect_args={"headers": {"x-moodlake-user": "alice"}}` sends headers with each call."""
        options = dict(db_kwargs or {})
        for name, value in (headers or {}).items():
            options.update(header(name, value))
        return self.dbapi.connect(address, db_kwargs=options, **arguments)

    def _get_server_version_info(self, connection):
        version = driver_connection(connection.connection).adbc_get_info()["vendor_version"]
        return tuple(int(part) for part in re.findall(r"\d+", version)[:3])

    def _get_default_schema_name(self, connection):
        return driver_connection(connection.connection).adbc_current_db_schema

    def is_disconnect(self, error, connection, cursor):
        return getattr(error, "vendor_code", None) in (UNAVAILABLE, UNAUTHENTICATED)

    # Statements

    def do_execute(self, cursor, statement, parameters, context=None):
        self._run(cursor, cursor.execute, statement, parameters)

    def do_execute_no_params(self, cursor, statement, context=None):
        self._run(cursor, cursor.execute, statement, None)

    def do_executemany(self, cursor, statement, parameters, context=None):
        self._run(cursor, cursor.executemany, statement, parameters)

    def _run(self, cursor, execute, statement, parameters):
        if statement == NO_STATEMENT:
            return
        try:
            execute(statement, parameters)
        except self.dbapi.ProgrammingError as error:
            if BROKEN_CONSTRAINT.search(str(error)):
                raise integrity_error(self.dbapi, error) from error
            raise
        if not cursor.description:
            cursor.connection.has_written = True

    # Transactions, of which there are none

    def do_begin(self, dbapi_connection):
        pass

    def do_commit(self, dbapi_connection):
        driver_connection(dbapi_connection).has_written = False

    def do_rollback(self, dbapi_connection):
        connection = driver_connection(dbapi_connection)
        has_written = getattr(connection, "has_written", False)
        if has_written and not getattr(connection, "is_autocommit", False):
            util.warn(
                "ROLLBACK undid nothing: the server has no transactions, and each statement was committed as it ran; "
                f'execution_options(isolation_level="{AUTOCOMMIT}") says that this is meant'
            )
        connection.has_written = False

    def get_isolation_level_values(self, dbapi_connection):
        return [AUTOCOMMIT]

    def get_isolation_level(self, dbapi_connection):
        return AUTOCOMMIT

    def set_isolation_level(self, dbapi_connection, level):
        driver_connection(dbapi_connection).is_autocommit = level == AUTOCOMMIT

    def reset_isolation_level(self, dbapi_connection):
        driver_connection(dbapi_connection).is_autocommit = False


def integrity_error(dbapi, error):
    """The driver's error about a broken constraint as what PEP 249 calls it."""
    return dbapi.IntegrityError(
        str(error),
        status_code=error.status_code,
        vendor_code=error.vendor_code,
        sqlstate=error.sqlstate,
        details=error.details,
    )
