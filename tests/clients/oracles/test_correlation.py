"""Correlations against SciPy."""

import itertools

import numpy
import pytest
import scipy.stats
from statsmodels.stats.multitest import multipletests

# Of the coefficient; a p-value is a tail of a distribution, computed from the coefficient.
TOLERANCE = 1e-12
P_VALUE_TOLERANCE = 1e-9


def pairs(name: str) -> tuple[numpy.ndarray, numpy.ndarray]:
    """Two columns of a kind."""
    random = numpy.random.default_rng(11)
    x = random.normal(size=1000)
    noise = random.normal(size=1000)
    match name:
        case "weak":
            return x, 0.05 * x + noise
        case "strong":
            return x, x + 1e-3 * noise
        case "opposite":
            return x, -x + noise
        case "far from zero":
            return 1e9 + x, 1e6 - x + noise
        case "heavy tails":
            return random.standard_cauchy(1000), random.standard_cauchy(1000)
        case "five rows":
            return x[:5], noise[:5]
        case "ties":
            return numpy.round(x), numpy.round(x + noise)
    raise ValueError(name)


KINDS = ["weak", "strong", "opposite", "far from zero", "heavy tails", "five rows", "ties"]


@pytest.mark.parametrize("kind", KINDS)
def test_pearson(lake, kind):
    x, y = pairs(kind)
    table = lake.load("pairs", {"x": x, "y": y})
    # Exact subtractions, without which SciPy loses digits far from zero.
    expected = scipy.stats.pearsonr(x - numpy.round(x[0], -6), y - numpy.round(y[0], -6))
    found = lake.value(f"select pearson_test(x, y, 0.99) from {table}")
    assert lake.value(f"select pearson(x, y) from {table}") == found["r"]
    assert found["r"] == pytest.approx(expected.statistic, abs=TOLERANCE)
    assert found["n"] == len(x)
    assert found["p_value"] == pytest.approx(expected.pvalue, rel=P_VALUE_TOLERANCE)
    interval = expected.confidence_interval(0.99)
    assert found["ci_low"] == pytest.approx(interval.low, abs=TOLERANCE)
    assert found["ci_high"] == pytest.approx(interval.high, abs=TOLERANCE)


def test_pearson_by_group(lake):
    random = numpy.random.default_rng(12)
    group = random.integers(0, 100, size=20_000)
    x = random.normal(size=20_000)
    y = 0.3 * x * (group % 3) + random.normal(size=20_000)
    table = lake.load("pairs", {"g": group, "x": x, "y": y})
    found = lake.rows(f"select g, pearson(x, y) as r from {table} group by g")
    assert len(found) == 100
    for row in found:
        rows = group == row["g"]
        expected = scipy.stats.pearsonr(x[rows], y[rows]).statistic
        assert row["r"] == pytest.approx(expected, abs=TOLERANCE)


def test_pearson_matrix(lake):
    random = numpy.random.default_rng(13)
    columns = {name: random.normal(size=200) for name in "abcdefgh"}
    columns["b"] = columns["a"] + 0.5 * columns["b"]
    columns["c"] = columns["a"] + 5.0 * columns["c"]
    table = lake.load("many", columns)
    found = lake.rows(f"select * from pearson_matrix(input => {table}) order by x, y")
    pairs = list(itertools.combinations(columns, 2))
    assert [(row["x"], row["y"]) for row in found] == pairs
    tests = [scipy.stats.pearsonr(columns[x], columns[y]) for x, y in pairs]
    p_values = [test.pvalue for test in tests]
    corrected = {
        "p_holm": multipletests(p_values, method="holm")[1],
        "q_value": multipletests(p_values, method="fdr_bh")[1],
    }
    for number, row in enumerate(found):
        assert row["r"] == pytest.approx(tests[number].statistic, abs=TOLERANCE)
        assert row["p_value"] == pytest.approx(p_values[number], rel=P_VALUE_TOLERANCE)
        for name, expected in corrected.items():
            assert row[name] == pytest.approx(expected[number], rel=P_VALUE_TOLERANCE)
