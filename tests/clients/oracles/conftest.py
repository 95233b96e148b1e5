"""A server over an empty lake, asked about data that the libraries beside it get too."""

import os
import pathlib
import sys

# Settings for one kind of processor make NumPy slow, or fail, on another.
for name in ("OPENBLAS_CORETYPE", "OPENBLAS_L2_SIZE"):
    os.environ.pop(name, None)

# The server is started as for the ADBC tests.
sys.path.append(str(pathlib.Path(__file__).resolve().parent.parent / "adbc"))

import adbc_driver_flightsql.dbapi as flightsql  # noqa: E402  (after the settings)
import catalogue  # noqa: E402
import pytest  # noqa: E402
from lake import Lake  # noqa: E402
from serving import patience, serving  # noqa: E402  (found through the line above)

# No single test may take longer: one that waits for ever is to fail.
LONG_SECONDS = 120


@pytest.fixture(scope="session")
def started(tmp_path_factory):
    """The server of all tests."""
    with serving(tmp_path_factory.mktemp("lake")) as server:
        yield server


@pytest.fixture(scope="session")
def lake(started):
    """The lake, through one connection."""
    with flightsql.connect(started.address, autocommit=True) as connection:
        yield Lake(connection)


@pytest.fixture(autouse=True)
def patient(started):
    """No test waits for the server for ever."""
    with patience(started, LONG_SECONDS):
        yield
    assert started.process.poll() is None, "".join(started.log)


@pytest.fixture(scope="session")
def kaggle():
    """Kaggle's tracks, where the file is there."""
    path = catalogue.path()
    if path is None:
        pytest.skip(f"{catalogue.VARIABLE} does not name Kaggle's Spotify Tracks Dataset")
    return catalogue.tracks(path)
