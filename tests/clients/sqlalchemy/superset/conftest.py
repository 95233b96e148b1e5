"""Superset's application, and a database of it on the server that `MOODLAKE_ADDRESS` names."""

import os
import pathlib

import pytest

os.environ["SUPERSET_CONFIG_PATH"] = str(pathlib.Path(__file__).parent / "superset_config.py")


@pytest.fixture(scope="session", autouse=True)
def application(tmp_path_factory):
    os.environ["SUPERSET_HOME"] = str(tmp_path_factory.mktemp("superset"))
    from superset.app import create_app

    application = create_app()
    with application.app_context():
        yield application


@pytest.fixture(scope="session")
def address():
    return os.environ["MOODLAKE_ADDRESS"]


@pytest.fixture
def database(address):
    """A database as the form of Superset makes it, kept nowhere."""
    from superset.models.core import Database

    uri = f"datafusion+adbc://{address}/moodlake?tls=false"
    return Database(database_name="Moodlake", sqlalchemy_uri=uri)


@pytest.fixture
def run(database):
    """Runs statements, and gives the rows of the last."""

    def run(*statements):
        with database.get_raw_connection() as connection:
            cursor = connection.cursor()
            for statement in statements:
                cursor.execute(statement)
            return cursor.fetchall()

    return run
