"""The same rows, options and seed give the same bits, on one thread and on two."""

import contextlib
import os

import adbc_driver_flightsql.dbapi as flightsql
import numpy
import pytest
from classifiers import CLASSIFIERS
from generated import FEATURES, finished
from lake import Lake
from serving import serving

ROWS = 3000
COLUMNS = ", ".join(FEATURES)
LABELLED = {
    model: (f"{COLUMNS}, is_finished", {"type": model, "label": "is_finished", **options})
    for model, options in CLASSIFIERS.items()
}
MODELS = {"kmeans": (COLUMNS, {"type": "kmeans", "k": 4}), **LABELLED}


def trained(lake: Lake) -> dict[str, tuple]:
    """The checksum and every figure of each type of model."""
    columns, _ = finished(ROWS, 61)
    table = lake.load("repeated", {"row": numpy.arange(ROWS), **columns})
    found = {}
    for model, (selected, options) in MODELS.items():
        lake.train(model, f"select {selected} from {table}", seed=7, **options)
        figures = lake.rows(
            f"select split, metric, value, ci_low, ci_high, n from ml.metrics where model = '{model}'"
            " order by split, metric"
        )
        assert figures
        found[model] = lake.version(model)["artifact_blake3"], figures
    return found


@pytest.fixture(scope="module")
def once(tmp_path_factory):
    """What a server with the threads of this machine trained."""
    with serving(tmp_path_factory.mktemp("lake")) as server:
        with flightsql.connect(server.address, autocommit=True) as connection:
            return trained(Lake(connection))


@contextlib.contextmanager
def processors(count: int):
    """A server started meanwhile sees no more than so many."""
    allowed = os.sched_getaffinity(0)
    os.sched_setaffinity(0, sorted(allowed)[:count])
    try:
        yield
    finally:
        os.sched_setaffinity(0, allowed)


@pytest.mark.parametrize("threads", [1, 2])
def test_threads_change_no_bit(once, threads, tmp_path):
    environment = {"RAYON_NUM_THREADS": str(threads)}
    with processors(threads), serving(tmp_path / "lake", environment=environment) as server:
        with flightsql.connect(server.address, autocommit=True) as connection:
            assert trained(Lake(connection)) == once


@pytest.mark.parametrize("model", MODELS)
def test_the_seed_counts_and_nothing_else(lake, model):
    columns, _ = finished(ROWS, 61)
    order = numpy.random.default_rng(62).permutation(ROWS)
    selected, options = MODELS[model]
    artifacts = []
    for rows in (numpy.arange(ROWS), order):
        table = lake.load("repeated", {name: column[rows] for name, column in columns.items()})
        lake.train("repeated", f"select {selected} from {table}", seed=7, **options)
        artifacts.append(lake.artifact("repeated"))
    assert artifacts[0] == artifacts[1]
