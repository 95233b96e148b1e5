"""What SQLAlchemy writes as SQL, where Moodlake's differs from the standard that SQLAlchemy assumes."""

from __future__ import annotations

from sqlalchemy import types, util
from sqlalchemy.sql import compiler

# Words that the server's parser takes for its own in some place where a column, a table or an alias may stand.
OF_THE_SERVER = """
    cluster cube current_catalog distribute exclude exists explain fetch fulltext index interval key lateral minus
    recursive returning rollup sort spatial struct top trim unnest values view with
"""
RESERVED_WORDS = compiler.RESERVED_WORDS | set(OF_THE_SERVER.split())
# The digits of a FLOAT(n) that four bytes hold.
REAL_BITS = 24
# The one escape character of LIKE, always in force.
BACKSLASH = "\\"
# Stands for an escaped escape character while others are replaced: a control character, which no pattern has.
PLACEHOLDER = "chr(1)"
# What is written for an index: an empty text, which is never sent.
NO_STATEMENT = ""


class Preparer(compiler.IdentifierPreparer):
    """Quotes what the server would fold to lower case or misread."""

    reserved_words = RESERVED_WORDS


class Compiler(compiler.SQLCompiler):
    """Queries and changes."""

    def limit_clause(self, select, **options):
        text = ""
        if select._limit_clause is not None:
            text += "\n LIMIT " + self.process(select._limit_clause, **options)
        if select._offset_clause is not None:
            text += "\n OFFSET " + self.process(select._offset_clause, **options)
        return text

    def for_update_clause(self, select, **options):
        return ""  # There are no locks to take.

    def visit_getitem_binary(self, binary, operator, **options):
        return f"{self.process(binary.left, **options)}[{self.process(binary.right, **options)}]"

    def visit_truediv_binary(self, binary, operator, **options):
        if not hasattr(compiler.SQLCompiler, "visit_truediv_binary"):
            # SQLAlchemy 1.4 leaves `/` to the server.
            return self._between(binary, "/", options)
        if binary.right.type._type_affinity is types.Numeric:
            return super().visit_truediv_binary(binary, operator, **options)
        # SQLAlchemy casts to NUMERIC, which has ten digits behind the point here.
        right = self.process(binary.right, **options)
        return f"{self.process(binary.left, **options)} / CAST({right} AS DOUBLE)"

    def visit_like_op_binary(self, binary, operator, **options):
        return self._like(binary, "LIKE", options)

    def visit_not_like_op_binary(self, binary, operator, **options):
        return self._like(binary, "NOT LIKE", options)

    def visit_ilike_op_binary(self, binary, operator, **options):
        return self._like(binary, "ILIKE", options)

    def visit_not_ilike_op_binary(self, binary, operator, **options):
        return self._like(binary, "NOT ILIKE", options)

    def visit_ilike_case_insensitive_operand(self, element, **options):
        return self.process(element.element, **options)

    def _like(self, binary, symbol, options):
        left, pattern = (self.process(side, **options) for side in (binary.left, binary.right))
        escape = binary.modifiers.get("escape")
        if escape not in (None, BACKSLASH):
            pattern = with_backslash(pattern, self.render_literal_value(escape, types.String()))
        return f"{left} {symbol} {pattern}"

    def visit_regexp_match_op_binary(self, binary, operator, **options):
        return self._regexp(binary, "~", options)

    def visit_not_regexp_match_op_binary(self, binary, operator, **options):
        return self._regexp(binary, "!~", options)

    def _regexp(self, binary, symbol, options):
        if "i" in (binary.modifiers.get("flags") or ""):
            symbol += "*"
        return self._between(binary, symbol, options)

    def _between(self, binary, symbol, options):
        return f"{self.process(binary.left, **options)} {symbol} {self.process(binary.right, **options)}"


def with_backslash(pattern: str, escape: str) -> str:
    """An SQL pattern with another escape character, as SQL that writes it with the backslash instead."""
    steps = (
        ("'\\'", "'\\\\'"),
        (f"{escape} || {escape}", PLACEHOLDER),
        (escape, "'\\'"),
        (PLACEHOLDER, escape),
    )
    for old, new in steps:
        pattern = f"replace({pattern}, {old}, {new})"
    return pattern


class DdlCompiler(compiler.DDLCompiler):
    """Tables. The server keeps NOT NULL and CHECK; keys and indexes are left out, so that models of other databases
    can be created. A primary key is what the mapper goes by, and no more."""

    def visit_primary_key_constraint(self, constraint, **options):
        return None

    def visit_unique_constraint(self, constraint, **options):
        self._left_out(constraint, "UNIQUE")

    def visit_foreign_key_constraint(self, constraint, **options):
        self._left_out(constraint, "FOREIGN KEY")

    def visit_create_index(self, create, **options):
        if create.element.unique:
            self._left_out(create.element, "UNIQUE INDEX")
        return NO_STATEMENT

    def visit_drop_index(self, drop, **options):
        return NO_STATEMENT

    def _left_out(self, constraint, kind):
        columns = ", ".join(constraint.columns.keys())
        util.warn(
            f"table '{constraint.table.name}': {kind} ({columns}) is left out, as the server has none: "
            "nothing will refuse rows that break it"
        )

    def post_create_table(self, table):
        # Not an option of the dialect: SQLAlchemy would look for one named without its driver.
        columns = table.info.get("partitioned_by")
        if not columns:
            return ""
        return f"\nPARTITIONED BY ({', '.join(self.preparer.quote(column) for column in columns)})"


class TypeCompiler(compiler.GenericTypeCompiler):
    """Types by the names that `CREATE TABLE` and `CAST` know. A length of text is left out, as it is not kept."""

    def visit_VARCHAR(self, type_, **options):
        return "VARCHAR"

    visit_CHAR = visit_NCHAR = visit_NVARCHAR = visit_TEXT = visit_CLOB = visit_JSON = visit_VARCHAR

    def visit_BLOB(self, type_, **options):
        return "BYTEA"

    visit_BINARY = visit_VARBINARY = visit_BLOB

    def visit_large_binary(self, type_, **options):
        return self.visit_BLOB(type_, **options)

    def visit_FLOAT(self, type_, **options):
        return "REAL" if type_.precision is not None and type_.precision <= REAL_BITS else "DOUBLE"

    def visit_DOUBLE(self, type_, **options):
        return "DOUBLE"

    visit_DOUBLE_PRECISION = visit_DOUBLE

    def visit_TIMESTAMP(self, type_, **options):
        return "TIMESTAMP(6) WITH TIME ZONE" if type_.timezone else "TIMESTAMP(6)"

    visit_DATETIME = visit_TIMESTAMP

    def visit_INTERVAL(self, type_, **options):
        return "INTERVAL"

    def visit_ARRAY(self, type_, **options):
        return self.process(type_.item_type, **options) + "[]" * (type_.dimensions or 1)

    def visit_STRUCT(self, type_, **options):
        fields = (
            f"{self._name(name)} {self.process(field, **options)}" for name, field in type_.fields
        )
        return f"STRUCT<{', '.join(fields)}>"

    def visit_MAP(self, type_, **options):
        return f"MAP({self.process(type_.key_type, **options)}, {self.process(type_.value_type, **options)})"

    def _name(self, field):
        return self.dialect.identifier_preparer.quote(field)
