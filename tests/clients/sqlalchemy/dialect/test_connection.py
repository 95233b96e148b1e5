"""Connections: what they know of the server, how they fail, and the headers that they send."""

import os
import re
import subprocess

import pyarrow.flight
import pytest
import sqlalchemy
from sqlalchemy import exc, text

START_SECONDS = 20
READER = "x-moodlake-user"


def test_what_the_server_is(engine, connection):
    assert engine.dialect.server_version_info >= (0, 1, 0)
    assert engine.dialect.default_schema_name == "gold"
    assert connection.get_isolation_level() == "AUTOCOMMIT"


def test_the_schema_of_the_url(url):
    engine = sqlalchemy.create_engine(
        f"{url}&schema=silver", execution_options={"isolation_level": "AUTOCOMMIT"}, future=True
    )
    with engine.connect() as connection:
        assert engine.dialect.default_schema_name == "silver"
        connection.execute(text("create or replace table of_the_url as select 7 as n"))
        assert connection.scalar(text("select n from silver.of_the_url")) == 7
        assert "of_the_url" in sqlalchemy.inspect(connection).get_table_names()


def test_an_unknown_catalogue_is_refused(url):
    engine = sqlalchemy.create_engine(url.replace("/moodlake", "/elsewhere"))
    with pytest.raises(exc.DBAPIError, match="catalog"):
        engine.connect()


def test_no_server():
    engine = sqlalchemy.create_engine("datafusion+adbc://127.0.0.1:1/?tls=false")
    with pytest.raises(exc.OperationalError, match="connection refused"):
        engine.connect()


class Server:
    """A server of its own, to be stopped and started."""

    def __init__(self, lake, address="127.0.0.1:0"):
        command = [os.environ["MOODLAKE_BIN"], "serve", "--listen", address, "--dir", str(lake)]
        self.process = subprocess.Popen(command, stderr=subprocess.PIPE, text=True)
        for line in self.process.stderr:
            if found := re.search(r"listening on grpc://(\S+)", line):
                self.address = found.group(1)
                return
        raise RuntimeError("the server did not start")

    def stop(self):
        self.process.terminate()
        self.process.wait(START_SECONDS)
        self.process.stderr.close()


def test_a_pool_outlives_its_server(tmp_path):
    server = Server(tmp_path)
    engine = sqlalchemy.create_engine(
        f"datafusion+adbc://{server.address}/?tls=false",
        pool_pre_ping=True,
        pool_size=1,
        max_overflow=0,
    )
    try:
        with engine.connect() as connection:
            assert connection.scalar(text("select 1")) == 1
        server.stop()
        server = Server(tmp_path, server.address)
        with engine.connect() as connection:
            assert connection.scalar(text("select 2")) == 2
    finally:
        engine.dispose()
        server.stop()


class Recorder(pyarrow.flight.ServerMiddlewareFactory):
    """Notes the headers of every call."""

    def __init__(self):
        self.readers = []

    def start_call(self, info, headers):
        self.readers += headers.get(READER, [None])


@pytest.mark.parametrize(
    ("query", "connect_args", "reader"),
    [
        ("", {}, None),
        (f"&{READER}=ada", {}, "ada"),
        ("", {"headers": {READER: "ada"}}, "ada"),
        (f"&{READER}=ada", {"headers": {READER: "grace"}}, "grace"),
    ],
    ids=["none", "in the URL", "as an argument", "in both"],
)
def test_a_header_goes_with_each_call(query, connect_args, reader):
    recorder = Recorder()
    with pyarrow.flight.FlightServerBase(
        "grpc://127.0.0.1:0", middleware={"recorder": recorder}
    ) as server:
        address = f"datafusion+adbc://127.0.0.1:{server.port}/?tls=false{query}"
        with pytest.raises(exc.DBAPIError):
            sqlalchemy.create_engine(address, connect_args=connect_args).connect()
    assert recorder.readers
    assert set(recorder.readers) == {reader}
