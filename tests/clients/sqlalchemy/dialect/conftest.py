"""Engines on the server that `MOODLAKE_ADDRESS` names, host and port; `MOODLAKE_LAKE` is its folder."""

import os
import pathlib

import pytest
import sqlalchemy

# What there is anyway: no warning then that a rollback undoes nothing.
AUTOCOMMIT = {"isolation_level": "AUTOCOMMIT"}


@pytest.fixture(scope="session")
def url():
    return f"datafusion+adbc://{os.environ['MOODLAKE_ADDRESS']}/moodlake?tls=false"


@pytest.fixture(scope="session")
def lake():
    return pathlib.Path(os.environ["MOODLAKE_LAKE"])


@pytest.fixture(scope="session")
def engine(url):
    engine = sqlalchemy.create_engine(url, execution_options=AUTOCOMMIT, future=True)
    yield engine
    engine.dispose()


@pytest.fixture
def connection(engine):
    with engine.connect() as connection:
        yield connection


@pytest.fixture
def metadata(engine):
    """Tables of one test, dropped after it."""
    metadata = sqlalchemy.MetaData()
    yield metadata
    metadata.drop_all(engine)
