"""Forests and boosted trees against scikit-learn and LightGBM, learnt from the same rows and judged on the same others."""

import numpy
import pytest
from generated import FEATURES, curved
from lightgbm import LGBMClassifier, LGBMRegressor
from sklearn.ensemble import RandomForestClassifier, RandomForestRegressor
from sklearn.metrics import r2_score, roc_auc_score

TOLERANCE = 0.005
ROWS = 8000
TEST = 3000
COLUMNS = ", ".join(FEATURES)

PEERS = {
    "random_forest": {
        "options": {"trees": 200, "min_samples_leaf": 3, "max_features": 2},
        "classes": lambda: RandomForestClassifier(
            200, min_samples_leaf=3, max_features=2, n_jobs=2, random_state=0
        ),
        "number": lambda: RandomForestRegressor(
            200, min_samples_leaf=3, max_features=2, n_jobs=2, random_state=0
        ),
    },
    "gbdt": {
        "options": {"trees": 60, "leaves": 15},
        "classes": lambda: LGBMClassifier(n_estimators=60, num_leaves=15, num_threads=2, verbose=-1),
        "number": lambda: LGBMRegressor(n_estimators=60, num_leaves=15, num_threads=2, verbose=-1),
    },
}


@pytest.fixture(params=PEERS)
def kind(request):
    return request.param


def learnt(lake, kind: str, values: numpy.ndarray, label: numpy.ndarray, **more) -> str:
    """Trains on all rows but the last, and gives the table of all."""
    columns = dict(zip(FEATURES, values.T))
    table = lake.load("grown", {"row": numpy.arange(len(label)), **columns, "label": label})
    lake.train(
        "grown",
        f"select {COLUMNS}, label from {table} where row < {len(label) - TEST}",
        type=kind,
        label="label",
        split="none",
        **PEERS[kind]["options"],
        **more,
    )
    return table


def answers(lake, table: str, call: str) -> numpy.ndarray:
    """What a function says of the rows that were kept back."""
    sql = f"select {call} from {table} where row >= {ROWS - TEST} order by row"
    return lake.numbers(sql)[:, 0]


def two_classes(seed: int) -> tuple[numpy.ndarray, numpy.ndarray]:
    values, margin = curved(ROWS, seed)
    return values, numpy.random.default_rng(seed + 1).random(ROWS) < 1 / (1 + numpy.exp(-margin))


def test_two_classes(lake, kind):
    values, label = two_classes(91)
    table = learnt(lake, kind, values, label)
    found = answers(lake, table, f"ml_predict_proba('grown', {COLUMNS})")
    peer = PEERS[kind]["classes"]().fit(values[:-TEST], label[:-TEST])
    expected = roc_auc_score(label[-TEST:], peer.predict_proba(values[-TEST:])[:, 1])
    assert roc_auc_score(label[-TEST:], found) == pytest.approx(expected, abs=TOLERANCE)
    assert expected > 0.8


def test_missing_values(lake, kind):
    values, label = two_classes(92)
    random = numpy.random.default_rng(93)
    # Missing more often where the label is false, so that their absence says something.
    values[random.random(values.shape) < numpy.where(label, 0.1, 0.3)[:, numpy.newaxis]] = numpy.nan
    table = learnt(lake, kind, values, label)
    found = answers(lake, table, f"ml_predict_proba('grown', {COLUMNS})")
    peer = PEERS[kind]["classes"]().fit(values[:-TEST], label[:-TEST])
    expected = roc_auc_score(label[-TEST:], peer.predict_proba(values[-TEST:])[:, 1])
    assert roc_auc_score(label[-TEST:], found) == pytest.approx(expected, abs=TOLERANCE)


def test_three_classes(lake, kind):
    values, margin = curved(ROWS, 94)
    noise = numpy.random.default_rng(95).logistic(size=ROWS)
    names = numpy.array(["calm", "happy", "party"])
    label = names[numpy.digitize(margin + noise, [-1.0, 1.0])]
    table = learnt(lake, kind, values, label)
    found = numpy.column_stack(
        [answers(lake, table, f"ml_predict_proba('grown', '{name}', {COLUMNS})") for name in names]
    )
    assert found.sum(axis=1) == pytest.approx(1.0, abs=1e-12)
    peer = PEERS[kind]["classes"]().fit(values[:-TEST], label[:-TEST])
    expected = peer.predict_proba(values[-TEST:])
    area = roc_auc_score(label[-TEST:], found / found.sum(axis=1, keepdims=True), multi_class="ovr")
    best = roc_auc_score(label[-TEST:], expected, multi_class="ovr")
    assert area == pytest.approx(best, abs=TOLERANCE)


def test_a_number(lake, kind):
    values, margin = curved(ROWS, 96)
    label = margin + numpy.random.default_rng(97).normal(size=ROWS)
    table = learnt(lake, kind, values, label)
    found = answers(lake, table, f"ml_predict('grown', {COLUMNS})")
    peer = PEERS[kind]["number"]().fit(values[:-TEST], label[:-TEST])
    expected = r2_score(label[-TEST:], peer.predict(values[-TEST:]))
    # No worse; the forest is a little better here.
    assert r2_score(label[-TEST:], found) >= expected - TOLERANCE
