"""Shapley values of forests and boosted trees against shap, which walks the very trees of the registry."""

import itertools
import math

import artifacts
import numpy
import pytest
import shap
from explanations import EXPLAINED, TOLERANCE, explained
from generated import FEATURES, curved

ROWS = 1500
COLUMNS = ", ".join(FEATURES)

MODELS = {
    "random_forest": {"trees": 30, "max_depth": 10},
    "gbdt": {"trees": 30, "leaves": 31},
}
LABELS = ["two classes", "three classes", "a number"]


def labels(kind: str, margin: numpy.ndarray) -> numpy.ndarray:
    """Something to predict."""
    noise = numpy.random.default_rng(102).logistic(size=len(margin))
    match kind:
        case "two classes":
            return margin + noise > 0
        case "three classes":
            return numpy.array(["calm", "happy", "party"])[numpy.digitize(margin + noise, [-1.0, 1.0])]
        case "a number":
            return margin + noise
    raise ValueError(kind)


@pytest.fixture(scope="module", params=itertools.product(MODELS, LABELS), ids=" of ".join)
def trained(lake, request):
    """A table of rows, some values missing, a model of them, and what it is asked for."""
    model, label = request.param
    values, margin = curved(ROWS, 101)
    label = labels(label, margin)
    values[numpy.random.default_rng(103).random(values.shape) < 0.1] = numpy.nan
    columns = dict(zip(FEATURES, values.T))
    table = lake.load("walked", {"row": numpy.arange(ROWS), **columns, "label": label})
    lake.train(
        "walked",
        f"select {COLUMNS}, label from {table}",
        type=model,
        label="label",
        split="none",
        **MODELS[model],
    )
    artifact = lake.artifact("walked")
    return table, values[:EXPLAINED], artifact


def asked(artifact: dict) -> list[tuple[int, list[str]]]:
    """Each output of a model, as a number in its trees and as arguments."""
    if not artifact["classes"]:
        return [(0, [])]
    if len(artifact["classes"]) == 2:
        return [(0, [f"class => '{artifact['classes'][1]}'"])]
    return [(number, [f"class => '{name}'"]) for number, name in enumerate(artifact["classes"])]


def test_shap_agrees(lake, trained):
    table, values, artifact = trained
    for output, arguments in asked(artifact):
        found, baseline, predictions = explained(lake, "walked", table, *arguments)
        explainer = shap.TreeExplainer(artifacts.for_shap(artifact, output))
        expected = explainer.shap_values(values, check_additivity=False)
        assert found == pytest.approx(numpy.reshape(expected, found.shape), abs=TOLERANCE)
        assert baseline == pytest.approx(numpy.ravel(explainer.expected_value)[0], abs=TOLERANCE)
        walked = explainer.model.predict(values)
        assert predictions == pytest.approx(numpy.ravel(walked), abs=TOLERANCE)


def test_shapleys_formula_agrees(lake, trained):
    table, values, artifact = trained
    output, arguments = asked(artifact)[-1]
    found, _, _ = explained(lake, "walked", table, *arguments)
    model = artifacts.for_shap(artifact, output)
    for row in range(3):
        expected = sum(shapley(tree, values[row]) for tree in model["trees"])
        assert found[row] == pytest.approx(expected, abs=TOLERANCE)


def shapley(tree: dict, row: numpy.ndarray) -> numpy.ndarray:
    """Contributions to one tree's answer by their definition (Shapley 1953), over all sets of features."""
    features = range(len(row))
    game = {
        known: expectation(tree, row, known)
        for size in range(len(row) + 1)
        for known in itertools.combinations(features, size)
    }
    contributions = numpy.zeros(len(row))
    for known, worth in game.items():
        for feature in set(features) - set(known):
            weight = 1 / (math.comb(len(row) - 1, len(known)) * len(row))
            with_it = tuple(sorted({*known, feature}))
            contributions[feature] += weight * (game[with_it] - worth)
    return contributions


def expectation(tree: dict, row: numpy.ndarray, known: tuple[int, ...], node: int = 0) -> float:
    """A tree's answer where only these features are known, other splits being taken as often as in training."""
    left, right = tree["children_left"][node], tree["children_right"][node]
    if left < 0:
        return tree["values"][node, 0]
    feature = tree["features"][node]
    if feature in known:
        value = row[feature]
        if numpy.isnan(value):
            next_node = tree["children_default"][node]
        else:
            next_node = left if value <= tree["thresholds"][node] else right
        return expectation(tree, row, known, next_node)
    covers = tree["node_sample_weight"]
    branches = (covers[child] / covers[node] * expectation(tree, row, known, child) for child in (left, right))
    return sum(branches)
