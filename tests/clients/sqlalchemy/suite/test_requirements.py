"""The two lists of requirements.py against the suite that is installed."""

import pathlib
import re

import requirements
from sqlalchemy.testing import suite
from sqlalchemy.testing.requirements import SuiteRequirements

# Asked of the machine, not of the database.
OF_THE_MACHINE = re.compile(
    r"python3\d*|cpython|predictable_gc|timing_intensive|memory_intensive|greenlet|async_dialect|pep649|gil_enabled"
)


def asked_for():
    """The features that the suite's tests name."""
    folder = pathlib.Path(suite.__file__).parent
    texts = [path.read_text() for path in folder.glob("*.py")]
    named = {name for text in texts for name in re.findall(r"\b(?:requires|requirements)\.(\w+)", text)}
    return {name for name in named if not OF_THE_MACHINE.fullmatch(name)}


def test_every_feature_has_an_answer():
    assert asked_for() - set(requirements.HAS) - set(requirements.HAS_NOT) == set()


def test_no_feature_has_two_answers():
    assert set(requirements.HAS) & set(requirements.HAS_NOT) == set()
    for names in (requirements.HAS, " ".join(requirements.HAS_NOT_BY_REASON.values()).split()):
        assert len(names) == len(set(names))


def test_every_exclusion_gives_its_reason():
    assert all(reason.strip() for reason in requirements.HAS_NOT_BY_REASON)
