"""Shapley values of logistic models against shap."""

import numpy
import pytest
import shap
from explanations import EXPLAINED, TOLERANCE, explained
from generated import FEATURES, finished, matrix, moods

COLUMNS = ", ".join(FEATURES)


@pytest.fixture(scope="module")
def binary(lake):
    """A model with two classes, its rows and the table of those that are explained."""
    columns, _ = finished(2000, 41)
    table = lake.load("explained", {"row": numpy.arange(2000), **columns})
    lake.train(
        "explained",
        f"select {COLUMNS}, is_finished from {table}",
        type="logistic",
        label="is_finished",
        split="none",
    )
    return table, matrix(columns)


def raw(artifact: dict) -> tuple[numpy.ndarray, numpy.ndarray, numpy.ndarray]:
    """Weights `[n_outputs][n_features]` and intercepts for features in their own units, and the means."""
    means, scales = numpy.array(artifact["means"]), numpy.array(artifact["scales"])
    weights = numpy.array(artifact["weights"]) / scales
    return weights, numpy.array(artifact["intercepts"]) - weights @ means, means


def test_margin(lake, binary):
    table, values = binary
    found, baseline, _ = explained(lake, "explained", table, "class => 'true'")
    weights, intercepts, means = raw(lake.artifact("explained"))
    explainer = shap.LinearExplainer((weights[0], intercepts[0]), means[numpy.newaxis])
    assert found == pytest.approx(explainer.shap_values(values[:EXPLAINED]), abs=TOLERANCE)
    assert baseline == pytest.approx(explainer.expected_value, abs=TOLERANCE)


def test_probability(lake, binary):
    table, values = binary
    more = ["class => 'true'", "output => 'probability'"]
    found, baseline, _ = explained(lake, "explained", table, *more)
    weights, intercepts, means = raw(lake.artifact("explained"))

    def probability(rows):
        return 1.0 / (1.0 + numpy.exp(-(rows @ weights[0] + intercepts[0])))

    masker = shap.maskers.Independent(means[numpy.newaxis])
    expected = shap.explainers.Exact(probability, masker)(values[:EXPLAINED])
    assert found == pytest.approx(expected.values, abs=TOLERANCE)
    assert baseline == pytest.approx(expected.base_values[0], abs=TOLERANCE)


def test_margin_of_three_classes(lake):
    columns = moods(2000, 42)
    table = lake.load("explained_moods", {"row": numpy.arange(2000), **columns})
    lake.train(
        "explained_moods",
        f"select {COLUMNS}, mood from {table}",
        type="logistic",
        label="mood",
        split="none",
    )
    artifact = lake.artifact("explained_moods")
    weights, intercepts, means = raw(artifact)
    for number, mood in enumerate(artifact["classes"]):
        found, baseline, _ = explained(lake, "explained_moods", table, f"class => '{mood}'")
        explainer = shap.LinearExplainer((weights[number], intercepts[number]), means[numpy.newaxis])
        expected = explainer.shap_values(matrix(columns)[:EXPLAINED])
        assert found == pytest.approx(expected, abs=TOLERANCE)
        assert baseline == pytest.approx(explainer.expected_value, abs=TOLERANCE)
