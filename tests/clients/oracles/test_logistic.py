"""Logistic regression against scikit-learn, whose C is 1 / l2."""

import numpy
import pytest
from generated import FEATURES, finished, matrix, moods, standardised
from sklearn.linear_model import LogisticRegression
from statsmodels.api import Logit, add_constant

COEFFICIENT_TOLERANCE = 1e-6
COLUMNS = ", ".join(FEATURES)


def peer(l2: float) -> LogisticRegression:
    """The same objective, solved to the end."""
    return LogisticRegression(C=1 / l2, solver="newton-cholesky", tol=1e-12, max_iter=1000)


@pytest.mark.parametrize("l2", [0.01, 1.0, 100.0])
def test_two_classes(lake, l2):
    columns, _ = finished(5000, 31)
    table = lake.load("finished", {"row": numpy.arange(5000), **columns})
    lake.train(
        "finished",
        f"select {COLUMNS}, is_finished from {table}",
        type="logistic",
        label="is_finished",
        split="none",
        l2=l2,
    )
    values = standardised(matrix(columns))
    expected = peer(l2).fit(values, columns["is_finished"])
    found = lake.artifact("finished")
    assert found["weights"][0] == pytest.approx(expected.coef_[0], abs=COEFFICIENT_TOLERANCE)
    assert found["intercepts"] == pytest.approx(expected.intercept_, abs=COEFFICIENT_TOLERANCE)

    probabilities = lake.numbers(
        f"select ml_predict_proba('finished', {COLUMNS}) from {table} order by row"
    )
    assert probabilities[:, 0] == pytest.approx(
        expected.predict_proba(values)[:, 1], abs=COEFFICIENT_TOLERANCE
    )


@pytest.mark.parametrize("l2", [0.1, 10.0])
def test_three_classes(lake, l2):
    columns = moods(3000, 32)
    table = lake.load("moods", {"row": numpy.arange(3000), **columns})
    lake.train(
        "moods",
        f"select {COLUMNS}, mood from {table}",
        type="logistic",
        label="mood",
        split="none",
        l2=l2,
    )
    values = standardised(matrix(columns))
    expected = peer(l2).fit(values, columns["mood"])
    found = lake.artifact("moods")
    assert found["classes"] == list(expected.classes_)
    weights = numpy.array(found["weights"])
    assert weights == pytest.approx(expected.coef_, abs=COEFFICIENT_TOLERANCE)
    for column, mood in enumerate(expected.classes_):
        probabilities = lake.numbers(
            f"select ml_predict_proba('moods', '{mood}', {COLUMNS}) from {table} order by row"
        )
        assert probabilities[:, 0] == pytest.approx(
            expected.predict_proba(values)[:, column], abs=COEFFICIENT_TOLERANCE
        )


def test_standard_errors(lake):
    columns, _ = finished(3000, 33)
    table = lake.load("weighed", columns)
    lake.train(
        "weighed",
        f"select {COLUMNS}, is_finished from {table}",
        type="logistic",
        label="is_finished",
        split="none",
        # As good as none: statsmodels' errors are those of maximum likelihood.
        l2=1e-9,
    )
    rows = add_constant(matrix(columns))
    expected = Logit(columns["is_finished"], rows).fit(method="newton", tol=1e-12, disp=False)
    found = {row["feature"]: row for row in lake.rows("select * from ml_weights('weighed')")}
    intervals = expected.conf_int(0.05)
    for number, feature in enumerate(["(intercept)", *FEATURES]):
        row = found[feature]
        assert row["class"] == "true"
        assert row["coefficient"] == pytest.approx(expected.params[number], rel=1e-6)
        assert row["std_error"] == pytest.approx(expected.bse[number], rel=1e-6)
        assert row["z"] == pytest.approx(expected.tvalues[number], rel=1e-5)
        assert row["p_value"] == pytest.approx(expected.pvalues[number], rel=1e-4, abs=1e-300)
        assert (row["ci_low"], row["ci_high"]) == pytest.approx(tuple(intervals[number]), rel=1e-5)
        assert row["odds_ratio"] == pytest.approx(numpy.exp(expected.params[number]), rel=1e-5)
