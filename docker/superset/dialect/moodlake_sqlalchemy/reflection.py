"""What there is on the server: names out of `information_schema`, columns out of Flight SQL, both matched exactly."""

from __future__ import annotations

from sqlalchemy import exc
from sqlalchemy.engine import default, reflection

from .types import sqlalchemy_type

REMARKS = b"ARROW:FLIGHT:SQL:REMARKS"
TABLE = "BASE TABLE"
VIEW = "VIEW"


class Reflection(default.DefaultDialect):
    """The answers to an Inspector. There are no keys and no indexes, which is answered for tables that exist only."""

    @reflection.cache
    def get_schema_names(self, connection, **options):
        sql = "select schema_name from information_schema.schemata order by schema_name"
        return list(connection.exec_driver_sql(sql).scalars())

    @reflection.cache
    def _relations(self, connection, schema, **options):
        """The tables and views of a schema: a dict of names to kinds."""
        sql = (
            "select table_name, table_type from information_schema.tables"
            " where table_schema = ? order by table_name"
        )
        return dict(connection.exec_driver_sql(sql, (schema,)).all())

    def _of_kind(self, connection, schema, kind, options):
        relations = self._relations(connection, schema or self.default_schema_name, **options)
        return [name for name, its_kind in relations.items() if its_kind == kind]

    @reflection.cache
    def get_table_names(self, connection, schema=None, **options):
        return self._of_kind(connection, schema, TABLE, options)

    @reflection.cache
    def get_view_names(self, connection, schema=None, **options):
        return self._of_kind(connection, schema, VIEW, options)

    @reflection.cache
    def has_table(self, connection, table_name, schema=None, **options):
        sql = "select 1 from information_schema.tables where table_schema = ? and table_name = ?"
        names = (schema or self.default_schema_name, table_name)
        return connection.exec_driver_sql(sql, names).first() is not None

    def has_sequence(self, connection, sequence_name, schema=None, **options):
        return False

    @reflection.cache
    def get_columns(self, connection, table_name, schema=None, **options):
        self._require(connection, table_name, schema, options)
        arrow = driver_connection(connection.connection).adbc_get_table_schema(
            table_name, db_schema_filter=schema or self.default_schema_name
        )
        return [
            {
                "name": field.name,
                "type": sqlalchemy_type(field.type),
                "nullable": field.nullable,
                "default": None,
                "comment": (field.metadata or {}).get(REMARKS, b"").decode() or None,
            }
            for field in arrow
        ]

    @reflection.cache
    def get_view_definition(self, connection, view_name, schema=None, **options):
        sql = "select definition from information_schema.views where table_schema = ? and table_name = ?"
        names = (schema or self.default_schema_name, view_name)
        definition = connection.exec_driver_sql(sql, names).scalar()
        if definition is None:
            raise exc.NoSuchTableError(view_name)
        return definition

    def get_pk_constraint(self, connection, table_name, schema=None, **options):
        self._require(connection, table_name, schema, options)
        return {"constrained_columns": [], "name": None}

    def get_table_comment(self, connection, table_name, schema=None, **options):
        self._require(connection, table_name, schema, options)
        return {"text": None}

    def _nothing(self, connection, table_name, schema=None, **options):
        self._require(connection, table_name, schema, options)
        return []

    get_foreign_keys = get_indexes = get_unique_constraints = get_check_constraints = _nothing

    def _require(self, connection, table_name, schema, options):
        if table_name not in self._relations(
            connection, schema or self.default_schema_name, **options
        ):
            raise exc.NoSuchTableError(f"{schema}.{table_name}" if schema else table_name)


def driver_connection(connection):
    """The driver's connection, whether or not the pool's wrapper is around it."""
    return getattr(connection, "dbapi_connection", connection)
