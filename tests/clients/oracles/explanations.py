"""What shap_explain answers, as arrays."""

import numpy
import pytest
from generated import FEATURES

TOLERANCE = 1e-9
EXPLAINED = 40


def explained(lake, model: str, table: str, *more: str) -> tuple[numpy.ndarray, float, numpy.ndarray]:
    """Contributions `[n_rows][n_features]` of the first rows, the baseline and the predictions, which they add up to."""
    selected = f"(select row, {', '.join(FEATURES)} from {table} where row < {EXPLAINED})"
    found = lake.rows(f"select * from shap_explain('{model}', {', '.join([selected, *more])})")
    contributions = numpy.full((EXPLAINED, len(FEATURES)), numpy.nan)
    predictions = numpy.full(EXPLAINED, numpy.nan)
    for row in found:
        contributions[row["row"], FEATURES.index(row["feature"])] = row["contribution"]
        predictions[row["row"]] = row["prediction"]
    baselines = numpy.array([row["baseline"] for row in found])
    assert numpy.ptp(baselines) == 0
    assert contributions.sum(axis=1) + baselines[0] == pytest.approx(predictions, abs=TOLERANCE)
    return contributions, baselines[0], predictions
