"""The two lists of requirements.py against the suite that is installed."""

import pathlib
import re

import requirements
from sqlalchemy.testing import fixtures, suite

# Asked of the machine, not of the database.
OF_THE_MACHINE = re.compile(
    r"python3\d*|cpython|predictable_gc|timing_intensive|memory_intensive|greenlet|async_dialect|pep649|gil_enabled"
)


def asked_for():
    """The features that the suite's tests name."""
    texts = [path.read_text() for path in pathlib.Path(suite.__file__).parent.glob("*.py")]
    named = {
        name for text in texts for name in re.findall(r"\b(?:requires|requirements)\.(\w+)", text)
    }
    return {name for name in named if not OF_THE_MACHINE.fullmatch(name)}


class RequirementsTest(fixtures.TestBase):
    """A class, as SQLAlchemy's plugin runs nothing else."""

    def test_every_feature_has_an_answer(self):
        assert asked_for() - set(requirements.HAS) - set(requirements.HAS_NOT) == set()

    def test_no_feature_has_two_answers(self):
        has_not = " ".join(requirements.HAS_NOT_BY_REASON.values()).split()
        names = [*requirements.HAS, *has_not]
        assert len(names) == len(set(names))
