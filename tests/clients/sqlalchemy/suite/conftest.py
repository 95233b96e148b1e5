"""SQLAlchemy's own dialect suite against the server of `--dburi`."""

import pathlib
import re
import sys

import pytest
from sqlalchemy.dialects import registry

# requirements.py, by the name that setup.cfg gives.
sys.path.insert(0, str(pathlib.Path(__file__).parent))

# The suite wants a dialect for the backend without a driver, which the package leaves to others.
registry.register("datafusion", "moodlake_sqlalchemy.dialect", "MoodlakeDialect")

pytest.register_assert_rewrite("sqlalchemy.testing.assertions")

from sqlalchemy.testing.plugin.pytestplugin import *  # noqa: E402, F403


@pytest.fixture(autouse=True)
def single_tests(request):
    """Skips the tests that `HAS_NO_TEST` names."""
    from requirements import HAS_NO_TEST

    for pattern, reason in HAS_NO_TEST.items():
        if re.search(pattern, request.node.nodeid):
            pytest.skip(reason)
