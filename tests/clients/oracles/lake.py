"""Loads, trainings and questions, as a client does them."""

import json

import numpy
import pyarrow

SCHEMA = "scratch"


class Lake:
    """A lake behind a connection."""

    def __init__(self, connection):
        self._connection = connection
        self.query(f"create schema if not exists {SCHEMA}")

    def query(self, sql: str) -> pyarrow.Table:
        """All rows of a statement."""
        with self._connection.cursor() as cursor:
            cursor.execute(sql)
            return cursor.fetch_arrow_table()

    def rows(self, sql: str) -> list[dict]:
        """All rows of a statement, each by its columns' names."""
        return self.query(sql).to_pylist()

    def value(self, sql: str):
        """The only value of a statement."""
        [row] = self.rows(sql)
        [value] = row.values()
        return value

    def numbers(self, sql: str) -> numpy.ndarray:
        """The numbers of a statement `[n_rows][n_columns]`, null as NaN."""
        columns = self.query(sql).columns
        return numpy.column_stack([column.to_numpy().astype(float) for column in columns])

    def load(self, name: str, columns: dict) -> str:
        """Makes a table of these columns and gives its full name."""
        with self._connection.cursor() as cursor:
            table = pyarrow.table(columns)
            cursor.adbc_ingest(name, table, mode="replace", db_schema_name=SCHEMA)
        return f"{SCHEMA}.{name}"

    def train(self, model: str, query: str, **options) -> None:
        """Trains a version of a model."""
        written = ", ".join(f"{name} = {literal(value)}" for name, value in options.items())
        self.query(f"create or replace model {model} options ({written}) as {query}")

    def version(self, model: str) -> dict:
        """The row of a model's newest version in the registry, without its parameters."""
        return self.rows(
            "select version, n_train, warnings, artifact_blake3 from ml.models"
            f" where model = '{model}' order by version desc limit 1"
        )[0]

    def artifact(self, model: str) -> dict:
        """The parameters of a model's newest version."""
        artifact = self.rows(
            f"select artifact from ml.models where model = '{model}' order by version desc limit 1"
        )[0]["artifact"]
        return json.loads(artifact)["kind"]

    def metric(self, model: str, metric: str) -> dict:
        """A figure of a model's newest version, which has it for one split only, training left aside."""
        version = self.version(model)["version"]
        found = self.rows(
            f"select * from ml.metrics where model = '{model}' and version = {version}"
            f" and metric = '{metric}'"
        )
        held_out = [row for row in found if row["split"] in ("test", "out_of_fold")]
        [row] = held_out or found
        return row


def literal(value) -> str:
    """A value as SQL writes it."""
    if isinstance(value, bool):
        return str(value).lower()
    if isinstance(value, list):
        return f"[{', '.join(map(literal, value))}]"
    return f"'{value}'" if isinstance(value, str) else repr(value)
