"""Data with a catch in it: what is measured on it must not look better than it is."""

import adbc_driver_flightsql.dbapi as flightsql
import numpy
import pytest
from classifiers import CLASSIFIERS
from generated import FEATURES, features, finished, matrix
from sklearn.linear_model import LogisticRegression
from sklearn.metrics import roc_auc_score
from sklearn.preprocessing import StandardScaler

ROWS = 6000
COLUMNS = ", ".join(FEATURES)
TRAINED = f"select {COLUMNS}, is_finished from"


@pytest.fixture(params=CLASSIFIERS)
def classifier(request):
    """Each type of model, as options."""
    return {"type": request.param, "label": "is_finished", **CLASSIFIERS[request.param]}


def test_shuffled_labels_teach_nothing(lake, classifier):
    labels = numpy.random.default_rng(52).random(ROWS) < 0.4
    table = lake.load("shuffled", {**features(ROWS, 51), "is_finished": labels})
    lake.train("shuffled", f"{TRAINED} {table}", split="folds", **classifier)
    assert lake.metric("shuffled", "auc")["value"] == pytest.approx(0.5, abs=0.03)


def test_no_better_than_the_truth(lake, classifier):
    columns, probability = finished(ROWS, 53)
    table = lake.load("truth", columns)
    lake.train("truth", f"{TRAINED} {table}", split="folds", **classifier)
    best = roc_auc_score(columns["is_finished"], probability)
    found = lake.metric("truth", "auc")
    chance = (found["ci_high"] - found["ci_low"]) / 2
    assert best - 0.02 <= found["value"] <= best + chance


def test_a_planted_leak_is_told(lake, classifier):
    columns, _ = finished(ROWS, 54)
    noise = 0.1 * numpy.random.default_rng(55).normal(size=ROWS)
    table = lake.load("leaky", {**columns, "leak": columns["is_finished"] + noise})
    lake.train("leaky", f"select leak, {COLUMNS}, is_finished from {table}", **classifier)
    warnings = lake.version("leaky")["warnings"]
    assert "'leak'" in warnings and "AUC" in warnings
    assert not any(f"'{feature}'" in warnings for feature in FEATURES)


def test_what_defines_the_label_is_refused(lake, classifier):
    columns, _ = finished(ROWS, 56)
    table = lake.load("defined", columns)
    with pytest.raises(flightsql.Error, match="valence"):
        lake.train("defined", f"{TRAINED} {table}", label_inputs=["valence"], **classifier)
    assert not lake.rows("select * from ml.models where model = 'defined'")


def test_nothing_after_the_cut_is_learnt(lake):
    columns, _ = finished(ROWS, 57)
    minutes = numpy.random.default_rng(58).permutation(ROWS)
    # From the cut on, everything means its opposite.
    flipped = columns["is_finished"] ^ (minutes >= 0.7 * ROWS)
    played_at = numpy.datetime64("2026-01-01T00:00:00", "us") + minutes * numpy.timedelta64(60, "s")
    table = lake.load("timed", {**columns, "is_finished": flipped, "played_at": played_at})
    lake.train(
        "timed",
        f"select {COLUMNS}, is_finished, played_at from {table}",
        type="logistic",
        label="is_finished",
        split="time",
        time="played_at",
    )
    # What is measured on the last rows is what the first alone teach, wrong as it is there.
    values = matrix(columns)
    earliest, last = minutes < 0.7 * ROWS, minutes >= 0.85 * ROWS
    scaler = StandardScaler().fit(values[earliest])
    peer = LogisticRegression(solver="newton-cholesky", tol=1e-12)
    peer.fit(scaler.transform(values[earliest]), flipped[earliest])
    expected = roc_auc_score(flipped[last], peer.decision_function(scaler.transform(values[last])))
    found = lake.metric("timed", "auc")
    assert found["split"] == "test" and found["n"] == last.sum()
    assert found["value"] == pytest.approx(expected, abs=1e-4)
    assert found["value"] < 0.3


def test_noise_explains_least(lake, classifier):
    columns, _ = finished(ROWS, 59)
    table = lake.load("noisy", {**columns, "noise": numpy.random.default_rng(60).normal(size=ROWS)})
    lake.train("noisy", f"select noise, {COLUMNS}, is_finished from {table}", split="none", **classifier)
    found = lake.rows(
        "select feature from ml_global_explain(model => 'noisy',"
        f" input => (select * from {table} limit 500)) order by rank"
    )
    assert len(found) == len(FEATURES) + 1
    assert found[-1]["feature"] == "noise"
