"""Moodlake's SQL for sqlglot, by which Superset reads and rewrites what is typed into SQL Lab.

In `superset_config.py`: `from moodlake_sqlalchemy.grammar import SQLGLOT_DIALECTS_EXTENSIONS`.
"""

from sqlglot.dialects.postgres import Postgres
from sqlglot.generator import Generator
from sqlglot.tokens import TokenType


class Moodlake(Postgres):
    """PostgreSQL's grammar, which DataFusion's is nearest to, with older versions of tables."""

    NORMALIZE_FUNCTIONS = False

    class Parser(Postgres.Parser):
        # No function is known, so that each is written as it was read: PostgreSQL's ways to write some of them are not
        # DataFusion's, and a table function's name is told apart by its case.
        FUNCTIONS = {}

    class Tokenizer(Postgres.Tokenizer):
        KEYWORDS = {**Postgres.Tokenizer.KEYWORDS, "VERSION AS OF": TokenType.VERSION_SNAPSHOT}

    class Generator(Postgres.Generator):
        ignorenulls_sql = Generator.ignorenulls_sql

        def version_sql(self, expression):
            return f"VERSION AS OF {self.sql(expression, 'expression')}"


SQLGLOT_DIALECTS_EXTENSIONS = {"datafusion": Moodlake}
