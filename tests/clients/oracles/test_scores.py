"""What judges predictions: against scikit-learn and SciPy, DeLong's interval against the formulas of the paper."""

import numpy
import pytest
import scipy.stats
from sklearn.metrics import brier_score_loss, log_loss, roc_auc_score

TOLERANCE = 1e-12
ROWS = 2000


def predictions(kind: str) -> tuple[numpy.ndarray, numpy.ndarray]:
    """Labels, and probabilities that say something about them."""
    random = numpy.random.default_rng(81)
    label = random.random(ROWS) < 0.3
    score = 1 / (1 + numpy.exp(-(label + random.normal(size=ROWS))))
    match kind:
        case "smooth":
            return label, score
        case "ties":
            return label, numpy.round(score, 1)
        case "worse than chance":
            return label, 1 - score
        case "certain":
            return label, numpy.where(random.random(ROWS) < 0.5, numpy.round(score), score)
        case "few":
            return label[:12], score[:12]
    raise ValueError(kind)


KINDS = ["smooth", "ties", "worse than chance", "certain", "few"]


@pytest.fixture(scope="module", params=KINDS)
def judged(lake, request):
    """A table of predictions, and its columns."""
    label, score = predictions(request.param)
    return lake.load("judged", {"label": label, "score": score}), label, score


def delong(label: numpy.ndarray, score: numpy.ndarray) -> tuple[float, float]:
    """The area and its standard error (DeLong, DeLong & Clarke-Pearson 1988, equations 1, 3 and 4)."""
    positive, negative = score[label][:, numpy.newaxis], score[~label]
    psi = (positive > negative) + 0.5 * (positive == negative)
    of_positive, of_negative = psi.mean(axis=1), psi.mean(axis=0)
    variance = of_positive.var(ddof=1) / len(of_positive) + of_negative.var(ddof=1) / len(of_negative)
    return psi.mean(), numpy.sqrt(variance)


def test_auc(lake, judged):
    table, label, score = judged
    found = lake.value(f"select auc(label, score) from {table}")
    assert found == pytest.approx(roc_auc_score(label, score), abs=TOLERANCE)


def test_auc_test(lake, judged):
    table, label, score = judged
    found = lake.value(f"select auc_test(label, score, 0.9) from {table}")
    area, error = delong(label, score)
    assert found["auc"] == pytest.approx(area, abs=TOLERANCE)
    assert found["std_error"] == pytest.approx(error, rel=1e-9)
    assert (found["n_pos"], found["n_neg"]) == (label.sum(), (~label).sum())
    half = scipy.stats.norm.ppf(0.95) * error
    expected = numpy.clip([area - half, area + half], 0.0, 1.0)
    assert [found["ci_low"], found["ci_high"]] == pytest.approx(expected, abs=1e-9)


def test_log_loss(lake, judged):
    table, label, score = judged
    found = lake.value(f"select log_loss(label, score) from {table}")
    # scikit-learn cuts probabilities elsewhere: cut here, each side by itself, as 1 - 1e-15 is no number.
    kept = numpy.column_stack([1 - score, score]).clip(1e-15, 1.0)
    assert found == pytest.approx(log_loss(label, kept), rel=TOLERANCE)


def test_brier(lake, judged):
    table, label, score = judged
    found = lake.value(f"select brier(label, score) from {table}")
    assert found == pytest.approx(brier_score_loss(label, score), rel=TOLERANCE)


def test_spearman(lake, judged):
    table, label, score = judged
    other = score + numpy.random.default_rng(82).normal(size=len(score))
    table = lake.load("ranked", {"x": score, "y": other, "t": label.astype(float)})
    found = lake.numbers(f"select spearman(x, y), spearman(x, t) from {table}")[0]
    assert found[0] == pytest.approx(scipy.stats.spearmanr(score, other).statistic, abs=TOLERANCE)
    assert found[1] == pytest.approx(scipy.stats.spearmanr(score, label).statistic, abs=TOLERANCE)
