"""The relations that judge a model, against scikit-learn on the probabilities that the model gives."""

import numpy
import pytest
import scipy.stats
from generated import FEATURES, finished, moods
from sklearn.metrics import (
    accuracy_score,
    brier_score_loss,
    confusion_matrix,
    f1_score,
    log_loss,
    precision_score,
    recall_score,
    roc_auc_score,
    roc_curve,
)

TOLERANCE = 1e-12
ROWS = 1500
COLUMNS = ", ".join(FEATURES)


@pytest.fixture(scope="module")
def judged(lake):
    """A model with two classes that is judged on other rows: their table, labels and probabilities."""
    columns, _ = finished(2 * ROWS, 121)
    table = lake.load("evaluated", {"row": numpy.arange(2 * ROWS), **columns})
    lake.train(
        "evaluated",
        f"select {COLUMNS}, is_finished from {table} where row < {ROWS}",
        type="logistic",
        label="is_finished",
        split="none",
    )
    rows = f"(select * from {table} where row >= {ROWS})"
    probabilities = lake.numbers(
        f"select ml_predict_proba('evaluated', {COLUMNS}) from {table} where row >= {ROWS} order by row"
    )
    return rows, columns["is_finished"][ROWS:], probabilities[:, 0]


def evaluated(lake, model: str, rows: str) -> dict[str, dict]:
    """The metrics by name."""
    found = lake.rows(f"select * from ml_evaluate(model => '{model}', input => {rows})")
    return {row["metric"]: row for row in found}


def test_two_classes(lake, judged):
    rows, label, probability = judged
    found = evaluated(lake, "evaluated", rows)
    said = probability >= 0.5
    expected = {
        "auc": roc_auc_score(label, probability),
        "accuracy": accuracy_score(label, said),
        "majority_accuracy": max(label.mean(), 1 - label.mean()),
        "log_loss": log_loss(label, probability),
        "brier": brier_score_loss(label, probability),
        "prevalence": label.mean(),
        "precision": precision_score(label, said),
        "recall": recall_score(label, said),
        "f1": f1_score(label, said),
    }
    for metric, value in expected.items():
        assert found[metric]["value"] == pytest.approx(value, abs=TOLERANCE), metric
    assert found["auc"]["ci_low"] < found["auc"]["value"] < found["auc"]["ci_high"]
    wilson = scipy.stats.binomtest(int((said == label).sum()), ROWS).proportion_ci(method="wilson")
    interval = found["accuracy"]["ci_low"], found["accuracy"]["ci_high"]
    assert interval == pytest.approx((wilson.low, wilson.high), abs=1e-9)


def test_three_classes(lake):
    columns = moods(2 * ROWS, 122)
    table = lake.load("evaluated_moods", {"row": numpy.arange(2 * ROWS), **columns})
    lake.train(
        "evaluated_moods",
        f"select {COLUMNS}, mood from {table} where row < {ROWS}",
        type="logistic",
        label="mood",
        split="none",
    )
    rows = f"(select * from {table} where row >= {ROWS})"
    found = evaluated(lake, "evaluated_moods", rows)
    names = numpy.unique(columns["mood"])
    calls = ", ".join(f"ml_predict_proba('evaluated_moods', '{name}', {COLUMNS})" for name in names)
    probabilities = lake.numbers(f"select {calls} from {table} where row >= {ROWS} order by row")
    label = columns["mood"][ROWS:]
    said = names[probabilities.argmax(axis=1)]
    expected = {
        "auc": roc_auc_score(label, probabilities, multi_class="ovr"),
        "accuracy": accuracy_score(label, said),
        "log_loss": log_loss(label, probabilities),
        "brier": ((probabilities - (label[:, None] == names)) ** 2).sum(axis=1).mean(),
    }
    for metric, value in expected.items():
        assert found[metric]["value"] == pytest.approx(value, abs=1e-9), metric

    counts = lake.rows(f"select * from ml_confusion_matrix(model => 'evaluated_moods', input => {rows})")
    matrix = confusion_matrix(label, said, labels=names)
    assert {(row["actual"], row["predicted"]): row["n"] for row in counts} == {
        (actual, predicted): matrix[one, other]
        for one, actual in enumerate(names)
        for other, predicted in enumerate(names)
    }


def test_roc_curve(lake, judged):
    rows, label, probability = judged
    found = lake.numbers(
        "select threshold, recall, false_positive_rate"
        f" from ml_roc_curve(model => 'evaluated', input => {rows}) order by threshold desc"
    )
    false_positives, recall, thresholds = roc_curve(label, probability, drop_intermediate=False)
    assert found[:, 0] == pytest.approx(thresholds[1:], abs=TOLERANCE)
    assert found[:, 1] == pytest.approx(recall[1:], abs=TOLERANCE)
    assert found[:, 2] == pytest.approx(false_positives[1:], abs=TOLERANCE)


def test_calibration(lake, judged):
    rows, label, probability = judged
    found = lake.rows(f"select * from ml_calibration(model => 'evaluated', input => {rows}) order by bin")
    of_row = numpy.minimum((probability * 10).astype(int), 9)
    assert [row["n"] for row in found] == list(numpy.bincount(of_row, minlength=10))
    for number, row in enumerate(found):
        if row["n"] > 0:
            inside = of_row == number
            assert row["mean_predicted"] == pytest.approx(probability[inside].mean(), abs=TOLERANCE)
            assert row["observed"] == pytest.approx(label[inside].mean(), abs=TOLERANCE)
            ends = scipy.stats.binomtest(int(label[inside].sum()), row["n"]).proportion_ci(method="wilson")
            assert (row["ci_low"], row["ci_high"]) == pytest.approx((ends.low, ends.high), abs=1e-9)
